"""A caller queries a ticket by keys (工单查询): its number, what proves that it is his, how it stands. Pure rules.

He stands in his menu all the while (`ivr.menu.QueryNode`); a restart asks him for the number again. A number that there
is not and digits that do not fit are answered with the same words, and after so many answers that find nothing he is
back in the menu; how often somebody may try at all is decided where the store is asked (`tickets.query_guard`).
"""

from __future__ import annotations

from controller import caller, pauses
from controller.house import House, LiveCall, TicketQuery
from controller.waiting_words import spoken
from ivr.menu import queried as query_over
from ivr.prompts import prompt_name, say_number
from pbx.call import CallInput
from pbx.commands import Ask, QueryTicket
from pbx.events import TicketQueried

NUMBER_DIGITS, PROOF_DIGITS = 20, 8
"""The longest number and proof: `tickets.ticket.number_of`, `tickets.public`."""

_WAIT_S = 8.0
_END_S = 3.0
"""So long the # is waited for that the question asks for, after the last digit that fits: without it nobody waits long,
and one that comes is no key that cuts what he is told next."""
_STORE_S = 5.0
"""So long the store may take; its caller stands still meanwhile, and the safety net takes nobody so soon."""

_LONGEST_DAYS = 60
"""A date further away is not told in days."""


def begin(house: House, live: LiveCall, tries: int, private: bool) -> None:
    """He has chosen to query a ticket. `private`: what he keys does not stand in the recording."""
    live.query = TicketQuery(tries, private=private)
    _ask(house, live)


def ask_again(house: House, live: LiveCall) -> None:
    """After a lost command: the question that is due, or what he was being told."""
    query = live.query
    if query is None:
        return
    if query.told is not None:
        _over(house, live, query.told, house.now)
    elif query.asked_at is None:
        _ask(house, live)


def _ask(house: House, live: LiveCall, *first: str) -> None:
    """Ask for the number, or for the proof; after `first`. Who has begun to type hears nothing more."""
    query = live.query
    if query is None or not house.move(live, CallInput.ASK):
        return
    piece, digits = ("query-number", NUMBER_DIGITS) if query.number is None else ("query-digits", PROOF_DIGITS)
    pieces = ("pause",) if query.typed else (*first, piece)
    prompts = tuple(prompt_name(spoken(live), one) for one in pieces)
    live.notice_playing = False
    left = digits - len(query.typed)
    wait = _WAIT_S if left > 0 else _END_S
    record, step = live.record, house.next_step(live)
    if query.private:
        pauses.private_question(house, live, step)
    house.emit(Ask(live.call, live.channel, step, prompts, max(1, left), wait, record.language, live.mark()))


def answered(house: House, live: LiveCall, keys: str, ahead: bool, at: float) -> None:
    """The keys that he pressed; `ahead`: before the question was asked, so that more may follow."""
    query = live.query
    if query is None or query.asked_at is not None:
        return
    digits = NUMBER_DIGITS if query.number is None else PROOF_DIGITS
    room = digits - len(query.typed)
    if keys.isdecimal() and room > 0 and (ahead or len(keys) >= room):  # the # has not been read yet
        query.typed += keys
        _ask(house, live)
        return
    typed, query.typed = query.typed + keys.rstrip("#"), ""
    if not typed or "*" in typed or not typed.isascii() or not typed.isdecimal():
        _over(house, live, False, at)
    elif query.number is None:
        query.number = typed
        _ask(house, live)
    else:
        number, query.number = query.number, None
        query.serial += 1
        query.asked_at = at
        house.emit(QueryTicket(live.call, number, typed, live.record.caller, query.serial))


def looked_up(house: House, live: LiveCall, at: float) -> bool:
    """Whether he stands still because the store is being asked for him; one that takes too long is away."""
    query = live.query
    if query is None or query.asked_at is None:
        return False
    if at - query.asked_at > _STORE_S:
        _tell(house, live, False, ("system-error",))
    return True


def queried(house: House, event: TicketQueried, now: float) -> None:
    """The store has answered."""
    live = house.calls.get(event.call)
    query = live.query if live is not None else None
    if live is None or query is None or query.asked_at is None or query.serial != event.serial:
        return
    query.asked_at = None
    if event.outcome == "found":
        _tell(house, live, True, (f"query-{event.status}", *_due(event.days, live)))
    elif event.outcome == "none":
        query.tries -= 1
        if query.tries > 0:
            _ask(house, live, "query-none")
        else:
            _tell(house, live, False, ("query-none",))
    else:
        _tell(house, live, False, ("query-limit" if event.outcome == "limit" else "system-error",))


def _due(days: int | None, live: LiveCall) -> tuple[str, ...]:
    if days is None or not 0 <= days <= _LONGEST_DAYS:
        return ()
    if days == 0:
        return ("query-due-today",)
    language = spoken(live)
    unit = ("query-days",) if language == "zh" else ()
    return ("query-due", *say_number(days, language, counting=True), *unit)


def _tell(house: House, live: LiveCall, found: bool, pieces: tuple[str, ...]) -> None:
    if live.query is not None:
        live.query.asked_at, live.query.told = None, found
    caller.play(house, live, tuple(prompt_name(spoken(live), piece) for piece in pieces))


def told(house: House, live: LiveCall, at: float) -> None:
    """He has heard it."""
    if live.query is not None:
        _over(house, live, bool(live.query.told), at)


def _over(house: House, live: LiveCall, found: bool, at: float) -> None:
    """Back to the menu."""
    live.query = None
    if live.menu is not None and live.position is not None:
        live.position, action = query_over(live.menu, live.position, found)
        caller.go_on(house, live, action, at)
