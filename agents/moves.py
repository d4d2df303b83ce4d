"""The one table of an agent's moves: every state and every cause, legal or refused.

Drawn with lettered arrows in ``docs/states.md``; the letters stand beside the moves. Where a move has several
possible ends (he wanted a break, his phone is gone), the usual one stands first and `agents.agent.step`
chooses.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class AgentState(enum.Enum):
    """Where an agent is. The state is his; whether his phone is reachable is told apart (`domain.md`
    2.13).
    """

    OFFLINE = "offline"  #: 签出: not signed in
    NOT_READY = "not_ready"  #: 示忙: signed in, takes no calls, with a reason
    READY = "ready"  #: 示闲: takes calls
    RESERVED = "reserved"  #: an offer is on its way; his phone is not known to ring yet
    RINGING = "ringing"  #: 振铃: his phone rings
    TALKING = "talking"  #: joined with a caller
    HOLDING = "holding"  #: 保持: has put his caller on hold, perhaps to ask a colleague; the call is still his
    WRAP_UP = "wrap_up"  #: 话后整理: after-call work, for a limited time


class AgentInput(enum.Enum):
    """What moves an agent from one state to the next."""

    SIGN_IN = "sign_in"
    SIGN_OUT = "sign_out"
    GO_READY = "go_ready"
    GO_NOT_READY = "go_not_ready"
    RESERVE = "reserve"
    RING = "ring"
    JOIN = "join"
    RELEASE = "release"  #: the talk ended for him
    HOLD = "hold"  #: he puts his caller on hold; given when the exchange is told to, not when it has done it
    RESUME = "resume"  #: he fetches his caller back, or the exchange reports the two joined again
    OFFER_FAILED = "offer_failed"  #: not his fault: the caller is gone, or the offer was cancelled
    NO_ANSWER = "no_answer"  #: his phone was not answered, refused the call or was busy
    WRAP_UP_OVER = "wrap_up_over"
    EXTEND = "extend"  #: he needs longer for the after-call work
    PHONE_LOST = "phone_lost"
    PHONE_BACK = "phone_back"


@dataclass(frozen=True, slots=True)
class Move:
    """A legal move: `letter` names its arrow in ``docs/states.md``, `to` the states it may end in, the usual
    one first.
    """

    letter: str
    to: tuple[AgentState, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """An input that is not for this state; `code` is stable and machine-readable. The agent stays as he
    is.
    """

    code: str


_S, _I = AgentState, AgentInput

_BUSY_CODES = {
    _S.OFFLINE: "not_signed_in",
    _S.NOT_READY: "not_ready",
    _S.RESERVED: "reserved",
    _S.RINGING: "ringing",
    _S.TALKING: "talking",
    _S.HOLDING: "holding",
    _S.WRAP_UP: "wrap_up",
}
"""Why an agent cannot be reserved or rung, by his state."""


def _row(state: AgentState, **moves: Move | str) -> dict[tuple[AgentState, AgentInput], Move | Refused]:
    """One row of the table: a move, or the code of a refusal, for every input. An input left out is an
    error.
    """
    cells: dict[tuple[AgentState, AgentInput], Move | Refused] = {}
    for cause in AgentInput:
        cell = moves[cause.value]
        cells[state, cause] = Refused(cell) if isinstance(cell, str) else cell
    return cells


def _move(letter: str, *to: AgentState) -> Move:
    return Move(letter, to)


_AFTER_OFFER = (_S.READY, _S.NOT_READY, _S.OFFLINE)
"""Ends of an offer or of a wrap-up: ready again, or what he wanted meanwhile, or unreachable."""

_AFTER_TALK = (_S.WRAP_UP, *_AFTER_OFFER)
"""Ends of a talk: wrap-up, or at once what follows it where the hotline has no wrap-up."""

AGENT_MOVES: dict[tuple[AgentState, AgentInput], Move | Refused] = {
    **_row(
        _S.OFFLINE,
        sign_in=_move("a", _S.NOT_READY),
        sign_out="not_signed_in",
        go_ready=_move("b", _S.READY),
        go_not_ready="not_signed_in",
        reserve=_BUSY_CODES[_S.OFFLINE],
        ring=_BUSY_CODES[_S.OFFLINE],
        join=_move("n", _S.TALKING),
        release="not_talking",
        hold="not_talking",
        resume="not_holding",
        offer_failed="no_offer",
        no_answer="no_offer",
        wrap_up_over="not_in_wrap_up",
        extend="not_in_wrap_up",
        phone_lost=_move("v", _S.OFFLINE),
        phone_back=_move("x", _S.OFFLINE),
    ),
    **_row(
        _S.NOT_READY,
        sign_in="already_signed_in",
        sign_out=_move("c", _S.OFFLINE),
        go_ready=_move("d", _S.READY),
        go_not_ready=_move("e", _S.NOT_READY),
        reserve=_BUSY_CODES[_S.NOT_READY],
        ring=_BUSY_CODES[_S.NOT_READY],
        join=_move("n", _S.TALKING),
        release="not_talking",
        hold="not_talking",
        resume="not_holding",
        offer_failed="no_offer",
        no_answer="no_offer",
        wrap_up_over="not_in_wrap_up",
        extend="not_in_wrap_up",
        phone_lost=_move("v", _S.NOT_READY),
        phone_back=_move("y", _S.NOT_READY, _S.READY),
    ),
    **_row(
        _S.READY,
        sign_in="already_signed_in",
        sign_out=_move("c", _S.OFFLINE),
        go_ready=_move("f", _S.READY),
        go_not_ready=_move("g", _S.NOT_READY),
        reserve=_move("j", _S.RESERVED),
        ring=_move("l", _S.RINGING),
        join=_move("n", _S.TALKING),
        release="not_talking",
        hold="not_talking",
        resume="not_holding",
        offer_failed="no_offer",
        no_answer="no_offer",
        wrap_up_over="not_in_wrap_up",
        extend="not_in_wrap_up",
        phone_lost=_move("w", _S.NOT_READY),
        phone_back=_move("x", _S.READY),
    ),
    **_row(
        _S.RESERVED,
        sign_in="already_signed_in",
        sign_out=_move("h", _S.RESERVED),
        go_ready=_move("i", _S.RESERVED),
        go_not_ready=_move("h", _S.RESERVED),
        reserve=_BUSY_CODES[_S.RESERVED],
        ring=_move("k", _S.RINGING),
        join=_move("m", _S.TALKING),
        release=_move("p", *_AFTER_TALK),
        hold="not_talking",
        resume="not_holding",
        offer_failed=_move("q", *_AFTER_OFFER),
        no_answer=_move("r", *_AFTER_OFFER),
        wrap_up_over="not_in_wrap_up",
        extend="not_in_wrap_up",
        phone_lost=_move("v", _S.RESERVED),
        phone_back=_move("x", _S.RESERVED),
    ),
    **_row(
        _S.RINGING,
        sign_in="already_signed_in",
        sign_out=_move("h", _S.RINGING),
        go_ready=_move("i", _S.RINGING),
        go_not_ready=_move("h", _S.RINGING),
        reserve=_BUSY_CODES[_S.RINGING],
        ring=_BUSY_CODES[_S.RINGING],
        join=_move("m", _S.TALKING),
        release=_move("p", *_AFTER_TALK),
        hold="not_talking",
        resume="not_holding",
        offer_failed=_move("q", *_AFTER_OFFER),
        no_answer=_move("r", *_AFTER_OFFER),
        wrap_up_over="not_in_wrap_up",
        extend="not_in_wrap_up",
        phone_lost=_move("v", _S.RINGING),
        phone_back=_move("x", _S.RINGING),
    ),
    **_row(
        _S.TALKING,
        sign_in="already_signed_in",
        sign_out=_move("h", _S.TALKING),
        go_ready=_move("i", _S.TALKING),
        go_not_ready=_move("h", _S.TALKING),
        reserve=_BUSY_CODES[_S.TALKING],
        ring=_BUSY_CODES[_S.TALKING],
        join="talking",
        release=_move("o", *_AFTER_TALK),
        hold=_move("z", _S.HOLDING),
        resume="not_holding",
        offer_failed=_move("s", *_AFTER_OFFER),
        no_answer=_move("s", *_AFTER_OFFER),
        wrap_up_over="not_in_wrap_up",
        extend="not_in_wrap_up",
        phone_lost=_move("v", _S.TALKING),
        phone_back=_move("x", _S.TALKING),
    ),
    **_row(
        _S.HOLDING,
        sign_in="already_signed_in",
        sign_out=_move("h", _S.HOLDING),
        go_ready=_move("i", _S.HOLDING),
        go_not_ready=_move("h", _S.HOLDING),
        reserve=_BUSY_CODES[_S.HOLDING],
        ring=_BUSY_CODES[_S.HOLDING],
        join=_move("m", _S.TALKING),
        release=_move("o", *_AFTER_TALK),
        hold="holding",
        resume=_move("A", _S.TALKING),
        offer_failed="no_offer",
        no_answer="no_offer",
        wrap_up_over="not_in_wrap_up",
        extend="not_in_wrap_up",
        phone_lost=_move("v", _S.HOLDING),
        phone_back=_move("x", _S.HOLDING),
    ),
    **_row(
        _S.WRAP_UP,
        sign_in="already_signed_in",
        sign_out=_move("h", _S.WRAP_UP),
        go_ready=_move("u", _S.READY),
        go_not_ready=_move("h", _S.WRAP_UP),
        reserve=_BUSY_CODES[_S.WRAP_UP],
        ring=_BUSY_CODES[_S.WRAP_UP],
        join=_move("n", _S.TALKING),
        release="not_talking",
        hold="not_talking",
        resume="not_holding",
        offer_failed="no_offer",
        no_answer="no_offer",
        wrap_up_over=_move("t", *_AFTER_OFFER),
        extend=_move("B", _S.WRAP_UP),
        phone_lost=_move("v", _S.WRAP_UP),
        phone_back=_move("x", _S.WRAP_UP),
    ),
}
