"""The HTTP interface over a hotline that behaves.

Requests of agents, calls, tickets, recordings, and every refusal.
"""

from __future__ import annotations

import json
import logging
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from pbx.events import TargetKind, TicketWords
from pbx.ids import AgentId, CallId
from recordings.transcript import Transcript, Turn
from tests.fakes.backend import CALLER, ENGLISH, MemoryBackend
from tests.fakes.website import TOKEN, Site, site
from web.app import create_app, serve
from web.backend import RequestResult
from web.errors import MESSAGES, Problem, refusal
from web.keys import WebLimits

pytestmark = pytest.mark.doors

ROOT = Path(__file__).resolve().parents[2]
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def hotline() -> AsyncIterator[Site]:
    """A site with one answered call `1` of agent 1001 and an abandoned call `2`."""
    async with site() as running:
        backend = running.backend
        await backend.ready(AgentId("1001"))
        first = backend.arrive(1)
        backend.press(first, "1")
        backend.enqueue(first)
        backend.offer(first, "1001")
        backend.join(first, "1001")
        second = backend.arrive(2)
        backend.enqueue(second, ENGLISH)
        backend.hang_up(second)
        backend.requests.clear()
        yield running


FIRST = "hotline-1763744400.1"


async def test_an_agent_s_shift_by_the_interface(hotline: Site) -> None:
    for path, body, state in (
        ("sign-in", None, "not_ready"),
        ("ready", {}, "ready"),
        ("not-ready", {"reason": "meal"}, "not_ready"),
        ("sign-out", None, "offline"),
    ):
        assert await hotline.json("POST", f"/api/agents/1002/{path}", body) == (200, {"ok": True})
        _, overview = await hotline.json("GET", "/api/overview")
        assert {agent["agent"]: agent["state"] for agent in overview["agents"]}["1002"] == state
    assert hotline.backend.requests == [
        ("sign_in", "1002"),
        ("ready", "1002"),
        ("not_ready", "1002", "meal"),
        ("sign_out", "1002"),
    ]


async def test_refusals_of_the_switchboard_keep_their_code_and_speak_two_languages(hotline: Site) -> None:
    for path, body, status, code in (
        ("/api/agents/1002/sign-out", None, 409, "not_signed_in"),
        ("/api/agents/9999/ready", None, 404, "unknown_agent"),
        ("/api/agents/1002/third-party", {"endpoint": "1003"}, 409, "not_talking"),
        ("/api/agents/1001/third-party", {"endpoint": "9999"}, 404, "unknown_endpoint"),
        ("/api/agents/1001/not-ready", {"reason": "nap"}, 422, "unknown_reason"),
        ("/api/agents/1002/sign-in", {"seat": "7777"}, 404, "unknown_seat"),
        ("/api/agents/1002/wrap-up", {"extend_s": 30}, 409, "not_in_wrap_up"),
    ):
        got, answer = await hotline.json("POST", path, body)
        assert (got, answer["error"]) == (status, code)
        assert answer["message"]["zh"]
        assert answer["message"]["en"].isascii()
    assert await hotline.json("POST", "/api/agents/1001/third-party", {"endpoint": "1003"}) == (200, {"ok": True})
    hotline.backend.connect(False)
    got, answer = await hotline.json("POST", "/api/agents/1001/ready")
    assert (got, answer["error"]) == (503, "exchange_unavailable")


IN_THE_CALL: tuple[tuple[str, dict[str, str] | None, tuple[object, ...]], ...] = (
    ("hold", None, ("hold", "1001")),
    ("resume", None, ("resume", "1001")),
    ("cancel", None, ("resume", "1001")),
    ("transfer", {"kind": "queue", "target": "english"}, ("transfer", "1001", TargetKind.QUEUE, "english")),
    ("consult", {"kind": "agent", "target": "1003"}, ("consult", "1001", TargetKind.AGENT, "1003")),
    ("complete", None, ("complete", "1001")),
    ("drop", {"endpoint": "110"}, ("drop_party", "1001", "110")),
    ("hand-over", {"destination": "110", "way": "three_way"}, ("hand_over", "1001", "110", "three_way")),
    ("dial", {"number": "13900002222"}, ("dial", "1001", "13900002222", "follow_up", "")),
    ("digits", {"digits": "12#"}, ("digits", "1001", "12#")),
    ("mute", None, ("mute", "1001", True)),
    ("unmute", None, ("mute", "1001", False)),
)


