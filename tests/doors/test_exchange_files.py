"""Attachments between running installations: whole, once, over a line that is cut; and what is not taken is said."""

from __future__ import annotations

import asyncio
import hashlib
import io
import random
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from controller.peer_files import AT_ONCE, FileDesk
from tests.doors.test_exchange import Province, arrived
from tests.fakes.installations import TOKEN, Installation, empty_database, key_of
from tickets.exchange.messages import Kind, Message, MessageRefused, encode
from tickets.exchange.signing import PIECE_BYTES, SIGNATURE, Key, is_answer, piece, sign
from tickets.files import BEGUN_MAX, AttachmentFiles
from tickets.ticket import Attachment, TicketPolicy

pytestmark = pytest.mark.doors

FILM = random.Random(1).randbytes(PIECE_BYTES * (AT_ONCE + 2) + 7)  # more pieces than go in one turn
PHOTO = b"\xff\xd8\xff" + b"p" * 5000


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return empty_database(tmp_path_factory.mktemp("empty"))


@pytest.fixture
async def province(tmp_path: Path, empty: Path) -> AsyncIterator[Province]:
    found = Province(tmp_path, empty)
    await found.start()
    yield found
    await found.stop()


async def attach(
    here: Installation, number: str, data: bytes, name: str = "现场.jpg", kind: str = "image/jpeg"
) -> None:
    version = (await here.ticket(number))["version"]
    assert here.server is not None
    url = f"{here.server.url.rstrip('/')}/api/tickets/{number}/attachments?version={version}&name={name}"
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
    async with aiohttp.ClientSession(headers=headers) as client, client.post(url, data=io.BytesIO(data)) as response:
        assert response.status == 201, await response.text()


async def files_of(here: Installation, number: str) -> list[tuple[str, bytes]]:
    """Every file of a ticket as its people get it, by name."""
    assert here.server is not None
    found = []
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as client:
        for place, one in enumerate((await here.ticket(number))["attachments"], start=1):
            url = f"{here.server.url.rstrip('/')}/api/tickets/{number}/attachments/{place}"
            async with client.get(url) as response:
                assert response.status == 200
                found.append((one["name"], await response.read()))
    return found


async def test_files_go_with_an_offer_after_it_and_back_and_on_through_the_province(province: Province) -> None:
    cz, js, zj = province.cz, province.js, province.zj
    number = await cz.take(region="cz")
    await attach(cz, number, PHOTO)
    await cz.do(number, "refer", unit="js")
    await province.quiet()
    (between,) = await arrived(js)
    assert await files_of(js, between["number"]) == [("现场.jpg", PHOTO)]
    await js.do(between["number"], "refer", unit="zj")
    await province.quiet()
    await attach(cz, number, FILM, "录像.mp4", "video/mp4")
    await province.quiet()
    (there,) = await arrived(zj)
    assert await files_of(zj, there["number"]) == [("现场.jpg", PHOTO), ("录像.mp4", FILM)]
    await attach(zj, there["number"], PHOTO[:-1], "修复后.jpg")
    await province.quiet()
    for here, ours in ((cz, number), (js, between["number"])):
        assert [name for name, _ in await files_of(here, ours)] == ["现场.jpg", "录像.mp4", "修复后.jpg"]
    moves = (await cz.ask("GET", f"/api/tickets/{number}/moves"))[1]["moves"]
    assert [one["actor"] for one in moves if one["cause"] == "attach"][-1] == "exchange:js"


