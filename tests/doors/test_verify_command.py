"""`hotline verify` on journals on the disk: days, files, damage, another configuration, exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.__main__ import main
from controller.config import load
from controller.journal import JournalWriter
from controller.plan import Plan
from pbx.commands import Offer
from pbx.ids import AgentId
from tests.builders import Hall
from tests.virtual_time import START

pytestmark = pytest.mark.doors

HOTLINE = Path(__file__).parents[2] / "hotline.toml"
Edit = Callable[[list[Any]], list[Any]]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The sample configuration with a data folder of its own."""
    file = tmp_path / "hotline.toml"
    file.write_text(HOTLINE.read_text(encoding="utf-8"), encoding="utf-8")
    return file


def hall_of(plan: Plan) -> Hall:
    """A talk and a caller who waits, at a hotline of this plan."""
    hall = Hall(connected=False, **{field: getattr(plan, field) for field in plan.__dataclass_fields__})
    agents = tuple(plan.agents)[:3]
    hall.connected(phones=agents)
    hall.talking(agent := agents[0])
    hall.ready(agents[1])
    hall.later(30)
    hall.left(agent)
    hall.left(None)
    hall.leg_ended(agent)
    hall.talk_ended(agent, talk_s=30.0)
    hall.hung_up()
    return hall


def write(config: Path, *, edit: Edit | None = None, version: str = "") -> Path:
    """The hall's journal below the configuration's data folder; its file."""
    settings = load(config)
    hall = hall_of(settings.plan)
    steps = list(hall.steps)
    journal = JournalWriter(settings.data / "journal", configuration=version or settings.plan.version)
    journal.start(START)
    for found, now, commands in edit(steps) if edit else steps:
        journal.append(found, now, commands)
    assert journal.flush()
    file = journal.status().file
    journal.stop()
    assert file is not None
    return file


def run(config: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = main(["verify", "--config", str(config), "--json", *arguments])
    out = capsys.readouterr().out
    return status, json.loads(out) if out else {}


def to_a_stranger(steps: list[Any]) -> list[Any]:
    """An offer to somebody who does not speak the language; the record's reason names him too."""
    found, now, commands = next(one for one in steps if any(isinstance(command, Offer) for command in one[2]))
    other = [replace(one, agent=AgentId("9999")) if isinstance(one, Offer) else one for one in commands]
    return [(found, now, other) if one[2] is commands else one for one in steps]


def test_a_good_day_is_0(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(config)
    day = file.stem.rsplit("-", 1)[-1]
    for asked in (day, f"{day[:4]}-{day[4:6]}-{day[6:]}", str(file), str(file.parent)):
        status, found = run(config, capsys, asked)
        assert (status, found["ok"], found["findings"], found["damaged"]) == (0, True, [], []), asked
        assert (found["calls"], found["ended"], found["offers"]) == (1, 1, 1)
        assert found["replayed"] == found["steps"] > 10
    assert main(["verify", "--config", str(config), day]) == 0
    told = capsys.readouterr().out
    assert "verified: no promise was broken" in told
    assert "不得插队" in told
    assert "13800001111" not in told


def test_a_broken_promise_is_1_and_is_told_with_its_place(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(config, edit=to_a_stranger)
    status, found = run(config, capsys, str(file))
    assert status == 1
    assert found["by_invariant"]["reason"] == 1, "the record's reason is about another agent"
    assert found["by_invariant"]["replay"] == 1
    one = next(one for one in found["findings"] if one["invariant"] == "replay")
    assert (one["file"], "differs in agent" in one["found"]) == (str(file), True)
    assert json.loads(file.read_text().splitlines()[one["line"] - 1])["seq"] == one["seq"]
    status, found = run(config, capsys, str(file), "--no-replay")
    assert (status, found["by_invariant"]["replay"], found["replayed"]) == (1, 0, 0)
    assert main(["verify", "--config", str(config), str(file)]) == 1
    assert f"{file}:" in capsys.readouterr().out


def test_what_cannot_be_read_is_2(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(config)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines[:5], *lines[6:]]))
    status, found = run(config, capsys, str(file))
    assert status == 2
    assert found["damaged"] == [f"{file}:6: steps 4 to 4 are missing"]
    assert found["steps"] == 4, "what stands before the gap is checked"
    file.write_text("no journal\n")
    assert main(["verify", "--config", str(config), str(file)]) == 2
    assert "this is not a journal" in capsys.readouterr().err
    assert main(["verify", "--config", str(config), "20010101"]) == 2
    assert main(["verify", "--config", str(config), str(config.parent / "nothing.jsonl")]) == 2
    assert "neither a day" in capsys.readouterr().err


def test_a_day_without_a_journal_names_those_that_have_one(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = write(config).stem.rsplit("-", 1)[-1]
    assert main(["verify", "--config", str(config), "20010101"]) == 2
    assert f"no journal of 20010101 in {config.parent}" in (told := capsys.readouterr().err)
    assert f"there are {day}" in told


def test_another_configuration_is_said_and_counts_when_it_is_asked_for(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(config, version="of-last-week")
    status, found = run(config, capsys, str(file))
    assert (status, found["replayed"]) == (0, 0)
    assert "of-last-week" in found["notes"][0]
    assert run(config, capsys, str(file), "--strict")[0] == 1
    assert run(config, capsys, str(file), "--any-configuration", "--strict")[0] == 0


def test_a_start_is_read_from_its_beginning_and_only_the_day_that_is_asked_for_is_told(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fault of the first day is no finding of the second; a caller who waits over midnight is known in it."""
    settings = load(config)
    steps = to_a_stranger(list(hall_of(settings.plan).steps))
    journal = JournalWriter(settings.data / "journal", configuration=settings.plan.version)
    journal.start(START)
    half = len(steps) - 2
    for found, now, commands in steps[:half]:
        journal.append(found, now, commands)
    for found, now, commands in steps[half:]:
        journal.append(found, now + 86400, commands)
    assert journal.flush()
    first, second = sorted((settings.data / "journal").glob("*.jsonl"))
    journal.stop()
    status, found = run(config, capsys, first.stem.rsplit("-", 1)[-1], "--no-replay")
    assert (status, found["steps"]) == (1, half)
    status, found = run(config, capsys, second.stem.rsplit("-", 1)[-1], "--no-replay")
    assert (found["steps"], found["by_invariant"]["reason"]) == (2, 0)
    assert (found["calls"], found["ended"]) == (1, 1)