@pytest.mark.parametrize(("path", "body", "asked"), IN_THE_CALL, ids=[row[0] for row in IN_THE_CALL])
async def test_what_an_agent_may_do_in_a_call(
    hotline: Site, path: str, body: dict[str, str] | None, asked: tuple[object, ...]
) -> None:
    assert await hotline.json("POST", f"/api/agents/1001/{path}", body) == (200, {"ok": True})
    assert hotline.backend.requests[-1] == asked
    status, answer = await hotline.json("POST", f"/api/agents/1002/{path}", body)
    assert (status, answer["error"]) == (409, "not_talking")
    assert (await hotline.json("POST", f"/api/agents/1001/{path}", {"extra": "1"}))[0] == 400


async def test_a_hand_over_by_ticket_takes_its_words_and_answers_with_the_number(
    hotline: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, order = "/api/agents/1001/hand-over", {"destination": "110", "way": "ticket"}
    words = {"type": "help", "text": "两车相撞", "address": "沿江路", "lat": 31.8, "lon": 119.9}

    async def given(*asked: object) -> RequestResult:
        hotline.backend.requests.append(("hand_over", *asked))
        return RequestResult(True, detail={"ticket": "20261123000001"})

    monkeypatch.setattr(hotline.backend, "hand_over", given)
    assert await hotline.json("POST", path, order | words) == (200, {"ok": True, "ticket": "20261123000001"})
    said = TicketWords("help", text="两车相撞", address="沿江路", lat=31.8, lon=119.9)
    assert hotline.backend.requests[-1] == ("hand_over", "1001", "110", "ticket", said)
    status, answer = await hotline.json("POST", path, {**order, "way": "transfer", "text": "x"})
    assert (status, answer["problems"][0]["field"]) == (400, "text"), "only a ticket has words"
    for wrong in ({"type": "moon"}, {"text": "x" * 20_000}, {"lat": 91}, {"class_code": "../x"}):
        assert (await hotline.json("POST", path, order | wrong))[0] == 400

    async def refused(*asked: object) -> RequestResult:
        return RequestResult(False, code)

    monkeypatch.setattr(hotline.backend, "hand_over", refused)
    for code, status in (("closed", 409), ("unknown_class", 422), ("ticket_delayed", 503), ("store_unavailable", 503)):
        got, answer = await hotline.json("POST", path, order)
        assert (got, answer["error"]) == (status, code)
        assert set(answer["message"]) == {"zh", "en"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("transfer", {"kind": "moon", "target": "1"}),
        ("transfer", {"kind": "agent"}),
        ("consult", {"kind": "agent", "target": "1003&1004"}),
        ("hand-over", {"destination": "110", "way": "shout"}),
        ("dial", {"number": "139 0000 2222"}),
        ("digits", {"digits": "12w"}),
        ("digits", {"digits": "1" * 33}),
    ],
)
async def test_what_an_agent_may_not_ask_in_a_call(hotline: Site, path: str, body: dict[str, str]) -> None:
    before = len(hotline.backend.requests)
    assert (await hotline.json("POST", f"/api/agents/1001/{path}", body))[0] == 400
    assert len(hotline.backend.requests) == before


