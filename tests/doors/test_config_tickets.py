"""[tickets] of the configuration: limits, steps, pauses, calendars; what is wrong is named with its line."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from controller.__main__ import main as hotline
from controller.commands import calendar as calendar_command
from controller.config import ConfigError, Settings, load
from controller.config_tickets import calendar_notes
from tickets.calendars import Why, published
from tickets.classes import SAMPLE as SAMPLE_CLASSES
from tickets.clock import USUAL_REASONS
from tickets.deadlines import ClockKind, Facts, Redispatch, Unit
from tickets.schedule import USUAL_STEPS, Act, When
from tickets.times import missing_years, reach

pytestmark = pytest.mark.doors

SAMPLE = Path(__file__).resolve().parents[2] / "hotline.toml"
UNKNOWN = max(year for year in range(2024, 2060) if published(year)) + 1

NOTICE = f"""
year = {UNKNOWN}
source = "国办发明电"
holidays = ["{UNKNOWN}-01-01..{UNKNOWN}-01-03", "{UNKNOWN}-02-05..{UNKNOWN}-02-12", "{UNKNOWN}-04-03..{UNKNOWN}-04-05",
            "{UNKNOWN}-05-01..{UNKNOWN}-05-05", "{UNKNOWN}-10-01..{UNKNOWN}-10-08"]
workdays = []
"""


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()


def bounds(text: str) -> tuple[int, int]:
    """Where [tickets] begins, and where the next section does."""
    begin = text.index("[tickets]\n")
    after = re.compile(r"^\[(?!\[)", re.MULTILINE).search(text, begin + 1)
    assert after is not None
    return begin, after.start()


def configured(folder: Path, tickets: str) -> Settings:
    """The sample with this as its [tickets]."""
    text = SAMPLE.read_text("utf-8")
    before, after = bounds(text)
    file = folder / "hotline.toml"
    file.write_text(text[:before] + "[tickets]\n" + tickets + "\n" + text[after:], "utf-8")
    return load(file)


def test_the_samples_examples_are_right(tmp_path: Path) -> None:
    """Every example of the sample's [tickets], without its comment sign, is a configuration that can be served."""
    text = SAMPLE.read_text("utf-8")
    begin, end = bounds(text)
    section = text[begin + len("[tickets]\n") : end]
    shown = re.sub(r"^# (?=\[\[tickets\.|[a-z_]+ = )", "", section, flags=re.MULTILINE)
    (tmp_path / "2027.toml").write_text(NOTICE, "utf-8")
    (tmp_path / "my-classes.toml").write_bytes(SAMPLE_CLASSES.read_bytes())
    policy = configured(tmp_path, shown).tickets
    rules = policy.deadlines
    critical = Facts("help", (), "critical")
    assert [(one.amount, one.unit) for one in rules.ceilings(ClockKind.HANDLE, critical)] == [(2, Unit.HOURS)]
    hazard = rules.ceilings(ClockKind.HANDLE, Facts("report", ("safety-fire", "safety")))
    assert [one.amount for one in hazard] == [12]
    accepted = rules.limit(ClockKind.DISPATCH, critical)
    assert accepted is not None
    assert (accepted.amount, accepted.source) == (0.25, "天津实施细则 (2024-12-30)")
    assert [limit.amount for limit in (rules.limit(ClockKind.HANDLE, Facts("complaint")),) if limit] == [10]
    assert set(policy.reasons) == {"requester"}
    assert [one.id for one in policy.steps] == ["handle-soon"]
    assert not policy.calendar.is_workday(date(2026, 4, 20))


def test_without_any_of_it_the_documents_defaults_hold(tmp_path: Path) -> None:
    policy = configured(tmp_path, "").tickets
    assert policy.steps == USUAL_STEPS
    assert dict(policy.reasons) == dict(USUAL_REASONS)
    assert policy.deadlines.redispatch is Redispatch.RUNS_ON
    assert policy.deadlines.limits == ()


def test_a_step_and_a_reason(tmp_path: Path) -> None:
    policy = configured(
        tmp_path,
        """
redispatch = "restarts"
redo = { working_days = 2 }
working_hours = ["00:00-24:00"]
[[tickets.steps]]
id = "late"
clock = "handle"
when = "at"
act = "escalate"
to = ["leader"]
[[tickets.pauses]]
id = "court"
name_zh = "诉讼期间"
name_en = "a court decides"
granted_by = ["leader"]
stops = ["sign", "handle"]
longest = { working_days = 60 }
""",
    ).tickets
    (step,) = policy.steps
    assert (step.when, step.act, step.to) == (When.AT, Act.ESCALATE, ("leader",))
    court = policy.reasons["court"]
    assert court.stops == {ClockKind.SIGN, ClockKind.HANDLE}
    assert court.longest is not None
    assert court.longest.amount == 60
    assert policy.hours.length == 24 * 3600 * 1_000_000


