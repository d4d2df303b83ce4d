"""Staffing from calls on disk: the history on both databases, the command, the process behind the interface."""

from __future__ import annotations

import asyncio
import csv
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from agents.rights import Actor, Right
from controller.__main__ import main
from controller.config import ConfigError, Settings, load
from controller.database import database_url as where
from controller.database import make_engine
from controller.schema import upgrade
from controller.staffing import history as source
from controller.staffing import simulated
from controller.staffing.history import BadHistory, from_csv
from controller.staffing_desk import StaffingProcess
from metrics.forecast import SLOTS, DayFacts, Kind
from metrics.sql import save_calls
from pbx.call import CallRecord, OfferRecord, Outcome
from pbx.ids import ActorId, AgentId, CallId, ChannelName, QueueId
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import TOKEN, site
from tests.serving import NUMBERS, configuration
from web.staffing_desk import StaffingQuestion, StaffingRefused

pytestmark = pytest.mark.doors

ZONE = ZoneInfo("Asia/Shanghai")
GENERAL = QueueId("general")
SUPERVISORS = {ActorId("lin"): "a-supervisors-token-0123456789", ActorId("zhao"): "another-supervisors-token-012345"}


def midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp()


def calls_of(first: date, days: int, a_day: int = 60) -> list[CallRecord]:
    """Calls of a day between eight and ten, less at the weekend; a tenth gives up; talks of 100 or 200 s."""
    luck = random.Random(5)
    found = []
    for ahead in range(days):
        day = first + timedelta(days=ahead)
        for number in range(a_day if day.weekday() < 5 else a_day // 2):
            at = midnight(day) + 8 * 3600 + luck.random() * 2 * 3600
            call, waits = CallId(f"c-{ahead}-{number}"), 4.0
            record = CallRecord(
                call, ChannelName(f"SIP/{call}"), "12345", "", at, queue=GENERAL, queued_at=at + 2, menu_done_at=at + 2
            )
            if number % 10 == 9:
                ended = at + 2 + 50
                missed = OfferRecord(AgentId("1001"), at + 2, "", "noanswer", at + 8)
                offers = (missed,) if number % 60 == 9 else ()
                found.append(replace(record, outcome=Outcome.ABANDONED, ended_at=ended, offers=offers))
                continue
            joined, talk = at + 2 + waits, 100.0 + 100.0 * (number % 2)
            offers = (OfferRecord(AgentId("1001"), joined - 3, "", "answered", joined),)
            found.append(
                replace(
                    record, offers=offers, agent=AgentId("1001"), joined_at=joined, released_at=joined + talk,
                    outcome=Outcome.ANSWERED, ended_at=joined + talk,
                )
            )  # fmt: skip
    return found


def hotline(tmp_path: Path, url: str = "", more: str = "") -> Settings:
    """A configuration, over `url`."""
    database = f'\n[database]\nurl = "{url}"\n' if url else ""
    return load(configuration(tmp_path, {}, rest=NUMBERS + database + more))


def fill(url: str, records: list[CallRecord]) -> None:
    upgrade(url)
    engine = make_engine(where(url))
    with engine.begin() as connection:
        save_calls(connection, records)
    engine.dispose()


def test_the_history_on_disk_is_what_came(database_url: str, tmp_path: Path) -> None:
    settings = hotline(tmp_path)
    first = date(2026, 3, 2)
    records = calls_of(first, 20)
    fill(database_url, [one for one in records if not one.call.startswith("c-11-")])  # a day without the hotline
    engine = make_engine(where(database_url))
    now = midnight(first + timedelta(days=20)) + 3600
    with engine.connect() as connection:
        known = source.read(connection, settings, now)
    engine.dispose()
    found = known.by_queue[GENERAL]
    assert found.first == first + timedelta(days=1)  # the first day began before the records did
    assert len(found.counts) == 19
    wanted = np.zeros((20, SLOTS))
    for one in records:
        assert one.queued_at is not None
        at = datetime.fromtimestamp(one.queued_at, ZONE)
        wanted[(at.date() - first).days, at.hour * 2 + at.minute // 30] += 1
    assert np.isnan(found.counts[10]).all()
    assert np.array_equal(np.delete(found.counts, 10, axis=0), np.delete(wanted[1:], 10, axis=0))
    handling = known.handling[GENERAL]
    assert handling.talk_s == pytest.approx(150, abs=8)
    assert handling.talk_cv == pytest.approx(1 / 3, abs=0.03)
    assert handling.pick_up_s == pytest.approx(3, abs=0.01)
    assert handling.no_answer == pytest.approx(1 / 50, abs=0.01)
    assert handling.patience_s == pytest.approx((9 * 4 + 50) / 1, rel=0.1)
    assert handling.measured > 500


def test_an_empty_database_has_no_history(database_url: str, tmp_path: Path) -> None:
    settings = hotline(tmp_path)
    fill(database_url, calls_of(date(2026, 3, 2), 1)[:1])
    engine = make_engine(where(database_url))
    with engine.connect() as connection:
        known = source.read(connection, settings, midnight(date(2026, 3, 2)) + 80000)
    engine.dispose()
    assert known.by_queue[GENERAL].counts.shape == (0, SLOTS)
    assert known.handling[GENERAL].measured == 0
    assert known.handling[GENERAL].talk_s == settings.raw.staffing.talk_s


def test_days_are_what_the_calendar_says(tmp_path: Path) -> None:
    special = '\n[[staffing.special_days]]\nname = "供暖"\ndays = [2026-11-15]\nfactor = 3.0\n'
    settings = hotline(tmp_path, more=special)
    days = [date(2026, 10, 1), date(2026, 10, 10), date(2026, 10, 17), date(2026, 10, 19), date(2026, 11, 15)]
    found = source.facts_of(settings, days)
    assert [found[day] for day in days] == [
        DayFacts(Kind.HOLIDAY), DayFacts(Kind.WORKDAY), DayFacts(Kind.WEEKEND), DayFacts(Kind.WORKDAY),
        DayFacts(Kind.WEEKEND, "供暖", 3.0),
    ]  # fmt: skip


SHIFTS = """
[staffing]
rest_h = 12.0
most_days = 4
[[staffing.shifts]]
name = "早"
starts = ["07:00", "08:00"]
hours = 8.0
breaks = [{ after_h = 2.0, until_h = 5.0, minutes = 60 }]
[[staffing.shifts]]
name = "晚"
starts = ["15:00", "16:00"]
hours = 8.0
[[staffing.shifts]]
name = "夜"
starts = ["22:00", "23:00"]
hours = 10.0
breaks = [{ after_h = 3.0, until_h = 6.0, minutes = 30 }]
"""


@pytest.fixture
def serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A hotline with four weeks of calls up to yesterday, by the clock on the wall: the command looks at it."""
    settings = hotline(tmp_path, more=SHIFTS)
    monkeypatch.setattr(simulated, "CALLS", 400)  # of the same rules: the test asks whether they are reached
    today = datetime.now(ZONE).date()
    settings.data.mkdir(exist_ok=True)
    fill(settings.database_url, calls_of(today - timedelta(days=29), 29))
    return settings


def asked(settings: Settings, *arguments: str) -> tuple[int, dict[str, Any]]:
    file = settings.file.parent / "out.json"
    file.unlink(missing_ok=True)
    status = main(["staffing", *arguments, "--config", str(settings.file), "--json", str(file)])
    return status, json.loads(file.read_text("utf-8")) if file.exists() else {}


def test_the_command_forecasts_and_says_what_is_needed(
    serving: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = asked(serving, "forecast", "--queue", "general", "--days", "7")
    assert status == 0
    (queue,) = told["queues"]
    totals = {one["day"]: one["calls"] for one in queue["forecast"]}
    for day, calls in totals.items():
        facts = source.facts_of(serving, [date.fromisoformat(day)])[date.fromisoformat(day)]
        if facts.kind is not Kind.HOLIDAY:
            assert calls == pytest.approx(60 if date.fromisoformat(day).weekday() < 5 else 30, rel=0.35)
    assert "话务预测" in capsys.readouterr().out

    table = tmp_path / "needs.csv"
    status, told = asked(serving, "required", "--queue", "general", "--csv", str(table))
    assert status == 0
    noon, night = told["days"][0]["together"][18], told["days"][0]["together"][6]
    assert noon["simulated"]["in_time"] >= 0.95
    assert noon["simulated"]["agents"] >= noon["erlang_c"] >= noon["erlang_a"] >= 1
    assert noon["roster"] >= noon["seats"] / 0.85
    assert night["seats"] == 1  # the least
    assert told["handling"]["general"]["talk_s"] == pytest.approx(150, abs=8)
    with table.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2 * SLOTS
    assert rows[-1]["queue"] == "*"

    status, told = asked(serving, "forecast", "--queue", "general", "--back-test", "--weeks", "2")
    assert status == 0
    methods = told["back_test"]["general"]["methods"]
    assert methods["ours"]["wape"] < methods["naive"]["wape"]


def test_the_command_plans_shifts_that_cover_it(
    serving: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "plan.csv"
    plain = ("plan", "--queue", "general", "--days", "3", "--no-simulation", "--csv", str(table), "--solver", "greedy")
    status, told = asked(serving, *plain)
    assert status == 0
    assert told["solver"] == "greedy"
    assert told["uncovered"] == 0
    assert all(there >= need for there, need in zip(told["present"], told["need"], strict=True))
    assert max(told["need"]) > 1
    with table.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == told["shifts"] == sum(one["count"] for one in told["by_shift"])
    present = np.zeros(3 * SLOTS)
    begin = datetime.fromisoformat(told["days"][0])
    for row in rows:  # from the file alone, which is what people get
        spans = [(row["begin"], row["end"], 1)]
        for pause in filter(None, row["breaks"].split("; ")):
            day = row["begin"][:10] if pause[:5] >= row["begin"][11:] else row["end"][:10]
            spans.append((f"{day}T{pause[:5]}", f"{day}T{pause[6:]}", -1))
        for since, until, count in spans:
            first, last = ((datetime.fromisoformat(at) - begin) // timedelta(minutes=30) for at in (since, until))
            present[max(0, first) : max(0, last)] += count
    assert list(present) == told["present"]
    assert told["more_people"] > 0  # of an only agent, who may work four days of seven
    assert "排班" in capsys.readouterr().out


def test_highs_finds_no_longer_plan(serving: Settings) -> None:
    pytest.importorskip("highspy", reason="requirements-plan.in is not installed")
    plain = ("plan", "--queue", "general", "--days", "2", "--no-simulation", "--solver")
    _, greedy = asked(serving, *plain, "greedy")
    _, best = asked(serving, *plain, "highs")
    assert best["solver"] == "highs"
    assert best["least_hours"] <= best["hours_paid"] <= greedy["hours_paid"]
    assert all(there >= need for there, need in zip(best["present"], best["need"], strict=True))


@pytest.mark.parametrize("section", [
    'name = "x"\nstarts = ["08:10"]\nhours = 8.0', 'name = "x"\nstarts = ["08:00"]\nhours = 13.0',
    'name = "x"\nstarts = ["08:00"]\nhours = 4.0\nbreaks = [{ after_h = 3.5, minutes = 60 }]',
    'name = "x"\nstarts = ["08:00"]\nhours = 4.0\nbreaks = [{ after_h = 2.0, until_h = 1.0 }]',
    'name = "x"\nstarts = ["08:00"]\nhours = 4.0\n[[staffing.shifts]]\nname = "x"\nstarts = ["09:00"]\nhours = 4.0',
])  # fmt: skip
def test_shifts_that_nobody_can_work_are_faults_of_the_configuration(tmp_path: Path, section: str) -> None:
    with pytest.raises(ConfigError) as found:
        hotline(tmp_path, more=f"\n[[staffing.shifts]]\n{section}\n")
    assert "staffing" in str(found.value.problems[0])


@pytest.mark.parametrize(("arguments", "status", "said"), [
    (("forecast", "--day", "2020-01-01"), 3, "2020-01-01 is over"),
    (("forecast", "--day", "2090-01-01"), 3, "days away"),
    (("forecast", "--day", "x"), 2, "'x' is no day"),
    (("forecast", "--queue", "nobody"), 2, "'nobody' is no queue"),
    (("forecast", "--from", "away.csv", "--queue", "general"), 2, "away.csv"),
    (("forecast", "--from", "away.csv"), 2, "name it with --queue"),
])  # fmt: skip
def test_wrong_requests(
    tmp_path: Path, arguments: tuple[str, ...], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = hotline(tmp_path)
    assert asked(settings, *arguments) == (status, {})
    assert said in capsys.readouterr().err


def test_a_new_hotline_says_that_it_cannot_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, told = asked(hotline(tmp_path), "required")
    assert status == 1
    assert told["days"][0]["together"] == []
    assert {one["queue"] for one in told["without_forecast"]} >= {"general"}
    assert "历史数据不足" in capsys.readouterr().err


def test_an_earlier_system_s_arrivals(tmp_path: Path) -> None:
    file = tmp_path / "old.csv"
    file.write_text(
        "time,calls\n2026-03-02T08:00,3\n2026-03-02T08:15,4\n2026-03-02 08:30,1.5\n2026-03-04T00:10:00Z,2\n", "utf-8"
    )
    found = from_csv(file, ZONE)
    assert (found.first, found.counts.shape) == (date(2026, 3, 2), (3, SLOTS))
    assert list(found.counts[0, 16:18]) == [7, 1.5]
    assert found.counts[2, 16] == 2  # 08:10 here
    assert np.isnan(found.counts[1]).all()
    assert np.isnan(found.counts[0, 15])


@pytest.mark.parametrize(("text", "said"), [
    ("a,b\n1,2\n", "line 1"), ("time,calls\n", "no line"), ("time,calls\n2026-03-02T08:00,-1\n", "line 2"),
    ("time,calls\n2026-03-02T08:00,1\nyesterday,1\n", "line 3"),
    ("time,calls\n1990-03-02T08:00,1\n2026-03-02T08:00,1\n", "ten years"),
])  # fmt: skip
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "old.csv"
    file.write_text(text, "utf-8")
    with pytest.raises(BadHistory, match=said):
        from_csv(file, ZONE)


# ---------------------------------------------------------------- the interface


class Supervised(MemoryBackend):
    """Lin may see the staffing of the queue english, zhao nothing of it."""

    def actor(self, by: ActorId) -> Actor | None:
        rights = frozenset({Right.STAFFING}) if by == "lin" else frozenset({Right.AUDIT})
        return Actor(by, by, rights, frozenset({"english"})) if by in SUPERVISORS else super().actor(by)


class Noting:
    """Remembers what it was asked, and refuses."""

    def __init__(self) -> None:
        self.questions: list[StaffingQuestion] = []

    async def ask(self, question: StaffingQuestion) -> Mapping[str, Any]:
        self.questions.append(question)
        raise StaffingRefused("staffing_busy")


async def test_supervisors_see_their_own_queues() -> None:
    desk = Noting()
    async with site(Supervised(), supervisors=SUPERVISORS, staffing_desk=desk) as running:

        async def ask(token: str, path: str) -> tuple[int, str]:
            head = {"Authorization": f"Bearer {token}"}
            async with running.session.get(running.url(f"/api/staffing/{path}"), headers=head) as found:
                return found.status, (await found.json()).get("error", "")

        lin, zhao = SUPERVISORS.values()
        assert await ask(lin, "forecast?day=2026-11-23") == (503, "staffing_busy")
        assert desk.questions == [StaffingQuestion("forecast", date(2026, 11, 23), 1, [QueueId("english")])]
        assert await ask(lin, "required?queue=general") == (403, "not_your_queue")
        assert await ask(zhao, "required") == (403, "not_allowed")
        assert await ask(lin, "forecast?day=2026-02-30") == (400, "bad_request")
        assert await ask(lin, "forecast?queue=nobody") == (404, "unknown_queue")
        assert await ask(TOKEN, "required?day=2026-11-23&days=2&simulate=true") == (503, "staffing_busy")
        assert desk.questions[-1].simulate
        assert set(desk.questions[-1].queues) >= {"general", "english"}
        assert len(desk.questions) == 2
    async with site() as running:
        status, told = await running.json("GET", "/api/staffing/forecast")
        assert (status, told["error"]) == (409, "staffing_off")


async def test_the_process_behind_the_interface(serving: Settings) -> None:
    """The real command in a process of its own, and its answers in the shapes that the API document tells."""
    desk = StaffingProcess(serving)
    backend = MemoryBackend()
    tomorrow = datetime.now(ZONE).date() + timedelta(days=1)
    async with site(backend, staffing_desk=desk) as running:
        (status, told), (again, same) = await asyncio.gather(
            *(running.json("GET", f"/api/staffing/forecast?day={tomorrow}&queue=general") for _ in range(2))
        )
        assert (status, again) == (200, 200)
        assert told == same
        assert told["queues"][0]["learnt_days"] == 28
        status, told = await running.json("GET", "/api/staffing/required?day=2026-01-01&queue=general")
        assert (status, told["error"]) == (409, "staffing_day")
        assert "is over" in told["detail"]["text"]


async def test_too_many_questions_are_refused(tmp_path: Path) -> None:
    """Each waits for a process that never comes to its end until it is cancelled."""
    settings = hotline(tmp_path)
    desk = StaffingProcess(settings)
    day = datetime.now(ZONE).date()
    async with desk._turn:
        waiting = [
            asyncio.create_task(desk.ask(StaffingQuestion("forecast", day, days, [GENERAL]))) for days in range(1, 5)
        ]
        await asyncio.sleep(0)  # each runs until it waits for its turn
        assert desk._waiting == 4
        with pytest.raises(StaffingRefused, match="staffing_busy"):
            await desk.ask(StaffingQuestion("forecast", day, 5, [GENERAL]))
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert desk._waiting == 0
