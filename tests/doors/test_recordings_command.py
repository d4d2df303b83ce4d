"""`hotline recordings`: a key, what is in the archive, and whose copy a file is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from controller import audit_rows
from controller.__main__ import main
from controller.database import database_url as where
from controller.database import make_engine
from controller.schema import upgrade
from pbx.ids import ActorId, CallId
from pbx.supervision import AuditEntry
from recordings.archive import sql as rows
from recordings.archive.archive import Archived
from recordings.archive.form import Form
from recordings.archive.keys import parse_keys
from recordings.archive.watermark import Watermark
from recordings.sql import RecordingRow, save_recording
from tests.serving import NUMBERS, configuration

pytestmark = pytest.mark.doors

NOON = 1_795_320_000.0
ARCHIVE = """
[recording.archive]
folder = "archive"
sealed = false

[[recording.keep]]
name = "complaints"
types = ["complaint"]
keep_days = 1825
"""


def test_a_new_key_is_one_and_never_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recordings", "new-key"]) == 0
    first = capsys.readouterr().out
    assert main(["recordings", "new-key"]) == 0
    assert len(parse_keys(first + capsys.readouterr().out, "the two").keys) == 2


def test_status_and_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = configuration(tmp_path, {}, rest=NUMBERS + "transcript_keep_days = 365\n" + ARCHIVE)
    (tmp_path / "data").mkdir()
    status = ["recordings", "status", "--config", str(file)]

    def trace(*copy: Path) -> int:
        return main(["recordings", "trace", *map(str, copy), "--config", str(file)])

    assert main(status) == 0, "before anything is there"
    assert "on this disk: 0\n" in capsys.readouterr().out

    url = f"sqlite:///{tmp_path / 'data' / 'hotline.db'}"
    upgrade(url)
    engine = make_engine(where(url))
    ids = [f"{n:016x}" for n in range(3)]
    with engine.begin() as connection:
        for number in range(3):
            call = CallId(f"c-{number}")
            save_recording(connection, RecordingRow(call, f"2026/11/22/{call}.wav", NOON + number, 60.0, 1, "x"))
        rows.save_archived(connection, CallId("c-0"), Archived("k", Form.FLAC, 2_500_000_000, "x"), NOON)
        rows.place_hold(connection, rows.Hold("h", CallId("c-1"), "复核", "boss", NOON))
        for id in ids:
            who = ActorId(f"boss-{id[-1]}")
            said = (f"导出 {id}", f"exported {id}")
            entry = AuditEntry(f"export-{id}", NOON, who, "supervisor", "export_recording", "", "c-0", "", *said, "ok")
            audit_rows.append(connection, entry)
    engine.dispose()
    assert main(status) == 0
    told = capsys.readouterr().out
    assert "archived, flac: 1 (2.50 GB)" in told
    assert "on this disk: 2, the oldest of 2026-11-22" in told
    assert "held: 1; being erased: 0; erased until now: 0" in told
    assert "\nkept: 1095 days; complaint: 1825 days (complaints)\n" in told
    assert "transcripts kept: 365 days; complaint: 1825 days (complaints)\n" in told
    assert f"{tmp_path / 'archive'}: it answers; flac, not sealed" in told

    copy = tmp_path / "copy.wav"
    sound = (np.random.default_rng(2).uniform(-60, 60, (80_000, 2))).astype(np.int16)
    soundfile.write(copy, Watermark(ids[1]).put(sound, 0)[1234:], 8000, subtype="ALAW")
    assert trace(copy) == 0
    assert "boss-1: 导出" in capsys.readouterr().out
    soundfile.write(copy, sound, 8000, format="WAV")
    assert trace(copy) == 1
    assert "none of 3 exports" in capsys.readouterr().err
    copy.write_bytes(b"no sound")
    assert trace(copy) == 2
    assert trace(tmp_path / "missing") == 2
    assert trace() == 2
