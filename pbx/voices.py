"""Each other party's own voice, recorded beside the call's recording. Pure.

The words are part of the union in `pbx/commands.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pbx.ids import CallId, ChannelName


@dataclass(frozen=True, slots=True)
class RecordVoice:
    """Record what comes from `leg` alone into the raw file `name`, in place of what is being recorded of it; until the
    leg ends or `StopVoice`. No answer comes.
    """

    call: CallId
    leg: ChannelName
    name: str


@dataclass(frozen=True, slots=True)
class StopVoice:
    """Record what comes from `leg` no more. Of one that is not recorded it means nothing."""

    call: CallId
    leg: ChannelName
