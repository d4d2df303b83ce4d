"""Journals that an earlier program wrote are read: words that have another form today."""

from __future__ import annotations

import pytest

from controller.codec import decode_command, decode_event
from pbx.commands import PlaceCall
from pbx.events import OutboundFailed
from pbx.ids import CallId

pytestmark = pytest.mark.core


def test_the_two_commands_that_placed_calls_are_one() -> None:
    back = {"is": "CallBack", "call": "cb1-1", "number": "138", "dial": "PJSIP/138@t", "caller_id": "12345"}
    back |= {"ring_s": 30, "dialled": "12345", "language": "zh", "purpose": "callback"}
    expected = PlaceCall(CallId("cb1-1"), "138", "PJSIP/138@t", "12345", 30, "zh", "", "callback")
    assert decode_command(back) == expected
    out = {"is": "PlaceCall", "call": "out-1", "number": "138", "trunk": "carrier", "caller_id": "12345"}
    out |= {"ring_s": 30, "language": "zh", "mark": "m"}
    assert decode_command(out) == PlaceCall(CallId("out-1"), "138", "PJSIP/138@carrier", "12345", 30, "zh", "m")


def test_the_two_failures_are_one() -> None:
    failed = {"is": "CallbackFailed", "call": "cb1-1", "reason": "busy", "at": 5.0}
    assert decode_event(failed) == OutboundFailed(CallId("cb1-1"), "busy", 5.0)
