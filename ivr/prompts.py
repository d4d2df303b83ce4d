"""What the hotline says: names of prompts, and numbers spoken from pieces in both languages.

Pure: answers are ids of prompts (``ivr/manifest.py`` has their texts, ``ivr/voice.py`` makes the
sound); `prompt_list` turns them into what Asterisk's Read() and Playback() take.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ivr.manifest import LANGUAGES, Language, Manifest, ManifestError, Spoken, load_manifest, spell_digits

__all__ = [
    "LANGUAGES", "LARGEST_NUMBER", "PAUSE", "SOUND_FOLDER", "Language", "Manifest", "ManifestError", "Spoken",
    "load_manifest", "missing", "prompt_list", "prompt_name", "say_agent", "say_digits", "say_number",
    "say_position", "say_ticket", "say_time", "say_wait", "spell_digits",
]  # fmt: skip

SOUND_FOLDER = "hotline"
"""Folder below Asterisk's sounds directory under which ``ivr/sounds`` is found."""

LARGEST_NUMBER = 99_999_999
"""Largest number `say_number` speaks: the last one below 一亿, for which no piece exists."""

PAUSE = "pause"
"""The prompt of silence that stands between groups of digits."""

_DIGIT_RUN = re.compile(r"[0-9]+")
_MOBILE = re.compile(r"1[0-9]{10}")
_GROUP = 4


# --- names -------------------------------------------------------------------------------------


def prompt_name(lang: Language, prompt_id: str) -> str:
    """The name by which Asterisk plays a prompt, e.g. ``hotline/zh/welcome``."""
    return f"{SOUND_FOLDER}/{lang}/{prompt_id}"


def prompt_list(lang: Language, prompt_ids: Iterable[str]) -> str:
    """Names joined by ``&``, as Read() and Playback() take them."""
    return "&".join(prompt_name(lang, prompt_id) for prompt_id in prompt_ids)


def missing(needed: Mapping[Language, Iterable[str]], available: Mapping[Language, Iterable[str]]) -> tuple[str, ...]:
    """Names of the prompts that are needed and have no sound, sorted; `hotline check` refuses them."""
    return tuple(
        prompt_name(lang, prompt_id)
        for lang in LANGUAGES
        for prompt_id in sorted(set(needed.get(lang, ())) - set(available.get(lang, ())))
    )


# --- numbers -----------------------------------------------------------------------------------


def say_number(n: int, lang: Language, *, counting: bool = False) -> tuple[str, ...]:
    """The pieces of the cardinal number ``n``, 0 to `LARGEST_NUMBER`.

    ``counting`` says that a classifier follows (位, 分钟): a Mandarin 2 alone is then 两.  Raises
    ValueError outside the range.
    """
    if not 0 <= n <= LARGEST_NUMBER:
        raise ValueError(f"cannot speak the number {n}")
    if lang == "en":
        return _english(n)
    if counting and n == 2:
        return ("liang",)
    if n < 100:
        return _tens(n)
    high, low = divmod(n, 10_000)
    pieces: tuple[str, ...] = ()
    if high:
        pieces = ("liang",) if high == 2 else (_tens(high) if high < 100 else _section(high))
        pieces += ("ten-thousand",)
    if low:
        # 零 stands for the empty thousands between 万 and what follows (一万零一十, 十万零一百)
        pieces += ("digit-0",) if high and low < 1000 else ()
        pieces += _section(low)
    return pieces


def _tens(n: int) -> tuple[str, ...]:
    """0..99: ten to twenty and the full tens are recorded whole, as they sound better so."""
    if n < 10:
        return (f"digit-{n}",)
    if n < 20 or n % 10 == 0:
        return (f"num-{n}",)
    return (f"num-{n // 10 * 10}", f"digit-{n % 10}")


def _section(n: int) -> tuple[str, ...]:
    """1..9999 within a longer Mandarin number: 一十 in full, 零 for each run of empty places, 两千."""
    thousands, hundreds, rest = n // 1000, n // 100 % 10, n % 100
    pieces: tuple[str, ...] = ()
    if thousands:
        pieces += ("liang" if thousands == 2 else f"digit-{thousands}", "thousand")
    if hundreds:
        pieces += (f"digit-{hundreds}", "hundred")
    if rest:
        empty = pieces and (not hundreds or rest < 10)
        pieces += ("digit-0",) if empty else ()
        # within a longer number 十 is 一十: 一百一十五, 一万零一十
        pieces += ("digit-1",) if 10 <= rest < 20 else ()
        pieces += _tens(rest)
    return pieces


