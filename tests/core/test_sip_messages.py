"""SIP messages: what is written can be read again, and the nasty ones of RFC 4475's kind are told apart."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.softphone.sip import (
    CSeq,
    Headers,
    MalformedMessage,
    NameAddr,
    Request,
    Response,
    Uri,
    Via,
    parse_message,
    split_commas,
)

pytestmark = pytest.mark.core

MINIMAL = {
    "Via": "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa1",
    "From": '"A" <sip:a@example.com>;tag=1',
    "To": "<sip:b@example.com>",
    "Call-ID": "x@example.com",
    "CSeq": "1 OPTIONS",
}


def text(start: str = "OPTIONS sip:b@example.com SIP/2.0", body: bytes = b"", **changes: str | None) -> bytes:
    """A minimal request with some headers changed (None: left out; "_" in a name stands for "-")."""
    headers: dict[str, str | None] = {**MINIMAL, **{k.replace("_", "-"): v for k, v in changes.items()}}
    lines = [start, *(f"{n}: {v}" for n, v in headers.items() if v is not None), "", ""]
    return "\r\n".join(lines).encode() + body


# -- round trip ----------------------------------------------------------------------------------------------

token = st.text("abcdefgXYZ019-.!%*_+`'~", min_size=1, max_size=12)
free_text = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=40)
quoted = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)
param_list = st.lists(st.tuples(token, st.none() | token), max_size=3).map(tuple)
host = st.sampled_from(["example.com", "192.0.2.7", "[2001:db8::1]", "a-b.example.org"])
port = st.none() | st.integers(1, 65535)
uri = st.builds(
    Uri,
    st.sampled_from(["sip", "sips"]),
    st.none() | st.text("abc019-_.!~*'()&=+$,;?/", min_size=1),
    host,
    port,
    param_list,
)
name_addr = st.builds(NameAddr, uri, quoted, param_list)
via = st.builds(Via, st.sampled_from(["UDP", "TCP", "TLS"]), host, port, param_list)


@settings(deadline=None)
@given(uri)
def test_a_uri_written_is_the_uri_read(value: Uri) -> None:
    assert Uri.parse(str(value)) == value


@settings(deadline=None)
@given(name_addr)
def test_an_address_written_is_the_address_read(value: NameAddr) -> None:
    assert NameAddr.parse(str(value)) == value


@settings(deadline=None)
@given(via)
def test_a_via_written_is_the_via_read(value: Via) -> None:
    assert Via.parse(str(value)) == value


@settings(deadline=None)
@given(st.lists(name_addr, min_size=1, max_size=4))
def test_a_list_header_splits_at_its_own_commas_only(values: list[NameAddr]) -> None:
    assert [NameAddr.parse(part) for part in split_commas(", ".join(map(str, values)))] == values


extra = st.lists(st.tuples(token.map(lambda t: "X-" + t), free_text.map(lambda t: t.strip(" \t"))), max_size=4)


@settings(deadline=None)
@given(token, uri, name_addr, name_addr, via, st.integers(0, 2**31 - 1), extra, st.binary(max_size=60))
def test_a_request_written_is_the_request_read(
    method: str,
    target: Uri,
    sender: NameAddr,
    to: NameAddr,
    top: Via,
    number: int,
    more: list[tuple[str, str]],
    body: bytes,
) -> None:
    headers = Headers(
        [
            ("Via", str(top)),
            ("From", str(sender)),
            ("To", str(to)),
            ("Call-ID", "c1"),
            ("CSeq", f"{number} {method}"),
            *more,
        ]
    )
    request = Request(headers, body, method, str(target))
    read = parse_message(request.encode())
    assert isinstance(read, Request)
    assert (read.method, read.uri, read.body) == (method, str(target), body)
    assert read.headers == request.headers
    assert (read.from_, read.to, read.via, read.cseq) == (sender, to, top, CSeq(number, method))


@settings(deadline=None)
@given(st.integers(100, 699), free_text)
def test_a_response_written_is_the_response_read(status: int, reason: str) -> None:
    response = Response(Headers(MINIMAL.items()), b"body", status, reason)
    read = parse_message(response.encode())
    assert isinstance(read, Response)
    assert (read.status, read.reason, read.body, read.headers) == (status, reason, b"body", response.headers)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_message(data)


@settings(deadline=None)
@given(st.integers(0, 400), st.binary(max_size=4))
def test_a_damaged_message_is_a_message_or_malformed(position: int, damage: bytes) -> None:
    whole = text(Contact="<sip:a@192.0.2.1>", X_Note="市民热线")
    damaged = whole[:position] + damage + whole[position + len(damage) :]
    with contextlib.suppress(MalformedMessage):
        parse_message(damaged)


# -- well-formed, however odd (the kinds of RFC 4475 section 3.1.1) --------------------------------------------


def test_folding_compact_names_spaces_and_zeros() -> None:
    data = (
        b"INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n"
        b"TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n"
        b'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n'
        b"MaX-fOrWaRdS: 0068\r\nCall-ID: wsinv.ndaksdj@192.0.2.1\r\nContent-Length   : 4\r\n"
        b"cseq: 0009\r\n  INVITE\r\nVia  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n"
        b"s :\r\nNewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
        b"UnknownHeaderWithUnusualValue: ;;,,;;,;\r\n"
        b"Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n"
        b"v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n"
        b" SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n"
        b'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n'
        b"  secondparam ; q = 0.33\r\n\r\nbodyand more"
    )
    message = parse_message(data)
    assert isinstance(message, Request)
    assert message.to == NameAddr(Uri("sip", "vivekg", "chair-dnrc.example.com"), params=(("tag", "1918181833n"),))
    assert (message.from_.display, message.from_.tag) == ('J Rosenberg \\"', "98asjd8")
    assert message.cseq == CSeq(9, "INVITE")
    assert [Via.parse(v).branch for v in message.headers.values("Via")] == ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]
    assert message.headers.get("Subject") == ""
    assert message.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert message.headers.get("unknownheaderwithunusualvalue") == ";;,,;;,;"
    assert NameAddr.parse(message.headers.values("Route")[0]).uri.param("lr") == ""
    contact = NameAddr.parse(message.headers.values("Contact")[0])
    assert (contact.display, contact.param("newparam"), contact.param("secondparam")) == (
        'Quoted string ""',
        "newvalue",
        "",
    )
    assert message.body == b"body"  # bytes after Content-Length are no part of the message


def test_the_widest_range_of_characters() -> None:
    method = "!interesting-Method0123456789_*+`.%indeed'~"
    user = "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    data = (
        f"{method} sip:{user}:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP host1.example.com;branch=z9hG4bK-.!%66*_+`'~\r\n"
        f'To: "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:{user}@example.com>\r\n'
        "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;"
        "fromParam''~+*_!.-%=\"работающий\";tag=_token~1'+`*%!-.\r\n"
        "Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\r\n"
        f"CSeq: 139122385 {method}\r\nMax-Forwards: 255\r\nContent-Length: 0\r\n\r\n"
    ).encode()
    message = parse_message(data)
    assert isinstance(message, Request)
    assert (message.method, message.cseq.method) == (method, method)
    assert Uri.parse(message.uri).user == user
    assert Uri.parse(message.uri).password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert message.to.display == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert message.from_.display == "token1~` token2'+_ token3*%!.-"
    assert message.from_.param("fromParam''~+*_!.-%") == '"работающий"'
    assert message.from_.tag == "_token~1'+`*%!-."
    assert message.via.branch == "z9hG4bK-.!%66*_+`'~"
    assert parse_message(message.encode()) == message


def test_escapes_stay_in_the_uri_and_are_undone_in_the_number() -> None:
    message = parse_message(text("INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0", CSeq="1 INVITE"))
    assert isinstance(message, Request)
    uri = Uri.parse(message.uri)
    assert (uri.user, uri.host, uri.number) == ("sips%3Auser%40example.com", "example.net", "sips:user@example.com")


def test_a_percent_method_is_not_unescaped() -> None:
    message = parse_message(text("RE%47IST%45R sip:registrar.example.com SIP/2.0", CSeq="29344 RE%47IST%45R"))
    assert isinstance(message, Request)
    assert message.method == "RE%47IST%45R"


def test_no_space_between_display_name_and_angle_bracket() -> None:
    assert parse_message(text(From="caller<sip:caller@example.com>;tag=323")).from_.display == "caller"


def test_long_values_and_many_vias() -> None:
    long = "very" * 700
    vias = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n" * 60
    data = text(From=f'"{long}" <sip:{long}@{long}.example.com>;tag=1').replace(b"From", vias.encode() + b"From", 1)
    message = parse_message(data)
    assert len(message.headers.values("Via")) == 61
    assert message.from_.uri.user == long


def test_two_datagrams_in_one_are_the_first_only() -> None:
    first = text(Content_Length="0")
    assert parse_message(first + text("INVITE sip:x@example.com SIP/2.0", CSeq="1 INVITE")).cseq.method == "OPTIONS"


def test_semicolons_in_the_user_part_belong_to_it() -> None:
    message = parse_message(text("OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0"))
    assert isinstance(message, Request)
    uri = Uri.parse(message.uri)
    assert (uri.user, uri.host, uri.params, uri.number) == ("user;par=u%40example.net", "example.com", (), "user")


@pytest.mark.parametrize("transport", ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"])
def test_every_transport_word(transport: str) -> None:
    assert parse_message(text(Via=f"SIP/2.0/{transport} t1.example.com;branch=z9hG4bKx")).via.transport == transport


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        ("SIP/2.0 200 = 2**3 * 5**2 но сто", 200, "= 2**3 * 5**2 но сто"),
        ("SIP/2.0 100 ", 100, ""),
        ("SIP/2.0 100", 100, ""),
    ],
)
def test_reason_phrases(line: str, status: int, reason: str) -> None:
    message = parse_message(text(line))
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (status, reason)


def test_unknown_scheme_is_carried_for_a_416() -> None:
    message = parse_message(text("OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0"))
    assert isinstance(message, Request)
    assert message.uri == "nobodyKnowsThisScheme:totallyopaquecontent"


def test_leading_empty_lines_are_skipped() -> None:
    assert parse_message(b"\r\n\r\n" + text()).call_id == "x@example.com"


# -- not to be acted on (section 3.1.2) -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(text(Via="SIP/2.0/UDP 192.0.2.15;;,;,,"), id="separators instead of a Via"),
        pytest.param(text(Content_Length="9999", body=b"short"), id="Content-Length larger than the body"),
        pytest.param(text(Content_Length="-999", body=b"short"), id="negative Content-Length"),
        pytest.param(text(CSeq="36893488147419103232 OPTIONS"), id="CSeq beyond 32 bits"),
        pytest.param(text(CSeq="2147483648 OPTIONS"), id="CSeq of 2**31"),
        pytest.param(text(CSeq="１ OPTIONS"), id="CSeq in full-width digits"),
        pytest.param(text("SIP/2.0 4294967301 better not break the receiver"), id="huge status"),
        pytest.param(text("SIP/2.0 099 low"), id="status below 100"),
        pytest.param(text("SIP/2.0 700 high"), id="status above 699"),
        pytest.param(text(To='"Mr. J. User <sip:j.user@example.com>'), id="unterminated quote"),
        pytest.param(text(To="<sip:j.user@example.com"), id="unterminated bracket"),
        pytest.param(text("INVITE <sip:user@example.com> SIP/2.0", CSeq="1 INVITE"), id="brackets round the URI"),
        pytest.param(text("INVITE sip:user@example.com; lr SIP/2.0", CSeq="1 INVITE"), id="space in the URI"),
        pytest.param(text("INVITE  sip:user@example.com  SIP/2.0", CSeq="1 INVITE"), id="two spaces"),
        pytest.param(text("OPTIONS sip:user@example.com SIP/2.0  "), id="space after the version"),
        pytest.param(text("OPTIONS sip:t.watson@example.org SIP/7.0"), id="unknown version"),
        pytest.param(text("SIP/7.0 200 OK"), id="unknown version of a response"),
        pytest.param(text("NEWMETHOD sip:user@example.com SIP/2.0"), id="CSeq of another method"),
        pytest.param(text(CSeq=None), id="no CSeq"),
        pytest.param(text(Call_ID=None), id="no Call-ID"),
        pytest.param(text(From=None), id="no From"),
        pytest.param(text(To=None), id="no To"),
        pytest.param(text(Via=None), id="no Via"),
        pytest.param(text().replace(b"Call-ID", b"CSeq: 2 OPTIONS\r\nCall-ID"), id="two CSeq"),
        pytest.param(text().replace(b"CSeq", b"f: <sip:c@example.com>;tag=2\r\nCSeq"), id="two From, one compact"),
        pytest.param(text(Content_Length="5", l="0", body=b"hello"), id="two lengths"),
        pytest.param(text(To='"Bell, Alexander <sip:a.g.bell@example.com>;tag=43'), id="quote never closed"),
        pytest.param(text(To="<sip:user@example.com:99999>"), id="port out of range"),
        pytest.param(text(To="<sip:>"), id="URI without host"),
        pytest.param(text(Contact="sip:user@example.com?Route=%3Csip:sip.example.com%3E, <"), id="broken Contact"),
        pytest.param(text(Record_Route="<sip:p1.example.com;lr"), id="broken Record-Route"),
        pytest.param(text(To="sip:a@example.com, sip:b@example.com"), id="two addresses"),
        pytest.param(text().replace(b"To:", b"To"), id="header without colon"),
        pytest.param(text().replace(b"To:", b"T o:"), id="space in a header name"),
        pytest.param(text().replace(b"\r\nFrom", b"\nFrom"), id="bare line feed"),
        pytest.param(text().replace(b"\r\nVia", b"\r\n Via"), id="first header folded"),
        pytest.param(text()[:-2], id="no empty line"),
        pytest.param(b"\r\n\r\n", id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", id="another protocol"),
    ],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_message(data)


# -- writing ----------------------------------------------------------------------------------------------------


def test_a_header_cannot_smuggle_another() -> None:
    headers = Headers()
    for name, value in [("X-A", "1\r\nVia: x"), ("X-A", "1\nb"), ("X A", "1"), ("X-A\r\n", "1"), ("", "1")]:
        with pytest.raises(MalformedMessage):
            headers.add(name, value)


def test_error_texts_and_representations_hold_no_callers_data() -> None:
    secret = "13800001111"
    with pytest.raises(MalformedMessage) as caught:
        parse_message(text(From=f'"{secret} <sip:{secret}@example.com>'))
    assert secret not in str(caught.value)
    assert secret not in repr(Headers([("From", f"<sip:{secret}@example.com>")]))


def test_a_response_copies_what_it_must() -> None:
    request = parse_message(text(Record_Route="<sip:p1.example.com;lr>, <sip:p2.example.com;lr>", X_Other="1"))
    assert isinstance(request, Request)
    response = request.respond(180, to_tag="mine")
    assert response.headers.values("Record-Route") == ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]
    assert (response.to.tag, response.from_, response.call_id) == ("mine", request.from_, request.call_id)
    assert (response.cseq, response.via, response.reason) == (request.cseq, request.via, "Ringing")
    assert "X-Other" not in response.headers
    again = parse_message(text(To="<sip:b@example.com>;tag=theirs"))
    assert isinstance(again, Request)
    assert again.respond(200, to_tag="mine").to.tag == "theirs"


@pytest.mark.parametrize(
    ("given_via", "seen", "expected"),
    [
        (
            "SIP/2.0/UDP 10.0.0.1:5062;rport;branch=z9hG4bK1",
            ("192.0.2.1", 4000),
            {"rport": "4000", "received": "192.0.2.1"},
        ),
        ("SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1", ("192.0.2.1", 5062), {"rport": None, "received": None}),
        ("SIP/2.0/UDP pc.example.com;branch=z9hG4bK1", ("192.0.2.1", 5060), {"rport": None, "received": "192.0.2.1"}),
    ],
)
def test_received_and_rport(given_via: str, seen: tuple[str, int], expected: dict[str, str | None]) -> None:
    via_seen = Via.parse(given_via).seen_from(*seen)
    assert {name: via_seen.param(name) for name in expected} == expected
    assert via_seen.branch == "z9hG4bK1"


def test_numbers_are_escaped_where_the_grammar_demands_it() -> None:
    assert str(Uri.of("*43#", "127.0.0.1", 5060)) == "sip:*43%23@127.0.0.1:5060"
    assert Uri.parse(str(Uri.of("市民", "127.0.0.1"))).number == "市民"
    assert str(Uri.parse("tel:+8612345;phone-context=x")) == "tel:+8612345;phone-context=x"


def test_headers_set_keeps_the_place_and_removes_the_rest() -> None:
    headers = Headers([("X-A", "1"), ("X-B", "2"), ("x-a", "3"), ("X-C", "4")])
    headers.set("X-A", "9")
    assert list(headers) == [("X-A", "9"), ("X-B", "2"), ("X-C", "4")]
    headers.remove("x-b")
    assert "X-B" not in headers
