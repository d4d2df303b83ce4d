"""Words of lists in transcripts, exactly and by their sound; and what is said when they cannot be judged."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recordings.inspection.findings import Inspection
from recordings.inspection.inspect import CallFacts, Legs, inspect
from recordings.inspection.rules import TYPES, Rules, RulesError, rules_of
from recordings.inspection.standard import STANDARD, standard_rules, table_of
from recordings.transcript import Transcript, Turn, Word
from tickets.ticket import TicketType

pytestmark = pytest.mark.core

SYLLABLES: Mapping[str, str] = {
    "投": "tou2", "诉": "su4", "头": "tou2", "素": "su4", "透": "tou4", "苏": "su1", "举": "ju3",
    "报": "bao4", "据": "ju4", "踢": "ti1", "皮": "pi2", "球": "qiu2", "屁": "pi4", "我": "wo3",
    "要": "yao4", "不": "bu4", "是": "shi4", "您": "nin2", "好": "hao3", "宁": "ning2", "保": "bao3",
    "证": "zheng4", "宝": "bao3", "政": "zheng4", "气": "qi4", "死": "si3", "了": "le5", "你": "ni3",
    "去": "qu4",
}  # fmt: skip


def read(text: str) -> Sequence[str]:
    return [SYLLABLES.get(character, character) for character in text]


LEGS = Legs(((1.0, 6.0), (12.0, 20.0)), ((6.5, 11.0), (21.0, 28.0)), 30.0)
FACTS = CallFacts(((0.0, 30.0),))


def said(*turns: tuple[str, float, str], language: str = "zh", grammar: tuple[str, ...] | None = None) -> Transcript:
    made = tuple(Turn(who, at, at + 4.0, text) for who, at, text in turns)  # type: ignore[arg-type]
    return Transcript(made, language, "test", grammar, 30.0)


GREETED = ("agent", 0.5, "您好,请问有什么可以帮您")
LONG = ("agent", 21.0, "我给您登记一下这个情况我们会尽快转给有关单位办理的请您留意")
BYE = ("agent", 25.0, "感谢您的来电, 再见")


def judged(*turns: tuple[str, float, str], rules: Rules | None = None, sound: bool = True, **more: Any) -> Inspection:
    transcript = said(GREETED, *turns, LONG, BYE, **more)
    return inspect(LEGS, FACTS, transcript, rules or standard_rules(), read if sound else None)


def test_the_rules_that_come_with_the_program_are_right_and_their_types_are_tickets_types() -> None:
    assert len(standard_rules().version) == 16
    assert set(TYPES) == {one.value for one in TicketType}


def test_each_hit_names_list_word_and_instant() -> None:
    words = tuple(Word(8.0 + n, 9.0 + n, letter) for n, letter in enumerate("我保证给您办好"))
    turn = Turn("agent", 8.0, 15.0, "我保证给您办好", words)
    transcript = Transcript((*said(GREETED, LONG, BYE).turns, turn), "zh", "test", None, 30.0)
    found = inspect(LEGS, FACTS, transcript, standard_rules(), None)
    (hit,) = [one for one in found.findings if one.rule == "promise"]
    assert (hit.word, hit.said, hit.speaker, hit.at_s, hit.end_s, hit.how) == (
        "保证给您", "保证给您", "agent", 9.0, 13.0, "exact",
    )  # fmt: skip
    assert found.counts["promise"] == 1
    assert found.counts["forbidden"] == 0, "looked for and not found"
    assert found.said == {"greeting": "said", "closing": "said"}


def test_a_word_is_its_speakers() -> None:
    assert judged(("citizen", 6.0, "我保证按时来")).counts["promise"] == 0
    assert judged(("agent", 6.0, "这是踢皮球")).counts["anger"] == 0
    assert judged(("citizen", 6.0, "这是踢皮球")).counts["anger"] == 1


def test_what_is_found_by_its_sound_is_a_suspicion_and_counted_apart() -> None:
    found = judged(("citizen", 6.0, "你们踢屁球"))
    assert (found.counts["anger"], found.suspected) == (0, {"anger": 1})
    (hit,) = [one for one in found.findings if one.rule == "anger"]
    assert (hit.word, hit.said, hit.how) == ("踢皮球", "踢屁球", "by_sound")
    assert "anger?" in found.rows()
    assert judged(("citizen", 6.0, "你们踢屁球"), sound=False).suspected == {}


@pytest.mark.parametrize(
    ("text", "type"),
    [
        ("我要投诉", "complaint"),
        ("我要头素", "complaint"),  # the same syllables and tones
        ("透苏", ""),  # another tone: no hit for a word of two syllables
        ("我不是投诉", ""),  # turned round
        ("据报", ""),
        ("我要举报", "report"),
        ("我举报, 不投诉", "report"),
    ],
)
def test_the_type_that_the_caller_names(text: str, type: str) -> None:
    found = judged(("citizen", 6.0, text))
    assert found.said_type == type
    assert bool([one for one in found.findings if one.rule.startswith("said-")]) == bool(type)


def test_unlike_is_what_sounds_the_same_and_is_no_hit() -> None:
    table = table_of(STANDARD)
    table["types"][0]["unlike"] = ["头素"]
    assert judged(("citizen", 6.0, "我要头素"), rules=rules_of(table)).said_type == ""


def test_what_was_not_said_in_its_place_was_not_said() -> None:
    late = said(("agent", 18.0, "您好"), LONG, ("agent", 25.0, "就这样吧"))
    found = inspect(LEGS, FACTS, late, standard_rules(), None)
    assert found.said == {"greeting": "not_said", "closing": "not_said"}
    assert found.rows()["greeting"] == 1.0


@pytest.mark.parametrize(
    ("transcript", "why"),
    [
        (None, "no_transcript"),
        (said(), "empty_transcript"),
        (said(GREETED, LONG, language="en"), "other_language"),
        (said(GREETED, LONG, grammar=("是", "不是")), "closed_grammar"),
        (replace(said(GREETED, LONG, BYE), doubts=("loops", "too_fast")), "doubtful_loops"),
        (said(("agent", 1.0, "嗯")), "doubtful_sparse"),
        (said(*[("agent", float(n), "你好吗今天天气") for n in range(40)], LONG), "doubtful_loop"),
        (said(("agent", 1.0, "".join(map(chr, range(0x4E00, 0x4E00 + 400))))), "doubtful_dense"),
    ],
)
def test_words_that_cannot_be_judged_are_never_not_said(transcript: Transcript | None, why: str) -> None:
    found = inspect(LEGS, FACTS, transcript, standard_rules(), None)
    assert (found.sound, found.words) == ("judged", why)
    assert set(found.said.values()) == {"not_judged"}
    assert not {"forbidden", "promise", "anger", "greeting", "fast"} & set(found.rows())
    assert found.said_type == ""


def test_pace_is_of_the_agents_own_speech() -> None:
    fast = judged(("agent", 12.0, "说" * 60))
    assert fast.figures["agent_pace"] > 320
    assert (fast.counts["fast"], fast.counts["slow"]) == (1, 0)
    short = Legs(LEGS.citizen, ((6.5, 9.0),), 30.0)
    assert "agent_pace" not in inspect(short, FACTS, said(GREETED, BYE), standard_rules(), None).figures


def test_an_inspection_reads_back_equal() -> None:
    found = judged(("citizen", 6.0, "我要投诉, 踢皮球"))
    assert Inspection.from_json(found.to_json()) == found
    for wrong in ("", "[]", "{}", '{"format": 2}', found.to_json().replace('"how"', '"who"')):
        with pytest.raises(ValueError):
            Inspection.from_json(wrong)


def test_what_is_wrong_in_a_rules_file_is_named_all_at_once() -> None:
    table: dict[str, Any] = {
        "talk": {"dead_air_s": "long", "silence": 1},
        "words": {"fast_per_minute": 10, "sound_syllables": 1, "languages": []},
        "sound": {"least_dbfs": 5},
        "lists": [
            {"id": "a", "kind": "odd", "name_zh": "甲", "name_en": "a", "words": ["!!"], "speaker": "nobody"},
            {"id": "a", "kind": "note", "name_zh": "", "name_en": "a", "words": [], "by_sound": 1, "colour": 2},
            {"id": "fast", "kind": "note", "name_zh": "快", "name_en": "b", "words": ["快"]},
        ],
        "types": [{"type": "anger", "words": ["x"], "wrong": ["inquiry", "all"]}, 5],
        "extra": 1,
    }
    with pytest.raises(RulesError) as wrong:
        rules_of(table)
    told = "\n".join(wrong.value.faults)
    for place in (
        "extra", "talk.dead_air_s", "talk.silence", "words.languages", "sound.least_dbfs", "lists[1].kind",
        "lists[1].words", "lists[1].speaker", "lists[2].name_zh", "lists[2].words", "lists[2].by_sound",
        "lists[2].colour", "lists[3].id", "lists: a stands twice", "types: must be tables", "fast_per_minute",
        "sound_syllables",
    ):  # fmt: skip
        assert place in told, place


def test_a_version_is_what_the_rules_say() -> None:
    table = tomllib.loads(Path(STANDARD).read_text("utf-8"))
    same = rules_of(dict(reversed(list(table.items()))))
    assert same.version == standard_rules().version
    table["card"] = {}
    assert rules_of(table).version == same.version, "the card is no rule of what is found"
    table["talk"]["dead_air_s"] = 9.0
    assert rules_of(table).version != same.version
    assert replace(same, version="").lists == same.lists


def test_pypinyin_reads_each_character_once() -> None:
    """The real library, where it is installed."""
    from recordings.inspection.pinyin import reading

    real = reading()
    if real is None:
        pytest.skip("pypinyin is not installed: words are found as they are written alone")
    assert list(real("政务3abの好")) == ["zheng4", "wu4", "3", "a", "b", "の", "hao3"]
    for text in ("我要投诉这家公司12345abc", "", "，。！", "行长在银行行走"):
        assert len(real(text)) == len(text)
