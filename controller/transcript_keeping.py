"""Erases transcripts whose time is over (`transcript_keep_days`), by the clockwork that erases recordings.

A transcript lies in the database alone, so its erasure is one transaction: it is asked once more whether anything holds
it, then the words, their index, people's corrections and what quality inspection quoted of them go, and the certificate
is written. A crash leaves all of it or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection

from agents.rights import SYSTEM
from controller import audit_rows
from controller.inspection_rows import erase_inspection
from controller.keeping_facts import facts_of
from controller.spool import Operation
from controller.writer import Store
from pbx.supervision import AuditEntry
from recordings import words_due_sql as rows
from recordings.keeping import Due, KeepPolicy, Kept, decide, erasable_from
from recordings.words_due_sql import DueWords, WordsErasure
from tickets.sql import forget_transcript

AT_ONCE = 50
"""Transcripts that are judged, or looked for, in one transaction."""


def goes_along(policy: KeepPolicy, kept: Kept, now: float) -> bool:
    """Whether a transcript goes with its recording, which is erased now, and is not kept longer.

    `policy`: that of recordings.
    """
    return isinstance(decide(policy.of_transcripts, kept, now), Due)


def _judge(connection: Connection, judged: tuple[KeepPolicy, Sequence[DueWords]]) -> None:
    policy, found = judged
    for call, kept in facts_of(connection, found).items():
        rows.put_words_due(connection, call, policy.version, erasable_from(policy, kept))


def _erase(connection: Connection, asked: tuple[KeepPolicy, DueWords, float]) -> bool:
    policy, seen, now = asked
    words = rows.still_kept(connection, seen.call)
    decision = decide(policy, facts_of(connection, [words])[words.call], now) if words is not None else None
    if words is None or not isinstance(decision, Due):
        rows.judge_words_anew(connection, [seen.call])
        return False
    gone = rows.erase_words(connection, words, decision.rule, now)
    forget_transcript(connection, gone.call)
    erase_inspection(connection, gone.call)
    audit_rows.append(connection, _certificate(gone))
    return True


class TranscriptKeeping:
    """See the module. `look` is called once in an hour, after the recordings were looked at: what is due at the same
    instant as its recording has gone with it."""

    def __init__(self, store: Store, policy: KeepPolicy, clock: Callable[[], float]) -> None:
        """`policy`: that of recordings, which says what is other for transcripts; `clock`: epoch seconds."""
        self._store, self._policy, self._clock = store, policy.of_transcripts, clock
        self._judging: Operation[tuple[KeepPolicy, Sequence[DueWords]], None] = Operation("judge_transcripts", _judge)
        self._erasing: Operation[tuple[KeepPolicy, DueWords, float], bool] = Operation("erase_transcript", _erase)

    async def look(self) -> int:
        """Judge what has changed, then erase every transcript whose time is over and that nothing holds; how many.

        Raises `StoreError`.
        """
        await self.judge_all()
        return await self.erase_due()

    async def judge_all(self) -> int:
        """Ask the rules of every transcript of which something has changed, or the rules have; how many."""
        judged = 0
        while found := await self._store.read(rows.unjudged_words, self._policy.version, AT_ONCE):
            await self._store.submit(self._judging, (self._policy, found))
            judged += len(found)
        return judged

    async def erase_due(self) -> int:
        """Erase what is due; how many."""
        now, erased = self._clock(), 0
        while found := await self._store.read(rows.words_due_before, self._policy.version, now, AT_ONCE):
            # One that is kept after all has been judged anew, so it is found by no later look of this round.
            for words in found:
                erased += await self._store.submit(self._erasing, (self._policy, words, now))
        return erased


def _certificate(gone: WordsErasure) -> AuditEntry:
    """The line of the audit trail: what was erased, by which rule, and the digest by which a copy is known."""
    day = datetime.fromtimestamp(gone.started_at, UTC).date().isoformat()
    zh = f"通话文字已按规则 {gone.rule} 销毁: {day}, 更正 {gone.corrections} 处, SHA-256 {gone.sha256}"
    en = f"transcript erased by the rule {gone.rule}: of {day}, {gone.corrections} corrections, SHA-256 {gone.sha256}"
    id = f"erase-transcript-{gone.call}"
    return AuditEntry(id, gone.erased_at, SYSTEM, "system", "erase_transcript", "", gone.call, "", zh, en, "ok")
