"""Door: builds the prompts' sounds, and checks that they still say what the manifest says.

A prompt's sound is a studio recording (``<studio>/<language>/<id>.wav`` or ``.alaw``) where there is
one, else Kokoro's voice, else espeak-ng's.  Each sound's stamp in ``sounds/manifest.json`` names what
it was made from; a changed text, voice, speed or level makes it stale, a changed file is noticed too.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import tomllib
import wave
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ivr import audio
from ivr.audio import Samples
from ivr.kokoro import RATE as KOKORO_RATE
from ivr.kokoro import Kokoro, KokoroUnavailable
from ivr.manifest import LANGUAGES, Language, Level, Manifest, ManifestError, Spoken, load_manifest

log = logging.getLogger(__name__)

Engine = Literal["auto", "kokoro", "espeak"]
"""auto: Kokoro, and espeak-ng where Kokoro is not installed."""

MANIFEST_FILE = Path(__file__).with_name("prompts") / "prompts.toml"
SOUNDS = Path(__file__).with_name("sounds")
STAMPS = "manifest.json"

CHARACTERS_PER_SECOND: Mapping[Language, tuple[float, float]] = {"zh": (1.2, 7.5), "en": (4.0, 22.0)}
"""Slowest and fastest plausible speech; outside, a sound was cut off or says something else."""

_ESPEAK_VOICE = {"zh": "cmn-latn-pinyin", "en": "en-us"}  # plain cmn reads Hanzi as English: speech.md 0.3
_ESPEAK_WORDS_PER_MINUTE = 150


class VoiceError(RuntimeError):
    """The sounds could not be built or read; the message says why and what to do."""


@dataclass(frozen=True)
class Built:
    """One sound that `build` made: its engine and length, and a warning worth a look ('' if none)."""

    name: str
    engine: str
    seconds: float
    warning: str = ""


def read_manifest(path: Path = MANIFEST_FILE) -> Manifest:
    """The manifest of prompts at ``path``; `VoiceError` names the file, and every fault in it."""
    try:
        return load_manifest(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise VoiceError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise VoiceError(f"{path}: {error}") from error
    except ManifestError as error:
        raise VoiceError("\n".join(f"{path}: {fault}" for fault in error.faults)) from error


def available(sounds: Path = SOUNDS) -> dict[Language, frozenset[str]]:
    """The ids that have a sound, by language; for `ivr.prompts.missing`."""
    return {lang: frozenset(file.stem for file in (sounds / lang).glob("*.alaw")) for lang in LANGUAGES}


# --- build -------------------------------------------------------------------------------------

Speak = Callable[[Spoken], tuple[Samples, int]]
"""A voice: a prompt in, samples and their rate out."""


def build(
    manifest: Manifest,
    out: Path = SOUNDS,
    *,
    only: Iterable[str] | None = None,
    engine: Engine = "auto",
    studio: Path | None = None,
    cache: Path = Path("var/voices"),
    progress: Callable[[int, int, Built], None] = lambda done, of, built: None,
    voices: Mapping[str, Speak] | None = None,
) -> list[Built]:
    """Build the sounds that are stale or missing (or the ids ``only``, stale or not) into ``out``.

    ``studio`` holds recordings that override the voices; ``cache`` keeps Kokoro's voices; ``progress``
    is told (done, of, what) after each sound; ``voices`` replaces the engines (tests).  A studio
    recording of an earlier text is passed over with a warning.  Sounds of removed prompts are deleted.
    Every sound is complete on disk before its stamp says so, so a broken build goes on where it was.
    Raises `VoiceError`.
    """
    chosen = set(only or ())
    known = {prompt_id for lang in LANGUAGES for prompt_id in manifest.ids(lang)}
    if chosen - known:
        raise VoiceError(f"no such prompt: {', '.join(sorted(chosen - known))}")
    try:
        return _build(manifest, out, chosen, _Voices(engine, cache, voices), studio, progress)
    except OSError as error:
        raise VoiceError(f"cannot write the sounds: {error.filename}: {error.strerror}") from error
    except KokoroUnavailable as error:
        raise VoiceError(str(error)) from error


def _build(
    manifest: Manifest,
    out: Path,
    chosen: set[str],
    voices: _Voices,
    studio: Path | None,
    progress: Callable[[int, int, Built], None],
) -> list[Built]:
    stamps = _stamps(out)
    wanted = [
        (lang, prompt_id, spoken)
        for lang, prompt_id, spoken in manifest.all()
        if (prompt_id in chosen if chosen else _stale(manifest, out, lang, prompt_id, spoken, stamps))
    ]
    built: list[Built] = []
    for lang, prompt_id, spoken in wanted:
        name, level = f"{lang}/{prompt_id}", manifest.level
        warning, recording = "", _studio(studio, lang, prompt_id)
        # a recording says the text for which it was first seen, and no later one
        source = {"file": _sha256(recording.read_bytes()), "text": _sha256(spoken.text.encode())} if recording else {}
        earlier = stamps.get(name, {}).get("studio", {})
        if recording and earlier.get("file") == source["file"] and earlier["text"] != source["text"]:
            source = earlier
            warning = f"the studio recording {recording.name} says an earlier text: not used"
            recording = None
        if spoken.silence_ms:
            used, sound = "silence", np.zeros(audio.RATE * spoken.silence_ms // 1000, np.float32)
        elif recording:
            used, sound = "studio", _cut(_read(recording), spoken, level)
        else:
            used, samples, rate = voices.speak(spoken)
            sound = audio.resample(samples, rate, audio.RATE)
            sound = _cut(sound, spoken, level)
        raw = audio.alaw_encode(sound)
        _write(out / lang / f"{prompt_id}.alaw", raw)
        voice = {"kokoro": spoken.voice, "espeak": _ESPEAK_VOICE[spoken.spoken]}.get(used, "")
        stamps[name] = {
            "recipe": spoken.recipe(level),
            "engine": used,
            "voice": voice,
            "speed": spoken.speed,
            "seconds": round(len(raw) / audio.RATE, 3),
            "sound": _sha256(raw),
            **({"studio": source} if source else {}),
        }
        _write_stamps(out, stamps)
        built.append(Built(name, used, len(raw) / audio.RATE, warning))
        log.info("prompt %s built by %s", name, used, extra={"action": "prompt_built"})
        progress(len(built), len(wanted), built[-1])
    _remove_orphans(manifest, out, stamps)
    return built


def _cut(sound: Samples, spoken: Spoken, level: Level) -> Samples:
    lead = level.piece_lead_ms if spoken.piece else level.lead_ms
    tail = level.piece_tail_ms if spoken.piece else level.tail_ms
    levelled = audio.set_level(audio.trim(sound, lead, tail), level.active_dbfs, level.peak_dbfs)
    return audio.shorten_pauses(levelled, level.longest_pause_ms)


class _Voices:
    """The engines, each loaded when first needed."""

    def __init__(self, engine: Engine, cache: Path, given: Mapping[str, Speak] | None) -> None:
        self._engine, self._cache, self._given = engine, cache, given
        self._kokoro: Kokoro | None = None

    def speak(self, spoken: Spoken) -> tuple[str, Samples, int]:
        """(engine used, samples, rate)."""
        if self._given is not None:
            used = "kokoro" if self._engine == "auto" else self._engine
            return (used, *self._given[used](spoken))
        if self._engine != "espeak":
            try:
                self._kokoro = self._kokoro or Kokoro(self._cache)
                return "kokoro", self._kokoro.speak(spoken), KOKORO_RATE
            except ValueError as error:
                raise VoiceError(str(error)) from error
            except KokoroUnavailable as error:
                if self._engine == "kokoro":
                    raise
                log.warning("%s; espeak-ng is used instead", error, extra={"action": "voice_fallback"})
                self._engine = "espeak"
        return ("espeak", *_espeak(spoken))


def _espeak(spoken: Spoken) -> tuple[Samples, int]:
    speed = str(round(_ESPEAK_WORDS_PER_MINUTE * spoken.speed))
    command = ["espeak-ng", "-v", _ESPEAK_VOICE[spoken.spoken], "-s", speed, "--stdout", "--", spoken.say]
    try:
        done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    except FileNotFoundError as error:
        raise VoiceError("the program espeak-ng is not there: apt-get install espeak-ng") from error
    except subprocess.SubprocessError as error:
        raise VoiceError(f"espeak-ng could not speak: {spoken.text}") from error
    return _wav(done.stdout, "espeak-ng's sound")


def _studio(studio: Path | None, lang: Language, prompt_id: str) -> Path | None:
    if studio is None:
        return None
    files = (studio / lang / f"{prompt_id}.{kind}" for kind in ("wav", "alaw"))
    return next((file for file in files if file.exists()), None)


def _read(recording: Path) -> Samples:
    raw = recording.read_bytes()
    if recording.suffix == ".alaw":
        return audio.alaw_decode(raw)
    samples, rate = _wav(raw, str(recording))
    return audio.resample(samples, rate, audio.RATE)


def _wav(raw: bytes, what: str) -> tuple[Samples, int]:
    """Samples and rate of a 16-bit wav file; channels are mixed.  Lengths in a piped header are ignored."""
    try:
        with wave.open(BytesIO(raw)) as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            frames = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise VoiceError(f"{what} is no plain wav file: {error}") from error
    if width != 2:
        raise VoiceError(f"{what} must have 16 bits a sample")
    whole = len(frames) // (2 * channels) * 2 * channels
    samples = np.frombuffer(frames[:whole], "<i2").reshape(-1, channels)
    return (samples.mean(axis=1) / 32768.0).astype(np.float32), rate


# --- check -------------------------------------------------------------------------------------


def check(manifest: Manifest, sounds: Path = SOUNDS) -> list[str]:
    """What is wrong with the sounds, one sentence each; empty when every text has its own sound.

    Missing, stale or changed files, sounds without a text, and such as cannot be what the text says:
    too short, too long, too loud, too quiet.
    """
    stamps = _stamps(sounds)
    complaints: list[str] = []
    for lang, prompt_id, spoken in manifest.all():
        name = f"{lang}/{prompt_id}"
        if reason := _stale(manifest, sounds, lang, prompt_id, spoken, stamps):
            complaints.append(f"{name}: {reason}; run: hotline prompts build")
        elif not spoken.silence_ms:
            raw = (sounds / lang / f"{prompt_id}.alaw").read_bytes()
            complaints += [f"{name}: {fault}" for fault in _implausible(spoken, raw, manifest.level)]
    for lang in LANGUAGES:
        for orphan in sorted(available(sounds)[lang] - manifest.ids(lang)):
            complaints.append(f"{lang}/{orphan}: a sound without a text; run: hotline prompts build")
    return complaints


def _implausible(spoken: Spoken, raw: bytes, level: Level) -> list[str]:
    sound = audio.alaw_decode(raw)
    faults: list[str] = []
    lead = level.piece_lead_ms + level.piece_tail_ms if spoken.piece else level.lead_ms + level.tail_ms
    speech_s = len(raw) / audio.RATE - lead / 1000
    pace = sum(letter.isalnum() for letter in spoken.say) / max(speech_s, 0.01)
    slowest, fastest = CHARACTERS_PER_SECOND[spoken.spoken]
    if not slowest <= pace <= fastest:
        faults.append(f"{pace:.1f} characters a second, expected {slowest} to {fastest}")
    if audio.peak_level(sound) > level.peak_dbfs + 0.5:
        faults.append(f"peak {audio.peak_level(sound):.1f} dBFS, above {level.peak_dbfs}")
    if abs(audio.active_level(sound) - level.active_dbfs) > 3:
        faults.append(f"speech at {audio.active_level(sound):.1f} dBFS, expected {level.active_dbfs}")
    if audio.pauses(sound, level.longest_pause_ms + 50):
        faults.append(f"a pause of more than {level.longest_pause_ms} ms")
    return faults


def _stale(
    manifest: Manifest, out: Path, lang: Language, prompt_id: str, spoken: Spoken, stamps: Mapping[str, Any]
) -> str:
    """Why this sound has to be built, '' if it has not."""
    stamp, file = stamps.get(f"{lang}/{prompt_id}"), out / lang / f"{prompt_id}.alaw"
    if stamp is None or not file.exists():
        return "no sound"
    if stamp.get("recipe") != spoken.recipe(manifest.level):
        return "the text or its voice changed after the sound was built"
    if stamp.get("sound") != _sha256(file.read_bytes()):
        return "the sound was changed by hand"
    return ""


# --- files -------------------------------------------------------------------------------------


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:32]


def _stamps(out: Path) -> dict[str, Any]:
    file = out / STAMPS
    if not file.exists():
        return {}
    try:
        stamps = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise VoiceError(f"{file} is no JSON: remove it and run hotline prompts build") from error
    return stamps if isinstance(stamps, dict) else {}


def _write_stamps(out: Path, stamps: Mapping[str, Any]) -> None:
    _write(out / STAMPS, (json.dumps(stamps, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode())


def _write(file: Path, raw: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    part.write_bytes(raw)
    os.replace(part, file)


def _remove_orphans(manifest: Manifest, out: Path, stamps: dict[str, Any]) -> None:
    wanted = {f"{lang}/{prompt_id}" for lang, prompt_id, _ in manifest.all()}
    for lang in LANGUAGES:
        for prompt_id in available(out)[lang] - manifest.ids(lang):
            (out / lang / f"{prompt_id}.alaw").unlink()
    kept = {name: stamp for name, stamp in stamps.items() if name in wanted}
    if kept != stamps:
        _write_stamps(out, kept)