@pytest.mark.parametrize(("path", "body", "field", "allowed"), [
    ("transfer", {"kind": "queues", "target": "1"}, "kind", ["agent", "queue", "extension", "destination", "number"]),
    ("consult", {"kind": "技能组", "target": "1"}, "kind", ["agent", "queue", "extension", "destination", "number"]),
    ("hand-over", {"destination": "110", "way": "by pigeon"}, "way", ["transfer", "three_way", "ticket"]),
])  # fmt: skip
async def test_a_word_that_there_is_not_is_answered_with_those_that_there_are(
    hotline: Site, path: str, body: dict[str, str], field: str, allowed: list[str]
) -> None:
    status, answer = await hotline.json("POST", f"/api/agents/1001/{path}", body)
    (problem,) = answer["problems"]
    assert (status, problem["field"], problem["code"]) == (400, field, "not_one_of")
    assert sorted(problem["allowed"]) == sorted(allowed)
    for told in problem["message"].values():
        assert all(word in told for word in allowed)
        assert body[field] not in told, "what was sent is not repeated"


async def test_what_can_be_no_reason_is_asked_for_as_none(hotline: Site) -> None:
    """The refusal is the hotline's, and free text goes nowhere."""
    status, answer = await hotline.json("POST", "/api/agents/1001/not-ready", {"reason": "meal|1"})
    assert (status, answer["error"]) == (422, "unknown_reason")
    assert hotline.backend.requests == [("not_ready", "1001", "?")]


def test_a_way_that_a_destination_has_not_is_answered_with_those_that_it_has() -> None:
    refused = refusal("way_not_allowed", {"allowed": "ticket,three_way"})
    assert (refused.status, refused.problems) == (409, (Problem("way", "way_not_allowed", ("ticket", "three_way")),))


def test_every_refusal_in_a_call_has_its_own_words() -> None:
    said = re.compile(r'(?:return|else|event\.request,) "([a-z_]{4,})"( if .*)?\)?$', re.MULTILINE)
    rooms = ("held", "targets", "transfers", "outbound")
    codes = {found[0] for name in rooms for found in said.findall((ROOT / f"controller/{name}.py").read_text("utf-8"))}
    assert len(codes) > 15
    assert codes - {"failed", "done"} <= set(MESSAGES)  # words of the record


async def test_after_call_work_is_extended_within_the_hotlines_limit(hotline: Site) -> None:
    call = hotline.backend.arrive(9)
    hotline.backend.enqueue(call)
    assert await hotline.json("POST", "/api/agents/1002/ready") == (200, {"ok": True})
    hotline.backend.offer(call, "1002")
    hotline.backend.join(call, "1002")
    hotline.backend.agent_leaves(call)
    assert await hotline.json("POST", "/api/agents/1002/wrap-up", {"extend_s": 60}) == (200, {"ok": True})
    status, answer = await hotline.json("POST", "/api/agents/1002/wrap-up", {"extend_s": 3600})
    assert (status, answer["error"]) == (409, "wrap_up_too_long")
    for wrong, code in ((0, "out_of_range"), ("60", "not_a_number"), (True, "not_a_number"), (None, "not_a_number")):
        status, answer = await hotline.json("POST", "/api/agents/1002/wrap-up", {"extend_s": wrong})
        assert (status, answer["problems"][0]["code"]) == (400, code)
    assert await hotline.json("POST", "/api/agents/1002/ready") == (200, {"ok": True}), "it may be skipped"


async def test_all_problems_of_a_body_are_named_at_once(hotline: Site) -> None:
    body = {"type": 7, "title": "标" * 121, "text": "a\x00b", "colour": "red", "price": 1}
    status, answer = await hotline.json("PATCH", "/api/tickets/2026112200001", body)
    assert (status, answer["error"]) == (400, "bad_request")
    problems = {problem["field"]: problem["code"] for problem in answer["problems"]}
    assert problems == {
        "colour": "unknown_field",
        "price": "unknown_field",
        "type": "not_text",
        "title": "too_long",
        "text": "bad_characters",
    }
    assert all(problem["message"]["zh"] and problem["message"]["en"] for problem in answer["problems"])
    assert hotline.backend.requests == []


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "not_json"),
        (b"[1]", "application/json", 400, "not_json"),
        (b"\xff\xfe", "application/json", 400, "not_json"),
        (b"[" * 30_000, "application/json", 400, "not_json"),
        (b'{"reason": "meal"}', "text/plain", 415, "not_json"),
        (b'{"reason": "meal", "reason": "meeting"}', "application/json", 400, "bad_request"),
        (b'{"reason": "\\ud800"}', "application/json", 400, "bad_request"),
        (b'{"reason": " "}', "application/json", 400, "bad_request"),
        (b"", "application/json", 400, "bad_request"),
        (b"x" * 70_000, "application/json", 413, "body_too_large"),
    ],
)
async def test_a_body_that_is_not_as_it_should_be(
    hotline: Site, body: bytes, content_type: str, status: int, code: str
) -> None:
    headers = {**BEARER, "Content-Type": content_type}
    url = hotline.url("/api/agents/1001/not-ready")
    async with hotline.session.post(url, data=body, headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]) == (status, code)
    assert hotline.backend.requests == []


