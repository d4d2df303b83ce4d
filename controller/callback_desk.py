"""People of the hotline have somebody called back who was missed, or want it no more. Pure rules over the house."""

from __future__ import annotations

from acd import callback as moves
from controller import callbacks
from controller.house import House
from pbx.callback import CallbackKind, CallbackState
from pbx.commands import Reply
from pbx.events import CallbackAsked, CallbackCancelled


def asked(house: House, event: CallbackAsked, now: float) -> None:
    """Somebody of the hotline wants a missed caller called. Codes: no_callback, unknown_queue, forbidden_number."""
    code = ""
    if not callbacks.possible(house):
        code = "no_callback"
    elif event.queue not in house.plan.queues:
        code = "unknown_queue"
    elif not callbacks.allowed(house, event.number, event.number if event.of_call is not None else ""):
        code = "forbidden_number"
    else:
        callbacks.ask(
            house,
            event.number,
            event.queue,
            place_at=event.place_at,
            language=event.language,
            kind=CallbackKind.MISSED,
            of_call=event.of_call,
            by=event.by,
        )
    house.emit(Reply(event.request, not code, code))


def cancel(house: House, event: CallbackCancelled, now: float) -> None:
    """Somebody of the hotline wants that a request is not served. Codes: unknown_callback, callback_dialling."""
    request = house.callbacks.get(event.id)
    code = "unknown_callback" if request is None else ""
    if request is not None:
        if request.state is CallbackState.DIALLING:
            code = "callback_dialling"
        else:
            callbacks.put(house, moves.cancelled(request, now))
    house.emit(Reply(event.request, not code, code))
