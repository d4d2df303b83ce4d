"""The demonstration's tables: calls as they go, and the summary."""

from __future__ import annotations

import time
from typing import Any

from rich.table import Table

from controller.demo.stories import Told, wait_of

_STATES = {
    "arrived": "接入 arrived",
    "asking": "菜单 in the menu",
    "playing": "提示音 listening",
    "waiting": "排队 waiting",
    "offered": "振铃 agent rings",
    "talking": "通话 talking",
    "survey": "评价 survey",
    "net": "安全网 safety net",
    "ended": "结束 ended",
}


def live_table(overview: dict[str, Any], tales: list[Told]) -> Table:
    """Who is where now, from the controller's live page."""
    table = Table(title="12345 · 通话 calls now", expand=False)
    for column in ("call", "menu", "queue", "state", "for", "agent"):
        table.add_column(column)
    now = time.time()
    for call in overview.get("calls", ()):
        table.add_row(
            str(call["call"])[-6:],
            " ".join(call["menu_path"]) or "-",
            call["queue"] or "-",
            _STATES.get(call["state"], call["state"]),
            f"{max(0.0, now - call['since']):.0f} s",
            call["agent"] or "-",
        )
    stories: dict[str, bool | None] = {}
    for told in tales:
        passed = None if not told.done else told.passed
        stories[told.story] = passed if told.story not in stories else stories[told.story] and passed
    marks = {None: "[dim]·[/dim]", True: "[green]✓[/green]", False: "[red]✗[/red]"}
    table.caption = "stories " + "  ".join(f"{letter}{marks[state]}" for letter, state in stories.items())
    return table


def summary_table(tales: list[Told]) -> Table:
    """How each call went."""
    table = Table(title="通话小结 · summary", show_lines=True)
    for column in (
        "",
        "story",
        "path",
        "queue",
        "wait",
        "agent",
        "ticket",
        "score",
        "recording",
        "transcript",
        "outcome",
    ):
        table.add_column(column, overflow="fold")
    for told in tales:
        record, wait = told.record, wait_of(told)
        kind = told.ticket.get("type") or ""
        table.add_row(
            "[green]✓[/green]" if told.passed else "[red]✗[/red]",
            f"{told.story} {told.title}",
            " ".join(record.get("menu_path", ())) or "-",
            f"{record.get('queue') or '-'} {record.get('language') or ''}",
            f"{wait:.1f} s" if wait is not None else "-",
            record.get("agent") or "-",
            f"{record.get('ticket') or '-'} {kind}",
            str(record.get("score") or "-"),
            told.recording.rsplit("/", 1)[-1] if told.recording else "-",
            told.transcript if told.transcript is not None else "-",
            record.get("outcome") or "-",
        )
    return table
