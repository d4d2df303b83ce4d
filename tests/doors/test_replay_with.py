"""Yesterday again from its journal: exactly as it was, or as it would have been with other people and rules."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from controller.__main__ import main
from controller.config import load
from controller.config_faults import ConfigError
from controller.journal import JournalWriter
from controller.journal_file import read_all, read_header
from controller.simulation import whatif
from controller.simulation.exchange import SimulatedExchange
from controller.simulation.generated import GeneratedCrowd
from controller.simulation.patience import Patience
from controller.simulation.plan import load_plan
from controller.simulation.whatif import load_change, play
from controller.simulation.yesterday import RecordedCrowd, Yesterday, read_day
from controller.switchboard import Switchboard
from metrics import kpi
from metrics.servicelevel import DEFINITIONS, HEADLINE, compute
from pbx.call import CallMark, CallRecord
from pbx.commands import SaveCall
from pbx.events import CallGone, CallsRestored, Event, ExchangeConnected, PartyJoined, TalkSeen
from pbx.ids import CallId

pytestmark = pytest.mark.doors

ROOT = Path(__file__).parents[2]
DAY = "20261123"

ARRIVALS = """
[simulation]
hotline = "hotline.toml"
begin = "09:00"
end = "11:00"
seed = 3
[[arrivals]]
dialled = "12345"
keys = ["1"]
calls_per_hour = 60
[[arrivals]]
dialled = "12345"
keys = ["9"]
calls_per_hour = 10
[[arrivals]]
dialled = "12328"
calls_per_hour = 30
[citizens]
patience = { kind = "exponential", mean_s = 90 }
talk = { kind = "lognormal", mean_s = 150, cv = 0.8 }
[people]
pick_up = { kind = "lognormal", mean_s = 2, cv = 0.5 }
no_answer = 0.05
wrap_up = { kind = "exponential", mean_s = 15 }
[[staff]]
agents = ["1002", "1004"]
shifts = ["09:00-09:50", "10:05-11:00"]
"""


@pytest.fixture(scope="module")
def hotline(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[CallId, CallRecord]]:
    """A configuration, the journal of a simulated day under it, and the calls as the store would have them."""
    folder = tmp_path_factory.mktemp("hotline")
    config = folder / "hotline.toml"
    agents = "".join(
        f'[[agents]]\nid = "{number}"\nname = "A"\nskills = {{ mandarin = 3, english = {3 if number < 1006 else 1} }}\n'
        for number in range(1004, 1009)
    )
    text = (ROOT / "hotline.toml").read_text("utf-8").replace("[agent_rules]", agents + "[agent_rules]", 1)
    config.write_text(text, "utf-8")
    (folder / "plan.toml").write_text(ARRIVALS, "utf-8")
    plan = load_plan(folder / "plan.toml")
    settings = load(config)
    assert plan.hotline.version == settings.plan.version
    writer = JournalWriter(settings.data / "journal", configuration=settings.plan.version)
    writer.start(plan.begin)
    exchange = SimulatedExchange(
        plan.hotline, GeneratedCrowd(plan, 0), plan.shifts, plan.begin, plan.end,
        watch=lambda found, now, commands: None if writer.append(found, now, commands) >= 0 else None,
    )  # fmt: skip
    records = exchange.run()
    writer.stop()
    journal = next((settings.data / "journal").glob("*.jsonl"))
    assert any(record.outcome and record.outcome.value == "abandoned" for record in records.values())
    assert any(len(record.offers) > 1 for record in records.values())
    return config, journal, records


def told(config: Path, journal: Path) -> Yesterday:
    day = read_day([read_header(journal)], load(config).plan)
    assert isinstance(day, Yesterday)
    return day


def change(config: Path, text: str) -> Path:
    file = config.parent / "change.toml"
    file.write_text(text, "utf-8")
    return file


def replayed(config: Path, text: str) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    out = config.parent / "figures.json"
    assert main(["replay", DAY, "--config", str(config), "--with", str(change(config, text)), "--json", str(out)]) == 0
    figures = json.loads(out.read_text("utf-8"))["figures"]
    assert isinstance(figures, dict)
    return figures


def test_an_empty_change_is_exactly_yesterday(
    hotline: tuple[Path, Path, dict[CallId, CallRecord]], capsys: pytest.CaptureFixture[str]
) -> None:
    config, journal, records = hotline
    assert main(["replay", DAY, "--config", str(config)]) == 0
    assert main(["replay", str(journal), "--config", str(config)]) == 0
    assert capsys.readouterr().out.count("every decision is the same") == 2
    for text in ("", "# nothing\n", "[agent_rules]\n", "[agent_rules]\nwrap_up_s = 20.0\n"):
        figures = replayed(config, text)
        assert figures["yesterday"] == figures["unchanged"]
    rows = list(records.values())
    known = kpi.compute(rows)
    whole = figures["unchanged"]["all"]
    assert whole["offered"] == known.offered
    assert whole["abandoned_rate"] == known.abandoned_rate
    assert whole["wait_mean_s"] == known.wait.mean
    assert whole["wait_p95_s"] == known.wait.p95
    assert whole[HEADLINE] == compute(DEFINITIONS[HEADLINE], rows).value


def offers(records: Mapping[CallId, CallRecord]) -> list[tuple[float, CallId, str, str]]:
    """Who was offered to whom, to the millisecond: instants are sums of differences of large numbers here."""
    return sorted(
        (round(offer.offered_at, 3), record.call, offer.agent, offer.outcome)
        for record in records.values()
        for offer in record.offers
    )


def test_yesterdays_people_under_yesterdays_rules_make_yesterday(
    hotline: tuple[Path, Path, dict[CallId, CallRecord]],
) -> None:
    """What is read of the journal is all that decided: the model gives every offer again."""
    config, journal, records = hotline
    day = told(config, journal)
    assert day.records == records
    again = play(day, load(config).plan)
    assert len(again) == len(records)
    differ = [pair for pair in zip(offers(again), offers(records), strict=True) if pair[0] != pair[1]]
    assert differ == []
    assert {call: record.outcome for call, record in again.items()} == {
        call: record.outcome for call, record in records.items()
    }


def test_more_people_and_other_rules_change_the_day(hotline: tuple[Path, Path, dict[CallId, CallRecord]]) -> None:
    config, _, _ = hotline
    fewer = replayed(config, '[staffing]\nremove = ["1005", "1006"]\n')
    for queue, known in fewer["yesterday"].items():
        assert known == pytest.approx(fewer["played again"][queue], rel=1e-4)
    assert fewer["changed"]["all"]["wait_mean_s"] > 1.3 * fewer["yesterday"]["all"]["wait_mean_s"]
    assert fewer["changed"]["all"]["abandoned_rate"] > fewer["yesterday"]["all"]["abandoned_rate"]
    more = replayed(config, '[[staff]]\ncount = 3\nskills = { mandarin = 3 }\nshifts = ["09:00-11:00"]\n')
    assert more["changed"]["all"][HEADLINE] > more["yesterday"]["all"][HEADLINE]
    assert more["changed"]["all"]["occupancy"] < more["yesterday"]["all"]["occupancy"]
    longer = replayed(config, "[agent_rules]\nwrap_up_s = 1.0\n")
    assert longer["changed"]["all"]["occupancy"] < longer["yesterday"]["all"]["occupancy"]
    skilled = replayed(config, '[[agents]]\nid = "1002"\nskills = { mandarin = 4, english = 5 }\n')
    assert skilled["changed"]["english"]["wait_mean_s"] != skilled["yesterday"]["english"]["wait_mean_s"]


def test_a_day_with_a_restart_is_one_day(hotline: tuple[Path, Path, dict[CallId, CallRecord]], tmp_path: Path) -> None:
    """The controller is started anew in the middle, and nobody tells it of those who talk: their calls are only known
    in part, all others of both starts are played.
    """
    config, journal, records = hotline
    plan = load(config).plan
    entries = list(read_all(journal))
    half = len(entries) // 2
    middle = half + next(index for index, one in enumerate(entries[half:]) if isinstance(one.event, PartyJoined))
    first = JournalWriter(tmp_path, configuration=plan.version)
    first.start(entries[0].now)
    for entry in entries[:middle]:
        first.append(entry.event, entry.now, entry.commands)
    first.stop()
    second = JournalWriter(tmp_path, configuration=plan.version)
    second.start(entries[middle].now + 0.001)
    board = Switchboard(plan)
    for entry in entries[middle:]:
        second.append(entry.event, entry.now, board.step(entry.event, entry.now))
    second.stop()
    files = sorted(tmp_path.glob("*.jsonl"))
    assert len(files) == 2
    day = read_day([read_header(file) for file in files], plan)
    assert isinstance(day, Yesterday)
    assert day.steps == len(entries)
    assert len(day.told) == len(records)
    assert 0 < day.unknown < 20
    assert len(play(day, plan)) == len(day.over) == len(records) - day.unknown


def test_what_a_later_start_knows_less_of_a_call_does_not_change_yesterday(
    hotline: tuple[Path, Path, dict[CallId, CallRecord]], tmp_path: Path
) -> None:
    """Journals of starts that completed ended calls anew from the exchange's notes, which have no offers, and of one
    that knew a call's record without its offers: the figures of the day are those of who saw it.
    """
    config, journal, records = hotline
    plan = load(config).plan
    at = list(read_all(journal))[-1].now + 5.0
    ended = [record for record in records.values() if record.offers and record.joined_at is not None][:5]
    assert len(ended) == 5

    def note(record: CallRecord) -> CallGone:
        queued_at = record.queued_at or 0.0
        mark = CallMark(record.dialled, "zh", record.arrived_at, queue=record.queue or "", queued_at=queued_at)
        talk = TalkSeen(record.joined_at or 0.0, record.released_at, record.agent)
        return CallGone(record.call, record.channel, mark.encode(), record.caller, record.ended_at or 0.0, talk)

    bare = replace(ended[0], offers=(), ended_at=None, outcome=None)
    steps: list[tuple[Event, float]] = [
        (CallsRestored((bare,), at), at),
        (ExchangeConnected((), (), (), at + 1.0, tuple(note(record) for record in ended)), at + 1.0),
    ]
    writer = JournalWriter(tmp_path, configuration=plan.version)
    writer.start(at)
    board = Switchboard(plan)
    saved: list[SaveCall] = []
    for event, now in steps:
        commands = board.step(event, now)
        saved += [one for one in commands if isinstance(one, SaveCall)]
        writer.append(event, now, commands)
    writer.stop()
    assert {one.record.call for one in saved} == {record.call for record in ended}
    assert all(not one.record.offers for one in saved), "what such a start wrote"
    day = read_day([read_header(file) for file in (journal, *tmp_path.glob("*.jsonl"))], plan)
    assert isinstance(day, Yesterday)
    assert {call: record.offers for call, record in day.records.items()} == {
        call: record.offers for call, record in records.items()
    }
    assert {call: day.records[call] for call in records if call != bare.call} == {
        call: record for call, record in records.items() if call != bare.call
    }
    whole = whatif.measured(day, day.records, plan, None, None)["all"]
    known = whatif.measured(day, records, plan, None, None)["all"]
    for name in ("answered", "offers_per_answered", "wait_mean_s"):
        assert whole[name] == known[name], name


@pytest.mark.parametrize(("text", "line", "says"), [
    ('[staffing]\nremove = ["4711"]\n', 2, "4711 is not among [[agents]]"),
    ('\n[[staff]]\nagents = ["1002"]\nshifts = ["11:00-09:00"]\n', 4, "ends before it begins"),
    ('[[agents]]\nid = "1002"\nskills = { mandarin = 9 }\n', 3, "less than or equal to 5"),
    ('[[queues]]\nid = "english"\nskills = { klingon = 1 }\n', 3, "no agent fits"),
    ('[staffing]\nrmove = []\n', 2, "not a known setting"),
    ("[[staff]]\nskills = { mandarin = 1 }\n", 1, "needs either count"),
    ("agent_rules = 5\n", 1, "agent_rules"),
    ("[agent_rules\n", 1, "not TOML"),
])  # fmt: skip
def test_a_faulty_change_is_named_by_its_own_line(
    text: str, line: int, says: str, hotline: tuple[Path, Path, dict[CallId, CallRecord]]
) -> None:
    config, _, _ = hotline
    file = change(config, text)
    with pytest.raises(ConfigError) as raised:
        load_change(config, file)
    assert any(one.file == str(file) and one.line == line and says in one.text for one in raised.value.problems), (
        raised.value.problems
    )


def test_a_journal_that_decides_otherwise_is_not_changed(
    hotline: tuple[Path, Path, dict[CallId, CallRecord]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, journal, _ = hotline
    other = tmp_path / "hotline.toml"
    other.write_text(config.read_text("utf-8").replace("ring_s = 6 ", "ring_s = 9 "), "utf-8")
    file = tmp_path / "change.toml"
    file.write_text("[agent_rules]\nwrap_up_s = 1.0\n", "utf-8")
    assert main(["replay", str(journal), "--config", str(other), "--with", str(file)]) == 1
    said = capsys.readouterr().err
    assert "differs in ring_s" in said
    assert "under configuration" in said
    assert main(["replay", "20200101", "--config", str(config)]) == 2
    assert "no journal of 20200101" in capsys.readouterr().err


# ---------------------------------------------------------------- patience


def test_patience_uses_those_who_were_answered() -> None:
    """A textbook example: 6 callers, gave up at 10, 30 and 50 s, answered at 20, 40 and 60 s."""
    found = Patience([(10, True), (20, False), (30, True), (40, False), (50, True), (60, False)])
    assert found.still_there(9) == 1.0
    assert found.still_there(10) == pytest.approx(5 / 6)
    assert found.still_there(30) == pytest.approx(5 / 6 * 3 / 4)
    assert found.still_there(50) == pytest.approx(5 / 6 * 3 / 4 * 1 / 2)
    assert found.longer_than(0, 0.99) == 10
    assert found.longer_than(10, 0.7) == 50, "0.7 of the 5/6 who are left is more than half, less than three quarters"
    assert found.longer_than(10, 0.76) == 30
    assert found.longer_than(60, 0.5) > 60
    assert Patience([(5, False)]).longer_than(5, 0.5) == math.inf
    assert Patience([]).longer_than(0, 0.5) == math.inf


def test_patience_is_found_again_behind_the_censoring(hotline: tuple[Path, Path, dict[CallId, CallRecord]]) -> None:
    """Callers with a mean patience of 60 s of whom most are answered sooner: their median is still 60 ln 2."""
    from random import Random

    random = Random(5)
    waits = []
    for _ in range(4000):
        patience, answered = random.expovariate(1 / 60), random.expovariate(1 / 20)
        waits.append((min(patience, answered), patience < answered))
    found = Patience(waits)
    assert found.censored > 2 * found.gave_up
    assert found.longer_than(0, 0.5) == pytest.approx(60 * math.log(2), rel=0.1)
    config, journal, records = hotline
    crowd = RecordedCrowd(told(config, journal))
    for caller in crowd.callers:
        record = records[caller.call]
        if record.joined_at is not None and record.queued_at is not None:
            assert caller.patience_s > record.joined_at - record.queued_at - 1e-6, "he waited longer than that"
