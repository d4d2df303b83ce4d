"""A real call's recording, sealed, on a real S3 server, and heard from there; the server away; all over Asterisk."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import shutil
import signal
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from controller.__main__ import main
from controller.asterisk_settings import load_settings
from controller.asterisk_tree import AsteriskBinary
from controller.softphone import AnswerPolicy, Phone, Tone
from recordings.archive.keys import new_key
from recordings.archive.object_shelf import ObjectShelf, ObjectStorePlace
from tests.s3_server import BUCKET, S3Server
from tests.serving import NUMBERS, Api, Served, configuration, naming

pytestmark = pytest.mark.asterisk

ARCHIVE = """
[recording.archive]
keys_file = "keys"

[recording.archive.store]
endpoint = "{url}"
bucket = "recordings"
prefix = "city"
credentials_file = "s3"
retry_s = 0
"""


@pytest.fixture
def folder(binary: AsteriskBinary) -> Iterator[Path]:
    """A folder that Asterisk's user may enter; nothing may run in it afterwards."""
    made = Path(tempfile.mkdtemp(prefix="hotline-test-"))
    made.chmod(0o755)
    yield made
    left = naming(str(made))
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(made)
    assert not left


@pytest.fixture
def s3() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.close()


def fetch(api: Api, path: str, **headers: str) -> tuple[int, str, bytes]:
    url = (api.data / "web-address").read_text().strip().rstrip("/") + path
    token = (api.data / "api-token").read_text().strip()
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}", **headers})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        return answer.status, answer.headers["Content-Type"], answer.read()


async def talk(api: Api) -> str:
    """A citizen dials and is answered, he hums for a second and a half, both hang up; the call's id."""
    settings = load_settings((api.data / "asterisk").resolve())
    assert settings is not None
    server = (settings.host, settings.sip_port)
    agent = Phone("1001", settings.phone("1001").password, server=server)
    agent.policy = AnswerPolicy.auto(0.1)
    citizen = Phone(settings.citizen_user, settings.citizen_password, server=server, from_number="13912345678")
    try:
        await agent.start()
        await agent.register()
        await api.until("/api/overview", lambda view: view["agents"][0]["phone"])
        await api.post("/api/agents/1001/ready")
        await citizen.start()
        mine = await citizen.call("12345")
        await mine.answered(10)
        theirs = await agent.incoming(10)
        await theirs.answered(10)
        await mine.play(Tone(500, 1.5)).finished()
        await theirs.hangup()
        await mine.ended(10)

        def over(view: Any) -> bool:
            return bool(view["calls"]) and view["calls"][-1]["ended_at"] is not None

        call: str = (await api.until("/api/calls", over))["calls"][-1]["call"]
        return call
    finally:
        await agent.stop(graceful=False)
        await citizen.stop(graceful=False)


async def test_a_real_call_lies_sealed_on_s3_and_is_heard_from_there(
    folder: Path, s3: S3Server, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, words in (("keys", new_key()), ("s3", "key secret")):
        (folder / name).write_text(words + "\n")
        (folder / name).chmod(0o600)
    file = configuration(folder, {}, rest=NUMBERS + ARCHIVE.format(url=s3.url))
    async with Served("run", "--config", str(file)) as hotline:
        await hotline.said("serving; pages at")
        api = Api(folder / "data")
        call = await talk(api)
        await api.until("/api/overview", lambda view: view["archive"]["archived"] == 1)
        assert (await api.get("/healthz"))["archive"] == "there"
        assert not list((folder / "data/recordings").rglob("*.wav"))

        path = f"/api/calls/{call}/recording"
        _, kind, whole = await asyncio.to_thread(fetch, api, path)
        assert kind == "audio/flac"
        samples, rate = soundfile.read(io.BytesIO(whole), dtype="int16")
        assert rate == 8000
        assert len(samples) > 8000
        status, _, part = await asyncio.to_thread(fetch, api, path, Range="bytes=1000-1999")
        assert (status, part) == (206, whole[1000:2000])
        _, kind, leg = await asyncio.to_thread(fetch, api, path + "?speaker=citizen")
        heard, _ = soundfile.read(io.BytesIO(leg), dtype="int16")
        assert kind == "audio/wav"
        assert (heard == samples[:, 0]).all()
        assert abs(heard).max() > 1000, "his humming"

        place = ObjectStorePlace(s3.url, BUCKET, "key", "secret", prefix="city")
        keys = await asyncio.to_thread(listed, place)
        assert sorted(key.rsplit("/", 1)[1] for key in keys) == [f"{call}.flac.sealed", f"{call}.peaks.sealed"]
        sealed = next(key for key in keys if key.endswith(".flac.sealed"))
        assert (await asyncio.to_thread(ObjectShelf(place).read, sealed, 0, 8)) == b"HOTLINE1"

        s3.close()  # from here on nobody answers there
        second = await talk(api)
        await api.until("/healthz", lambda told: told["archive"] == "away")
        assert (await asyncio.to_thread(fetch, api, f"/api/calls/{second}/recording"))[1] == "audio/wav"
        _, _, figures = await asyncio.to_thread(fetch, api, "/metrics")
        assert b"hotline_archive_away 1.0" in figures
        assert b"hotline_recordings_waiting 1.0" in figures
    assert main(["recordings", "status", "--config", str(file)]) == 1
    told = capsys.readouterr()
    assert "archived, flac: 1" in told.out
    assert "on this disk: 1, the oldest of" in told.out
    assert "does not answer" in told.err


def listed(place: ObjectStorePlace) -> list[str]:
    """The keys below the prefix."""
    shelf = ObjectShelf(place)
    return [str(one["path"]) for batch in shelf._store().list() for one in batch]
