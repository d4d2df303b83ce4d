"""AMI bytes and messages: the rules of `asterisk.md` 8 and 10.5, over every cut that TCP may make."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.wire import MAX_LINE, BadHeader, LineTooLong, Message, Wire, encode

pytestmark = pytest.mark.core

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
TRANSCRIPTS = Path(__file__).parents[1] / "fixtures" / "ami"
SAMPLE = (
    BANNER
    + b"Response: Success\r\nActionID: a-1\r\nMessage: Authentication accepted\r\n\r\n"
    + "Event: Hangup\r\nCallerIDName: 市民热线 José\r\nChanVariable: ROLE=caller\r\nChanVariable: Q=\r\n\r\n".encode()
    + b"Event: OriginateResponse\r\nActionID: a-2\r\nResponse: Failure\r\nUniqueid: third-1\r\n\r\n"
)


def fed(*pieces: bytes, wire: Wire | None = None) -> list[Message]:
    wire = wire or Wire()
    return [message for piece in pieces for message in wire.receive(piece)]


def texts(messages: list[Message]) -> list[tuple[str, str]]:
    return [(message.event, message.text) for message in messages]


def transcript(name: str) -> bytes:
    return (TRANSCRIPTS / name).read_bytes()


# ---------------------------------------------------------------- splitting and decoding


@pytest.mark.parametrize("cut", range(len(SAMPLE) + 1))
def test_every_cut_of_the_stream_gives_the_same_messages(cut: int) -> None:
    assert texts(fed(SAMPLE[:cut], SAMPLE[cut:])) == texts(fed(SAMPLE))


def test_one_byte_at_a_time_gives_the_same_messages() -> None:
    wire = Wire()
    found = fed(*(SAMPLE[i : i + 1] for i in range(len(SAMPLE))), wire=wire)
    assert texts(found) == texts(fed(SAMPLE))
    assert (wire.messages, wire.garbage, wire.damaged_text) == (3, 0, 0)


def test_a_character_cut_in_two_stays_whole() -> None:
    at = SAMPLE.index("热".encode()) + 1
    hangup = fed(SAMPLE[:at], SAMPLE[at:])[1]
    assert hangup.get("CallerIDName") == "市民热线 José"


@given(st.data())
def test_any_cuts_of_a_recorded_stream_give_the_same_messages(data: st.DataObject) -> None:
    stream = transcript("door.txt")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=40)))
    edges = [0, *cuts, len(stream)]
    pieces = [stream[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    assert texts(fed(*pieces)) == texts(fed(stream))


@given(
    st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"Event: X", b"A: 1", b"junk", b"\xe5\xb8\x82", b"\xff"])),
    st.data(),
)
def test_any_bytes_are_survived_and_cuts_change_nothing(parts: list[bytes], data: st.DataObject) -> None:
    stream = BANNER + b"".join(parts) + b"\r\n\r\nEvent: Last\r\n\r\n"
    cut = data.draw(st.integers(0, len(stream)))
    whole, cut_up = Wire(), Wire()
    expected = fed(stream, wire=whole)
    assert texts(fed(stream[:cut], stream[cut:], wire=cut_up)) == texts(expected)
    assert (whole.garbage, whole.damaged_text) == (cut_up.garbage, cut_up.damaged_text)
    assert expected[-1].event == "Last"


def test_the_banner_is_one_line_without_an_empty_line() -> None:
    wire = Wire()
    assert wire.receive(b"Asterisk Call Man") == []
    assert wire.banner is None
    (first,) = wire.receive(b"ager/11.0.0\r\nResponse: Success\r\nPing: Pong\r\n\r\n")
    assert wire.banner == "Asterisk Call Manager/11.0.0"
    assert first.get("Ping") == "Pong"


def test_a_banner_without_end_is_taken_as_it_is() -> None:
    wire = Wire()
    wire.receive(b"x" * 500)
    assert wire.banner == "x" * 200


# ---------------------------------------------------------------- what a message says


def message(text: str) -> Message:
    (found,) = fed(BANNER + text.encode() + b"\r\n\r\n")
    return found


def test_an_event_that_carries_a_response_is_an_event() -> None:
    found = message("Event: OriginateResponse\r\nActionID: a-2\r\nResponse: Failure")
    assert found.event == "OriginateResponse"
    assert found.response == ""
    assert not found.failed
    assert found.get("Response") == "Failure"
    assert found.action_id == "a-2"


def test_an_event_is_found_even_when_it_is_not_the_first_line() -> None:
    assert message("Response: Success\r\nEvent: X").event == ""  # an answer begins with Response
    assert message("Privilege: call,all\r\nEvent: X\r\nResponse: Failure").event == "X"


def test_repeated_headers_are_a_list_and_the_first_is_the_value() -> None:
    found = message("Event: X\r\nUniqueid: real\r\nChanVariable: A=1\r\nChanVariable: B=2\r\nUniqueid: forged")
    assert found.get("Uniqueid") == "real"
    assert found.all("ChanVariable") == ["A=1", "B=2"]
    assert found.headers["Uniqueid"] == ["real", "forged"]
    assert (found.variable("A"), found.variable("B"), found.variable("C")) == ("1", "2", "")


def test_the_tail_is_a_header_and_what_stands_behind_it() -> None:
    found = message("Event: UserEvent\r\nStep: 0\r\nUserEvent: Started\r\nno colon\r\nStep: 3\r\nEmpty: \r\nStep: 4")
    assert found.tail("UserEvent") == {"UserEvent": "Started", "Step": "3", "Empty": ""}
    assert found.tail("Missing") == {}


def test_command_output_keeps_its_lines_and_their_order() -> None:
    found = message("Response: Success\r\nMessage: Command output follows\r\nOutput:   a: b\r\nOutput: \r\nOutput: c")
    assert found.all("Output") == ["  a: b", "", "c"]


def test_names_are_exact_and_values_may_hold_colons() -> None:
    found = message("Event: X\r\nActionID: 7\r\nURI: sip:1001@127.0.0.1:5060\r\nEmpty: ")
    assert found.get("ID", "none") == "none"
    assert found.get("URI") == "sip:1001@127.0.0.1:5060"
    assert (found.get("Empty", "none"), found.get("Missing", "none")) == ("", "none")
    assert found.get("Event") == "X"


@pytest.mark.parametrize("name", ["door.txt", "all.txt", "restart.txt"])
def test_looking_up_says_the_same_as_parsing_everything(name: str) -> None:
    found = fed(transcript(name))
    assert len(found) > 10
    for one in found:
        for header, values in one.headers.items():
            assert one.get(header) == values[0]


def test_a_message_shows_no_caller_data_in_a_log() -> None:
    assert repr(message("Event: Hangup\r\nCallerIDNum: 13800001111")) == "<Message Hangup>"


# ---------------------------------------------------------------- garbage


def test_garbage_is_counted_and_skipped_and_the_line_goes_on() -> None:
    wire = Wire()
    found = fed(
        BANNER,
        b"no colon at all\r\n\r\n",
        b"Foo: bar\r\n\r\n",
        b"Event: Good\r\nx\r\nA: 1\r\n\r\n",
        wire=wire,
    )
    assert [one.event for one in found] == ["Good"]
    assert found[0].headers == {"Event": ["Good"], "A": ["1"]}
    assert wire.garbage == 2


def test_a_name_in_another_encoding_costs_only_its_own_letters() -> None:
    wire = Wire()
    bad = "Event: Hangup\r\nCallerIDName: 市民\r\nCause: 16\r\n\r\n".encode("gbk")
    found = fed(BANNER, bad + "Event: Next\r\nName: 热线\r\n\r\n".encode(), wire=wire)
    assert [one.event for one in found] == ["Hangup", "Next"]
    assert found[0].get("Cause") == "16"
    assert "\ufffd" in found[0].get("CallerIDName")
    assert found[1].get("Name") == "热线"
    assert (wire.damaged_text, wire.garbage) == (1, 0)


@pytest.mark.parametrize("step", [1, 7, 64, 10_000])
def test_a_message_over_the_limit_is_skipped_whatever_the_cuts(step: int) -> None:
    stream = BANNER + b"Event: A\r\n\r\n" + b"Event: Big\r\nX: " + b"y" * 300 + b"\r\n\r\n" + b"Event: B\r\n\r\n"
    wire = Wire(max_message=100)
    found = fed(*(stream[i : i + step] for i in range(0, len(stream), step)), wire=wire)
    assert [one.event for one in found] == ["A", "B"]
    assert wire.garbage == 1


def test_a_stream_without_any_end_does_not_grow() -> None:
    wire = Wire(max_message=1000)
    fed(BANNER, *(b"z" * 500 for _ in range(100)), wire=wire)
    assert len(wire._tail) <= 1003
    assert wire.garbage == 1
    assert [one.event for one in wire.receive(b"\r\n\r\nEvent: Back\r\n\r\n")] == ["Back"]


# ---------------------------------------------------------------- encoding


def test_an_action_is_one_header_a_line_and_an_empty_line() -> None:
    data = encode("Setvar", [("Variable", "A1"), ("Value", "hotline/zh/welcome,1,5")])
    assert data == b"Action: Setvar\r\nVariable: A1\r\nValue: hotline/zh/welcome,1,5\r\n\r\n"


def test_marks_of_the_dialplan_pass_as_they_are() -> None:
    value = "a,b;c\"d'e\\f&g|h:i$j{k}\tl ${CHANNEL} 市民"
    assert encode("Setvar", [("Value", value)]) == f"Action: Setvar\r\nValue: {value}\r\n\r\n".encode()


@pytest.mark.parametrize("bad", ["a\r\nAction: Originate", "a\nb", "a\rb", "a\0b", "\ud800"])
def test_a_value_that_would_inject_a_header_is_refused(bad: str) -> None:
    with pytest.raises(BadHeader) as refused:
        encode("Setvar", [("Value", bad)])
    assert "Value" in str(refused.value)
    assert "Originate" not in str(refused.value)
    with pytest.raises(BadHeader):
        encode(bad)


@pytest.mark.parametrize("name", ["", "A B", "A:", "A\r\nB", "1A", "变量"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(BadHeader):
        encode("Setvar", [(name, "x")])


def test_a_line_is_measured_in_bytes_with_its_name() -> None:
    fits = "市" * ((MAX_LINE - len("Value: ")) // 3)
    encode("Setvar", [("Value", fits)])
    with pytest.raises(LineTooLong, match="Value takes"):
        encode("Setvar", [("Value", fits + "市")])


@given(st.text(), st.text(alphabet=st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=200))
def test_what_is_encoded_is_read_back_the_same_or_refused(wild: str, tame: str) -> None:
    (found,) = fed(BANNER, b"Response: Success\r\n" + encode("X", [("Value", tame)]))
    assert found.get("Value") == tame
    try:
        data = encode("X", [("Value", wild)])
    except (BadHeader, LineTooLong):
        return
    assert data.count(b"\r\n") == 3  # action, value, end: nothing was injected
