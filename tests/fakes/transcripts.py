"""Transcripts in memory: what was recognised, without search and corrections (the real desk is tested over a store)."""

from __future__ import annotations

from collections.abc import Mapping

from pbx.ids import CallId
from recordings.corrections import Kept, read
from recordings.search import FoundPage, Wanted
from recordings.transcript import Transcript
from tickets.moves import Actor
from web.backend import NotFound
from web.transcript_desk import TranscriptView, TurnConflict, TurnView


class MemoryTranscripts:
    """Implements `web.transcript_desk.TranscriptDesk`; everybody may read everything."""

    def __init__(self, transcripts: Mapping[CallId, Transcript]) -> None:
        self._transcripts = transcripts

    async def search(self, wanted: Wanted, viewer: Actor) -> FoundPage:
        return FoundPage(())

    async def transcript(self, call: CallId, viewer: Actor) -> TranscriptView:
        said = self._transcripts.get(call)
        if said is None:
            raise NotFound("transcript")
        turns = read(Kept(said)).turns
        about = (said.language, said.recogniser, said.grammar, said.duration_s)
        return TranscriptView(call, None, 1, *about, turns, (), False)

    async def turn(self, call: CallId, n: int, viewer: Actor) -> TurnView:
        turns = (await self.transcript(call, viewer)).turns
        if n >= len(turns):
            raise NotFound("turn")
        return TurnView(turns[n], ())

    async def correct(self, call: CallId, n: int, version: int, text: str, viewer: Actor) -> TurnView:
        raise TurnConflict(await self.turn(call, n, viewer))
