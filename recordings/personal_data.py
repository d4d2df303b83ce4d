"""Personal data in what was said: identity cards, telephone numbers, bank cards and number plates, found by rule. Pure.

Numbers are found as they are written (``138 0000 1234``), as they are spoken digit by digit (一三八…, 幺三八…, 三个八),
mixed, and where one speaker says them in pieces over several turns (``citizen: 一三八 / agent: 嗯 / citizen:
零零零零``). What counts:

* identity card (公民身份号码, GB 11643-1999): 18 places, a region, a day of birth and the check character of ISO 7064
  MOD 11-2; the 15 digits of before 1999 too. Spoken, one whose check character is wrong is one all the same:
  recognisers mishear a digit, and the other seventeen are still his. Written, it is some other number.
* mobile number: eleven digits from 13 to 19, with or without +86; fixed number: its area code and 7 or 8 digits, or,
  where shortly before a telephone is spoken of, the 7 or 8 alone.
* bank card (ISO/IEC 7812-1): 16 to 19 digits with Luhn's check digit.
* number plate (GA 36-2018): province, letter, five or six letters and digits without I and O, or four and a closing
  word.

Not found are what a hotline says all day: ticket numbers (13 to 15 digits from the day on), 12345 and its like,
amounts, dates. Names and addresses are not found by rule at all.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from recordings.transcript import Turn

RULES = 1
"""Grows whenever the same words give other findings than before: an index made by another number is made anew."""

PAUSE_S = 10.0
"""Two turns of one speaker that lie so close together may hold two parts of one number."""

MASK = "*"


class Kind(enum.Enum):
    """What was found."""

    ID_CARD = "id_card"  #: 身份证号
    MOBILE = "mobile"  #: 手机号
    PHONE = "phone"  #: 固定电话
    BANK_CARD = "bank_card"  #: 银行卡号
    PLATE = "plate"  #: 车牌号


@dataclass(frozen=True, slots=True)
class Part:
    """Characters [start, end) of a turn's text (Unicode code points); `turn` is its place among the turns."""

    turn: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Found:
    """One piece of personal data: what it is, as it would be written, and where its parts stand, in order."""

    kind: Kind
    value: str
    parts: tuple[Part, ...]


# ---------------------------------------------------------------- one symbol for each character

_DIGITS = {
    **dict.fromkeys("零〇○", "0"),
    **dict.fromkeys("一壹幺", "1"),
    **dict.fromkeys("二贰两", "2"),
    **dict.fromkeys("三叁", "3"),
    **dict.fromkeys("四肆", "4"),
    **dict.fromkeys("五伍", "5"),
    **dict.fromkeys("六陆", "6"),
    **dict.fromkeys("七柒", "7"),
    **dict.fromkeys("八捌", "8"),
    **dict.fromkeys("九玖", "9"),
}
_ONE = "!"
"""A 要, 妖 or 腰: what recognisers write for 幺 (one). It is a digit only among digits."""

_WORDS = frozenset(_DIGITS) | frozenset("要妖腰个")
"""Digits that are words: who hears them has been told them digit by digit."""

_BETWEEN = frozenset("-－‐‑‒–—−·・、，。()（）" + "嗯啊呃额哦噢欸诶哎对是吧好的呢然后那就再")
"""What stands between the parts of one number: punctuation, and what people say while they read it out."""

_SKIP = "\u200b"
"""Characters that nobody sees: as if they were not there."""


class _Symbols(dict[int, str]):
    """From each character to its symbol, worked out once: ``str.translate`` keeps every place as it is."""

    def __missing__(self, code: int) -> str:
        self[code] = found = _symbol(chr(code))
        return found


def _symbol(character: str) -> str:
    if character in _DIGITS:
        return _DIGITS[character]
    if character in "要妖腰":
        return _ONE
    if character in _BETWEEN or character.isspace():
        return " "
    if unicodedata.category(character) in ("Cf", "Mn"):
        return _SKIP
    if (digit := unicodedata.decimal(character, None)) is not None:
        return str(digit)
    if character in "叉×":
        return "X"
    folded = unicodedata.normalize("NFKC", character).upper()
    if len(folded) == 1 and folded.isascii() and folded.isalnum():
        return folded
    return "#" if character in "!\n\0" else character