async def test_over_a_bad_line_a_film_comes_once_and_whole_and_goes_on_where_it_was_cut(province: Province) -> None:
    cz, js, line = province.cz, province.js, province.lines["cz-js"]
    number = await cz.take(region="cz")
    await attach(cz, number, FILM, "录像.mp4", "video/mp4")
    dice = random.Random(7)
    line.plan = lambda: dice.choice(("pass", "pass", "pass", "lose", "swallow", "double", "hold"))
    await cz.do(number, "refer", unit="js")

    async def half() -> bool:
        return sum(b"PUT /api/exchange/files" in one[:40] for one in line.passed) > AT_ONCE // 2

    await province.until(half)
    await cz.stop()
    province.lines["js-cz"].target = await cz.start()
    await province.quiet()
    (theirs,) = await arrived(js)
    assert await files_of(js, theirs["number"]) == [("录像.mp4", FILM)]
    pieces = [one for one in line.passed if one.startswith(b"PUT") and len(one) > PIECE_BYTES]
    assert len(pieces) < 2.5 * len(FILM) / PIECE_BYTES, "what had come was not sent again"
    replayed = [await line.deliver(one) for one in list(line.passed) if one.startswith(b"PUT")]
    assert all(b" 200 " in one for one in replayed), "an old piece is known"
    assert await files_of(js, theirs["number"]) == [("录像.mp4", FILM)], "and changes nothing"


async def test_what_the_other_side_does_not_take_is_said_on_both(province: Province) -> None:
    cz, js = province.cz, province.js
    await js.stop()
    js.policy = replace(js.policy, attachment_kinds=frozenset({"image/jpeg"}), attachment_bytes=4000)
    province.lines["cz-js"].target = await js.start()
    number = await cz.take(region="cz", confidential=True)
    await attach(cz, number, PHOTO[:100], "王小明.jpg")
    await attach(cz, number, PHOTO, "大图.jpg")
    await attach(cz, number, b"%PDF-1.4", "合同.pdf", "application/pdf")
    await cz.do(number, "refer", unit="js")
    await province.quiet()
    (theirs,) = await arrived(js)
    assert await files_of(js, theirs["number"]) == [("附件1.jpg", PHOTO[:100])], "a hidden caller's own names stay here"
    assert theirs["confidential"] is True
    assert theirs["text"].count("附件未收") == 2
    assert "附件2.jpg" in theirs["text"]
    (ours,), (heard,) = await cz.talks(number), await js.talks(theirs["number"])
    assert [one["error"] for one in ours["messages"]] == ["", "", "body_too_large", "bad_kind"]
    assert [one["note"] for one in heard["messages"]] == ["", "", "body_too_large", "bad_kind"]


async def test_a_file_that_is_lost_here_does_not_keep_the_rest_from_going(province: Province) -> None:
    cz, js = province.cz, province.js
    number = await cz.take(region="cz")
    await attach(cz, number, PHOTO)
    cz.files.path(hashlib.sha256(PHOTO).hexdigest()).unlink()
    await cz.do(number, "refer", unit="js")
    await province.quiet()
    (theirs,) = await arrived(js)
    assert theirs["attachments"] == []
    assert "现场.jpg" in theirs["text"]
    (talk,) = await cz.talks(number)
    assert talk["messages"][-1]["error"] == "file_lost"


