"""Webhooks: signature by the published example, what is told, when it is tried again."""

from __future__ import annotations

import json

import pytest

from controller.config_sections import WebhookSection
from controller.config_webhooks import CAUSES, listeners
from tests.ticket_story import Story
from tickets.moves import TicketState
from tickets.ticket import PRIVATE
from tickets.webhook import BACK_OFF_S, Hook, body_of, headers_of, next_try, secret_of, signature

pytestmark = pytest.mark.core

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_signature_of_the_published_example() -> None:
    """The example that the libraries of Standard Webhooks test themselves with."""
    body = b'{"test": 2432232314}'
    made = signature(secret_of(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_headers_of_a_later_try_have_the_same_id_and_another_time() -> None:
    hook = Hook("a", "http://localhost", secret_of(SECRET))
    first, later = headers_of(hook, "1.2", 100.9, b"{}"), headers_of(hook, "1.2", 700.0, b"{}")
    assert first["webhook-id"] == later["webhook-id"] == "1.2"
    assert (first["webhook-timestamp"], later["webhook-timestamp"]) == ("100", "700")
    assert first["webhook-signature"] != later["webhook-signature"]
    assert SECRET[6:12] not in repr(hook)


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_c2hvcnQ=", "not base64!", "whsec_" + "é" * 40])
def test_what_is_no_secret(text: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        secret_of(text)


def test_nothing_of_the_caller_and_no_text_is_told() -> None:
    story = Story()
    ticket = story.to(TicketState.REPLIED)
    for move in story.moves:
        told = json.loads(body_of(ticket, move))
        assert told["id"] == f"{ticket.number}.{move.seq}"
        assert told["type"] == f"ticket.{move.cause}"
        assert told["data"]["after"] == move.after.value
        assert told["data"]["now"]["version"] == ticket.version
        words = json.dumps(told, ensure_ascii=False)
        hidden = [getattr(ticket, name) for name in (*PRIVATE, "title", "text", "reply", "address")]
        assert not [value for value in hidden if value and str(value) in words]


def test_it_is_tried_for_a_day_and_then_given_up() -> None:
    at, tries = 0.0, 0
    while (again := next_try(tries + 1, at)) is not None:
        assert again > at
        at, tries = again, tries + 1
    assert tries == len(BACK_OFF_S)
    assert 24 * 3600 < at < 48 * 3600


def test_who_is_told_of_what() -> None:
    wrong: list[str] = []
    rows = [
        WebhookSection(id="all", url="http://a", secret_file="a"),
        WebhookSection(id="some", url="http://b", secret_file="b", moves=["refer", "open"]),
    ]
    told = listeners(rows, lambda place, text: wrong.append(text))
    assert told("refer") == told("open") == ("all", "some")
    assert told("sign") == ("all",)
    assert told("no such") == ()
    assert not wrong
    listeners(
        [*rows, WebhookSection(id="all", url="http://a", secret_file="a", moves=["fly"])], lambda _, t: wrong.append(t)
    )
    assert len(wrong) == 2
    assert {"open", "settle"} <= CAUSES
