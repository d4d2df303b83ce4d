"""What a command prints when the hotline refuses: the sentence, and its detail."""

from __future__ import annotations

import json

import pytest

from controller.commands.client import refused_words
from web.errors import ApiError

pytestmark = pytest.mark.core


def test_the_detail_of_a_refusal_is_printed_with_it() -> None:
    body = ApiError(409, "no_seat", detail={"seat": "7", "agent": "1002"}).response().body
    assert isinstance(body, bytes)
    assert refused_words(body).endswith("); seat: 7, agent: 1002")


def test_without_a_detail_nothing_is_added_and_what_is_no_json_stays_as_it_is() -> None:
    body = json.dumps({"error": "x", "message": {"en": "no", "zh": "否"}}).encode()
    assert refused_words(body) == "no (否)"
    assert refused_words(b"<html>") == "<html>"
