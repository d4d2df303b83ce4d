"""What the web needs of staffing: one protocol, implemented by `controller/staffing_desk.py`; and its refusals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from pbx.ids import QueueId


@dataclass(frozen=True, slots=True)
class StaffingQuestion:
    """`what`: forecast, required or plan; `first` and `days` from it on; `queues`: all of those that are asked for;
    `simulate`: with the real skills, which takes some of a minute a day.
    """

    what: str
    first: date
    days: int
    queues: Sequence[QueueId]
    simulate: bool = False


class StaffingRefused(Exception):
    """Why there is no answer: a code of `MESSAGES`; `text` says more."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.text = text


class StaffingDesk(Protocol):
    """Forecasts and needs."""

    async def ask(self, question: StaffingQuestion) -> Mapping[str, Any]:
        """The answer's document (`web/staffing.py` has its shapes). Raises StaffingRefused."""
        ...


MESSAGES: dict[str, tuple[str, str]] = {
    "staffing_off": ("此处不提供排班预测", "this hotline makes no forecasts"),
    "staffing_busy": (
        "正在计算其他排班请求, 请稍后再试",
        "other staffing questions are being worked on; try again later",
    ),
    "staffing_failed": ("排班计算未能完成, 见 detail", "the staffing could not be worked out; see detail"),
    "staffing_day": ("只能预测今天起两个月内的日期", "only days from today on, within two months, can be forecast"),
}
