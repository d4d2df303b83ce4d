"""Keys in the line: be called back, go to another queue, back to the menu. Pure rules over the house.

A caller whose agent's phone rings cannot be heard (he is in Dial, `asterisk.md` 12.7.2): his keys mean nothing then.
What he is asked after a key takes him out of the line for the moment; his place is kept by his `queued_at`.
"""

from __future__ import annotations

from controller import callbacks, caller, notices, offers, turned_away
from controller.house import Dialog, House, LiveCall
from controller.plan import CALL_BACK
from controller.waiting_words import spoken
from ivr.prompts import prompt_name, say_digits
from pbx.call import CallInput, CallState, Outcome
from pbx.callback import CallbackKind, CallbackRequest
from pbx.commands import Ask
from pbx.events import CallbackStored, HoldKeyPressed
from pbx.ids import QueueId

MENU, QUEUE = "menu", "queue:"
"""What a key of a queue may do, beside `CALL_BACK`; after `QUEUE` stands the other queue's id."""

_WAIT_S = 6.0
_TRIES = 2
_LONGEST = 20


def pressed(house: House, event: HoldKeyPressed, now: float) -> None:
    """A key in the line; one that means nothing there is ignored."""
    live = house.calls.get(event.call)
    if live is None or live.state is not CallState.WAITING or event.step < live.oldest_news:
        return
    live.lost = 0  # he is there, and under music
    wanted = house.queue(live.record.queue or QueueId("")).keys.get(event.key, "")
    if event.key == notices.KEY and not wanted:
        notices.pressed(house, live, event.at)
    elif wanted == CALL_BACK and callbacks.possible(house) and not live.record.callback:
        number = live.record.caller
        live.dialog = Dialog(number if callbacks.allowed(house, number, number) else None)
        offers.leave_line(house, live)
        ask_again(house, live)
    elif wanted == MENU and house.number(live.record.dialled).menu is not None:
        offers.leave_line(house, live)
        live.refused, live.only = frozenset(), None
        live.announce_at = live.comfort_at = None
        live.stood = live.record
        house.note(live, queue=None, queued_at=None, place_at=None, favours=())
        caller.begin(house, live, event.at)
    elif wanted.startswith(QUEUE) and wanted.removeprefix(QUEUE) != live.record.queue:
        offers.leave_line(house, live)
        live.refused, live.only = frozenset(), None
        house.note(live, queue=house.queue(QueueId(wanted.removeprefix(QUEUE))).id)
        offers.stand_in_line(house, live)
        offers.hold_or_offer(house, live)


# ---------------------------------------------------------------- the dialogue


def ask_again(house: House, live: LiveCall) -> None:
    """The question of the dialogue that is due now."""
    dialog = live.dialog
    if dialog is None or not house.move(live, CallInput.ASK):
        return
    language = spoken(live)
    if dialog.number is None:
        refused = ("callback-not-allowed",) if dialog.tries else ()
        pieces, digits = (*refused, "callback-enter-number"), _LONGEST
    else:
        number = say_digits(dialog.number, language, yao=house.plan.yao)
        pieces, digits = ("callback-number-is", *number, "pause", "callback-confirm"), 1
    prompts = tuple(prompt_name(language, piece) for piece in pieces)
    live.notice_playing = False
    record, step = live.record, house.next_step(live)
    house.emit(Ask(live.call, live.channel, step, prompts, digits, _WAIT_S, record.language, live.mark()))


def answered(house: House, live: LiveCall, keys: str, at: float) -> None:
    """The keys that he pressed in the dialogue."""
    dialog = live.dialog
    if dialog is None or dialog.request:
        return
    if dialog.number is None:
        dialog.tries += 1
        number = keys.rstrip("#")
        if callbacks.allowed(house, number, live.record.caller):
            dialog.number, dialog.tries = number, 0
        elif not keys or keys.startswith("*") or dialog.tries > _TRIES:
            back_to_line(house, live)
            return
        ask_again(house, live)
    elif keys == "1":
        register(house, live, dialog.number, dialog)
    elif keys == "2":
        live.dialog = Dialog(None)
        ask_again(house, live)
    elif keys.startswith("*") or not keys or dialog.tries >= _TRIES:
        back_to_line(house, live)
    else:
        dialog.tries += 1
        ask_again(house, live)


def register(house: House, live: LiveCall, number: str, dialog: Dialog) -> None:
    """He wants it; he is told so when the store has it: what is promised survives."""
    record = live.record
    queue = record.queue or house.number(record.dialled).direct or house.queue(QueueId("")).id
    place_at = record.place_at or record.queued_at or house.now
    dialog.request = callbacks.ask(
        house,
        number,
        queue,
        place_at=place_at,
        language=record.language,
        priority=live.priority,
        of_call=live.call,
    ).id


def stored(house: House, event: CallbackStored, now: float) -> None:
    """The request is in the store: its caller is told so and let go, and it takes its place in the line."""
    request = house.callbacks.get(event.id)
    live = _asking(house, request) if request is not None else None
    if live is not None:
        tell(house, live)
    callbacks.stored(house, event, now)


def tell(house: House, live: LiveCall) -> None:
    """He hears that he will be called, and is let go."""
    live.dialog = None
    house.note(live, outcome=Outcome.CALLBACK)
    language = spoken(live)
    pieces = ("callback-keep-place", "callback-accepted", "goodbye")
    caller.release(house, live, tuple(prompt_name(language, piece) for piece in pieces))


def found_registered(house: House, live: LiveCall) -> bool:
    """Whether a caller found after a restart has asked in this very call to be called back, and the store has it: he is
    told so now, and does not stand in the line twice.
    """
    if live.dialog is not None or live.releasing:
        return False
    if not any(one.of_call == live.call and one.kind is CallbackKind.ASKED for one in house.callbacks.values()):
        return False
    live.state = CallState.ASKING
    tell(house, live)
    return True


def _asking(house: House, request: CallbackRequest) -> LiveCall | None:
    """The caller who is just asking for this request (or who has asked for the same one again)."""
    return next(
        (one for one in house.calls.values() if one.dialog is not None and one.dialog.request == request.id), None
    )


def unheard(house: House, live: LiveCall) -> None:
    """What he was to be asked in the line did not reach him, so often that nothing more is tried: he hears its music
    still, and goes on waiting at his place. Whoever stands elsewhere is taken by the safety net.
    """
    stood, live.stood = live.stood, None
    if stood is not None:
        house.note(live, queue=stood.queue, queued_at=stood.queued_at, place_at=stood.place_at, favours=stood.favours)
    waits = live.record.queue is not None and not live.away and not live.releasing
    registered = live.dialog is not None and live.dialog.request
    if waits and not registered and house.move(live, CallInput.QUEUE):
        live.dialog = None
        offers.stand_in_line(house, live)


def back_to_line(house: House, live: LiveCall) -> None:
    """He goes on waiting, at his place; one who had been turned away has none."""
    if live.away:
        turned_away.declined(house, live)
        return
    live.dialog = None
    if house.move(live, CallInput.QUEUE):
        offers.stand_in_line(house, live)
        offers.hold_or_offer(house, live)
