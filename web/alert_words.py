"""What people read about alerts, by code: Chinese and English."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    "unknown_alert": ("没有此告警或告警已解除", "there is no such alert, or it is over"),
}
