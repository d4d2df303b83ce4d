"""`hotline bench ami` measures what it says, on a small scale; speed itself is no test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import ami
from benchmarks.report import Goal, Report, goals, shown

pytestmark = pytest.mark.doors


async def test_both_sides_get_the_same_bytes_and_deliver_every_event() -> None:
    found = ami.compare("restart.txt", rounds=1, events=100)
    assert found["events"] >= 100
    assert set(found["events_per_s"]) == {"words", "panoramisk", "all_headers"}
    assert found["ratio_words"] == pytest.approx(
        found["events_per_s"]["words"] / found["events_per_s"]["panoramisk"], rel=0.02
    )


def test_no_cut_corrupts_a_message_of_ours() -> None:
    corrupted, cuts = ami.corrupted_ours("restart.txt")
    assert corrupted == 0
    assert cuts > (ami.TRANSCRIPTS / "restart.txt").stat().st_size * 0.9


def test_a_parser_that_is_wrong_is_found_out() -> None:
    """The measure itself: a parser that decodes each segment by itself is caught at each cut in a character."""

    def careless(*pieces: bytes) -> list[str]:
        return "".join(piece.decode(errors="ignore") for piece in pieces).split("\r\n\r\n")

    corrupted, _ = ami._over_every_cut(b"", ["Event: X\r\nName: 市民".encode(), b"Event: Y"], careless)
    assert corrupted == 4  # two characters of three bytes: two cuts inside each


def test_the_report_writes_what_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("ami")
    report.figure("ami.events_per_s", 100_000.0, peer=20_000.0)
    report.figure("ami.corrupted_messages", 3)
    report.details = {"cuts": 7}
    assert report.finish(tmp_path / "new" / "ami.json") == 0
    written = json.loads((tmp_path / "new" / "ami.json").read_text("utf-8"))
    assert written["name"] == "ami"
    assert written["figures"] == {"ami.events_per_s": 100_000.0, "ami.corrupted_messages": 3}
    assert written["cuts"] == 7
    assert {"cpu", "cores", "python"} <= set(written["machine"])
    printed = capsys.readouterr().out
    assert "reached" in printed
    assert "missed" in printed
    with pytest.raises(KeyError):
        report.figure("ami.invented", 1)


def test_goals_are_read_from_the_figures_file() -> None:
    found = goals("bench", "ami")
    assert found["ami.events_per_s.ratio_panoramisk"] == Goal("1", "higher", 3, 6)
    assert found["ami.corrupted_messages"].reached(0) is True
    assert found["ami.corrupted_messages"].reached(1) is False
    assert Goal("s", "lower").reached(1) is None
    assert goals("bench", "nothing") == {}


@pytest.mark.parametrize(("value", "text"), [(None, ""), (3, "3"), (0.0, "0"), (6.829, "6.829"), (153327.4, "153,327")])
def test_numbers_are_shown_for_people(value: float | None, text: str) -> None:
    assert shown(value) == text