_SYMBOLS = _Symbols()

# ---------------------------------------------------------------- the shapes

_UNIT = rf"(?:[2-6]个[0-9]|[0-9X{_ONE}])"
_RUN = re.compile(rf"{_UNIT}(?:[ \n]{{0,8}}{_UNIT})*")
_TOKEN = re.compile(r"[^ \n]+")
_UNITS = re.compile(_UNIT)
_SHORTEST, _LONGEST = 7, 19
_FEWEST_SIGNS = 5  # of a run that may be a number: 三个八 is three digits

_MOBILE = re.compile(r"(?:(?:00)?86)?(1[3-9][0-9]{9})")
_FIXED = re.compile(r"0(?:10|2[0-9])[2-8][0-9]{7}|0[3-9][0-9]{2}[2-8][0-9]{6,7}")
_LOCAL = re.compile(r"[2-8][0-9]{6,7}")
_MOBILE_WITHIN = re.compile(r"1[3-9][0-9]{9}")
_OF_A_TELEPHONE = re.compile(r"电话|座机|固话|手机|号码|联系方式|拨打|回拨|phone|number", re.IGNORECASE)
_CONTEXT = 16
"""So many characters before a short number a telephone may be spoken of, or in the turn before."""

_AMOUNT = frozenset("元块万亿吨百千%％")
_MONEY = frozenset("¥￥$")

_PROVINCES = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新"
_PLATE_SIGN = rf"[A-HJ-NP-Z0-9{_ONE}]"
_PLATE = re.compile(
    rf"[{_PROVINCES}][ ]?[A-HJ-NP-Z][ ]?(?:(?:{_PLATE_SIGN}[ ]?){{4}}[学警港澳挂领试超使]"
    rf"|{_PLATE_SIGN}(?:[ ]?{_PLATE_SIGN}){{4,5}})(?![A-Z])"
)
_FEWEST_DIGITS = 3

_REGIONS = frozenset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83".split()  # noqa: SIM905
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK = "10X98765432"


def check_character(first: str) -> str:
    """The last character of an identity card's number from its first seventeen (ISO 7064 MOD 11-2)."""
    return _CHECK[sum(int(digit) * weight for digit, weight in zip(first, _WEIGHTS, strict=True)) % 11]


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _born(text: str) -> bool:
    try:
        day = date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return False
    return 1880 <= day.year < 2100


def _is_id_card(text: str, *, spoken: bool) -> bool:
    if text[:2] not in _REGIONS:
        return False
    if len(text) == 15:
        return text.isdecimal() and _born(f"19{text[6:12]}")
    if len(text) != 18 or not text[:17].isdecimal() or not _born(text[6:14]):
        return False
    return spoken or check_character(text[:17]) == text[17]


def _kind_of(text: str, *, spoken: bool, telephone: bool) -> tuple[Kind, str] | None:
    """What a whole number is, and how it is written."""
    if _is_id_card(text, spoken=spoken):
        return Kind.ID_CARD, text
    if "X" in text:
        return None
    if found := _MOBILE.fullmatch(text):
        return Kind.MOBILE, found[1]
    if _FIXED.fullmatch(text):
        return Kind.PHONE, text
    if 16 <= len(text) <= _LONGEST and text[0] in "34569" and luhn(text) and len(set(text)) > 1:
        return Kind.BANK_CARD, text
    if telephone and _LOCAL.fullmatch(text) and not (len(text) == 8 and text[:2] == "20" and _born(text)):
        return Kind.PHONE, text
    return None


# ---------------------------------------------------------------- finding


