"""When a recording starts and when it is finished. Pure rules over the house; the policy is `recordings/policy.py`."""

from __future__ import annotations

from datetime import UTC, datetime

from controller import pauses
from controller.house import House, LiveCall
from pbx.commands import FinishRecording, StartRecording
from pbx.events import RecordingStopped
from pbx.ids import CallId
from pbx.live_words import LiveWordsMarked
from recordings.naming import raw_name
from recordings.policy import Milestone, recording_due


def reached(house: House, live: LiveCall, milestone: Milestone, at: float) -> None:
    """The call reached a milestone; its recording starts when the policy says so."""
    live.milestones.add(milestone)
    if milestone in (Milestone.CONSENT_HEARD, Milestone.CONSENT_CUT):
        pauses.told(house, live, milestone, at)
    if recording_due(house.plan.recording, live.milestones):
        record_now(house, live, at)


def record_now(house: House, live: LiveCall, at: float) -> None:
    """Begin the recording, unless it has begun already."""
    if live.recording is None:
        live.recording = raw_name(live.call, datetime.fromtimestamp(at, UTC))
        live.recording_since = at
        house.note(live, recording=live.recording)
        house.emit(StartRecording(live.call, live.channel, live.recording))
        pauses.recording_began(house, live)


def recorded_now(house: House) -> dict[CallId, tuple[str, float]]:
    """The live recordings: the raw file's name, and since when."""
    return {
        live.call: (live.recording, live.recording_since)
        for live in house.calls.values()
        if live.recording is not None and not live.recording_stopped
    }


def stopped(house: House, event: RecordingStopped, now: float) -> None:
    """The exchange has closed the raw recording; it is finished once the call has ended too."""
    live = house.calls.get(event.call) or house.finishing.get(event.call)
    if live is not None:
        live.recording_stopped = True
        finish_if_complete(house, live)


def live_words_marked(house: House, event: LiveWordsMarked, now: float) -> None:
    """The record says whether the call was heard while it was talked; of one that is over there is nothing to say."""
    live = house.calls.get(event.call)
    if live is not None and live.record.live_words != event.mark.value:
        house.note(live, live_words=event.mark.value)


def finish_if_complete(house: House, live: LiveCall) -> None:
    """Have the recording sealed when the call has ended and the exchange has closed the file, whichever comes last."""
    if live.recording is None or live.record.ended_at is None:
        return
    if not live.recording_stopped:
        house.finishing[live.call] = live
        return
    house.finishing.pop(live.call, None)
    record = live.record
    ended_at = record.ended_at or 0.0
    said = record.message
    message = None if said is None else (said.began_at, said.ended_at or ended_at or said.began_at)
    house.emit(
        FinishRecording(
            live.call,
            live.recording,
            record.language,
            live.recording_since,
            tuple(live.talks) + (() if message is None else (message,)),
            ended_at,
            tuple((one.began_at, one.ended_at or ended_at) for one in record.holds),
            tuple((one.began_at, one.ended_at or ended_at) for one in record.pauses),
            tuple((begun, over or ended_at) for begun, over in live.muted),
            message,
        )
    )
