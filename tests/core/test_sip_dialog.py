"""Dialogs: where requests go and in which order they may come."""

from __future__ import annotations

import pytest

from controller.softphone.dialog import Dialog
from controller.softphone.sip import Headers, MalformedMessage, NameAddr, Request, Response, Uri

pytestmark = pytest.mark.core


def invite(*more: tuple[str, str], number: int = 5) -> Request:
    return Request(
        Headers(
            [
                ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
                ("From", '"A" <sip:a@example.com>;tag=theirs'),
                ("To", "<sip:b@example.com>"),
                ("Call-ID", "c"),
                ("CSeq", f"{number} INVITE"),
                *more,
            ]
        ),
        b"",
        "INVITE",
        "sip:b@192.0.2.9",
    )


def outgoing() -> Dialog:
    own = NameAddr(Uri.parse("sip:me@example.com")).with_tag("mine")
    return Dialog("c", own, NameAddr(Uri.parse("sip:you@example.com")), "sip:you@example.com")


def test_the_called_side_keeps_the_order_of_record_routes() -> None:
    dialog = Dialog.incoming(
        invite(("Contact", "<sip:a@192.0.2.1:5062>"), ("Record-Route", "<sip:192.0.2.5;lr>, <sip:192.0.2.6;lr>")),
        "mine",
    )
    request = dialog.request("BYE")
    assert request.uri == "sip:a@192.0.2.1:5062"
    assert request.headers.get_all("Route") == ["<sip:192.0.2.5;lr>", "<sip:192.0.2.6;lr>"]
    assert (request.from_.tag, request.to.tag) == ("mine", "theirs")
    assert dialog.next_hop(("192.0.2.99", 1)) == ("192.0.2.5", 5060)
    assert dialog.key == ("c", "mine")


def test_the_calling_side_turns_them_round() -> None:
    dialog = outgoing()
    response = Response(
        Headers(
            [
                ("To", "<sip:you@example.com>;tag=theirs"),
                ("Contact", "<sip:you@192.0.2.7:5063>"),
                ("Record-Route", "<sip:192.0.2.5;lr>"),
                ("Record-Route", "<sip:192.0.2.6:5066;lr>"),
            ]
        ),
        status=200,
    )
    dialog.established_by(response)
    request = dialog.request("BYE")
    assert (request.uri, request.to.tag) == ("sip:you@192.0.2.7:5063", "theirs")
    assert request.headers.get_all("Route") == ["<sip:192.0.2.6:5066;lr>", "<sip:192.0.2.5;lr>"]
    assert dialog.next_hop(("192.0.2.99", 1)) == ("192.0.2.6", 5066)


def test_a_strict_router_becomes_the_request_uri() -> None:
    """Section 12.2.1.1."""
    dialog = outgoing()
    dialog.target = "sip:you@192.0.2.7"
    dialog.routes = ["<sip:192.0.2.5>", "<sip:192.0.2.6;lr>"]
    request = dialog.request("BYE")
    assert request.uri == "sip:192.0.2.5"
    assert request.headers.get_all("Route") == ["<sip:192.0.2.6;lr>", "<sip:you@192.0.2.7>"]


def test_numbers_grow_by_one_but_not_for_an_ack() -> None:
    dialog = outgoing()
    first = dialog.request("INVITE").cseq.number
    assert dialog.request("ACK", first).cseq.number == first
    assert dialog.request("BYE").cseq.number == first + 1


def test_requests_out_of_order_are_not_taken() -> None:
    dialog = Dialog.incoming(invite(("Contact", "<sip:a@192.0.2.1>")), "mine")
    assert dialog.takes(invite(number=6))
    assert not dialog.takes(invite(number=5))
    assert dialog.takes(invite(number=100))


def test_names_are_never_looked_up() -> None:
    dialog = outgoing()
    for target, hop in [
        ("sip:you@pc33.example.com", ("192.0.2.99", 1)),
        ("sip:you@999.1.1.1", ("192.0.2.99", 1)),
        ("sip:you@localhost:5062", ("127.0.0.1", 5062)),
        ("sip:you@192.0.2.8", ("192.0.2.8", 5060)),
    ]:
        dialog.target = target
        assert dialog.next_hop(("192.0.2.99", 1)) == hop


def test_an_invite_without_contact_makes_no_dialog() -> None:
    with pytest.raises(MalformedMessage):
        Dialog.incoming(invite(), "mine")
