"""The documents are right: links lead somewhere, commands exist, examples load, no path is a machine's own."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import ValidationError

from controller.__main__ import parser
from controller.config import load
from controller.config_sections import HotlineFile
from ivr.manifest import load_manifest
from tickets.calendars import year_from_toml

pytestmark = pytest.mark.core

ROOT = Path(__file__).parents[2]
SKIPPED = {"var", "node_modules"}
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part in SKIPPED or part.startswith(".") for part in page.relative_to(ROOT).parts)
)
SHIPPED = ROOT / "hotline.toml"
MENUS = ROOT / "ivr" / "menus"
PROMPTS = ROOT / "ivr" / "prompts" / "prompts.toml"

Block = tuple[str, int, str]
"""Language, line and text of a fenced block."""


def named(page: Path) -> str:
    """A page's name in a test's id."""
    return str(page.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=named)


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield found[1], text[: found.start()].count("\n") + 2, found[2]


def prose(page: Path) -> str:
    """A page without its fenced blocks; the lines keep their numbers."""
    return re.sub(
        r"^```.*?^```$",
        lambda found: "\n" * found[0].count("\n"),
        page.read_text(encoding="utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )


def anchors(page: Path) -> set[str]:
    """The names under which a page's headings can be linked (lower case, no punctuation, hyphens for blanks)."""
    headings = re.findall(r"^#+ +(.+?) *$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> Iterator[str]:
    """The targets of a page's links and pictures."""
    bare = re.sub(r"`[^`\n]*`", lambda found: found[0].replace("](", "] ("), prose(page))
    yield from re.findall(r"\]\(([^)\s]+)\)", bare)


@every_page
def test_relative_links_lead_somewhere(page: Path) -> None:
    """A reader who follows a link finds the file, and the heading in it."""
    wrong = []
    for target in links(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            wrong.append(f"{target}: no such file")
        elif anchor and file.suffix == ".md" and anchor not in anchors(file):
            wrong.append(f"{target}: no such heading")
    assert not wrong


# ---------------------------------------------------------------- commands


def commands(page: Path) -> Iterator[str]:
    """What a page says to type after `./hotline`: in blocks of shell, and in the text between backticks."""
    for language, _, text in blocks(page):
        if language in ("sh", "", "console"):
            yield from re.findall(r"^\s*\./hotline +(.+)$", text, re.MULTILINE)
    yield from re.findall(r"`\./hotline +([^`\n]+)`", prose(page))


@every_page
def test_commands_are_understood(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command of the documents is one that the program takes."""
    wrong = []
    for command in commands(page):
        words = shlex.split(command, comments=True)
        if len(words) == 1 or words[-1] == "…":
            words = [words[0], "--help"]  # the text speaks of the command as a whole
        try:
            parser().parse_args(words)
        except SystemExit as end:
            if end.code != 0:
                wrong.append(f"./hotline {command}: {capsys.readouterr().err.strip().splitlines()[-1]}")
    assert not wrong


def test_the_documents_have_commands() -> None:
    """The search above finds what it looks for."""
    found = [command for page in PAGES for command in commands(page)]
    assert {"demo", "run", "check", "test", "agent", "phone", "replay", "prompts"} <= {one.split()[0] for one in found}


# ---------------------------------------------------------------- configuration


def examples(*, menus: bool) -> list[tuple[str, str]]:
    """(place, text) of the TOML examples; `menus`: those that begin with the name of a menu's file."""
    found = []
    for page in PAGES:
        for language, line, text in blocks(page):
            start = text.partition("\n")[0]
            elsewhere = "ivr/prompts/" in start or start.startswith("year = ")
            if language == "toml" and not elsewhere and ("ivr/menus/" in start) == menus:
                found.append((f"{named(page)}:{line}", text))
    return found


def written(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {written(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(written(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def file_of(table: dict[str, Any]) -> str:
    """A configuration as TOML: sections, and arrays of sections."""
    lines = []
    for section, value in table.items():
        for entry in value if isinstance(value, list) else [value]:
            lines.append(f"[[{section}]]" if isinstance(value, list) else f"[{section}]")
            lines += [f"{json.dumps(key)} = {written(one)}" for key, one in entry.items()]
    return "\n".join(lines) + "\n"


def added(to: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """The shipped configuration with a page's example added: entries to lists, values to sections."""
    whole = dict(to)
    for section, value in part.items():
        whole[section] = (
            [*whole.get(section, []), *value] if isinstance(value, list) else whole.get(section, {}) | value
        )
    return whole


def test_the_example_of_a_holiday_notice_is_one() -> None:
    """What docs/deadlines.md shows as the form of a notice can be read as one."""
    shown = [text for page in PAGES for language, _, text in blocks(page) if text.startswith("year = ")]
    assert shown
    for text in shown:
        assert year_from_toml(text, "").days


def test_the_shipped_configuration_loads() -> None:
    """What comes with the program can be served."""
    assert load(SHIPPED).plan.numbers


def proposals(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """What hotline.toml proposes behind ``#``: with its line, each setting, or each table with its settings."""
    table = re.compile(r"# \[{1,2}[a-z_.0-9]+\]{1,2}")
    for at, line in enumerate(lines):
        if table.match(line):
            rest = itertools.takewhile(lambda one: one.startswith("#") and not table.match(one), lines[at + 1 :])
            yield at, [line, *(one for one in rest if re.match(r"# [a-z_]+ = ", one))]
        elif re.match(r"# [a-z_]+ = ", line):
            head = next(one for one in reversed(lines[:at]) if table.match(one) or one.startswith("["))
            if not head.startswith("#"):
                yield at, [line, *itertools.takewhile(lambda one: re.match(r"# ( |\])", one), lines[at + 1 :])]


def test_what_the_shipped_configuration_proposes_is_known_where_it_stands() -> None:
    """Taking the ``#`` away from a setting that is left out, or from a whole table, gives no unknown setting."""
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    found = list(proposals(lines))
    assert len(found) > 40
    for at, block in found:
        opened = [line.removeprefix("# ") for line in block]
        table = tomllib.loads("\n".join([*lines[:at], *opened, *lines[at + len(block) :]]))
        try:
            HotlineFile.model_validate(table)
        except ValidationError as error:
            unknown = [fault["loc"] for fault in error.errors() if fault["type"] == "extra_forbidden"]
            assert not unknown, f"hotline.toml:{at + 1}"


@pytest.mark.parametrize(("place", "text"), examples(menus=False))
def test_examples_load_with_the_shipped_configuration(place: str, text: str, tmp_path: Path) -> None:
    """Each example of the documents can be added to hotline.toml as it stands: no key or value in it is wrong."""
    wanted = tomllib.loads(text)
    secret, model = wanted.get("asterisk", {}).get("ami_secret_file"), wanted.get("speech", {}).get("model")
    if secret:  # what an example names is there when its reader does as it says
        (tmp_path / secret).write_text("secret", "utf-8")
    for one in wanted.get("speech", {}).get("models", ()):
        (tmp_path / one["path"]).mkdir(parents=True)
    if model:
        (tmp_path / model / "am").mkdir(parents=True)
        (tmp_path / model / "conf").mkdir()
        (tmp_path / model / "am" / "final.mdl").touch()
    file = tmp_path / "hotline.toml"
    file.write_text(file_of(added(tomllib.loads(SHIPPED.read_text(encoding="utf-8")), wanted)), "utf-8")
    assert load(file).plan


@pytest.mark.parametrize(("place", "text"), examples(menus=True))
def test_example_menus_can_be_served(place: str, text: str, tmp_path: Path) -> None:
    """A menu of the documents is complete, and its prompts have sounds."""
    menu = tomllib.loads(text)["id"]
    (tmp_path / "menus").mkdir()
    for shipped in MENUS.glob("*.toml"):
        (tmp_path / "menus" / shipped.name).write_bytes(shipped.read_bytes())
    (tmp_path / "menus" / f"{menu}.toml").write_text(text, "utf-8")
    table = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    part = {"hotline": {"menus": "menus"}, "numbers": [{"dialled": "99999", "menu": menu}]}
    file = tmp_path / "hotline.toml"
    file.write_text(file_of(added(table, part)), "utf-8")
    assert menu in load(file).plan.menus


def test_example_prompts_are_prompts() -> None:
    """A prompt of the documents can be added to prompts.toml."""
    table = tomllib.loads(PROMPTS.read_text(encoding="utf-8"))
    texts = [
        text
        for page in PAGES
        for language, _, text in blocks(page)
        if language == "toml" and text.startswith("# ivr/prompts/")
    ]
    assert texts
    for text in texts:
        part = tomllib.loads(text)
        whole = load_manifest(table | {"prompts": table["prompts"] | part["prompts"]})
        assert set(part["prompts"]) <= whole.ids("zh") & whole.ids("en")


# ---------------------------------------------------------------- what else a stranger relies on


@every_page
def test_files_named_in_the_text_exist(page: Path) -> None:
    """A file of the repository that a page names by its folder is there."""
    folders = "|".join(
        sorted(
            path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in SKIPPED and path.name[0] != "."
        )
    )
    names = re.findall(rf"`((?:{folders})/[\w./-]+\.(?:py|toml|json|j2|md|sh))`", page.read_text(encoding="utf-8"))
    assert [name for name in names if not (ROOT / name).exists() and not (page.parent / name).exists()] == []


@every_page
def test_no_place_is_a_machines_own(page: Path) -> None:
    """Paths of somebody's home, workplace or temporary folder help no stranger."""
    own = re.compile(r"(?<![\w.~}>/-])/(?:work|workspace|root|home|tmp|mnt|Users)/\w")
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [f"{number}: {line}" for number, line in enumerate(lines, 1) if own.search(line)] == []


def test_the_changelog_has_versions() -> None:
    """Keep a Changelog: what is unreleased, or a version with its date, stands under a heading of its own."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## \[(?:Unreleased|\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d$)", text, re.MULTILINE)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"## [{version}]" in text or "## [Unreleased]" in text


def test_the_licence_is_the_one_named() -> None:
    """The text belongs to what pyproject.toml says."""
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
