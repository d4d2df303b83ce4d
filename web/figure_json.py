"""Definitions and figures as JSON has them, by HTTP and by command."""

from __future__ import annotations

from typing import Any

from metrics.definitions.measure import Measure, Value


def measure_json(one: Measure) -> dict[str, Any]:
    """A definition as JSON has it."""
    return {
        "name": one.name,
        "subject": one.subject.value,
        "kind": one.kind.value,
        "unit": one.unit,
        "title": {"zh": one.title_zh, "en": one.title_en},
        "formula": {"zh": one.formula_zh, "en": one.formula_en},
        "source": one.source,
        "target": one.target,
        "better": one.better,
    }


def met(one: Measure, value: float | None) -> bool | None:
    """Whether the target is met; None without a value or a target."""
    if value is None or one.target is None:
        return None
    return value >= one.target if one.better == "higher" else value <= one.target


def value_json(one: Measure, value: Value) -> dict[str, Any]:
    """A figure as JSON has it, without the ids behind it."""
    since, until = value.window if value.window is not None else (None, None)
    return {
        "value": value.value,
        "numerator": value.numerator,
        "denominator": value.denominator,
        "met": met(one, value.value),
        "why": {"zh": value.why_zh, "en": value.why_en},
        "window": {"since": since, "until": until},
    }
