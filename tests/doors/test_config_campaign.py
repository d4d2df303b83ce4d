"""[citizens.campaign] of the configuration: what it means, and what is wrong with its line."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from acd.campaign import Pace
from controller.campaign import opens
from controller.config import ConfigError, Settings, load
from controller.house import House
from tickets.campaign import USUAL
from tickets.follow_up import Why

pytestmark = pytest.mark.doors

SAMPLE = Path(__file__).resolve().parents[2] / "hotline.toml"
ZONE = ZoneInfo("Asia/Shanghai")
DIAL = 'dial = "PJSIP/{number}@trunk"'


def configured(folder: Path, *changes: tuple[str, str], dial: bool = True) -> Settings:
    """The sample with these lines of its campaign changed."""
    text = SAMPLE.read_text("utf-8")
    begin = text.index("[citizens.campaign]")
    head, part = text[:begin], text[begin:]
    for name, line in changes:
        part, found = re.subn(rf"^{name} = .*$", lambda _, line=line: line, part, count=1, flags=re.MULTILINE)  # type: ignore[misc]
        assert found, name
    if dial:
        head = head.replace("# " + DIAL, DIAL)
        assert f"\n{DIAL}" in head
    file = folder / "hotline.toml"
    file.write_text(head + part, "utf-8")
    return load(file)


def test_the_sample_has_one_that_is_off_and_its_values_are_the_defaults(tmp_path: Path) -> None:
    settings = load(SAMPLE)
    plan, section = settings.plan.campaign, settings.raw.citizens.campaign
    assert not plan.on
    assert plan.pace == Pace()
    assert settings.campaign.why == USUAL
    assert section == type(section)()
    assert configured(tmp_path, ("on", "on = true")).plan.campaign.on


def test_it_opens_in_its_hours_on_days_that_are_worked(tmp_path: Path) -> None:
    """2026-10-10 is a Saturday that is worked, 2026-10-01 to 07 are a holiday (国办发明电〔2025〕7号)."""

    def at(text: str) -> float:
        return datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()

    house = House(configured(tmp_path, ("on", "on = true")).plan)
    assert opens(house, at("2026-09-30T19:59:00")) == at("2026-09-30T19:59:00")
    assert opens(house, at("2026-09-30T12:30:00")) == at("2026-09-30T14:00:00")
    assert opens(house, at("2026-09-30T20:00:00")) == at("2026-10-08T09:00:00")
    assert opens(house, at("2026-10-10T10:00:00")) == at("2026-10-10T10:00:00")
    every = House(configured(tmp_path, ("on", "on = true"), ("working_days", "working_days = false")).plan)
    assert opens(every, at("2026-10-01T10:00:00")) == at("2026-10-01T10:00:00")


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("keep_free", "keep_free = 30", "keep_free must leave at least one of the lines"),
        ("never", 'never = ["("]', "is no regular expression"),
        ("reasons", 'reasons = ["whim"]', "reasons"),
        ("gaps_min", "gaps_min = []", "gaps_min"),
        ("mon-sun", 'mon-sun = ["20:00"]', "a span looks like"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, name: str, line: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        configured(tmp_path, ("on", "on = true"), (name, line))
    (problem,) = refused.value.problems
    text = (tmp_path / "hotline.toml").read_text("utf-8").splitlines()
    assert said in str(problem)
    assert text[problem.line - 1].startswith(name)


def test_who_can_call_nobody_cannot_have_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape("needs [callback] dial")):
        configured(tmp_path, ("on", "on = true"), dial=False)


def test_a_reason_more(tmp_path: Path) -> None:
    settings = configured(tmp_path, ("reasons", 'reasons = ["dissatisfied"]'), ("never", 'never = ["0518.*"]'))
    assert settings.campaign.why == {Why.DISSATISFIED}
    assert settings.campaign.never == ("0518.*",)
