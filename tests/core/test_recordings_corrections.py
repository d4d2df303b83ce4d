"""Corrections beside what was recognised: shown in its place, never lost, and nothing hidden comes to light by them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.corrections import (
    Correction,
    Kept,
    cleaned,
    corrected,
    history,
    read,
    restored,
    version_of_turn,
)
from recordings.personal_data import find, spans_by_turn
from recordings.search import Wanted, hits, keys_of, looked_for, second_of, wanted_keys
from recordings.transcript import Speaker, Transcript, Turn, Word, join_words

pytestmark = pytest.mark.core


def turn(speaker: Speaker, at: float, *words: str) -> Turn:
    """A turn whose words take half a second each."""
    said = tuple(Word(at + n / 2, at + n / 2 + 0.4, word, 0.9) for n, word in enumerate(words))
    return Turn(speaker, at, at + len(words) / 2, join_words(words), said)


TALK = Transcript(
    (
        turn("agent", 0.0, "您好", "请", "讲"),
        turn("citizen", 2.0, "解放", "路", "路灯", "坏", "了"),
        turn("citizen", 5.0, "电话", "一三八", "零零零零"),
        turn("agent", 8.0, "好", "的"),
        turn("citizen", 9.0, "一二三四"),
    ),
    "zh", "vosk", None, 12.0,
)  # fmt: skip


def correction(version: int, n: int, text: str, base: int = 1, said: Transcript = TALK) -> Correction:
    was = said.turns[n]
    return Correction(
        version, base, n, was.speaker, was.start_s, was.end_s, was.text, text, "boss", "supervisor", 1.0 * version
    )


def test_the_latest_correction_is_shown_and_the_original_stays() -> None:
    kept = Kept(TALK, 1, (correction(2, 1, "解放路路灯灭了"), correction(3, 1, "解放北路路灯坏了")))
    shown = read(kept).turns[1]
    assert (shown.turn.text, shown.version, kept.version) == ("解放北路路灯坏了", 3, 3)
    assert shown.original == TALK.turns[1]
    assert shown.correction is not None
    assert (shown.correction.by, shown.correction.at) == ("boss", 3.0)
    assert [one.text for one in history(kept, 1)] == ["解放路路灯灭了", "解放北路路灯坏了"]
    assert [read(kept).turns[n].original for n in (0, 2, 3, 4)] == [None] * 4
    assert [version_of_turn(kept, n) for n in (-1, 0, 1, 5)] == [None, 1, 3, None]


def test_words_that_stayed_keep_their_times() -> None:
    fixed = corrected(TALK.turns[1], "解放北路路灯坏了, 😀")
    assert [(word.text, word.start, word.end) for word in fixed.words] == [
        ("解放", 2.0, 2.4), ("北", 2.4, 2.5), ("路", 2.5, 2.9), ("路灯", 3.0, 3.4), ("坏", 3.5, 3.9), ("了", 4.0, 4.4),
        (", 😀", 4.4, 4.5),
    ]  # fmt: skip
    assert corrected(TALK.turns[1], "").words == ()
    bare = replace(TALK.turns[1], words=())
    assert corrected(bare, "都不是").words == (Word(2.0, 4.5, "都不是"),)


@given(st.lists(st.text("路灯坏了 ok", min_size=1, max_size=3), max_size=6), st.text("路灯坏了 ok😀", max_size=12))
def test_the_words_of_any_correction_are_its_text_in_order_of_time(words: list[str], text: str) -> None:
    fixed = corrected(turn("citizen", 1.0, *words), text)
    assert "".join("".join(word.text for word in fixed.words).split()) == "".join(text.split())
    starts = [word.start for word in fixed.words]
    assert starts == sorted(starts)


def test_corrections_go_on_to_the_turns_of_a_new_transcription_and_others_are_kept_as_such() -> None:
    anew = Transcript(
        (replace(TALK.turns[1], text="解放路路登坏了", start_s=2.3), turn("citizen", 20.0, "别", "的")),
        "zh", "whisper", None, 30.0,
    )  # fmt: skip
    kept = Kept(anew, 4, (correction(2, 1, "解放北路路灯坏了"), correction(3, 0, "您好请说")))
    shown = read(kept)
    assert (shown.turns[0].turn.text, shown.turns[0].version) == ("解放北路路灯坏了", 4)
    assert shown.turns[0].original == anew.turns[0]
    assert [(one.text, one.was) for one in shown.unfitting] == [("您好请说", "您好请讲")]
    assert [one.version for one in history(kept, 0)] == [2]
    later = Kept(anew, 4, (*kept.corrections, correction(5, 0, "真的", base=4, said=anew)))
    assert read(later).turns[0].turn.text == "真的"


def test_hidden_are_the_words_and_not_their_times() -> None:
    hidden = [one.hidden().turn for one in read(Kept(TALK)).turns]
    assert [one.text for one in hidden] == ["您好请讲", "解放路路灯坏了", "电话*******", "好的", "****"]
    assert [word.text for word in hidden[2].words] == ["电话", "***", "****"]
    assert [(word.start, word.end) for word in hidden[2].words] == [(w.start, w.end) for w in TALK.turns[2].words]


def test_a_correction_beside_a_number_does_not_bring_it_to_light() -> None:
    """Who breaks the first half by other words would read the second one."""
    kept = Kept(TALK, 1, (correction(2, 2, "电话一三八零零零零就是这个号码你看"),))
    hidden = [one.hidden() for one in read(kept).turns]
    assert [one.turn.text for one in hidden[2:]] == ["电话*******就是这个号码你看", "好的", "****"]
    assert hidden[2].original is not None
    assert hidden[2].original.text == "电话*******"
    wrong_words = Kept(replace(TALK, turns=(replace(TALK.turns[4], text="一三八零零零零一二三四"),)))
    assert [word.text for word in read(wrong_words).turns[0].hidden().turn.words] == ["****"], "not of this text"


def test_stars_stand_for_what_they_hide() -> None:
    was = "电话一三八零零零零一二三四谢谢"
    spans = spans_by_turn(find([Turn("citizen", 0.0, 1.0, was)]))[0]
    assert restored("我的电话***********谢谢您", was, spans) == "我的电话一三八零零零零一二三四谢谢您"
    for sent in ("电话谢谢", "电话****谢谢", "电话***********谢谢*", "电话一三八零零零零一二三四谢谢"):
        assert restored(sent, was, spans) is None


def test_unseen_characters_are_taken_out_of_what_people_write() -> None:
    assert cleaned(" \u202e路\u200b灯\ufeff\u2066 👨\u200d👩\u200d👧 ") == "路灯 👨\u200d👩\u200d👧"


# ---------------------------------------------------------------- searching


def asked(text: str, **more: object) -> Wanted:
    return Wanted(looked_for(text), **more)  # type: ignore[arg-type]


def finds(kept: Kept, wanted: Wanted) -> list[tuple[int, list[str]]]:
    """What a search shows of a call, and that its keys agree with it."""
    shown = read(kept)
    found = [(one.n, [one.turn.text[start:end] for start, end in spans]) for one, spans in hits(shown, wanted)]
    keys = keys_of(shown)
    has = all(keys & set(group) for group in wanted_keys(wanted))
    assert has or not found, "what stands there is found by its keys"
    return found


def test_words_are_found_where_they_stand() -> None:
    kept = Kept(TALK)
    assert finds(kept, asked("路灯")) == [(1, ["路灯"])]
    assert finds(kept, asked("路灯 您好")) == [(0, ["您好"]), (1, ["路灯"])], "all of them, in whatever turn"
    assert finds(kept, asked("路灯 停水")) == []
    assert finds(kept, asked("路路灯坏")) == [(1, ["路路灯坏"])]
    assert finds(kept, asked("灯坏路")) == [], "its pairs are there, it is not"
    assert finds(kept, asked("路灯", speaker="agent")) == []
    assert finds(kept, asked("您好", speaker="agent")) == [(0, ["您好"])]
    for nothing in ("灯", "，。", "", "😀"):
        assert looked_for(nothing) == ()


def test_full_width_capitals_and_the_unseen_are_the_same() -> None:
    kept = Kept(Transcript((turn("citizen", 0.0, "😀", "Ｗｉ\u200b－Ｆｉ", "断", "了"),), "zh", "vosk", None, 1.0))
    assert finds(kept, asked("wi-fi")) == [(0, ["Ｗｉ", "Ｆｉ"])]
    assert finds(kept, asked("FI断了"))[0][0] == 0


def test_a_number_is_found_by_who_may_read_it_however_it_was_said_and_by_nobody_else() -> None:
    kept = Kept(TALK)
    assert finds(kept, asked("13800001234", personal=True)) == [(2, ["一三八零零零零"]), (4, ["一二三四"])]
    assert finds(kept, asked("零零零零", personal=True)) == [(2, ["零零零零"])]
    for text in ("13800001234", "零零零零", "一二三四", "一三八"):
        assert finds(kept, asked(text)) == []
    keys, every = keys_of(read(kept)), {key for one in ("一三八零零零零", "一二三四", "13800001234") for key in
                                        sum(map(list, wanted_keys(asked(one))), [])}  # fmt: skip
    assert not keys & every, "nor do the keys tell"


def test_the_second_is_that_of_the_first_word() -> None:
    said = [[2.0, 2.4, "解放", 0.9], [2.5, 2.9, "路", 0.9], [3.0, 3.4, "路灯", 0.9]]
    assert [second_of("解放路路灯", said, place, 2.0) for place in (0, 1, 2, 3, 4)] == [2.0, 2.0, 2.5, 3.0, 3.0]
    assert second_of("解放路路灯", [], 3, 1.5) == 1.5
