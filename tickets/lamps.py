"""The lamps (亮灯) of a clock, exactly as the seed says (`domain.md` D6), and the separate mark "due soon" (临期).

「正常辦結的則綠燈通過,超期辦結則顯示黃燈警示,超期未辦結則顯示為紅燈」: the lamps are no countdown. A ticket that
is open and not yet due shows none, and that it will be due soon is a mark of its own with its own lead time.
"""

from __future__ import annotations

import enum


class Lamp(enum.Enum):
    """What a clock has come to. The Chinese word is what people see."""

    GREEN = "green"  #: 绿灯: done in time
    YELLOW = "yellow"  #: 黄灯: done late
    RED = "red"  #: 红灯: late and not done

    @property
    def chinese(self) -> str:
        """The word that people see."""
        return {"green": "绿灯", "yellow": "黄灯", "red": "红灯"}[self.value]


def lamp(due: float | None, done_at: float | None, now: float) -> Lamp | None:
    """The lamp at `now`; None = open and not yet due, so none is lit. All in epoch seconds.

    `due` None = the clock stands still in a pause, or there is no limit: then nothing is late. The due instant itself
    is still in time.
    """
    if done_at is not None:
        return Lamp.GREEN if due is None or done_at <= due else Lamp.YELLOW
    return Lamp.RED if due is not None and now > due else None


def due_soon(due: float | None, soon_at: float | None, done_at: float | None, now: float) -> bool:
    """Whether it is open, not yet late, and the lead time before `due` has begun at `soon_at`."""
    if done_at is not None or due is None or soon_at is None:
        return False
    return soon_at <= now <= due
