"""Faults beside offering: call-backs, hold, transfers, voice messages. Put in like those of `faults.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from acd import callback as moves
from acd.decision import Match
from agents.moves import AgentInput
from controller import callbacks, desk, held, talk, targets, transfers, turned_away
from controller.house import House, LiveCall
from controller.targets import Target
from pbx.callback import CallbackRequest
from pbx.commands import PlaceCall
from pbx.ids import AgentId


def called_twice(patch: pytest.MonkeyPatch) -> None:
    """The store says twice that it has a request, and its number is called twice."""
    stored = callbacks.stored

    def twice(house: House, event: Any, now: float) -> None:
        stored(house, event, now)
        house.out += [one for one in house.out if isinstance(one, PlaceCall)]

    patch.setattr(callbacks, "stored", twice)


def called_without_agents(patch: pytest.MonkeyPatch) -> None:
    """Whoever wants to be called is called at once, whether there is an agent for him or not."""
    stand = callbacks.stand

    def at_once(house: House, request: CallbackRequest, now: float) -> None:
        if request.attempts or request.next_at > now:
            stand(house, request, now)
        else:
            callbacks.put(house, moves.dial(request, None, now))

    patch.setattr(callbacks, "stand", at_once)


def agent_not_kept(patch: pytest.MonkeyPatch) -> None:
    """The agent for whom somebody is called is offered other callers meanwhile: more calls than free agents."""
    matched = callbacks.matched

    def free_again(house: House, request: CallbackRequest, match: Match, now: float) -> None:
        matched(house, request, match, now)
        desk.change(house, match.agent, AgentInput.OFFER_FAILED, now, call=moves.call_of(request))

    patch.setattr(callbacks, "matched", free_again)


def last_in_line(patch: pytest.MonkeyPatch) -> None:
    """Who was not reached goes to the end of the line."""
    failed = moves.failed
    patch.setattr(moves, "failed", lambda one, why, now, rules: replace(failed(one, why, now, rules), place_at=now))


def place_of_the_call(patch: pytest.MonkeyPatch) -> None:
    """Whoever is called back stands in the line as of his answer."""
    note = House.note

    def anew(house: House, live: LiveCall, **changes: Any) -> None:
        if live.record.callback and "place_at" in changes:
            changes["place_at"] = None
        note(house, live, **changes)

    patch.setattr(House, "note", anew)


def attempt_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Nobody writes down that somebody did not answer."""
    patch.setattr(callbacks, "came_to_nothing", lambda house, request, outcome, now: None)


def left_on_hold(patch: pytest.MonkeyPatch) -> None:
    """The agent hangs up while his caller is on hold, who hears music for ever."""
    patch.setattr(held, "_settle", lambda house, live, at: None)


def hold_without_end(patch: pytest.MonkeyPatch) -> None:
    """The caller hangs up on hold, and the time on hold never ends."""
    patch.setattr(held, "record_over", lambda record, at: record)
    patch.setattr(held, "span_over", lambda house, live, at: None)


def transfer_without_end(patch: pytest.MonkeyPatch) -> None:
    """What became of a transfer is not written down."""
    patch.setattr(held, "record_over", lambda record, at: record)
    patch.setattr(transfers, "_over", lambda house, live, outcome, detail, at: None)


def message_without_end(patch: pytest.MonkeyPatch) -> None:
    """Who hangs up while he speaks leaves a message without an end."""
    patch.setattr(talk.turned_away, "message_over", lambda record, at: record)
    patch.setattr(turned_away, "recorded", lambda house, event, now: None)


def asked_while_busy(patch: pytest.MonkeyPatch) -> None:
    """Somebody is asked, or given a caller, while another caller has him."""

    def anybody(house: House, agent: AgentId) -> Target | str:
        known = house.agent(agent)
        return Target(f"agent:{agent}", agent, agent=agent) if known is not None else "unknown_party"

    patch.setattr(targets, "_agent", anybody)


WISHES: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "called-twice": (called_twice, "callback-once"),
    "called-without-agents": (called_without_agents, "callback-agent"),
    "agent-not-kept": (agent_not_kept, "one-call-per-agent"),
    "last-in-line": (last_in_line, "place"),
    "place-of-the-call": (place_of_the_call, "place"),
    "attempt-forgotten": (attempt_forgotten, "callback-end"),
    "left-on-hold": (left_on_hold, "hold-agent"),
    "hold-without-end": (hold_without_end, "hold-end"),
    "transfer-without-end": (transfer_without_end, "transfer-end"),
    "message-without-end": (message_without_end, "message-end"),
    "asked-while-busy": (asked_while_busy, "one-call-per-agent"),
}
"""Each fault by its name: how it is put in, and the promise that it breaks."""
