"""Writing of transcripts: recognised anew, corrected, found by their words. Each runs in the writer's transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

import recordings.sql as recording_rows
import recordings.words_due_sql as keeping_rows
import recordings.words_sql as rows
import tickets.sql as ticket_rows
from controller import audit_rows
from metrics.sql import calls
from pbx.ids import CallId
from pbx.supervision import AuditEntry
from recordings.corrections import Correction, read, version_of_turn
from recordings.search import keys_of
from recordings.transcript import Transcript
from tickets.tables import tickets


@dataclass(frozen=True, slots=True)
class Heard:
    """A call's transcript as a recogniser has just made it; epoch seconds."""

    call: CallId
    transcript: Transcript
    made_at: float


@dataclass(frozen=True, slots=True)
class Indexed:
    """The keys of a transcript of one version, packed (`recordings.words_sql.packed`)."""

    call: CallId
    version: int
    began_at: float
    keys: bytes


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody says was said in a turn that he saw as of `version`, and the line of the audit trail about it."""

    call: CallId
    turn: int
    version: int
    text: str
    by: str
    role: str
    at: float
    entry: AuditEntry


class TurnChanged(Exception):
    """Somebody else has changed the turn meanwhile, or there is another transcription, or none: nothing was written."""


def save(connection: Connection, heard: Heard) -> None:
    """Write a transcript and say so in the call's ticket. The same one again changes nothing; another one is a new base
    beside which the corrections stay.
    """
    before = connection.execute(
        select(recording_rows.transcripts.c.body, recording_rows.transcripts.c.base).where(
            recording_rows.transcripts.c.call == heard.call
        )
    ).first()
    version = rows.version_of(connection, heard.call)
    if before is None or version is None:
        base = 1
    elif before.body == heard.transcript.to_json():
        base = before.base
    else:
        base = version + 1
    recording_rows.save_transcript(connection, heard.call, heard.transcript, heard.made_at, base)
    if before is not None and base != before.base:
        rows.make_stale(connection, heard.call)
    keeping_rows.keep_from(connection, heard.call, _recorded_at(connection, heard.call))
    ticket_rows.link_transcript(connection, heard.call)


def correct(connection: Connection, wish: Wish) -> int:
    """Write a correction and its line of the audit trail; the new version. Raises `TurnChanged`."""
    kept = rows.kept(connection, wish.call)
    if kept is None or version_of_turn(kept, wish.turn) != wish.version:
        raise TurnChanged
    turn = kept.transcript.turns[wish.turn]
    made = Correction(
        kept.version + 1,
        kept.base,
        wish.turn,
        turn.speaker,
        turn.start_s,
        turn.end_s,
        turn.text,
        wish.text,
        wish.by,
        wish.role,
        wish.at,
    )
    rows.add_correction(connection, wish.call, made)
    rows.make_stale(connection, wish.call)
    audit_rows.append(connection, wish.entry)
    return made.version


def index(connection: Connection, indexed: Indexed) -> bool:
    """Write the keys; False when the transcript is of another version by now."""
    return rows.put_keys(connection, indexed.call, indexed.version, indexed.began_at, indexed.keys)


def keys_for(connection: Connection, call: CallId) -> Indexed | None:
    """The keys of a call's transcript as it is now; None when it has none. For a reader's thread: it takes a while."""
    kept = rows.kept(connection, call)
    if kept is None:
        return None
    about = connection.execute(
        select(calls.c.arrived_at, calls.c.agent, calls.c.queue).where(calls.c.call == call)
    ).first()
    taken_by = connection.execute(select(tickets.c.agent).where(tickets.c.call == call)).scalar()
    began_at = about.arrived_at if about is not None else _recorded_at(connection, call)
    agent, queue = (about.agent or "", about.queue or "") if about is not None else ("", "")
    return Indexed(call, kept.version, began_at, rows.packed(keys_of(read(kept), agent, queue, taken_by or "")))


def _recorded_at(connection: Connection, call: CallId) -> float:
    """When the call's recording began, or else when its transcript was made: not much later."""
    recording = recording_rows.get_recording(connection, call)
    if recording is not None:
        return recording.started_at
    made = recording_rows.transcripts.c.made_at
    return float(connection.execute(select(made).where(recording_rows.transcripts.c.call == call)).scalar_one())
