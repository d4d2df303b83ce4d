"""Parties' own voices, recorded beside the call's recording: when each begins and ends. Never a part of a call's rules.

After each of the switchboard's steps it is looked which parties of that call the caller hears and may be recorded
(`wanted`): each of them gets a recording of his own from his own channel, which ends when the caller hears him no more
(hold, consultation, transfer, a muted microphone) or the recording is paused. So none of these needs a rule here. What
is recorded here is used only where the call's recording has lost the voice (`recordings.voices`).

A restarted controller begins each anew, in place of what its predecessor had begun; both files are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from controller.house import House, LiveCall
from pbx.call import CallState
from pbx.events import Event, ExchangeConnected, Role
from pbx.ids import CallId, ChannelName
from pbx.voices import RecordVoice, StopVoice
from recordings.naming import UnsafeName, voice_name


@dataclass(slots=True)
class _Call:
    legs: set[ChannelName] = field(default_factory=set)
    begun: int = 0


def wanted(live: LiveCall | None, paused: bool) -> set[ChannelName]:
    """The legs whose voice is to be recorded by itself now."""
    if live is None or paused or live.recording is None or live.recording_stopped:
        return set()
    if live.state is not CallState.TALKING or not live.in_bridge or (live.muted and not live.muted[-1][1]):
        return set()
    return set(live.legs)


class Voices:
    """One for the whole hotline; give it every event after its step (`stepped`)."""

    def __init__(
        self, house: House, perform: Callable[[RecordVoice | StopVoice], None], clock: Callable[[], float]
    ) -> None:
        """`perform` gives the exchange a command."""
        self._house, self._perform, self._clock = house, perform, clock
        self._calls: dict[CallId, _Call] = {}
        self._paused: set[CallId] = set()

    def stepped(self, event: Event) -> None:
        """The switchboard has made a step; never waits."""
        if isinstance(event, ExchangeConnected):
            self._found(event)
            return
        call = getattr(event, "call", None)
        if call is not None:
            self._look(call)
        elif hasattr(event, "request"):  # what a person asks for names him, not his call
            for each in list(self._calls):
                self._look(each)
        if self._house.paused.keys() != self._paused:
            changed = self._house.paused.keys() ^ self._paused
            self._paused = set(self._house.paused)
            for each in changed:
                self._look(each)

    def _found(self, event: ExchangeConnected) -> None:
        """After a login: what an earlier controller has begun is unknown, so everything is begun anew or ended."""
        self._calls.clear()
        self._paused = set(self._house.paused)
        for each in list(self._house.calls):
            self._look(each)
        begun = {leg for one in self._calls.values() for leg in one.legs}
        for row in event.channels:
            if row.role in (Role.AGENT, Role.THIRD) and row.channel not in begun:
                self._perform(StopVoice(row.call, row.channel))

    def _look(self, call: CallId) -> None:
        if not self._house.connected:
            return
        live, known = self._house.calls.get(call), self._calls.get(call)
        want = wanted(live, call in self._house.paused)
        if known is None:
            if not want:
                return
            known = self._calls[call] = _Call()
        for leg in sorted(known.legs - want):
            self._perform(StopVoice(call, leg))
        if live is not None and live.recording is not None:
            for leg in sorted(want - known.legs):
                self._begin(known, live, live.recording, leg)
        known.legs = want
        if live is None:
            del self._calls[call]

    def _begin(self, known: _Call, live: LiveCall, recording: str, leg: ChannelName) -> None:
        known.begun += 1
        try:
            name = voice_name(recording, self._clock() - live.recording_since, known.begun)
        except UnsafeName:  # one strange name in the store must not cost a call anything
            return
        self._perform(RecordVoice(live.call, leg, name))
