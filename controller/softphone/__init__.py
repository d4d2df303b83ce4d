"""A scripted SIP phone of our own, for the demo, the tests and the benchmarks.

A sans-I/O core (address, sip, digest, sdp, rtp, audio, heard, transaction, dialog) and a thin driver on asyncio
(media, watch, call, phone).  docs/adr tells why it is not pjsua2 or pyVoIP.
"""

from __future__ import annotations

from .audio import Tone
from .call import Call, CallFailed, CallState, Ended
from .heard import Recording
from .media import Playback
from .phone import AnswerPolicy, Phone, RegistrationFailed
from .watch import Event

__all__ = [
    "AnswerPolicy",
    "Call",
    "CallFailed",
    "CallState",
    "Ended",
    "Event",
    "Phone",
    "Playback",
    "Recording",
    "RegistrationFailed",
    "Tone",
]
