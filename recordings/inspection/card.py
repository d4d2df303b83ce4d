"""Score cards (评分表): items with weights, fatal ones, those that the machine fills in; data, checked and counted.

Pure. A card's versions never change once written: a score names the one by which it was given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recordings.inspection.findings import NOT_JUDGED, NOT_SAID, Inspection
from recordings.inspection.review import InspectionRefused

GROUPS = ("attitude", "efficiency", "process", "result")
"""服务态度、工作效率、办理过程、办理结果: the four sides of the seed (`domain.md` F5)."""

NOT_APPLICABLE = "n/a"

MOST_ITEMS = 60


class CardError(ValueError):
    """The card cannot be used; `faults` names every reason."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Automatic:
    """What the machine takes off an item: the part `off` of its weight for each finding of `rule`, or, for an opening
    or closing that must be said, when it was not."""

    rule: str
    off: float


@dataclass(frozen=True, slots=True)
class Item:
    """One item. `levels`: the parts of its weight that an inspector may give, from worst to best. A `fatal` one
    (一票否决) has no weight and two answers: passed, or the whole call has 0. With `automatic` the machine proposes the
    answer, and an inspector may give another."""

    id: str
    group: str
    name_zh: str
    name_en: str
    weight: float = 0.0
    levels: tuple[float, ...] = (0.0, 1.0)
    fatal: bool = False
    automatic: tuple[Automatic, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """A score card; weights add up to 100."""

    id: str
    name_zh: str
    name_en: str
    items: tuple[Item, ...]
    pass_mark: float = 80.0
    version: int = 0


@dataclass(frozen=True, slots=True)
class Counted:
    """What a card's answers come to: 0..100, whether a fatal item failed, and what each group reached (0..1)."""

    total: float
    fatal: bool
    passed: bool
    groups: Mapping[str, float] = field(default_factory=dict)


def card_of(table: Mapping[str, Any], version: int = 0) -> Card:
    """The card that a table means. Raises `CardError` with everything that is wrong."""
    faults = [f"{name}: unknown" for name in table if name not in ("id", "name_zh", "name_en", "pass_mark", "items")]
    texts = {name: _text(table, name, "", faults) for name in ("id", "name_zh", "name_en")}
    if texts["id"] and not _is_id(texts["id"]):
        faults.append("id: small letters, digits and dashes, 32 at most")
    mark = _number(table, "pass_mark", 80.0, 0, 100, "", faults)
    raw = table.get("items", [])
    if (
        not isinstance(raw, list)
        or not raw
        or len(raw) > MOST_ITEMS
        or not all(isinstance(one, Mapping) for one in raw)
    ):
        raise CardError([*faults, f"items: 1 to {MOST_ITEMS} tables"])
    items = tuple(_item(one, f"items[{place}].", faults) for place, one in enumerate(raw, start=1))
    ids = [one.id for one in items]
    faults += [f"items: {id} stands twice" for id in dict.fromkeys(ids) if id and ids.count(id) > 1]
    whole = sum(one.weight for one in items)
    if not math.isclose(whole, 100.0, abs_tol=1e-6):
        faults.append(f"items: the weights add up to {whole:g} and not to 100")
    if faults:
        raise CardError(faults)
    return Card(texts["id"], texts["name_zh"], texts["name_en"], items, mark, version)


def _is_id(text: str) -> bool:
    return text.isascii() and text.replace("-", "").isalnum() and text == text.lower() and len(text) <= 32


def _text(table: Mapping[str, Any], name: str, place: str, faults: list[str]) -> str:
    value = table.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > 200 or not value.isprintable():
        faults.append(f"{place}{name}: must be a text")
        return ""
    return value


def _number(
    table: Mapping[str, Any], name: str, usual: float, least: float, most: float, place: str, faults: list[str]
) -> float:
    value = table.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        faults.append(f"{place}{name}: must be a number from {least:g} to {most:g}")
        return usual
    return float(value)


def _item(table: Mapping[str, Any], place: str, faults: list[str]) -> Item:
    known = ("id", "group", "name_zh", "name_en", "weight", "levels", "fatal", "automatic")
    faults += [f"{place}{name}: unknown" for name in table if name not in known]
    id = _text(table, "id", place, faults)
    if id and not _is_id(id):
        faults.append(f"{place}id: small letters, digits and dashes, 32 at most")
    group, fatal = table.get("group"), table.get("fatal", False)
    if group not in GROUPS:
        faults.append(f"{place}group: one of {', '.join(GROUPS)}")
    if not isinstance(fatal, bool):
        faults.append(f"{place}fatal: must be true or false")
        fatal = False
    weight = _number(table, "weight", 0.0, 0, 100, place, faults)
    if fatal and weight:
        faults.append(f"{place}weight: a fatal item has none")
    if not fatal and not weight:
        faults.append(f"{place}weight: is needed")
    levels = table.get("levels", [0.0, 1.0])
    if (
        not isinstance(levels, list)
        or not 2 <= len(levels) <= 11
        or not all(isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one <= 1 for one in levels)
        or levels != sorted(set(levels))
        or (levels[0], levels[-1]) != (0, 1)
        or fatal
        and len(levels) > 2
    ):
        faults.append(f"{place}levels: rise from 0 to 1" + (", and a fatal item has these two" if fatal else ""))
        levels = [0.0, 1.0]
    return Item(
        id,
        str(group),
        _text(table, "name_zh", place, faults),
        _text(table, "name_en", place, faults),
        weight,
        tuple(map(float, levels)),
        fatal,
        _automatic(table.get("automatic", []), f"{place}automatic", fatal, faults),
    )


def _automatic(given: Any, place: str, fatal: bool, faults: list[str]) -> tuple[Automatic, ...]:
    if not isinstance(given, list) or not all(
        isinstance(one, Mapping) and set(one) == {"rule", "off"} and isinstance(one["rule"], str) for one in given
    ):
        faults.append(f"{place}: tables of rule and off")
        return ()
    if fatal and given:
        faults.append(f"{place}: a fatal fault is a person's to find")
    return tuple(Automatic(one["rule"], _number(one, "off", 1.0, 0, 1, f"{place}.", faults)) for one in given)


def proposed(card: Card, found: Inspection) -> dict[str, float | str]:
    """What the machine gives each of its items: the part of the weight, or ``n/a`` where nothing of it was judged."""
    answers: dict[str, float | str] = {}
    for item in card.items:
        if not item.automatic:
            continue
        known = [loss for one in item.automatic if (loss := _loss(one, found)) is not None]
        answers[item.id] = round(max(0.0, 1.0 - sum(known)), 6) if known else NOT_APPLICABLE
    return answers


def _loss(one: Automatic, found: Inspection) -> float | None:
    said = found.said.get(one.rule)
    if said is not None:
        return None if said == NOT_JUDGED else one.off * (said == NOT_SAID)
    count = found.counts.get(one.rule)
    return None if count is None else one.off * count


def counted(card: Card, answers: Mapping[str, float | str]) -> Counted:
    """What the answers come to. What does not apply is left out, and the rest weighs 100.

    Raises `InspectionRefused` (bad_answers, with every item at fault) unless each item has an answer that it may have.
    """
    if wrong := _wrong(card, answers):
        raise InspectionRefused("bad_answers", "answers", wrong)
    reached: dict[str, float] = dict.fromkeys(GROUPS, 0.0)
    weights: dict[str, float] = dict.fromkeys(GROUPS, 0.0)
    fatal = False
    for item in card.items:
        value = answers[item.id]
        if value == NOT_APPLICABLE and not item.fatal:
            continue
        assert not isinstance(value, str)
        if item.fatal:
            fatal = fatal or value == 0
            continue
        reached[item.group] += item.weight * value
        weights[item.group] += item.weight
    whole = sum(weights.values())
    if not whole:
        raise InspectionRefused("bad_answers", "answers")  # nothing applies: there is nothing to judge
    total = 0.0 if fatal else round(100 * sum(reached.values()) / whole, 2)
    groups = {group: round(reached[group] / weights[group], 4) for group in GROUPS if weights[group]}
    return Counted(total, fatal, not fatal and total >= card.pass_mark, groups)


def _wrong(card: Card, answers: Mapping[str, float | str]) -> dict[str, tuple[str, ...]]:
    """The items without an answer that they may have, each with those that it may; and answers to no item."""
    known = {one.id: one for one in card.items}
    wrong: dict[str, tuple[str, ...]] = {name: () for name in answers if name not in known}
    for item in card.items:
        if item.id not in answers or not _may_be(item, answers[item.id]):
            levels = ("0..1",) if item.automatic else tuple(f"{level:g}" for level in item.levels)
            wrong[item.id] = levels if item.fatal else (*levels, NOT_APPLICABLE)
    return wrong


def _may_be(item: Item, value: float | str) -> bool:
    """A level; of an item that the machine fills in, any part; that it does not apply, but for a fatal one."""
    if isinstance(value, bool | str):
        return value == NOT_APPLICABLE and not item.fatal
    return 0 <= value <= 1 if item.automatic else value in item.levels
