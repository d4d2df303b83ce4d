"""The demonstration's tables: calls as they go, and the summary."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from controller.demo.acts import Told, wait_of

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
    who = {told.record.get("call"): f"{told.story} {told.title.split(' · ')[0]}" for told in tales}
    for column in ("who", "call", "menu", "queue", "state", "for", "agent"):
        table.add_column(column)
    now = time.time()
    for call in overview.get("calls", ()):
        table.add_row(
            who.get(call["call"], "-"),
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


def summary(tales: list[Told]) -> Group:
    """How each call went: its path, wait, agent, ticket, satisfaction, recording and transcript."""
    parts: list[Text | Table] = [Text("\n通话小结 · summary", style="bold")]
    for told in tales:
        record, wait = told.record, wait_of(told)
        head = Text("✓ " if told.passed else "✗ ", style="green" if told.passed else "red")
        head.append(f"{told.story}  {told.title}", style="bold")
        parts.append(head)
        details = Table(show_header=False, box=None, padding=(0, 1, 0, 4))
        details.add_column()
        details.add_column(overflow="fold")
        path = " ".join(record.get("menu_path", ())) or "no menu"
        details.add_row(
            "path",
            f"{path} → {record.get('queue') or 'safety net'} ({record.get('language')}) → {record.get('outcome')}",
        )
        if record.get("agent"):
            waited = f"after {wait:.1f} s" if wait is not None else "by the safety net"
            details.add_row("agent", f"{record['agent']} {waited}")
        if record.get("ticket"):
            kind = told.ticket.get("type") or "not filled in"
            details.add_row("ticket", f"{record['ticket']} {kind}; satisfaction {record.get('score') or 'not given'}")
        details.add_row("recording", told.recording or "none")
        if told.transcript is not None:
            details.add_row("transcript", told.transcript)
        for problem in told.problems:
            details.add_row("[red]problem[/red]", Text(problem, style="red"))
        parts.append(details)
    return Group(*parts)
