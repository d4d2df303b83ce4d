"""Names of recordings go there and back, and let nothing unsafe through."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta, timezone
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.naming import (
    RawName,
    RecordingName,
    UnsafeName,
    VoiceName,
    belongs_to,
    parse_raw_name,
    parse_recording_path,
    parse_voice_name,
    raw_name,
    recording_path,
    voice_name,
)

pytestmark = pytest.mark.core

LATE = datetime(2026, 11, 21, 16, 30, tzinfo=UTC)  # half past midnight of the 22nd in China
call_ids = st.builds(
    str.__add__,
    st.sampled_from(string.ascii_letters + string.digits),
    st.text(string.ascii_letters + string.digits + "._-", max_size=63),
)
instants = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2099, 12, 31),  # noqa: DTZ001
    timezones=st.just(timezone(timedelta(hours=8))),
)


def test_the_day_is_the_hotlines() -> None:
    assert recording_path("1795310400.17", LATE) == PurePosixPath("2026/11/22/1795310400.17.wav")
    assert recording_path("1795310400.17", LATE, UTC) == PurePosixPath("2026/11/21/1795310400.17.wav")


def test_a_raw_name_of_an_earlier_version_is_read() -> None:
    assert parse_raw_name("20261121T163000Z_c-1.raw") == RawName(LATE.astimezone(UTC), "c-1")


def test_the_raw_name_carries_the_instant() -> None:
    assert raw_name("c-1", LATE) == "20261121T163000.000Z_c-1.raw"


@given(call_ids, instants)
def test_there_and_back(call_id: str, started_at: datetime) -> None:
    path = recording_path(call_id, started_at, started_at.tzinfo)
    assert parse_recording_path(path) == RecordingName(started_at.date(), call_id)
    assert parse_recording_path(f"/srv/rec/{path}").call_id == call_id
    raw = raw_name(call_id, started_at)
    instant = started_at.astimezone(UTC)
    assert parse_raw_name(raw) == RawName(instant.replace(microsecond=instant.microsecond // 1000 * 1000), call_id)
    assert belongs_to(path, call_id)
    assert belongs_to(f"/spool/{raw}", call_id)
    assert not belongs_to(path, call_id + "x")


@given(call_ids, instants, st.floats(0, 90000), st.integers(1, 9999))
def test_a_voices_name_says_beside_what_and_from_when(call_id: str, at: datetime, after_s: float, number: int) -> None:
    raw = raw_name(call_id, at)
    assert parse_voice_name(voice_name(raw, after_s, number)) == VoiceName(raw, round(after_s * 1000), number)


@pytest.mark.parametrize("name", ["", "x.voice1-1.sln", "20261121T163000Z_c-1.voice-1.sln", "20261121T163000Z_c.sln"])
def test_foreign_voices_are_refused(name: str) -> None:
    with pytest.raises(UnsafeName):
        parse_voice_name(name)
    with pytest.raises(UnsafeName):
        voice_name(name, 1.0, 1)


BAD_IDS = ["", ".", "..", ".hidden", "-rf", "a/b", "../../etc/passwd", "a b", "a,b", "a\nb", "a\0", "市", "x" * 65]


@pytest.mark.parametrize("call_id", [*BAD_IDS, "^{X}", "$(id)", "a%", "１"])
def test_an_unsafe_id_makes_no_name(call_id: str) -> None:
    with pytest.raises(UnsafeName):
        recording_path(call_id, LATE)
    with pytest.raises(UnsafeName):
        raw_name(call_id, LATE)


@pytest.mark.parametrize(
    "path",
    ["", "x.wav", "2026/11/22/x.mp3", "2026/13/22/x.wav", "2026/02/30/x.wav", "26/11/22/x.wav", "2026/11/22/.wav",
     "２０２６/11/22/x.wav", "2026/11/22/a b.wav", "2026/11/22/x.wav.part"],
)  # fmt: skip
def test_foreign_paths_are_refused(path: str) -> None:
    with pytest.raises(UnsafeName):
        parse_recording_path(path)
    assert not belongs_to(path, "x")


@pytest.mark.parametrize(
    "name", ["", "c-1.raw", "20261121T163000_c-1.raw", "20261321T163000Z_c-1.raw", "20261121T163000Z_.raw",
             "20261121T163000Z_c-1.raw.1", "20261121T163000Z_a b.raw", "x/20261121T163000Z_c.raw"]
)  # fmt: skip
def test_foreign_raw_names_are_refused(name: str) -> None:
    with pytest.raises(UnsafeName):
        parse_raw_name(name)


def test_an_instant_without_a_zone_is_refused() -> None:
    naive = LATE.replace(tzinfo=None)
    with pytest.raises(ValueError, match="zone"):
        recording_path("a", naive)
    with pytest.raises(ValueError, match="zone"):
        raw_name("a", naive)