async def test_pieces_that_are_forged_wrong_or_too_large_are_refused_and_leave_no_trace(
    province: Province, tmp_path: Path
) -> None:
    js = province.js
    key = key_of("cz", "js")
    sha = hashlib.sha256(PHOTO).hexdigest()
    assert js.server is not None
    folder = tmp_path / "js-files"

    async def put(
        data: bytes,
        *,
        signer: Key = key,
        named: str = sha,
        size: str = str(len(PHOTO)),
        offset: str = "0",
        kind: str = "image/jpeg",
        at: float = 0.0,
        signed: str | None = None,
    ) -> tuple[int, dict[str, Any]]:
        nonce = "n" * 16
        what = signed or piece(
            named, kind, int(size) if size.isdecimal() else 0, int(offset) if offset.isdecimal() else 0
        )
        headers = sign(signer, data, time.time() + at, nonce, what)
        query = {"kind": kind, "size": size, "offset": offset}
        async with (
            aiohttp.ClientSession(js.server.url) as client,  # type: ignore[union-attr]
            client.put(f"/api/exchange/files/{named}", data=data, headers=headers, params=query) as response,
        ):
            raw = await response.read()
            if response.status == 200:
                assert is_answer(key, 200, raw, nonce, response.headers[SIGNATURE])
            return response.status, await response.json()

    forged = Key(key.id, "cz", b"x" * 32)
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"signer": forged}, 401, "wrong_signature"),
        ({"signed": piece(sha, "image/jpeg", len(PHOTO), 1)}, 401, "wrong_signature"),
        ({"signed": piece("0" * 64, "image/jpeg", len(PHOTO), 0)}, 401, "wrong_signature"),
        ({"signed": "message"}, 401, "wrong_signature"),
        ({"at": 3600.0}, 401, "out_of_time"),
        ({"size": "-1"}, 400, "bad_request"),
        ({"size": str(len(PHOTO) - 1)}, 409, "wrong_file"),
        ({"named": "0" * 64}, 409, "wrong_file"),
        ({"named": "..%2f..%2fetc%2fpasswd"}, 404, "not_found"),
    ]
    for given, status, code in cases:
        got, answer = await put(PHOTO, **given)
        assert (got, answer["error"]) == (status, code), given
        assert set(answer["message"]) == {"zh", "en"}
    got, answer = await put(b"x" * (PIECE_BYTES + 1))
    assert (got, answer["error"]) == (413, "too_large")
    assert not [one for one in folder.rglob("*") if one.is_file()]
    assert await put(PHOTO, kind="text/html") == (200, {"have": 0, "refused": "bad_kind"})
    assert await put(b"", size="20000001") == (200, {"have": 0, "refused": "body_too_large"})
    assert await put(PHOTO[5:], offset="5") == (200, {"have": 0, "refused": ""}), "what does not follow is not taken"
    assert await put(PHOTO[:5]) == (200, {"have": 5, "refused": ""})
    assert await put(PHOTO[5:], offset="5") == (200, {"have": len(PHOTO), "refused": ""})
    assert (folder / sha[:2] / sha).read_bytes() == PHOTO
    body = {"step": "attached", "file_name": "x", "file_kind": "image/jpeg", "file_size": 9.0, "file_sha256": "0" * 64}
    offer = encode(Message("cz", "js", "cz/1", 1, 1, Kind.OFFER, time.time(), {"part": "lead", "text": "x"}))
    named = encode(Message("cz", "js", "cz/1", 2, 1, Kind.PROGRESS, time.time(), body))
    async with aiohttp.ClientSession(js.server.url) as client:
        for raw, status in ((offer, 200), (named, 409)):
            headers = sign(key, raw, time.time(), f"{status}" * 6)
            async with client.post("/api/exchange/messages", data=raw, headers=headers) as response:
                assert response.status == status
                assert status == 200 or (await response.json())["error"] == "file_missing"


async def test_who_begins_and_never_ends_fills_no_disk(tmp_path: Path) -> None:
    files = AttachmentFiles(tmp_path / "files")
    desk = FileDesk(files, TicketPolicy())
    for number in range(BEGUN_MAX + 3):
        sha = hashlib.sha256(str(number).encode()).hexdigest()
        await desk.take("cz", Attachment("", "image/jpeg", 9, sha), 0, b"x")
    begun = list((tmp_path / "files").iterdir())
    assert len(begun) == BEGUN_MAX
    assert all(one.stat().st_mode & 0o077 == 0 for one in begun)
    one = Attachment("", "image/jpeg", 4, hashlib.sha256(b"abcd").hexdigest())
    both = await asyncio.gather(desk.take("cz", one, 0, b"abcd"), desk.take("cz", one, 0, b"abcd"))
    assert [standing.have for standing in both] == [4, 4], "the same piece twice at the same time"
    with pytest.raises(MessageRefused, match="wrong_file"):
        await desk.take("cz", Attachment("", "image/jpeg", 4, "0" * 64), 0, b"abcd")
    for source, sha in (("../cz", "0" * 64), ("cz", "../" + "0" * 61)):
        with pytest.raises(ValueError, match="no digest"):
            files.arrived(source, sha)
    with pytest.raises(ValueError, match="no digest"):
        files.path("../../x")