def find(turns: Sequence[Turn]) -> list[Found]:
    """The personal data in turns, each speaker's words for themselves, in the order in which they begin."""
    found: list[Found] = []
    for speaker in dict.fromkeys(turn.speaker for turn in turns):
        found += _Stream(turns, [place for place, turn in enumerate(turns) if turn.speaker == speaker]).found()
    return sorted(found, key=lambda one: (one.parts[0].turn, one.parts[0].start))


def find_in(text: str) -> list[Found]:
    """The personal data in a text that stands alone."""
    return find([Turn("citizen", 0.0, 0.0, text)])


@dataclass(frozen=True, slots=True)
class _Digit:
    sign: str
    start: int
    end: int


class _Stream:
    """All that one speaker said, as symbols; turns that may hold one number are parted by a line end, others by NUL."""

    def __init__(self, turns: Sequence[Turn], mine: Sequence[int]) -> None:
        self._turns, self._mine = turns, mine
        self._begins: list[int] = []
        pieces: list[str] = []
        at, before = 0, None
        for place in mine:
            turn = turns[place]
            if before is not None:
                pieces.append("\n" if turn.start_s - before.end_s <= PAUSE_S else "\0")
                at += 1
            self._begins.append(at)
            pieces.append(turn.text.translate(_SYMBOLS))
            at += len(turn.text)
            before = turn
        self._text = "".join(pieces)
        self._places: Sequence[int] = range(len(self._text) + 1)
        if _SKIP in self._text:
            kept = [place for place, sign in enumerate(self._text) if sign != _SKIP]
            self._text = "".join(self._text[place] for place in kept)
            self._places = [*kept, (kept[-1] + 1 if kept else 0)]

    def found(self) -> list[Found]:
        taken: list[tuple[int, int]] = []
        found: list[Found] = []
        for plate in _PLATE.finditer(self._text):
            sign = plate[0].replace(" ", "").replace(_ONE, "1")
            if sum(one.isdecimal() for one in sign) >= _FEWEST_DIGITS:
                taken.append(plate.span())
                found.append(Found(Kind.PLATE, sign, self._parts(*plate.span())))
        for run in _RUN.finditer(self._text):
            if len(run[0]) < _FEWEST_SIGNS or any(begin < run.end() and run.start() < end for begin, end in taken):
                continue
            found += self._in_run(run)
        return found

    def _in_run(self, run: re.Match[str]) -> list[Found]:
        tokens = [
            (list(_digits(token[0], run.start() + token.start())), self._is_spoken(token, run.start()))
            for token in _TOKEN.finditer(run[0])
        ]
        found: list[Found] = []
        first = 0
        while first < len(tokens):
            whole = self._whole(tokens, first)
            if whole is not None:
                one, first = whole
                found.append(one)
                continue
            digits, spoken = tokens[first]
            if spoken:
                found += self._within(digits)
            first += 1
        return found

    def _whole(self, tokens: Sequence[tuple[list[_Digit], bool]], first: int) -> tuple[Found, int] | None:
        """The longest number that these tokens make from the first on, and which token follows it."""
        digits: list[_Digit] = []
        best: tuple[Found, int] | None = None
        spoken = False
        for last in range(first, len(tokens)):
            digits = digits + tokens[last][0]
            spoken = spoken or tokens[last][1]
            if len(digits) > _LONGEST:
                break
            if len(digits) < _SHORTEST:
                continue
            text = "".join(digit.sign for digit in digits)
            begin, end = digits[0].start, digits[-1].end
            kind = _kind_of(text, spoken=spoken, telephone=self._of_a_telephone(begin))
            if kind is not None and (kind[0] is Kind.ID_CARD or not self._of_money(begin, end)):
                best = Found(*kind, self._parts(begin, end)), last + 1
        return best

    def _within(self, digits: Sequence[_Digit]) -> list[Found]:
        """Numbers within what was said in one breath: 一三八…一三八… (said twice)."""
        text, found, at = "".join(digit.sign for digit in digits), [], 0
        if 13 <= len(text) <= 15 and text[:2] == "20" and _born(text):
            return []  # a ticket's number, of a year that looks like the beginning of a mobile one
        while at + 11 <= len(text):
            size = 0
            if _is_id_card(text[at : at + 18], spoken=False):
                kind, size = Kind.ID_CARD, 18 if len(text) - at >= 18 else 15
            elif _MOBILE_WITHIN.match(text, at):
                kind, size = Kind.MOBILE, 11
            if size:
                parts = self._parts(digits[at].start, digits[at + size - 1].end)
                found.append(Found(kind, text[at : at + size], parts))
            at += size or 1
        return found

    def _is_spoken(self, token: re.Match[str], offset: int) -> bool:
        """Whether any of its digits is a word."""
        for place in range(offset + token.start(), offset + token.end()):
            turn, start = self._turn_at(self._places[place])
            if self._turns[turn].text[start] in _WORDS:
                return True
        return False

    def _of_money(self, begin: int, end: int) -> bool:
        """Whether it is an amount, or a part of one: 元 behind it, ¥ before it, decimals."""
        text = self._text
        after, before = text[end : end + 2], text[max(0, begin - 2) : begin]
        if after[:1] in _AMOUNT or before[-1:] in _MONEY:
            return True
        decimals = len(after) == 2 and after[0] in ".," and after[1].isdecimal()
        return decimals or len(before) == 2 and before[1] in ".," and before[0].isdecimal()

    def _of_a_telephone(self, begin: int) -> bool:
        turn, start = self._turn_at(self._places[begin])
        if _OF_A_TELEPHONE.search(self._turns[turn].text[max(0, start - _CONTEXT) : start]):
            return True
        return start <= _CONTEXT and turn > 0 and bool(_OF_A_TELEPHONE.search(self._turns[turn - 1].text))

    def _turn_at(self, place: int) -> tuple[int, int]:
        index = bisect_right(self._begins, place) - 1
        return self._mine[index], place - self._begins[index]

    def _parts(self, begin: int, end: int) -> tuple[Part, ...]:
        """Where symbols [begin, end) stand in the turns; what parts the turns belongs to none."""
        parts: list[Part] = []
        at = begin
        for piece in self._text[begin:end].split("\n"):
            inner = piece.strip(" ")
            if inner:
                start = at + piece.index(inner)
                turn, first = self._turn_at(self._places[start])
                _, last = self._turn_at(self._places[start + len(inner) - 1])
                parts.append(Part(turn, first, last + 1))
            at += len(piece) + 1
        return tuple(parts)


