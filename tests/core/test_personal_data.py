"""Personal data are found however they are said, and what a hotline says all day is none."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from recordings.personal_data import (
    Kind,
    check_character,
    digit_spans,
    find,
    find_in,
    luhn,
    masked,
    spans_by_turn,
)
from recordings.transcript import Turn

pytestmark = pytest.mark.core

DIGITS = st.characters(min_codepoint=48, max_codepoint=57)
SPOKEN = ("零一二三四五六七八九", "零幺两三四五六七八九", "〇壹贰叁肆伍陆柒捌玖", "零要二三四五六七八九")
WRITTEN = ("0123456789", "０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩")
GLUE = ("", " ", "-", "，", "\u200b", "、嗯", "  ", "。")

mobiles = st.integers(13 * 10**9, 20 * 10**9 - 1).map(str)
days = st.dates(date(1930, 1, 1), date(2026, 11, 22))
regions = st.sampled_from(["110101", "320705", "440300", "650100", "510107"])


@st.composite
def id_cards(draw: st.DrawFn) -> str:
    first = draw(regions) + draw(days).strftime("%Y%m%d") + f"{draw(st.integers(0, 999)):03d}"
    return first + check_character(first)


@st.composite
def bank_cards(draw: st.DrawFn) -> str:
    first = draw(st.sampled_from(["62", "45", "51", "95588"])) + draw(st.text(DIGITS, min_size=13, max_size=16))
    first = first[:18]
    last = next(digit for digit in "0123456789" if luhn(first + digit))
    assume(len(set(first)) > 1 and not (len(first) == 17 and find_in(first + last)[:1] == []))
    return first + last


fixed = st.tuples(st.sampled_from(["010", "021", "025"]), st.integers(2 * 10**7, 9 * 10**7 - 1).map(str)) | st.tuples(
    st.sampled_from(["0518", "0371", "0755", "0898"]),
    (st.integers(2 * 10**7, 9 * 10**7 - 1) | st.integers(2 * 10**6, 9 * 10**6 - 1)).map(str),
)


def said(number: str, how: str, glue: str, every: int) -> str:
    """A number as it is said: its digits by `how`, in groups of `every` with `glue` between."""
    signs = [how[int(one)] if one.isdecimal() else one for one in number]
    return glue.join("".join(signs[start : start + every]) for start in range(0, len(signs), every))


AROUND = st.sampled_from(
    [("", ""), ("我的号码", "谢谢"), ("记一下😀", "记住了吗"), ("\u202e市民", "\u202c"), ("ok ", " ok")]
)


@given(mobiles, st.sampled_from(SPOKEN + WRITTEN), st.sampled_from(GLUE), st.sampled_from([3, 4, 11]), AROUND)
def test_a_mobile_number_is_found_however_it_is_said(
    number: str, how: str, glue: str, every: int, around: tuple[str, str]
) -> None:
    text = around[0] + said(number, how, glue, every) + around[1]
    found = find_in(text)
    assert [(one.kind, one.value) for one in found] == [(Kind.MOBILE, number)], text
    hidden = masked(text, spans_by_turn(found)[0])
    assert len(hidden) == len(text)
    assert not find_in(hidden)
    assert hidden.replace("*", "").replace(" ", "").startswith(around[0].replace(" ", ""))
    assert not set(hidden) & (set(how) - set("".join(around)))


@given(id_cards(), st.sampled_from(SPOKEN + WRITTEN), st.sampled_from(GLUE), st.sampled_from([4, 6, 18]))
def test_an_identity_card_is_found_by_its_check_character(number: str, how: str, glue: str, every: int) -> None:
    found = find_in(f"身份证{said(number, how, glue, every)}")
    assert [(one.kind, one.value) for one in found] == [(Kind.ID_CARD, number)]


@given(id_cards(), st.integers(1, 10))
def test_written_with_a_wrong_check_character_it_is_another_number_spoken_it_was_misheard(
    number: str, other: int
) -> None:
    wrong = number[:17] + "10X98765432"[("10X98765432".index(number[17]) + other) % 11]
    assume(wrong[17] == "X" or not luhn(wrong))
    assert find_in(f"编号{wrong}") == []
    spoken = find_in("".join(SPOKEN[0][int(one)] if one.isdecimal() else one for one in wrong))
    assert [one.kind for one in spoken] == [Kind.ID_CARD]


def test_the_check_character_is_that_of_the_standard() -> None:
    """The example of GB 11643-1999: 11010519491231002 has the check character X."""
    assert check_character("11010519491231002") == "X"
    assert check_character("44052418800101001") == "4"
    assert [one.value for one in find_in("身份证 11010519491231002叉")] == ["11010519491231002X"]
    assert [one.kind for one in find_in("老证 110105491231002")] == [Kind.ID_CARD]


@given(bank_cards(), st.sampled_from(SPOKEN[:3] + WRITTEN), st.sampled_from(GLUE), st.sampled_from([4, 19]))
def test_a_bank_card_is_found_by_luhn(number: str, how: str, glue: str, every: int) -> None:
    kinds = {one.kind for one in find_in(f"卡号{said(number, how, glue, every)}")}
    assert kinds & {Kind.BANK_CARD, Kind.ID_CARD}


@given(fixed, st.sampled_from(SPOKEN[:3] + WRITTEN), st.sampled_from(["", "-", " "]))
def test_a_fixed_number_has_its_area_code(parts: tuple[str, str], how: str, glue: str) -> None:
    found = find_in(f"打到{said(parts[0], how, '', 9)}{glue}{said(parts[1], how, '', 9)}")
    assert [(one.kind, one.value) for one in found] == [(Kind.PHONE, "".join(parts))]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("家里电话八五八二三四五六", "85823456"),
        ("座机是 8582345", "8582345"),
        ("要三八四个零一二三四", "13800001234"),
        ("就是幺三八嗯零零零零然后一二三四", "13800001234"),
        ("+86 138 0000 1234", "13800001234"),
        ("一三八零零零零一二三四一三八零零零零一二三四", "13800001234"),
        ("苏G12345", "苏G12345"),
        ("车牌是苏 g 一二三四五", "苏G12345"),
        ("粤B·D12345", "粤BD12345"),
        ("京A1234警", "京A1234警"),
        ("沪AF12345", "沪AF12345"),
    ],
)
def test_other_ways_to_say_it(text: str, value: str) -> None:
    found = find_in(text)
    assert {one.value for one in found} == {value}
    assert text[found[0].parts[0].start : found[0].parts[-1].end]


NUMBERS = st.one_of(
    st.builds(
        lambda day, n: f"工单{day:%Y%m%d}{n:05d}",
        st.dates(date(2010, 1, 1), date(2099, 12, 31)),
        st.integers(1, 9999999),
    ),
    st.sampled_from(
        ["12345", "110", "119热线", "12319", "95588", "4008123123", "拨打12345转2", "一二三四五", "幺幺零"]
    ),
    st.dates(date(1990, 1, 1), date(2099, 12, 31)).map(lambda day: f"{day:%Y-%m-%d}、{day:%Y年%m月%d日}、{day:%Y%m%d}"),
    st.integers(1, 10**12).map(lambda n: f"一共{n}元"),
    st.integers(1, 10**12).map(lambda n: f"￥{n:,}.00"),
    st.integers(1, 999999).map(lambda n: f"第{n}号, 门牌{n % 900}"),
    st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda at: f"{at[0]:02d}:{at[1]:02d}到{at[0]}点{at[1]}分"),
    st.integers(1, 9999).map(lambda n: f"{n}.{n % 100:02d}度, {n}平方米, {n % 100}%"),
    st.sampled_from(
        ["二零二六年十一月二十二号", "三点五万", "一百三十八块", "两千零二十六", "新冠", "云A", "一个两个三个"]
    ),
)


@given(NUMBERS)
@settings(max_examples=300)
def test_what_a_hotline_says_all_day_is_none(text: str) -> None:
    assert find_in(text) == [], text


@given(st.builds(lambda day, n: f"{day:%Y%m%d}{n:05d}", st.dates(date(2010, 1, 1), date(2099, 12, 31)),
                 st.integers(1, 9999999)), st.sampled_from(SPOKEN[:2]))  # fmt: skip
def test_a_ticket_number_that_is_read_out_is_none(number: str, how: str) -> None:
    assert find_in(f"您的工单号是{said(number, how, '', 99)}") == []


def turns(*said: tuple[str, float, str]) -> list[Turn]:
    return [Turn(speaker, at, at + 1.0, text) for speaker, at, text in said]  # type: ignore[arg-type]


def test_a_number_in_pieces_over_turns_is_one_for_each_who_says_it() -> None:
    talk = turns(
        ("agent", 0, "您的电话?"),
        ("citizen", 1, "我手机一三八"),
        ("agent", 2, "一三八"),
        ("citizen", 3, "零零零零"),
        ("agent", 4, "零零零零"),
        ("citizen", 5, "一二三四对吧"),
        ("agent", 6, "好的一二三四"),
    )
    spans = spans_by_turn(find(talk))
    hidden = [masked(turn.text, spans.get(n, ())) for n, turn in enumerate(talk)]
    assert hidden == ["您的电话?", "我手机***", "***", "****", "****", "****对吧", "好的****"]


def test_pieces_that_lie_far_apart_or_with_words_between_are_no_number() -> None:
    assert find(turns(("citizen", 0, "一三八"), ("citizen", 30, "零零零零一二三四"))) == []
    assert find(turns(("citizen", 0, "一三八"), ("citizen", 2, "路灯零零零零一二三四"))) == []
    assert find(turns(("citizen", 0, "一三八零"), ("agent", 2, "零零零一二三四"))) == [], "two people, two numbers"


@given(st.lists(st.text(max_size=40), max_size=6))
def test_any_text_has_its_findings_inside_and_none_when_they_are_hidden(texts: list[str]) -> None:
    talk = [Turn("citizen", float(n), n + 0.5, text) for n, text in enumerate(texts)]
    spans = spans_by_turn(find(talk))
    for n, mine in spans.items():
        for start, end, _ in mine:
            assert 0 <= start < end <= len(texts[n])
    hidden = [masked(text, spans.get(n, ())) for n, text in enumerate(texts)]
    assert list(map(len, hidden)) == list(map(len, texts))


def test_words_out_of_their_place_show_no_three_digits() -> None:
    text = "尾号一二三四, 3 8 0 0, 12号楼"
    assert masked(text, digit_spans(text)) == "尾号****, *******, 12号楼"


def test_an_hour_of_digits_is_looked_through_in_no_time() -> None:
    import time

    began = time.process_time()
    find([Turn("citizen", float(n), n + 0.9, "一二三四五六七八九 " * 20) for n in range(200)])
    assert time.process_time() - began < 10.0