async def test_requests_without_fields_take_none(hotline: Site) -> None:
    status, answer = await hotline.json("POST", "/api/agents/1002/ready", {"reason": "meal"})
    assert status == 400
    assert answer["problems"][0]["code"] == "unknown_field"


async def test_calls_are_listed_with_their_instants_and_shown_one_by_one(hotline: Site) -> None:
    status, answer = await hotline.json("GET", "/api/calls")
    assert status == 200
    first, second = answer["calls"]
    assert (first["call"], first["caller"], first["menu_path"], first["queue"]) == (FIRST, CALLER, ["1"], "general")
    assert first["wait_s"] is not None
    assert first["talk_s"] is None
    assert first["offers"][0]["agent"] == "1001"
    assert "channel" not in first
    assert (second["outcome"], second["wait_s"]) == ("abandoned", None)
    assert await hotline.json("GET", f"/api/calls/{FIRST}") == (200, first)
    status, answer = await hotline.json("GET", "/api/calls/hotline-1.1")
    assert (status, answer["error"]) == (404, "unknown_call")


async def test_a_call_says_why_each_agent_was_rung_for_it(hotline: Site) -> None:
    _, record = await hotline.json("GET", f"/api/calls/{FIRST}")
    status, answer = await hotline.json("GET", f"/api/calls/{FIRST}/why")
    assert status == 200
    assert (answer["call"], answer["queue"], answer["favours"]) == (FIRST, "general", [])
    (decision,) = answer["decisions"]
    assert decision.items() >= record["offers"][0].items()
    assert decision["why_agent"] == "longest idle"
    assert decision["waited_s"] >= 0
    assert [one["en"] for one in answer["story"]][:3] == [
        "the call arrives",
        "joins the line of general",
        "offered to agent 1001",
    ]
    assert [one["zh"] for one in answer["story"]][:3] == ["来电接入", "进入队列 general", "派给坐席 1001"]
    assert [one["at"] for one in answer["story"]] == sorted(one["at"] for one in answer["story"])
    assert CALLER not in json.dumps(answer)
    status, answer = await hotline.json("GET", "/api/calls/hotline-1.1/why")
    assert (status, answer["error"]) == (404, "unknown_call")


async def test_the_window_of_a_list_is_checked(hotline: Site) -> None:
    now = hotline.backend.clock()
    status, answer = await hotline.json("GET", f"/api/calls?since={now - 60}&until={now + 60}")
    assert (status, len(answer["calls"])) == (200, 2)
    status, answer = await hotline.json("GET", f"/api/tickets?since={now + 60}&until={now + 61}")
    assert (status, answer["tickets"]) == (200, [])
    for query, problems in (
        ("since=x&until=nan&order=asc", {"order": "unknown_field", "since": "not_a_number", "until": "not_a_number"}),
        ("since=2&until=1", {"until": "until_before_since"}),
        ("since=0&until=99999999", {"since": "window_too_long"}),
        ("since=1&since=2", {"since": "doubled_field"}),
    ):
        status, answer = await hotline.json("GET", f"/api/calls?{query}")
        assert status == 400
        assert {problem["field"]: problem["code"] for problem in answer["problems"]} == problems


