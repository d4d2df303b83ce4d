"""asterisk-config/ as text: every value in its line, every setting explained, no secret where it does not belong."""

from __future__ import annotations

import importlib.util
import json
import re
import stat
from dataclasses import fields, replace
from pathlib import Path

import jinja2
import pytest

from controller.asterisk_settings import (
    ExchangeSettings,
    Phone,
    default_templates,
    free_settings,
    load_settings,
    mirror,
    render,
    rendered,
)
from controller.asterisk_tree import MODULES, AsteriskBinary

pytestmark = pytest.mark.doors

TEMPLATES = default_templates()
LINE = re.compile(r"^\s*(?P<name>[A-Za-z][\w.-]*)\s*=>?\s*\S")


@pytest.fixture
def binary(tmp_path: Path) -> AsteriskBinary:
    """A description only: nothing is started here."""
    return AsteriskBinary("prepared", "22.10.1", ("asterisk",), tmp_path / "modules", tmp_path / "data")


@pytest.fixture
def settings(tmp_path: Path) -> ExchangeSettings:
    return free_settings(tmp_path / "instance", phones=["1001", "1002"], trunk_hosts=("192.0.2.7", "192.0.2.8"))


def written(settings: ExchangeSettings, name: str) -> str:
    return (settings.instance / "etc" / name).read_text(encoding="utf-8")


def section(text: str, name: str, kind: str) -> dict[str, str]:
    """The settings of the section [name] of this type."""
    for block in re.split(r"^\[", text, flags=re.MULTILINE):
        if block.startswith(f"{name}]"):
            values = dict(re.findall(r"^(\w+) = (.*)$", block, re.MULTILINE))
            if values.get("type") == kind:
                return values
    raise AssertionError(f"no [{name}] of type {kind}")


def test_every_setting_is_explained() -> None:
    explained = set(re.findall(r"`([^`\s]+)`", (TEMPLATES / "README.md").read_text(encoding="utf-8")))
    spans = re.findall(r"`(ast\w+)` … `(ast\w+)`", (TEMPLATES / "README.md").read_text(encoding="utf-8"))
    assert spans == [("astetcdir", "astsbindir")]
    missing = []
    for file in sorted(TEMPLATES.glob("*.conf.j2")):
        for line in file.read_text(encoding="utf-8").splitlines():
            found = LINE.match(line)
            name = found["name"] if found else ""
            if not name or name in ("exten", "same") or name.startswith("ast") and name.endswith("dir"):
                continue
            if name not in explained:
                missing.append(f"{file.name}: {name}")
    assert missing == []


def test_the_readme_counts_right() -> None:
    text = (TEMPLATES / "README.md").read_text(encoding="utf-8")
    assert f"({len(MODULES)} of " in text
    assert len(set(MODULES)) == len(MODULES)


def test_every_value_of_the_templates_is_a_setting(settings: ExchangeSettings, binary: AsteriskBinary) -> None:
    render(settings, binary)
    text = " ".join((TEMPLATES / f).read_text() for f in TEMPLATES.glob("*.j2"))
    assert "{{" in text
    for file in (settings.instance / "etc").iterdir():
        content = file.read_text(encoding="utf-8")
        assert "{{" not in content, file
        assert "{%" not in content, file
    with pytest.raises(jinja2.UndefinedError):
        rendered({"instance": "x"}, TEMPLATES)


def test_rendering_says_what_changed(settings: ExchangeSettings, binary: AsteriskBinary) -> None:
    first = render(settings, binary)
    assert {"pjsip.conf", "extensions.conf", "manager.conf", "acl.conf"} <= first
    assert render(settings, binary) == set()
    more = replace(settings, phones=(*settings.phones, Phone("3001")))
    assert render(more, binary) == {"pjsip.conf", "extensions.conf"}


def test_modes_and_folders(settings: ExchangeSettings, binary: AsteriskBinary) -> None:
    render(settings, binary)
    for path in settings.instance.rglob("*"):
        if path.is_symlink():
            continue
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert settings.recordings.is_dir()


