"""The command line takes its options wherever they are typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.__main__ import parser

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    "typed",
    [
        "recordings trace copy.wav --config other.toml",
        "recordings trace --config other.toml copy.wav",
        "recordings --config other.toml trace copy.wav",
    ],
)
def test_an_option_may_stand_between_two_words(typed: str) -> None:
    told = parser().parse_args(typed.split())
    assert (told.action, told.file, told.config) == ("trace", Path("copy.wav"), Path("other.toml"))


def test_what_follows_two_dashes_is_no_option() -> None:
    assert parser().parse_args(["test", "--", "-k", "talk"]).pytest == ["-k", "talk"]


@pytest.mark.parametrize(
    "typed", ["recordings", "recordings burn", "recordings trace a b", "recordings status --nothing"]
)
def test_what_is_wrong_is_refused(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parser().parse_args(typed.split())
    assert end.value.code == 2
    assert "error:" in capsys.readouterr().err
