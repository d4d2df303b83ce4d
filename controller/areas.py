"""From which area a caller calls, as far as the configuration says so. Pure.

An installation knows it by the number that was dialled (one for each city), by the queue (a city's own), or by what was
pressed in a menu ("for Haizhou District press 3"). Where nothing says so, every area is possible: an incident notice is
then said, with its area, and the caller judges for himself.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.plan import AreaPlan, Plan
from pbx.call import CallRecord

_NO_CHOICE = frozenset({"silence", "wrong", "said", "refused"})
"""Words of a menu's path that are no key."""


def elsewhere(plan: Plan, area: str, record: CallRecord) -> bool:
    """Whether it is known that this caller does not call from `area`.

    Each of number, queue and menu excludes by itself: he is elsewhere when one of them stands in the lists of other
    areas and not in that of this one.
    """
    return any(found and area not in found for found in _said(plan, record))


def _said(plan: Plan, record: CallRecord) -> Iterator[set[str]]:
    """The areas that each of number, queue and menu leaves possible; empty where it says nothing."""
    areas = plan.area_callers.items()
    yield {area for area, one in areas if record.dialled in one.numbers}
    yield {area for area, one in areas if record.queue in one.queues}
    yield {area for area, one in areas if _pressed(plan, one, record)}


def _pressed(plan: Plan, area: AreaPlan, record: CallRecord) -> bool:
    number = plan.numbers.get(record.dialled)
    if number is None or number.menu is None:
        return False
    keys = tuple(word for word in record.menu_path if word not in _NO_CHOICE)
    return any(menu == number.menu and keys[: len(path)] == path for menu, path in area.menu)