async def test_a_ticket_is_filled_in_and_answers_as_stored(hotline: Site) -> None:
    status, answer = await hotline.json("GET", "/api/tickets")
    assert status == 200
    number = answer["tickets"][0]["number"]
    body = {"type": "complaint", "title": "噪声扰民", "text": "夜间施工\n连续三天", "agent": "1001"}
    status, ticket = await hotline.json("PATCH", f"/api/tickets/{number}", body)
    assert status == 200
    assert (ticket["type"], ticket["title"], ticket["state"]) == ("complaint", "噪声扰民", "registered")
    assert ticket["text"] == "夜间施工\n连续三天"
    assert await hotline.json("GET", f"/api/tickets/{number}") == (200, ticket)
    assert hotline.backend.requests == [("update_ticket", number, "1001")]
    for change, status, code in (
        ({"type": "gossip"}, 422, "unknown_type"),
        ({"title": "two\nlines"}, 422, "bad_title"),
        ({"text": ""}, 422, "incomplete"),
        ({}, 400, "bad_request"),
    ):
        got, answer = await hotline.json("PATCH", f"/api/tickets/{number}", {**change, "agent": "1001"})
        assert (got, answer["error"]) == (status, code)
    body = {"type": "complaint", "agent": "1001"}
    got, answer = await hotline.json("PATCH", "/api/tickets/2026112299999", body)
    assert (got, answer["error"]) == (404, "unknown_ticket")


async def test_a_recording_is_sent_whole_and_in_ranges(hotline: Site, tmp_path: Path) -> None:
    status, answer = await hotline.json("GET", f"/api/calls/{FIRST}/recording")
    assert (status, answer["error"]) == (404, "unknown_recording")
    path = tmp_path / "one.wav"
    path.write_bytes(bytes(range(256)) * 8)
    call = next(iter(await hotline.backend.call_records(0, 9e12))).call
    hotline.backend.recordings.files[call] = path
    url = hotline.url(f"/api/calls/{FIRST}/recording")
    async with hotline.session.get(url, headers=BEARER) as whole:
        assert (whole.status, await whole.read()) == (200, path.read_bytes())
        assert whole.content_type == "audio/wav"
        assert whole.headers["Cache-Control"] == "no-store"
        assert FIRST in whole.headers["Content-Disposition"]
    async with hotline.session.get(url, headers={**BEARER, "Range": "bytes=10-19"}) as part:
        assert (part.status, await part.read()) == (206, bytes(range(10, 20)))
        assert part.headers["Content-Range"] == "bytes 10-19/2048"
    async with hotline.session.get(url, headers={**BEARER, "Range": "bytes=9000-"}) as beyond:
        assert beyond.status == 416
    path.unlink()
    status, answer = await hotline.json("GET", f"/api/calls/{FIRST}/recording")
    assert (status, answer["error"]) == (404, "unknown_recording")


async def test_a_transcript_is_shown_speaker_by_speaker(hotline: Site) -> None:
    status, answer = await hotline.json("GET", f"/api/calls/{FIRST}/transcript")
    assert (status, answer["error"]) == (404, "unknown_transcript")
    call = next(iter(await hotline.backend.call_records(0, 9e12))).call
    turns = (Turn("citizen", 1.0, 2.5, "夜里太吵"), Turn("agent", 3.0, 4.0, "已经登记"))
    hotline.backend.transcripts[call] = Transcript(turns, "zh", "vosk", None, 9.0)
    status, answer = await hotline.json("GET", f"/api/calls/{FIRST}/transcript")
    assert status == 200
    assert [(turn["speaker"], turn["text"]) for turn in answer["turns"]] == [
        ("citizen", "夜里太吵"),
        ("agent", "已经登记"),
    ]


async def test_a_store_that_is_away_is_said_so(hotline: Site) -> None:
    hotline.backend.store_up = False
    status, answer = await hotline.json("GET", "/api/calls")
    assert (status, answer["error"]) == (503, "store_unavailable")


