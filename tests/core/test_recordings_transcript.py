"""Words to turns, turns to a transcript, a transcript to text and JSON and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.transcript import (
    SPEAKERS,
    Transcript,
    Turn,
    Word,
    join_words,
    merge,
    outline,
    turns_of,
    words_from_vosk,
)

pytestmark = pytest.mark.core

PLAIN = {
    "result": [
        {"conf": 0.43, "start": 0.297, "end": 1.17, "word": "你好"},
        {"conf": 1.0, "start": 1.2, "end": 1.5, "word": "市民"},
    ],
    "text": "你好 市民",
}
ALTERNATIVES = {
    "alternatives": [
        {"confidence": 105.87, "result": [{"start": 0.5, "end": 0.9, "word": "네"}], "text": "네"},
        {"confidence": 28.1, "result": [{"start": 0.5, "end": 0.9, "word": "내"}], "text": "내"},
    ]
}


def test_both_shapes_of_vosk() -> None:
    assert words_from_vosk(PLAIN) == [Word(0.297, 1.17, "你好", 0.43), Word(1.2, 1.5, "市民", 1.0)]
    assert words_from_vosk(ALTERNATIVES) == [Word(0.5, 0.9, "네", None)]


@pytest.mark.parametrize("nothing", [{"text": ""}, {"alternatives": []}, {"alternatives": [{"text": ""}]}, {}])
def test_nothing_heard(nothing: dict[str, object]) -> None:
    assert words_from_vosk(nothing) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["我", "家门口", "的", "路灯"], "我家门口的路灯"),
        (["请", "按", "ok", "键"], "请按 ok 键"),
        (["hello", "there"], "hello there"),
        (["네", "아니요"], "네 아니요"),
        ([" ", "好", ""], "好"),
        ([], ""),
    ],
)
def test_sentences_are_written_as_their_language_is(words: list[str], sentence: str) -> None:
    assert join_words(words) == sentence


def test_a_pause_begins_a_new_turn() -> None:
    words = [Word(0, 0.5, "一"), Word(0.6, 1, "二"), Word(2, 2.5, "三"), Word(3.4, 4, "四")]
    first, second = turns_of("citizen", words, gap_s=1.0)
    assert (first.start_s, first.end_s, first.text, first.words) == (0, 1, "一二", tuple(words[:2]))
    assert (second.start_s, second.end_s, second.text) == (2, 4, "三四")
    assert len(turns_of("citizen", words, gap_s=0.85)) == 3
    assert turns_of("agent", []) == []


def test_unordered_and_overlapping_words_do_not_confuse_turns() -> None:
    words = [Word(5, 5.2, "c"), Word(0, 4.5, "a"), Word(1, 1.1, "b")]
    (turn,) = turns_of("agent", words, gap_s=1.0)
    assert (turn.text, turn.end_s) == ("a b c", 5.2)


def turn(speaker: str, start: float, text: str) -> Turn:
    return Turn(speaker, start, start + 1, text, (Word(start, start + 1, text, 0.9),))  # type: ignore[arg-type]


def test_legs_are_merged_in_time_order_the_citizen_first() -> None:
    citizen = [turn("citizen", 4, "丙"), turn("citizen", 1, "甲")]
    agent = [turn("agent", 4, "丁"), turn("agent", 2, "乙")]
    assert [t.text for t in merge({"agent": agent, "citizen": citizen})] == ["甲", "乙", "丙", "丁"]
    with pytest.raises(ValueError, match="another speaker"):
        merge({"agent": citizen})


@pytest.fixture
def transcript() -> Transcript:
    turns = merge({"citizen": [turn("citizen", 65.04, "路灯坏了")], "agent": [turn("agent", 3599.96, "好的")]})
    return Transcript(turns, "zh", "vosk-model-small-cn-0.22", None, 3700.5)


def test_text_in_time_order(transcript: Transcript) -> None:
    assert transcript.to_text() == "[01:05.0] citizen: 路灯坏了\n[60:00.0] agent: 好的"
    assert transcript.to_text({"citizen": "市民"}).startswith("[01:05.0] 市民: ")
    assert transcript.said_by("agent") == "好的"


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
seconds = st.floats(0, 1e5, allow_nan=False)
words = st.builds(Word, seconds, seconds, texts, st.none() | st.floats(0, 1))
turns = st.builds(Turn, st.sampled_from(SPEAKERS), seconds, seconds, texts, st.lists(words, max_size=3).map(tuple))
transcripts = st.builds(
    Transcript,
    st.lists(turns, max_size=4).map(tuple),
    texts,
    texts,
    st.none() | st.lists(texts, max_size=3).map(tuple),
    seconds,
)


@given(transcripts)
def test_json_there_and_back(any_transcript: Transcript) -> None:
    assert Transcript.from_json(any_transcript.to_json()) == any_transcript


def test_json_is_readable_by_people(transcript: Transcript) -> None:
    assert "路灯坏了" in transcript.to_json()


@pytest.mark.parametrize("change", [{"format": 2}, {"turns": [{}]}, {"turns": None}, {"duration_s": "?"}])
def test_another_form_is_refused(transcript: Transcript, change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Transcript.from_json(json.dumps({**json.loads(transcript.to_json()), **change}))


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "3"])
def test_no_transcript_at_all_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Transcript.from_json(text)


def test_an_unknown_speaker_is_refused(transcript: Transcript) -> None:
    with pytest.raises(ValueError, match="unknown speaker"):
        Transcript.from_json(transcript.to_json().replace('"agent"', '"robot"'))


SAID = st.text(max_size=8) | st.sampled_from(
    ['", "words": [', '}, {"speaker": "agent"', "}]}", '\\", "words": [', "]]}, {", "words", '"words": []', "\\"]
)


@given(
    turns=st.lists(st.tuples(st.sampled_from(SPEAKERS), SAID, st.lists(SAID, max_size=3)), max_size=4),
    language=SAID,
    grammar=st.none() | st.lists(SAID, max_size=3),
)
def test_an_outline_is_the_whole_but_for_the_words_whatever_was_said(
    turns: list[tuple[str, str, list[str]]], language: str, grammar: list[str] | None
) -> None:
    said = [
        Turn(speaker, n, n + 1, text, tuple(Word(n, n + 0.5, word, None) for word in words))  # type: ignore[arg-type]
        for n, (speaker, text, words) in enumerate(turns)
    ]
    body = Transcript(tuple(said), language, "vosk", None if grammar is None else tuple(grammar), 9.0).to_json()
    data = outline(body)
    for turn in data["turns"]:
        turn["words"] = json.loads(turn["words"])
    assert data == json.loads(body)
