"""The lamps, cell by cell, as S2 says them; "due soon" is no lamp."""

from __future__ import annotations

import pytest

from tickets.lamps import Lamp, due_soon, lamp

pytestmark = pytest.mark.core

DUE = 1000.0


@pytest.mark.parametrize(
    ("due", "done_at", "now", "expected"),
    [
        (DUE, 999.0, 5000.0, Lamp.GREEN),  # 正常辦結的則綠燈通過
        (DUE, DUE, DUE, Lamp.GREEN),  # the last instant is in time
        (DUE, 1000.1, 5000.0, Lamp.YELLOW),  # 超期辦結則顯示黃燈警示
        (DUE, None, 1000.1, Lamp.RED),  # 超期未辦結則顯示為紅燈
        (DUE, None, DUE, None),
        (DUE, None, 1.0, None),  # not yet due and open: no lamp, and no countdown
        (None, None, 9e9, None),  # its clock stands still
        (None, 5.0, 9e9, Lamp.GREEN),
    ],
)
def test_lamps(due: float | None, done_at: float | None, now: float, expected: Lamp | None) -> None:
    assert lamp(due, done_at, now) is expected


@pytest.mark.parametrize(
    ("due", "soon_at", "done_at", "now", "expected"),
    [
        (DUE, 900.0, None, 899.9, False),
        (DUE, 900.0, None, 900.0, True),
        (DUE, 900.0, None, DUE, True),
        (DUE, 900.0, None, 1000.1, False),  # late is red, not soon
        (DUE, 900.0, 950.0, 960.0, False),
        (None, 900.0, None, 950.0, False),
        (DUE, None, None, 950.0, False),
    ],
)
def test_due_soon(due: float | None, soon_at: float | None, done_at: float | None, now: float, expected: bool) -> None:
    assert due_soon(due, soon_at, done_at, now) is expected


def test_people_see_chinese() -> None:
    assert [one.chinese for one in Lamp] == ["绿灯", "黄灯", "红灯"]
