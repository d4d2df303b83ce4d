"""Access tokens: made once, kept as digests, found by their bearer, and taken away while the hotline serves."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path

import pytest

from controller.__main__ import main
from controller.tokens import ACCESS, AccessFile, BadToken, Holders
from tests.serving import configuration
from tickets.moves import Actor, Role

pytestmark = pytest.mark.doors


def test_a_token_is_shown_once_and_kept_as_a_digest(tmp_path: Path) -> None:
    file = AccessFile(tmp_path / "data" / ACCESS)
    old = os.umask(0)
    try:
        token = file.add("water-1", Role.UNIT, "water", made_at=1.0, note="值班")
    finally:
        os.umask(old)
    assert len(token) >= 43
    assert stat.S_IMODE(file.file.stat().st_mode) == 0o600
    assert token not in file.file.read_text()
    assert file.add("desk", Role.DISPATCHER, "", made_at=1.0) != token
    assert set(file.read()) == {"water-1", "desk"}


@pytest.mark.parametrize(
    ("id", "role", "unit", "words"),
    [
        ("a b", Role.AGENT, "", "letters"),
        ("", Role.AGENT, "", "letters"),
        ("admin", Role.AGENT, "", "hotline itself"),
        ("x", Role.ADMIN, "", "must be one of"),
        ("x", Role.UNIT, "", "--unit"),
        ("twice", Role.AGENT, "", "already"),
    ],
)
def test_what_cannot_be_given(tmp_path: Path, id: str, role: Role, unit: str, words: str) -> None:
    file = AccessFile(tmp_path / ACCESS)
    file.add("twice", Role.AGENT, "", made_at=1.0)
    with pytest.raises(BadToken, match=words):
        file.add(id, role, unit, made_at=1.0)
    assert set(file.read()) == {"twice"}
    with pytest.raises(BadToken):
        file.remove("nobody")


async def test_a_bearer_is_found_and_one_whose_token_was_taken_away_is_not(tmp_path: Path) -> None:
    file, now = AccessFile(tmp_path / ACCESS), 0.0
    holders = Holders(file, clock=lambda: now)
    assert await holders.find("anything") is None
    token = file.add("water-1", Role.UNIT, "water", made_at=1.0)
    now = 1.0
    assert await holders.find(token) == Actor("water-1", Role.UNIT, "water")
    assert await holders.find(token + "x") is None
    file.remove("water-1")
    assert await holders.find(token) is not None, "the file is looked at once a second"
    now = 2.0
    assert await holders.find(token) is None


async def test_who_comes_while_the_file_is_read_waits_for_it(tmp_path: Path) -> None:
    file = AccessFile(tmp_path / ACCESS)
    token = file.add("water-1", Role.UNIT, "water", made_at=1.0)
    holders = Holders(file)
    found = await asyncio.gather(*[holders.find(token) for _ in range(20)])
    assert found == [Actor("water-1", Role.UNIT, "water")] * 20


@pytest.mark.parametrize(
    "text", ["", "[]", '{"x": 1}', '{"x": {"role": "king"}}', "\ud800".encode("utf-8", "surrogatepass")]
)
async def test_a_broken_file_lets_nobody_in_and_says_so_once(
    tmp_path: Path, text: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file, now = AccessFile(tmp_path / ACCESS), 0.0
    token = file.add("desk", Role.DISPATCHER, "", made_at=1.0)
    holders = Holders(file, clock=lambda: now)
    assert await holders.find(token) is not None
    file.file.write_bytes(text if isinstance(text, bytes) else text.encode())
    for now in (1.0, 2.0):  # noqa: B007 - the clock reads it
        assert await holders.find(token) is None
    assert len([one for one in caplog.records if one.action == "access.unreadable"]) == 1  # type: ignore[attr-defined]


def test_by_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ["--config", str(configuration(tmp_path, {}))]
    assert main(["token", "add", "boss", "--role", "supervisor", "--note", "值班长", *config]) == 0
    given = capsys.readouterr()
    token = given.out.strip()
    assert len(token) >= 43
    assert "once" in given.err
    assert main(["token", "list", *config]) == 0
    listed = capsys.readouterr().out
    assert listed.startswith("boss")
    assert "supervisor" in listed
    assert "值班长" in listed
    assert token not in listed
    stored = json.loads((tmp_path / "data" / ACCESS).read_text())
    assert token not in str(stored)
    for wrong in (
        ["add", "boss", "--role", "leader"],
        ["add", "w", "--role", "unit", "--unit", "moon"],
        ["add", "9999", "--role", "agent"],
        ["add", "x"],
        ["add"],
        ["remove", "nobody"],
    ):
        assert main(["token", *wrong, *config]) in (1, 2), wrong
        assert capsys.readouterr().out == ""
    assert main(["token", "add", "1001", "--role", "agent", *config]) == 0
    assert main(["token", "remove", "boss", *config]) == 0
    assert set(json.loads((tmp_path / "data" / ACCESS).read_text())) == {"1001"}