async def test_an_error_of_ours_is_logged_without_the_request_s_values(
    hotline: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(hotline.backend, "call", broken)
    status, answer = await hotline.json("GET", f"/api/calls/{FIRST}")
    assert (status, answer["error"]) == (500, "internal")
    assert "boom" not in json.dumps(answer)
    failures = [record for record in caplog.records if getattr(record, "action", "") == "web.failed"]
    assert len(failures) == 1
    assert FIRST not in failures[0].getMessage()


async def test_the_access_log_names_the_route_and_nothing_of_the_caller(
    hotline: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "web.access"):
        await hotline.json("GET", f"/api/calls/{FIRST}?x={CALLER}")
        await hotline.json("GET", f"/nowhere/{CALLER}")
        await hotline.json("GET", "/api/calls")
    lines = [record.getMessage() for record in caplog.records if record.name == "web.access"]
    assert len(lines) >= 2
    assert all(CALLER not in line and FIRST not in line and "127.0.0.1" not in line for line in lines)
    assert any(line.startswith("GET /api/calls/{call} 200") for line in lines)


async def test_unknown_addresses_and_methods_answer_in_json(hotline: Site) -> None:
    status, answer = await hotline.json("GET", "/api/nothing")
    assert (status, answer["error"]) == (404, "not_found")
    async with hotline.session.get(hotline.url("/api/agents/1001/ready"), headers=BEARER) as refused:
        assert (refused.status, (await refused.json())["error"]) == (405, "method_not_allowed")
        assert refused.headers["Allow"] == "POST"


async def test_pages_are_served_with_a_policy_and_an_entity_tag(hotline: Site) -> None:
    async with hotline.session.get(hotline.url("/")) as page:
        text = await page.text()
        assert (page.status, page.content_type, page.charset) == (200, "text/html", "utf-8")
        policy = page.headers["Content-Security-Policy"]
        tag = page.headers["ETag"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in text
    assert "style=" not in text
    async with hotline.session.get(hotline.url("/"), headers={"If-None-Match": tag}) as again:
        assert (again.status, await again.read()) == (304, b"")
    for name, kind in (("app.js", "text/javascript"), ("style.css", "text/css")):
        async with hotline.session.get(hotline.url(f"/static/{name}")) as file:
            assert (file.status, file.content_type) == (200, kind)
            assert file.headers["X-Content-Type-Options"] == "nosniff"
    for path in ("/static/nothing.js", "/static/../app.py", "/static/%2e%2e/app.py"):
        async with hotline.session.get(hotline.url(path)) as nothing:
            assert nothing.status == 404


async def test_the_page_loads_nothing_from_anywhere_else(hotline: Site) -> None:
    for path in ("/", "/static/app.js", "/static/style.css"):
        async with hotline.session.get(hotline.url(path)) as file:
            text = await file.text()
        assert "//" not in text.replace("http://www.w3.org/2000/svg", "").replace("// ", "")


async def test_metrics_show_the_overview_s_values(hotline: Site) -> None:
    async with hotline.session.get(hotline.url("/metrics")) as answer:
        text = await answer.text()
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'hotline_agents{state="talking"} 1.0' in text
    assert 'hotline_agents{state="offline"} 2.0' in text
    assert 'hotline_service_level_ratio{definition="sl15.offered.v1",queue="all"} 0.5' in text
    assert 'hotline_calls_abandoned_total{queue="english"} 1.0' in text
    assert "hotline_ami_events_total 42.0" in text
    assert CALLER not in text


async def test_health_tells_of_the_exchange_and_stays_well(hotline: Site) -> None:
    assert await hotline.json("GET", "/healthz") == (
        200,
        {"ok": True, "exchange": True, "recording": True, "archive": "off"},
    )
    hotline.backend.connect(False)
    assert await hotline.json("GET", "/healthz") == (
        200,
        {"ok": True, "exchange": False, "recording": True, "archive": "off"},
    )
    hotline.backend.recordings.figures |= {"on": 1}
    assert (await hotline.json("GET", "/healthz"))[1]["archive"] == "there"
    hotline.backend.recordings.figures |= {"away": 1}
    assert (await hotline.json("GET", "/healthz"))[1]["archive"] == "away"


async def test_limits_are_configuration() -> None:
    async with site(limits=WebLimits(body_bytes=100, title_length=3)) as running:
        status, answer = await running.json("PATCH", "/api/tickets/1", {"title": "1234", "agent": "1001"})
        assert (status, answer["problems"][0]["code"]) == (400, "too_long")
        status, _ = await running.json("PATCH", "/api/tickets/1", {"text": "x" * 200, "agent": "1001"})
        assert status == 413


async def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_behind() -> None:
    backend = MemoryBackend()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="address already in use"):
            await serve(create_app(backend, token=TOKEN, metrics=backend.metrics), port=port)


async def test_the_server_tells_its_real_port() -> None:
    async with site() as running, aiohttp.ClientSession() as session:
        assert running.server.port > 0
        assert running.server.url == f"http://127.0.0.1:{running.server.port}/"
        async with session.get(running.server.url + "healthz") as answer:
            assert answer.status == 200


async def test_the_caller_list_by_the_interface(hotline: Site) -> None:
    entry = {"number": "139*", "kind": "vip", "until": "2099-12-31T23:59:59+08:00", "priority": 4, "by": "1001"}
    assert await hotline.json("POST", "/api/caller-list", entry) == (200, {"ok": True})
    _, shown = await hotline.json("GET", "/api/caller-list")
    assert [(one["number"], one["kind"], one["priority"], one["until"]) for one in shown["callers"]] == [
        ("139*", "vip", 4, 4102415999.0)
    ]
    assert await hotline.json("DELETE", "/api/caller-list", {"number": "139*", "by": "1001"}) == (200, {"ok": True})
    status, gone = await hotline.json("DELETE", "/api/caller-list", {"number": "139*", "by": "1001"})
    assert (status, gone["error"], gone["message"]["zh"]) == (404, "unknown_number", "名单中没有此号码")
    assert "139" not in json.dumps(gone)


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"number": "12"}, "number", "bad_characters"),
        ({"until": "2099-12-31T23:59:59"}, "until", "not_an_instant"),
        ({"until": "soon"}, "until", "not_an_instant"),
        ({"until": True}, "until", "not_an_instant"),
        ({"until": 1e300}, "until", "not_an_instant"),
        ({"priority": 10}, "priority", "out_of_range"),
        ({"priority": "5"}, "priority", "not_a_whole_number"),
        ({"priority": True}, "priority", "not_a_whole_number"),
        ({"by": ""}, "by", "empty"),
        ({"note": "\ud800"}, "note", "bad_characters"),
        ({"colour": "red"}, "colour", "unknown_field"),
    ],
)
async def test_a_wrong_entry_is_named_by_field(
    hotline: Site, changes: dict[str, object], field: str, code: str
) -> None:
    entry = {"number": "139*", "kind": "vip", "until": 4102415999, "by": "1001", **changes}
    status, said = await hotline.json("POST", "/api/caller-list", entry)
    assert status == 400
    assert [(one["field"], one["code"]) for one in said["problems"]] == [(field, code)]
    assert await hotline.json("GET", "/api/caller-list") == (200, {"callers": []})


async def test_voice_messages_are_listed_with_their_length(hotline: Site) -> None:
    status, answer = await hotline.json("GET", "/api/voice-messages")
    assert (status, answer["voice_messages"]) == (200, [])
    call = CallId("hotline-1763744400.2")
    hotline.backend.leave_message(call, 12.5)
    _, answer = await hotline.json("GET", "/api/voice-messages")
    (message,) = answer["voice_messages"]
    assert (message["call"], message["number"], message["queue"]) == (call, CALLER, ENGLISH)
    assert (message["duration_s"], message["ended_by"]) == (12.5, "key")
    status, answer = await hotline.json("GET", "/api/voice-messages?since=5&until=1")
    assert (status, answer["problems"][0]["code"]) == (400, "until_before_since")