@pytest.mark.parametrize(
    ("tickets", "line", "words"),
    [
        ('working_hours = ["08:00-23:59"]', 2, "write 24:00"),
        ('working_hours = ["08:00-12:00", "11:00-18:00"]', 2, "in order and apart"),
        ("close_working_days = { inqiry = 3 }", 2, "is no type of ticket"),
        ('calendars = ["gone.toml"]', 2, "cannot be read"),
        ('calendars = ["bad.toml"]', 2, "no holiday of 2031 is named"),
        ('[[tickets.limits]]\nclock = "sign"\n', 2, "exactly one of minutes, hours"),
        ('[[tickets.limits]]\nclock = "sign"\nhours = 1\nworking_days = 1\n', 2, "exactly one of minutes, hours"),
        ('[[tickets.limits]]\nclock = "sign"\nhours = 1\ntypes = ["x"]\n', 5, "'x' is no type of ticket"),
        (
            '[[tickets.limits]]\nclock = "sign"\nhours = 1\n[[tickets.limits]]\nclock = "sign"\nhours = 2\n',
            5,
            "as closely",
        ),
        ('[[tickets.limits]]\nclock = "tower"\nhours = 1\n', 3, "clock"),
        ('[[tickets.steps]]\nid = "a"\nclock = "sign"\nwhen = "before"\nact = "soon"\n', 2, "exactly one of minutes"),
        ('[[tickets.steps]]\nid = "a"\nclock = "sign"\nwhen = "at"\nact = "soon"\nhours = 1\n', 2, "has none"),
        ("redo = {}", 2, "exactly one of minutes"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, tickets: str, line: int, words: str) -> None:
    (tmp_path / "bad.toml").write_text("year = 2031", "utf-8")
    with pytest.raises(ConfigError) as refused:
        configured(tmp_path, tickets)
    text = (tmp_path / "hotline.toml").read_text("utf-8")
    first = text[: text.index("[tickets]\n")].count("\n")
    found = [(one.line - first, one.text) for one in refused.value.problems]
    assert [at_ for at_, _ in found] == [line], found
    assert words in found[0][1]


def test_a_year_without_a_notice_is_said_before_deadlines_reach_it(tmp_path: Path) -> None:
    policy = configured(tmp_path, "").tickets
    assert missing_years(policy, at(f"{UNKNOWN - 1}-06-01 09:00")) == ()
    assert missing_years(policy, at(f"{UNKNOWN - 1}-11-22 09:00")) == (UNKNOWN,)
    (note,) = calendar_notes(policy, at(f"{UNKNOWN - 1}-12-20 09:00"))
    assert f"no holiday notice for {UNKNOWN} is known" in note
    assert "暂定" in note
    # A limit of many days reaches it earlier than the usual warning.
    slow = configured(tmp_path, '[[tickets.limits]]\nclock = "handle"\nworking_days = 200\n').tickets
    assert reach(slow, at(f"{UNKNOWN - 1}-06-01 09:00")).year == UNKNOWN
    assert missing_years(slow, at(f"{UNKNOWN - 1}-06-01 09:00")) == (UNKNOWN,)


def test_a_notice_that_is_entered_ends_the_warning(tmp_path: Path) -> None:
    (tmp_path / "next.toml").write_text(NOTICE, "utf-8")
    policy = configured(tmp_path, 'calendars = ["next.toml"]').tickets
    now = at(f"{UNKNOWN - 1}-12-20 09:00")
    assert missing_years(policy, now) == ()
    assert not policy.calendar.is_workday(date(UNKNOWN, 2, 8))
    # What looks like a slip of the pen is said, and no reason not to start.
    assert [note for note in calendar_notes(policy, now) if "Is a day missing" in note]


# ---------------------------------------------------------------- the command


def test_a_month_and_who_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert hotline(["calendar", "2026-10"]) == 0
    shown = capsys.readouterr().out
    assert "2026-10  18 working days" in shown
    assert re.search(r"2026-10-10 Sat works 国庆节  \(chinesecalendar", shown)
    assert "31 days: the State Council's notice" in shown
    assert hotline(["calendar", f"{UNKNOWN}-01"]) == 0
    assert "31 days: NOBODY YET" in capsys.readouterr().out
    (tmp_path / "next.toml").write_text(NOTICE, "utf-8")
    file = configured(tmp_path, f'calendars = ["next.toml"]\nholidays = [{UNKNOWN}-01-20]').file
    assert hotline(["calendar", str(UNKNOWN), "--config", str(file)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("working days 工作日") == 12
    assert "1 days: entered in the configuration" in shown
    assert f"30 days: {calendar_command.SOURCES[Why.FILE]}" in shown
    assert hotline(["calendar", "soon"]) == 2


def test_a_file_is_checked_before_it_is_entered(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "next.toml"
    file.write_text(NOTICE, "utf-8")
    assert hotline(["calendar", "--check", str(file)]) == 0
    shown = capsys.readouterr().out
    assert f"good. {UNKNOWN}, 国办发明电" in shown
    assert "Is a day missing, or one too many?" in shown
    file.write_text("year = 2031\nworkdays = [2032-01-01]", "utf-8")
    assert hotline(["calendar", "--check", str(file)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{file}: 2032-01-01 is not in 2031",
        f"{file}: no holiday of 2031 is named",
    ]
    assert hotline(["calendar", "--check", str(tmp_path / "gone.csv")]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_check_says_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`hotline check` on the day of the test: the note stands there exactly when a year is missing."""
    settings = configured(tmp_path, "")
    assert hotline(["check", "--config", str(settings.file)]) == 0
    expected = missing_years(settings.tickets, datetime.now().timestamp())
    assert ("no holiday notice" in capsys.readouterr().out) == bool(expected)