@pytest.mark.parametrize("name", ["realm", "citizen_password", "systemname", "trunk_secret"])
def test_a_value_cannot_leave_its_line(settings: ExchangeSettings, binary: AsteriskBinary, name: str) -> None:
    evil = replace(settings, **{name: "x\n[evil]\ntype = endpoint"})
    with pytest.raises(ValueError, match="control character"):
        render(evil, binary)
    commented = replace(settings, **{name: "pass;word"})
    render(commented, binary)
    texts = "".join(written(commented, f.name) for f in (settings.instance / "etc").iterdir())
    assert "pass\\;word" in texts


def test_ami_is_for_loopback_and_each_user_has_his_own_secret(
    settings: ExchangeSettings, binary: AsteriskBinary
) -> None:
    render(settings, binary)
    text = written(settings, "manager.conf")
    assert "bindaddr = 127.0.0.1\n" in text
    assert "permit = 127.0.0.1/255.255.255.255" in text
    secrets = re.findall(r"^secret = (\S+)$", text, re.MULTILINE)
    assert len(secrets) == len(set(secrets)) == 3
    assert all(len(secret) >= 24 for secret in secrets)
    assert "all" not in re.findall(r"^(?:read|write) = (.*)$", text, re.MULTILINE)


def test_the_heartbeat_is_no_listed_global(settings: ExchangeSettings, binary: AsteriskBinary) -> None:
    """A dialplan reload sets listed globals back: every waiting caller would fall into the net (11.2)."""
    render(settings, binary)
    listed = written(settings, "extensions.conf").split("[globals]")[1].split("\n[")[0]
    names = re.findall(r"^(\w+) = ", listed, re.MULTILINE)
    assert "HBMAX" in names
    assert not [n for n in names if n == "HB" or n.startswith("AG_") or n in ("CTL_OWNER", "READY")]


def test_phones_and_carriers(settings: ExchangeSettings, binary: AsteriskBinary) -> None:
    render(settings, binary)
    text = written(settings, "pjsip.conf")
    assert section(text, "1001", "auth")["password"] == settings.phone("1001").password
    assert section(text, "1001", "auth")["password"] != section(text, "1002", "auth")["password"]
    assert section(text, "trunk-hosts", "identify")["match"] == "192.0.2.7,192.0.2.8"
    line = section(text, "line", "endpoint")
    assert line["rtp_timeout"] == "30"
    assert line["media_address"] == "127.0.0.1"
    assert section(text, "phone-aor", "aor") | {"max_contacts": "1", "remove_existing": "yes"} == section(
        text, "phone-aor", "aor"
    )


def test_dialable_numbers_are_the_configured_ones(settings: ExchangeSettings, binary: AsteriskBinary) -> None:
    render(replace(settings, numbers=("12345", "01012345")), binary)
    text = written(settings, "extensions.conf")
    trunk = text.split("[from-trunk]")[1].split("\n[")[0]
    assert re.findall(r"^exten => ([^,]+),", trunk, re.MULTILINE) == ["12345", "01012345"]
    phones = text.split("[from-agent]")[1].split("\n[")[0]
    assert re.findall(r"^exten => ([^,]+),", phones, re.MULTILINE) == [
        *("1001", "1002"),
        *("*11", "*12", "*13", "*14", "_*14X"),
        "*43",
    ]
    off = {f"code_{name}": "" for name in ("sign_in", "sign_out", "ready", "not_ready")}
    render(replace(settings, **off), binary)
    phones = written(settings, "extensions.conf").split("[from-agent]")[1].split("\n[")[0]
    assert re.findall(r"^exten => ([^,]+),", phones, re.MULTILINE) == ["1001", "1002", "*43"]


