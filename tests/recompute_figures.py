"""Recomputes the main figures of a day from the journal files alone; shares no code with the product, standard library
only. `python recompute_figures.py JOURNAL_FOLDER 2026-11-22 [ZONE]` prints JSON: of each figure its value and the ids.
"""  # noqa: INP001

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo


def calls_of(folder: Path) -> list[dict]:  # type: ignore[type-arg]
    """Each call as the journals leave it; when it came and went is taken from what the exchange reported."""
    calls, came, went = {}, {}, {}
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_bytes().split(b"\n")[1:]:
            step = json.loads(line) if line.endswith(b"}") else {}
            event = step.get("event", {})
            if event.get("is") == "CallArrived":
                came.setdefault(event["call"], event["at"])
            elif event.get("is") == "CallEnded":
                went.setdefault(event["call"], event["at"])
            for command in step.get("commands", ()):
                if command["is"] == "SaveCall":
                    record = command["record"]
                    known = calls.get(record["call"])
                    if not (command.get("unless_ended") and known and known.get("ended_at")):
                        calls[record["call"]] = record
    for id, call in calls.items():
        call["arrived_at"] = came.get(id, call["arrived_at"])
        call["ended_at"] = went.get(id) if call.get("ended_at") is None else call["ended_at"]
    return [call for call in calls.values() if call.get("direction", "inbound") == "inbound"]


def figures(calls: list[dict], since: float, until: float) -> dict[str, dict]:  # type: ignore[type-arg]
    """Of all calls the figures of those that arrived in [since, until); the worst 24 hours may begin before."""

    def gap(begin: float, call: dict) -> float | None:  # type: ignore[type-arg]
        return None if call.get("joined_at") is None else max(0.0, round(call["joined_at"] - begin, 3))

    for call in calls:
        call["answered"] = call.get("joined_at") is not None or call.get("outcome") == "answered"
        seen = call["answered"] or call.get("in_net")
        menu = call.get("menu_done_at")
        entry = call.get("queued_at") or ((call["arrived_at"] if menu is None else menu) if seen else None)
        decided = call["answered"] or call.get("ended_at") is not None or call.get("outcome") is not None
        call["offered"] = entry is not None and decided
        call["wait"], call["whole"] = gap(entry or 0.0, call), gap(call["arrived_at"], call)
        gave_up = call["offered"] and not call["answered"] and call.get("outcome") in ("abandoned", "left_menu", None)
        call["gave_up"] = max(0.0, round(call["ended_at"] - entry, 3)) if gave_up and call.get("ended_at") else None
        call["lost"] = gave_up
    day = sorted(
        (one for one in calls if since <= one["arrived_at"] < until), key=lambda one: (one["arrived_at"], one["call"])
    )
    offered = [call for call in day if call["offered"]]
    answered = [call for call in offered if call["answered"]]
    kept = [call for call in offered if call["gave_up"] is None or call["gave_up"] >= 5.0]

    def of(below: list[dict], above: list[dict]) -> dict:  # type: ignore[type-arg]
        value = len(above) / len(below) if below else None
        return {"value": value, "above": [one["call"] for one in above], "below": [one["call"] for one in below]}

    def fast(rows: list[dict], clock: str, most: float = 15.0) -> list[dict]:  # type: ignore[type-arg]
        return [one for one in rows if one[clock] is not None and one[clock] <= most]

    found = {
        "sl15.offered.v1": of(offered, fast(offered, "wait")), "sl15.answered.v1": of(answered, fast(answered, "wait")),
        "sl15.offered_no_short_abandon.v1": of(kept, fast(kept, "wait")), "connect.v1": of(offered, answered),
        "sl15.from_arrival.v1": of(offered, fast(offered, "whole")),
        "sl20.offered.v1": of(offered, fast(offered, "wait", 20.0)),
        "loss.v1": of(offered, [one for one in offered if not one["answered"]]),
        "abandon.v1": of(offered, [one for one in offered if one["lost"]]),
    }  # fmt: skip
    waits = [one for one in answered if one["wait"] is not None]
    mean = sum(one["wait"] for one in waits) / len(waits) if waits else None
    found["wait.v1"] = {**of(waits, waits), "value": mean}
    every = [one for one in calls if one["offered"]]
    edges = {until - 86400.0, since - 86400.0}
    edges |= {
        x
        for one in every
        for x in (one["arrived_at"], one["arrived_at"] - 86400.0)
        if since - 86400.0 <= x <= until - 86400.0
    }
    windows = [[one for one in every if edge <= one["arrived_at"] < edge + 86400.0] for edge in sorted(edges)]
    rates = [sum(one["answered"] for one in rows) / len(rows) for rows in windows if rows]
    found["connect.worst24h.v1"] = {"value": min(rates, default=None)}
    return found


if __name__ == "__main__":
    zone = ZoneInfo(sys.argv[3] if len(sys.argv) > 3 else "Asia/Shanghai")
    begin = datetime.fromisoformat(sys.argv[2]).replace(tzinfo=zone)
    end = begin + timedelta(days=1)
    print(json.dumps(figures(calls_of(Path(sys.argv[1])), begin.timestamp(), end.timestamp())))