def _english(n: int) -> tuple[str, ...]:
    if n < 100:
        return _tens(n)
    for size, piece in ((1_000_000, "million"), (1000, "thousand"), (100, "hundred")):
        if n >= size:
            head, rest = divmod(n, size)
            return (*_english(head), piece, *(_english(rest) if rest else ()))
    raise AssertionError(n)  # pragma: no cover - every n >= 100 has a size


def say_digits(text: str, lang: Language, yao: bool = True) -> tuple[str, ...]:
    """The pieces of a number read digit by digit, with a pause between groups.

    Groups are those that ``-`` or spaces make in ``text``; without any, 3-4-4 for an eleven-digit
    mobile number and fours for everything else (never a single digit alone).  ``yao`` reads a Mandarin
    1 as 幺, as is usual in telephone and ticket numbers.  Raises ValueError for anything but digits,
    ``-`` and spaces, and for no digit at all.
    """
    groups = [group for group in re.split(r"[- ]+", text) if group]
    if not groups or not all(_DIGIT_RUN.fullmatch(group) for group in groups):
        raise ValueError("a number read digit by digit may hold only digits, spaces and -")
    if len(groups) == 1:
        groups = _grouped(groups[0])
    one = "digit-1-yao" if yao and lang == "zh" else "digit-1"
    pieces: list[str] = []
    for group in groups:
        pieces += [PAUSE] if pieces else []
        pieces += [one if digit == "1" else f"digit-{digit}" for digit in group]
    return tuple(pieces)


def _grouped(digits: str) -> list[str]:
    if _MOBILE.fullmatch(digits):
        return [digits[:3], digits[3:7], digits[7:]]
    groups = [digits[at : at + _GROUP] for at in range(0, len(digits), _GROUP)]
    if len(groups) > 1 and len(groups[-1]) == 1:
        groups[-2:] = [groups[-2] + groups[-1]]
    return groups


def say_time(hour: int, minute: int, lang: Language) -> tuple[str, ...]:
    """A time of the day on the 24-hour clock: 十八点零五分; "eighteen thirty", "eighteen hundred", "nine o'clock".

    Raises ValueError for no such time.
    """
    if not (0 <= hour < 24 and 0 <= minute < 60):
        raise ValueError("no such time of the day")
    nought = ("digit-0",) if 0 < minute < 10 else ()
    if lang == "zh":
        past = (*nought, *say_number(minute, lang), "clock-minute") if minute else ()
        return (*say_number(hour, lang, counting=True), "clock-hour", *past)
    if minute:
        return (*say_number(hour, lang), *nought, *say_number(minute, lang))
    return (*say_number(hour, lang), "clock-hour" if 0 < hour <= 12 else "hundred")


# --- whole sentences ---------------------------------------------------------------------------


def say_position(ahead: int, lang: Language) -> tuple[str, ...]:
    """How many callers stand before this one (``ahead`` >= 0; 0 = next in line)."""
    if ahead == 0:
        return ("position-next",)
    if ahead == 1:
        return ("position-one",)
    return ("position-before", *say_number(ahead, lang, counting=True), "position-after")


def say_wait(low: int, high: int, lang: Language) -> tuple[str, ...]:
    """An expected wait of ``low`` to ``high`` minutes; ``high`` 0 = less than one minute, ``low`` 0 = at
    most ``high``.

    Raises ValueError if the interval is upside down.
    """
    if not 0 <= low <= high:
        raise ValueError(f"no such interval of minutes: {low} to {high}")
    if high == 0:
        return ("wait-under-minute",)
    unit = "minute" if high == 1 else "minutes"
    if low == high:
        return ("wait-before", *say_number(high, lang, counting=True), unit)
    if low == 0:
        return ("wait-before", "at-most", *say_number(high, lang, counting=True), unit)
    span = (*say_number(low, lang, counting=True), "range-to", *say_number(high, lang, counting=True))
    return ("wait-before", *span, unit)


def say_ticket(number: str, lang: Language, yao: bool = True, repeat: bool = True) -> tuple[str, ...]:
    """Your ticket number is ... (您的工单号是……), twice if ``repeat``; ``number`` as for `say_digits`."""
    digits = say_digits(number, lang, yao)
    once = ("ticket-number-is", *digits)
    return (*once, PAUSE, "repeat-ticket", *digits) if repeat else once


def say_agent(number: str, lang: Language, yao: bool = True) -> tuple[str, ...]:
    """Agent number ... is ready to help you (工号……为您服务), told to the caller before the agent speaks."""
    return ("agent-number", *say_digits(number, lang, yao), "agent-serves")
