"""The caller list: numbers that are treated otherwise for a time, each for a stated reason. Pure; time is a parameter.

Nobody is ever blocked silently: a known nuisance goes to a desk of its own and is answered there (`domain.md` 3.5), and
every entry expires.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass

from acd.line import HIGHEST_PRIORITY
from pbx.ids import QueueId

_SHAPE = re.compile(r"[0-9]{3,20}\*?")
_MOBILE = re.compile(r"(?:86|0)?(1[3-9][0-9]{9})")


class ListedAs(enum.Enum):
    """Why a number stands in the list."""

    VIP = "vip"
    EMERGENCY_UNIT = "emergency_unit"
    NUISANCE = "nuisance"


PRIORITY = {ListedAs.VIP: 5, ListedAs.EMERGENCY_UNIT: HIGHEST_PRIORITY, ListedAs.NUISANCE: 0}
"""Which priority an entry gives where it does not say one."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry: `number` in digits, or their beginning with ``*`` after it.

    `queue`: where its callers go instead (None = where they wanted). `priority`: the one they get at least. `until`:
    the epoch second at which the entry ends. `by` and `note` say who made it and why, for people. Raises ValueError
    for what cannot be: a number of another form, a priority outside 0-9, a nuisance without a desk of its own.
    """

    number: str
    kind: ListedAs
    until: float
    queue: QueueId | None = None
    priority: int | None = None
    by: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse what could not be followed."""
        if not _SHAPE.fullmatch(self.number):
            raise ValueError("number must be 3 to 20 digits, with a * after them when it is a beginning")
        if self.priority is not None and not 0 <= self.priority <= HIGHEST_PRIORITY:
            raise ValueError(f"priority must be from 0 to {HIGHEST_PRIORITY}")
        if self.kind is ListedAs.NUISANCE and self.queue is None:
            raise ValueError("a nuisance needs the queue of the desk that answers it; nobody is blocked")

    @property
    def gives(self) -> int:
        """The priority that its callers get at least."""
        return PRIORITY[self.kind] if self.priority is None else self.priority


def plain_number(number: str) -> str:
    """A caller's number as it is compared: digits only, a mobile number without the country's 86 or a leading 0."""
    digits = "".join(character for character in number if character in "0123456789")
    if number.startswith("+86") or digits.startswith("0086"):
        digits = digits.removeprefix("00").removeprefix("86")
    mobile = _MOBILE.fullmatch(digits)
    return mobile.group(1) if mobile else digits


class CallerList:
    """All entries; one for each number or beginning."""

    def __init__(self) -> None:
        self._entries: dict[str, Listed] = {}

    def put(self, entry: Listed) -> None:
        """List a number, or list it anew."""
        self._entries[entry.number] = entry

    def remove(self, number: str) -> bool:
        """Take a number out. False if it was not in."""
        return self._entries.pop(number, None) is not None

    def find(self, number: str, now: float) -> Listed | None:
        """The entry for a caller's number that has not ended: of the number itself, else of its longest beginning."""
        plain = plain_number(number)
        if not plain:
            return None
        for key in (plain, *(f"{plain[:length]}*" for length in range(len(plain), 2, -1))):
            entry = self._entries.get(key)
            if entry is not None and now < entry.until:
                return entry
        return None

    def sweep(self, now: float) -> list[Listed]:
        """Take out and return the entries that have ended."""
        ended = [entry for entry in self._entries.values() if entry.until <= now]
        for entry in ended:
            del self._entries[entry.number]
        return ended

    def __iter__(self) -> Iterator[Listed]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)