def test_the_nets_prompt_only_where_it_can_be_heard(
    settings: ExchangeSettings, binary: AsteriskBinary, tmp_path: Path
) -> None:
    render(settings, binary)
    assert "periodic-announce" not in written(settings, "queues.conf")
    sounds = tmp_path / "sounds"
    for language in ("zh", "en"):
        (sounds / language).mkdir(parents=True)
        (sounds / language / "net-hold.alaw").write_bytes(b"\xd5" * 800)
    with_sounds = replace(settings, sounds=sounds)
    render(with_sounds, binary)
    assert "periodic-announce = net-hold\n" in written(settings, "queues.conf")
    # Without a folder in its name a prompt is found in the channel's language.
    assert (settings.instance / "data/sounds/zh/net-hold.alaw").read_bytes() == b"\xd5" * 800
    assert (settings.instance / "data/sounds/hotline/en/net-hold.alaw").exists()


def test_mirror_copies_what_differs_and_drops_what_is_gone(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    (source / "zh").mkdir(parents=True)
    target.mkdir()
    (source / "zh/one.alaw").write_bytes(b"1")
    (source / "zh/two.alaw").write_bytes(b"2")
    (source / "zh/notes.txt").write_bytes(b"no sound")
    mirror(source, target, None)
    assert sorted(p.name for p in target.rglob("*.*")) == ["one.alaw", "two.alaw"]
    inode = (target / "zh/one.alaw").stat().st_ino
    (source / "zh/two.alaw").write_bytes(b"22")
    (source / "zh/three.alaw").write_bytes(b"3")
    mirror(source, target, None)
    assert (target / "zh/one.alaw").stat().st_ino == inode
    assert (target / "zh/two.alaw").read_bytes() == b"22"
    (source / "zh/one.alaw").unlink()
    mirror(source, target, None)
    assert sorted(p.name for p in target.rglob("*.*")) == ["three.alaw", "two.alaw"]


def test_settings_come_back_as_they_were(settings: ExchangeSettings, binary: AsteriskBinary, tmp_path: Path) -> None:
    full = replace(settings, sounds=tmp_path / "sounds", numbers=("12345", "12346"))
    render(full, binary)
    assert load_settings(settings.instance) == full
    again = free_settings(settings.instance, phones=["1002", "1003"])
    assert (again.sip_port, again.ami_secret) == (full.sip_port, full.ami_secret)
    assert again.phone("1002") == full.phone("1002")
    assert [phone.number for phone in again.phones] == ["1002", "1003"]
    file = settings.instance / "exchange.json"
    raw = json.loads(file.read_text())
    del raw["sip_port"]
    file.write_text(json.dumps(raw))
    assert load_settings(settings.instance) is None
    assert load_settings(tmp_path / "nowhere") is None


def test_no_secret_in_a_representation(settings: ExchangeSettings) -> None:
    shown = repr(settings)
    for field in fields(settings):
        if field.name.endswith(("secret", "password")):
            secret = getattr(settings, field.name)
            assert not secret or secret not in shown
    assert settings.phones[0].password not in shown


def test_ports_do_not_overlap(settings: ExchangeSettings) -> None:
    assert settings.rtp_end - settings.rtp_start == 599
    assert settings.rtp_start % 2 == 0
    assert settings.rtp_end < 32768
    assert settings.sip_port not in range(settings.rtp_start, settings.rtp_end + 1)


def test_the_music_is_what_our_program_makes() -> None:
    """Nobody else's music; the file is the program's output, byte for byte, and loops without a seam."""
    spec = importlib.util.spec_from_file_location("make_music", TEMPLATES / "moh/make_music.py")
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    samples = maker.synthesise()
    data = (TEMPLATES / "moh/hotline.alaw").read_bytes()
    assert bytes(maker.a_law(sample) for sample in samples) == data
    assert len(data) == pytest.approx(28.8 * 8000)
    steps = sorted(abs(b - a) for a, b in zip(samples, samples[1:], strict=False))
    assert abs(samples[0] - samples[-1]) <= steps[-1]
    assert max(samples) <= maker.PEAK
