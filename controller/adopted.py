"""Calls of which this controller knows little or nothing, put together from what others know of them. Pure rules.

The store knows the instants, the mark in the caller's channel his place, the dialplan's note a talk that nobody has
seen; what is newer counts (`asterisk.md` 11.1).
"""

from __future__ import annotations

from dataclasses import replace

from acd.line import HIGHEST_PRIORITY
from controller import callbacks, campaign, held, lessons, offers, talk, turned_away
from controller.house import House, LiveCall
from ivr.menu import restore
from pbx.call import CallMark, CallRecord, Outcome
from pbx.commands import SaveCall
from pbx.events import CallGone, LiveChannel, TalkSeen
from pbx.ids import CallId, ChannelName, QueueId
from recordings.naming import UnsafeName, parse_raw_name
from recordings.policy import Milestone


def adopt(house: House, row: LiveChannel, at: float) -> LiveCall:
    """A call that an earlier controller, or nobody, knew."""
    mark = CallMark.decode(row.mark)
    live = _call_of(house, row.call, row.channel, row.mark, row.caller, house.restored.get(row.call), at)
    request = callbacks.of_call(house, row.call)
    if request is not None and not campaign.is_ours(row.call):  # the store may know the request, and not yet the call
        live.record = replace(live.record, callback=request.id, caller=request.number)
    record = live.record
    house.calls[row.call] = live
    house.emit(SaveCall(record))
    live.priority = min(max(mark.priority, 0), HIGHEST_PRIORITY) if mark else 0
    live.milestones.add(Milestone.ARRIVED)
    number = house.number(record.dialled)
    if campaign.found(house, live, mark, at):
        record = live.record
    elif record.outcome is Outcome.CALLBACK:
        live.releasing = True  # he is being told so
    elif turned_away.found(house, live):
        pass
    elif number.menu is not None and record.queue is None and mark is not None and mark.node:
        live.menu = house.plan.menus[number.menu]
        live.position, _ = restore(live.menu, mark.node, language=record.language)
        live.position = replace(live.position, path=record.menu_path)
    elif number.menu is None and record.queue is None:
        live.after_notice = number.direct
    live.ticket_asked = record.ticket is not None
    if record.recording is not None:
        live.recording = record.recording
        live.recording_since = _begun(record.recording, at)
    elif record.queue is not None:
        live.milestones.add(Milestone.CONSENT_CUT)  # the notice stands before every line
    return live


def _call_of(
    house: House, call: CallId, channel: ChannelName, marked: str, caller: str, known: CallRecord | None, at: float
) -> LiveCall:
    """A call as the store knew it, if it did, and as its channel's mark says, which is never older."""
    mark = CallMark.decode(marked)
    record = known
    if record is None:
        record = CallRecord(call, channel, mark.dialled if mark else "", caller, at)
        if mark is not None:
            record = replace(record, arrived_at=mark.arrived_at or at)
    if mark is not None:
        record = replace(record, language=mark.language)
    if mark is not None and mark.queue and record.queue is None:  # the store may lag behind the mark
        queue = house.queue(QueueId(mark.queue)).id
        place_at = mark.place_at or None
        record = replace(record, queue=queue, queued_at=mark.queued_at, menu_done_at=mark.queued_at, place_at=place_at)
    if campaign.is_ours(call):
        record = campaign.rated(campaign.ours(record, callbacks.of_call(house, call)), mark)
    return LiveCall(replace(record, channel=channel))


def _begun(recording: str, at: float) -> float:
    try:
        return parse_raw_name(recording).started_at.timestamp()
    except UnsafeName:  # one strange name in the store must not cost us the whole snapshot
        return at


def talk_seen(live: LiveCall, seen: TalkSeen | None, at: float) -> None:
    """Take the dialplan's note of a talk that ended unseen into the record; it knows better than we do."""
    if seen is None:
        return
    record = live.record
    released_at = seen.released_at or at
    joined_at = record.joined_at or seen.joined_at
    offers.close_offer(live, "answered", joined_at)
    live.record = replace(
        live.record,
        agent=record.agent or seen.agent,
        joined_at=joined_at,
        released_at=record.released_at or released_at,
        score=record.score or seen.score,
        in_net=record.in_net or seen.in_net,
    )
    if live.talk_since is not None:
        talk.span_ends(live, released_at)
    elif not live.talks:
        live.talks.append((joined_at, released_at))


def gone(house: House, gone: CallGone) -> None:
    """A call that ended unseen: its record is completed from the dialplan's note, or made from it.

    The dialplan notes more than is needed: of every call, and we erase a note only some time after we saw the end. Who
    has seen it knows more than the note, which has no offers.
    """
    campaign.gone(house, gone)  # its end may be known, and what he pressed not yet stored
    if gone.call in house.over:
        return
    known = house.restored.pop(gone.call, None)
    if known is None and (gone.call in house.calls or CallMark.decode(gone.mark) is None):
        return
    live = _call_of(house, gone.call, gone.channel, gone.mark, gone.caller, known, gone.ended_at)
    talk_seen(live, gone.talk, gone.ended_at)
    offers.close_offer(live, "lost", gone.ended_at)
    ended = replace(live.record, ended_at=gone.ended_at, outcome=talk.outcome_of(live))
    ended = held.record_over(turned_away.message_over(ended, gone.ended_at), gone.ended_at)
    lessons.learned_of(house, ended)
    house.ended(ended.call)
    house.emit(SaveCall(ended, unless_ended=True))
    if ended.joined_at is not None:  # an agent whom the net rang has answered him, and nobody has opened his ticket
        live.record = ended
        talk.ask_ticket(house, live, ended.agent, ended.joined_at)


def never_seen_again(house: House, record: CallRecord, at: float) -> None:
    """A stored call that lives no more: it ended while nobody watched."""
    if record.call in house.calls or record.ended_at is not None:
        return
    live = LiveCall(record)
    offers.close_offer(live, "lost", at)
    ended = replace(
        live.record,
        ended_at=at,
        released_at=record.released_at or (at if record.joined_at else None),
        outcome=talk.outcome_of(live, unseen=True),
    )
    house.emit(SaveCall(held.record_over(turned_away.message_over(ended, at), at)))
