"""What people read about figures, by code: Chinese and English."""

from __future__ import annotations

from metrics.period import TEXTS

MESSAGES: dict[str, tuple[str, str]] = {
    **TEXTS,
    "unknown_measure": ("没有此指标", "there is no such definition"),
    "not_comparable": (
        "两个指标统计的对象不同, 或不是比率, 不能逐条比较",
        "the two are over different things, or one is no ratio",
    ),
}
