"""Names of recordings: a finished one by day and call, an unfinished one by instant and call.

A recording is owned by its call. It carries the call's id in its name and nothing else of the call: no
number, no name of a person. Whoever may hear the call's recording is decided by the call, and it is erased
with the call.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import PurePath, PurePosixPath
from zoneinfo import ZoneInfo

HOTLINE_ZONE = "Asia/Shanghai"
"""Default zone of the day folders: China has one official time, UTC+8, all the year."""

# Also what MixMonitor's file argument can carry: its commas, `^{...}` and blanks would be read as something
# else.
_CALL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RAW = re.compile(r"(\d{8}T\d{6})(\.\d{3})?Z_(" + _CALL_ID.pattern + r")\.raw")
_VOICE = re.compile(r"(.+)\.voice(\d{1,9})-(\d{1,6})\.sln")
_RAW_TIME = "%Y%m%dT%H%M%S"


class UnsafeName(ValueError):
    """A call id or a file name that is not of the form this room writes."""


@dataclass(frozen=True, slots=True)
class RecordingName:
    """What the path of a finished recording says."""

    day: date
    call_id: str


@dataclass(frozen=True, slots=True)
class RawName:
    """What the name of an unfinished recording says; `started_at` in UTC, to the millisecond."""

    started_at: datetime
    call_id: str


def _checked(call_id: str) -> str:
    if not _CALL_ID.fullmatch(call_id):
        raise UnsafeName(f"call id cannot be part of a file name: {call_id!r}")
    return call_id


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("the instant needs a time zone")
    return instant


def recording_path(call_id: str, started_at: datetime, tz: tzinfo | None = None) -> PurePosixPath:
    """Where the finished recording lies below the recordings' root, for example
    `2026/11/22/1795310400.17.wav`.

    `started_at` must carry a zone (ValueError); its day is taken in `tz`, the hotline's zone (default:
    China's). Raises UnsafeName for a call id outside letters, digits, dot, underscore and hyphen.
    """
    day = _aware(started_at).astimezone(tz or ZoneInfo(HOTLINE_ZONE))
    return PurePosixPath(f"{day:%Y/%m/%d}", f"{_checked(call_id)}.wav")


def parse_recording_path(path: PurePath | str) -> RecordingName:
    """Read a path written by `recording_path`, absolute or relative; raises UnsafeName if it is none."""
    parts = PurePath(path).parts[-4:]
    if len(parts) == 4 and parts[3].endswith(".wav") and _CALL_ID.fullmatch(call_id := parts[3][:-4]):
        year, month, day = parts[:3]
        if re.fullmatch(r"[0-9]{4}/[0-9]{2}/[0-9]{2}", "/".join(parts[:3])):
            try:
                return RecordingName(date(int(year), int(month), int(day)), call_id)
            except ValueError:
                pass
    raise UnsafeName(f"not the path of a recording: {PurePath(path).name!r}")


def raw_name(call_id: str, started_at: datetime) -> str:
    """The name of the raw file in Asterisk's spool, for example `20261122T010203.250Z_1795310400.17.raw`.

    It carries the instant in UTC, so that a recording found after a crash can be finished from its name alone, and
    what was said when is known as exactly as before (names of earlier versions have whole seconds).
    """
    begun = _aware(started_at).astimezone(UTC)
    return f"{begun:{_RAW_TIME}}.{begun.microsecond // 1000:03d}Z_{_checked(call_id)}.raw"


def parse_raw_name(name: str) -> RawName:
    """Read a name written by `raw_name` (a bare name, no folder); raises UnsafeName if it is none."""
    if found := _RAW.fullmatch(name):
        try:
            fraction = timedelta(seconds=float(found[2] or 0.0))
            started_at = datetime.strptime(found[1], _RAW_TIME).replace(tzinfo=UTC) + fraction
        except ValueError:
            pass
        else:
            return RawName(started_at, found[3])
    raise UnsafeName(f"not the name of a raw recording: {name!r}")


@dataclass(frozen=True, slots=True)
class VoiceName:
    """What the name of a party's own voice says: beside which raw recording, and how long after its beginning (ms)."""

    raw: str
    after_ms: int
    number: int


def voice_name(raw: str, after_s: float, number: int) -> str:
    """The name of one party's own voice beside the raw recording `raw`, begun `after_s` seconds after it: what is
    needed to put the two together stands in it, so that a crash in between loses nothing.

    `number` keeps apart what begins in the same millisecond. Raises UnsafeName if `raw` is no raw recording.
    """
    parse_raw_name(raw)
    return f"{raw.removesuffix('.raw')}.voice{max(0, round(after_s * 1000))}-{number}.sln"


def parse_voice_name(name: str) -> VoiceName:
    """Read a name written by `voice_name`; raises UnsafeName if it is none."""
    if found := _VOICE.fullmatch(name):
        parse_raw_name(f"{found[1]}.raw")
        return VoiceName(f"{found[1]}.raw", int(found[2]), int(found[3]))
    raise UnsafeName(f"not the name of a voice: {name!r}")


def belongs_to(path: PurePath | str, call_id: str) -> bool:
    """Whether this finished or raw recording is owned by this call; False also for a name of another form."""
    for parse in (parse_recording_path, lambda p: parse_raw_name(PurePath(p).name)):
        try:
            return parse(path).call_id == call_id
        except UnsafeName:
            continue
    return False