def _digits(token: str, offset: int) -> Iterable[_Digit]:
    for unit in _UNITS.finditer(token):
        start, end = offset + unit.start(), offset + unit.end()
        if len(unit[0]) == 3:  # 三个八
            yield from (_Digit(unit[0][2], start, end) for _ in range(int(unit[0][0])))
        else:
            yield _Digit("1" if unit[0] == _ONE else unit[0], start, end)


# ---------------------------------------------------------------- hiding


def spans_by_turn(found: Iterable[Found]) -> dict[int, list[tuple[int, int, Kind]]]:
    """Of each turn that has any: its parts of personal data, in order."""
    spans: dict[int, list[tuple[int, int, Kind]]] = {}
    for one in found:
        for part in one.parts:
            spans.setdefault(part.turn, []).append((part.start, part.end, one.kind))
    for mine in spans.values():
        mine.sort(key=lambda span: span[:2])
    return spans


def masked(text: str, spans: Iterable[tuple[int, int, Kind]]) -> str:
    """The text with a star for each character of the spans: as long as it was, so that places stay what they are."""
    signs = list(text)
    for start, end, _ in spans:
        signs[start:end] = MASK * (end - start)
    return "".join(signs)


_ANY_DIGITS = re.compile(rf"[0-9{_ONE}X](?:[ {_SKIP}]*[0-9{_ONE}X]){{2,}}")


def digit_spans(text: str) -> list[tuple[int, int, Kind]]:
    """Every three digits or more, whatever they are: for words whose place in the talk is not known any more."""
    return [(*found.span(), Kind.PHONE) for found in _ANY_DIGITS.finditer(text.translate(_SYMBOLS))]
