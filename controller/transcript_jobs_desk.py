"""Transcripts that are to be made, as the web sees them: implements `web.transcript_jobs_desk.TranscriptJobsDesk`."""

from __future__ import annotations

from collections.abc import Callable

from controller.records import Records
from controller.ticket_desk import from_store
from controller.transcripts import TranscriptErased, Transcripts
from pbx.ids import CallId
from recordings.jobs_sql import ASKED, CAUSES, Cause, Job, JobState
from web.backend import NotFound, Refused
from web.transcript_jobs_desk import TranscriptLine, TranscriptsOff, TranscriptState


class HotlineTranscriptJobs:
    """See `web.transcript_jobs_desk.TranscriptJobsDesk`."""

    def __init__(self, transcripts: Transcripts, records: Records, clock: Callable[[], float]) -> None:
        self._transcripts, self._records, self._clock = transcripts, records, clock

    async def state(self, call: CallId) -> TranscriptState:
        """How far it is."""
        job = await from_store(self._transcripts.job(call))
        if job is not None:
            return _shown(job)
        record = await from_store(self._records.call(call))
        if record is None:
            raise NotFound("call")
        made = await from_store(self._records.transcript(call)) is not None  # before jobs were kept
        return TranscriptState(call, "done" if made else "none", record.language)

    async def again(self, call: CallId) -> TranscriptState:
        """Have it made before calls of now."""
        if not self._transcripts.on:
            raise TranscriptsOff
        try:
            job = await from_store(self._transcripts.again(call, ASKED))
        except TranscriptErased:
            raise Refused("transcript_erased") from None
        if job is None:
            raise NotFound("recording")
        return _shown(job)

    async def line(self, state: str, limit: int) -> TranscriptLine:
        """The line as it is now."""
        counts = await from_store(self._transcripts.counts())
        found = await from_store(self._transcripts.jobs(JobState(state), limit))
        return TranscriptLine(
            self._transcripts.on, counts.waiting, counts.oldest_at, dict(counts.failed), [_shown(job) for job in found]
        )

    async def all_again(self, cause: str) -> int:
        """Have them made behind calls of now."""
        if not self._transcripts.on:
            raise TranscriptsOff
        return await from_store(self._transcripts.all_again([cause] if cause else list(Cause)))


def _shown(job: Job) -> TranscriptState:
    message = None
    if job.cause:
        zh, en = CAUSES[Cause(job.cause)]
        message = {"zh": zh, "en": en}
    return TranscriptState(
        job.call, job.state.value, job.language, job.cause, message, job.asked_at, job.ended_at, job.kills
    )
