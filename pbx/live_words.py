"""Words while people talk, as the exchange and the switchboard know of them. Pure.

The words are part of the unions in `pbx/events.py` and `pbx/commands.py`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pbx.ids import CallId, ChannelName


class LiveMark(enum.Enum):
    """What a call's record says of words while it was talked (`CallRecord.live_words`)."""

    LIVE = "live"  #: every leg was heard from when there was room for it
    GAVE_WAY = "gave_way"  #: the machine was too busy: from then on the transcript comes after the call only


@dataclass(frozen=True, slots=True)
class Hear:
    """Let what comes from `leg` alone be heard at the AudioSocket server `host`:`port`, under the UUID `sink`.

    It ends with the leg, or when the server closes the connection. No answer comes: who wants to hear counts how long
    nobody has connected.
    """

    call: CallId
    leg: ChannelName
    sink: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class LiveWordsMarked:
    """What is to be remembered of a call's live words; the last mark counts."""

    call: CallId
    mark: LiveMark
    at: float
