"""The manifest of prompts: every text of the hotline, and how a voice shall say it.

Pure: the manifest is the dict read from ``ivr/prompts/prompts.toml``.  A prompt's id is also its file
name and its name in Asterisk, so it is kept to ``[a-z0-9-]+``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, cast, get_args

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
"""Languages of the hotline: zh (Mandarin, 普通话) and en (English)."""

_ID = re.compile(r"[a-z0-9-]+")
_DIGIT_RUN = re.compile(r"[0-9]+")


class ManifestError(ValueError):
    """The manifest of prompts is wrong; ``faults`` names everything that is, one sentence each."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


@dataclass(frozen=True)
class Spoken:
    """One prompt in one language: what is said and how the voice shall say it.

    ``text`` is what people read, ``say`` what the voice reads (digits written out), ``spoken`` the
    language it is spoken in, ``speed`` a factor (1.0 = the voice's own), ``readings`` the entries of
    the lexicon that this text uses, ``carrier`` a sentence around ``{}`` from which the sound is cut, ``gap_ms`` the
    silence added after each sentence or choice within the text (where the voice hurries on).
    ``silence_ms`` above 0 means no speech at all, only that much silence.
    """

    text: str
    say: str
    spoken: Language
    voice: str
    speed: float
    readings: tuple[tuple[str, str], ...] = ()
    carrier: str = ""
    gap_ms: int = 0
    silence_ms: int = 0
    piece: bool = False

    def recipe(self, level: Level) -> str:
        """A fingerprint of everything that shapes the sound; another recipe means: build it again."""
        made_of = json.dumps([asdict(self), asdict(level)], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(made_of.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Level:
    """How loud and how tight a sound is cut; table [level] of the manifest.

    ``active_dbfs``: level of the speech without its pauses (in the manner of ITU-T P.56), dB below full
    scale; ``peak_dbfs``: no sample above this.  ``lead_ms``/``tail_ms``: silence left before and after;
    the ``piece_`` ones for building blocks of numbers, between which Asterisk itself leaves about
    50 ms (asterisk.md 10.3).  ``longest_pause_ms``: a longer pause within a prompt is shortened to it.
    """

    active_dbfs: float = -21.0
    peak_dbfs: float = -3.0
    lead_ms: int = 60
    tail_ms: int = 120
    piece_lead_ms: int = 20
    piece_tail_ms: int = 30
    longest_pause_ms: int = 500


@dataclass(frozen=True)
class Manifest:
    """All prompts, by language and id."""

    prompts: Mapping[Language, Mapping[str, Spoken]]
    level: Level = field(default_factory=Level)

    def ids(self, lang: Language) -> frozenset[str]:
        """The ids that exist in ``lang``."""
        return frozenset(self.prompts[lang])

    def all(self) -> Iterable[tuple[Language, str, Spoken]]:
        """Every (language, id, prompt), in the order of the manifest."""
        for lang in LANGUAGES:
            for prompt_id, spoken in self.prompts[lang].items():
                yield lang, prompt_id, spoken


# --- the manifest ------------------------------------------------------------------------------

_TOP_KEYS = {"voices", "lexicon", "level", "prompts"}
_PROMPT_KEYS = {"zh", "en", "note", "piece", "silence_ms"}
_VOICE_KEYS = {"voice", "speed", "gap_ms", "piece_carrier", "piece_speed"}
_TEXT_KEYS = {"text": str, "say": str, "spoken": str, "voice": str, "speed": (int, float), "carrier": str}


def load_manifest(data: Mapping[str, Any]) -> Manifest:
    """Read the manifest from the dict of its TOML file; `ManifestError` names all faults at once."""
    faults = [f"unknown table [{key}]" for key in data if key not in _TOP_KEYS]
    voices = {lang: _voice(lang, _table(data.get("voices", {}), lang, faults), faults) for lang in LANGUAGES}
    lexicon = {lang: _table(data.get("lexicon", {}), lang, faults) for lang in LANGUAGES}
    level = _level(_table(data, "level", faults), faults)
    prompts: dict[Language, dict[str, Spoken]] = {lang: {} for lang in LANGUAGES}
    for prompt_id, entry in _table(data, "prompts", faults).items():
        where = f"prompts.{prompt_id}"
        if not _ID.fullmatch(prompt_id):
            faults.append(f"{where}: an id may hold only a-z, 0-9 and -")
        if not isinstance(entry, dict):
            faults.append(f"{where}: must be a table")
            continue
        faults += [f"{where}: unknown key {key}" for key in entry if key not in _PROMPT_KEYS]
        piece, silence = entry.get("piece", False), entry.get("silence_ms", 0)
        if not isinstance(piece, bool):
            faults.append(f"{where}: piece must be true or false")
        if isinstance(silence, bool) or not isinstance(silence, int) or silence < 0:
            faults.append(f"{where}: silence_ms must be a number of milliseconds")
            continue
        if bool(silence) == any(lang in entry for lang in LANGUAGES):
            faults.append(f"{where}: needs either a text (zh, en) or silence_ms")
        for lang in LANGUAGES:
            if silence:
                prompts[lang][prompt_id] = Spoken("", "", lang, "", 1.0, silence_ms=silence)
            elif lang in entry:
                spoken = _spoken(f"{where}.{lang}", lang, entry[lang], bool(piece), voices, lexicon, faults)
                if spoken is not None:
                    prompts[lang][prompt_id] = spoken
    if faults:
        raise ManifestError(faults)
    return Manifest(prompts, level)


def _table(data: Any, key: str, faults: list[str]) -> Mapping[str, Any]:
    found = data.get(key, {}) if isinstance(data, Mapping) else None
    if isinstance(found, Mapping):
        return found
    faults.append(f"{key}: must be a table")
    return {}


def _level(table: Mapping[str, Any], faults: list[str]) -> Level:
    known = {item.name for item in fields(Level)}
    faults += [f"level: unknown key {key}" for key in table if key not in known]
    values = {key: value for key, value in table.items() if key in known}
    for key, value in values.items():
        right = isinstance(value, int | float) and not isinstance(value, bool)
        if not right or (value > 0 if key.endswith("_dbfs") else value < 0):
            faults.append(f"level.{key}: must be {'at most' if key.endswith('_dbfs') else 'at least'} 0")
    return Level(**values)


@dataclass(frozen=True)
class _Voice:
    """A language's defaults; see [voices] in the manifest."""

    name: str
    speed: float
    gap_ms: int
    piece_carrier: str
    piece_speed: float


def _voice(lang: str, table: Mapping[str, Any], faults: list[str]) -> _Voice:
    where = f"voices.{lang}"
    faults += [f"{where}: unknown key {key}" for key in table if key not in _VOICE_KEYS]
    name, gap_ms, carrier = table.get("voice"), table.get("gap_ms", 0), table.get("piece_carrier", "")
    if not isinstance(name, str) or not name:
        faults.append(f"{where}: voice is missing")
    if isinstance(gap_ms, bool) or not isinstance(gap_ms, int) or gap_ms < 0:
        faults.append(f"{where}: gap_ms must be a number of milliseconds")
    if not isinstance(carrier, str) or (carrier and carrier.count("{}") != 1):
        faults.append(f"{where}: piece_carrier needs the place {{}} for the text")
        carrier = ""
    speed = _speed(where, table.get("speed", 1.0), faults)
    piece_speed = _speed(where, table.get("piece_speed", speed), faults)
    return _Voice(str(name), speed, gap_ms, carrier, piece_speed)


def _speed(where: str, speed: Any, faults: list[str]) -> float:
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not 0.5 <= speed <= 2.0:
        faults.append(f"{where}: speed must be a number from 0.5 to 2.0")
        return 1.0
    return float(speed)


def _spoken(
    where: str,
    lang: Language,
    value: Any,
    piece: bool,
    voices: Mapping[Language, _Voice],
    lexicon: Mapping[Language, Mapping[str, Any]],
    faults: list[str],
) -> Spoken | None:
    table: Mapping[str, Any] = {"text": value} if isinstance(value, str) else value
    if not isinstance(table, Mapping):
        faults.append(f"{where}: must be a text or a table")
        return None
    before = len(faults)
    for key, item in table.items():
        if key not in _TEXT_KEYS:
            faults.append(f"{where}: unknown key {key}")
        elif not isinstance(item, _TEXT_KEYS[key]):  # type: ignore[arg-type]
            faults.append(f"{where}: {key} has the wrong type")
    if len(faults) > before:
        return None
    text, language = table.get("text", ""), table.get("spoken", lang)
    if not text.strip():
        faults.append(f"{where}: text is empty")
    if language not in LANGUAGES:
        faults.append(f"{where}: spoken must be one of {', '.join(LANGUAGES)}")
        return None
    language = cast(Language, language)
    voice = voices[language]
    carrier = table.get("carrier", voice.piece_carrier if piece else "")
    if carrier and carrier.count("{}") != 1:
        faults.append(f"{where}: carrier needs the place {{}} for the text")
    speed = table.get("speed", voice.piece_speed if carrier else voice.speed)
    say = spell_digits(table.get("say", text), language)
    readings = tuple((word, str(how)) for word, how in lexicon[language].items() if word in carrier + say)
    return Spoken(
        text=text,
        say=say,
        spoken=language,
        voice=table.get("voice", voice.name),
        speed=_speed(where, speed, faults),
        readings=readings,
        carrier=carrier,
        gap_ms=voice.gap_ms,
        piece=piece,
    )


_DIGITS: Mapping[Language, str | tuple[str, ...]] = {
    "zh": "零一二三四五六七八九",
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
}


def spell_digits(text: str, lang: Language) -> str:
    """Write the digits of ``text`` out, one by one, as the voice shall read them.

    In Mandarin a run of three or more digits is a telephone number, where 1 is 幺; a shorter one is a
    key, where it is 一.
    """
    words = _DIGITS[lang]

    def spell(match: re.Match[str]) -> str:
        run = match.group()
        if lang == "en":
            return " ".join(words[int(digit)] for digit in run)
        spelt = "".join(words[int(digit)] for digit in run)
        return spelt.replace("一", "幺") if len(run) >= 3 else spelt

    return _DIGIT_RUN.sub(spell, text)
