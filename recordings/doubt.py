"""When a transcript is to be doubted, by stated rules: a recogniser does not say so itself.

A recogniser of another language, or one that is given music, makes fluent nonsense and is sure of it: Vosk gave words
up to 1.00 (shared/speech.md section 2), Whisper repeats itself. So nothing here asks how sure it was, but for a closed
grammar, onto whose phrases all other speech is forced. A doubt hides nothing: it is told with the words. Pure.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FORCED = "grammar_forced"
OTHER_LANGUAGE = "other_language"
SCRIPT = "script"
TOKENS = "tokens"
TOO_FAST = "too_fast"
TOO_LITTLE = "too_little"
LOOPS = "loops"
LEFT_OUT = "left_out"
STEADY = "steady"

DOUBTS: Mapping[str, tuple[str, str]] = {
    FORCED: (
        "识别只能在限定词语中选择, 且有词语把握不足 0.9",
        "only the phrases of a closed grammar could be heard, and of some words the recogniser is less than 0.9 sure",
    ),
    OTHER_LANGUAGE: (
        "识别模型的语种不是该通话的语种",
        "the model is of another language than the call's",
    ),
    SCRIPT: ("文字多半不是该语种的文字", "most of the text is not in the script of its language"),
    TOKENS: ("含有并非词语的记号", "it holds tokens that are no words"),
    TOO_FAST: ("每秒字数超过人所能说", "more was written for each second than anybody speaks"),
    TOO_LITTLE: ("声音很长而文字极少", "there is much sound and hardly any word"),
    LOOPS: ("同样的词语不断重复", "the same words repeat again and again"),
    LEFT_OUT: ("五分之一以上的声音因识别结果无意义而被略去", "more than a fifth of the sound was left out as nonsense"),
    STEADY: (
        "一方的声音始终一样响, 多半是噪声",
        "a side is equally loud all the time, as noise is",
    ),
}
"""Every doubt's code, and what it says in Chinese and in English."""


@dataclass(frozen=True, slots=True)
class DoubtRules:
    """The numbers. Letters are counted without blanks, and each Chinese character as one.

    People speak 4 to 6 Mandarin syllables and 10 to 16 English letters a second; of broken Mandarin the recogniser of
    another language wrote twice as much as was said (shared/speech.md section 2). `ratio`: zlib's, as Whisper's own.
    """

    fastest_syllables: float = 9.0
    fastest_letters: float = 25.0
    slowest: float = 0.3
    long_enough_s: float = 10.0
    ratio: float = 2.4
    ratio_from: int = 60
    left_out: float = 0.2
    sure: float = 0.9


@dataclass(frozen=True, slots=True)
class LegHeard:
    """What came of one leg: its text, words' confidences, how many seconds sounded and were left out, and whether what
    sounded was equally loud all the time."""

    text: str
    conf: Sequence[float | None]
    sounding_s: float
    left_out_s: float = 0.0
    steady: bool = False


_SCRIPTS: Mapping[str, str] = {
    "zh": r"[\u3400-\u4dbf\u4e00-\u9fff]",
    "en": r"[A-Za-z]",
    "ko": r"[\u1100-\u11ff\uac00-\ud7a3]",
}
_SYLLABIC = ("zh", "ko")
_TOKEN = re.compile(r"\[[^\]\s]{1,12}\]|<[a-z/|]{1,12}>")
_LETTER = re.compile(r"\w")


def compression(text: str) -> float:
    """How many times shorter zlib makes a text; speech stays below 2, loops are far above."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def doubts(
    legs: Sequence[LegHeard],
    language: str,
    *,
    call_language: str = "",
    grammar: bool = False,
    rules: DoubtRules | None = None,
) -> tuple[str, ...]:
    """The codes of what speaks against a transcript, in the order of `DOUBTS`; empty = nothing does.

    `language` is the model's, `call_language` the one that the caller chose (empty = the same).
    """
    rules = rules or DoubtRules()
    found: set[str] = set()
    if call_language and call_language != language:
        found.add(OTHER_LANGUAGE)
    if grammar and any(conf is not None and conf < rules.sure for leg in legs for conf in leg.conf):
        found.add(FORCED)
    fastest = rules.fastest_syllables if language in _SYLLABIC else rules.fastest_letters
    for leg in legs:
        if _TOKEN.search(leg.text):
            found.add(TOKENS)
        letters = len(_LETTER.findall(_TOKEN.sub("", leg.text)))
        if leg.sounding_s >= rules.long_enough_s:
            if letters > fastest * leg.sounding_s:
                found.add(TOO_FAST)
            if not grammar and letters < rules.slowest * leg.sounding_s:
                found.add(TOO_LITTLE)
        if len(leg.text) >= rules.ratio_from and compression(leg.text) > rules.ratio:
            found.add(LOOPS)
        if leg.left_out_s > rules.left_out * max(leg.sounding_s, 1.0):
            found.add(LEFT_OUT)
        if leg.steady and letters:
            found.add(STEADY)
    if _other_script("".join(leg.text for leg in legs), language):
        found.add(SCRIPT)
    return tuple(code for code in DOUBTS if code in found)


def _other_script(text: str, language: str) -> bool:
    """Whether less than half of a text's letters (digits apart) are of its language's script; short ones pass."""
    script = _SCRIPTS.get(language)
    letters = [one for one in _LETTER.findall(_TOKEN.sub("", text)) if not one.isdigit()]
    if script is None or len(letters) < 10:
        return False
    return 2 * len(re.findall(script, "".join(letters))) < len(letters)
