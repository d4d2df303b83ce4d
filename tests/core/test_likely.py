"""What the words so far point at, and that however fast people talk it is looked up a few times only."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Sequence

import pytest

from controller.live_suggest import AT_ONCE, LONGEST, Suggester
from knowledge.entry import Content
from knowledge.moves import KnowledgeState
from knowledge.version import Entry
from pbx.ids import CallId
from tickets.classes import ClassTree, TicketClass, load_classes
from tickets.likely import SAMPLE, load_cues, parse_cues, sample_cues
from tickets.ticket import TicketType
from web.backend import Unavailable
from web.knowledge_backend import Wanted
from web.live_words_desk import Suggestions

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    ("said", "type", "code"),
    [
        ("我家门口的路灯坏了,请派人来修理", "help", "CITY-LIGHT"),
        ("我想咨询一下居住证怎么办理", "inquiry", "GOV-ID"),
        ("我要投诉小区物业的保安态度差", "complaint", "HOUSE-PROP"),
        ("举报有人偷排污水", "report", "ENV-WATER"),
        ("建议增设公交站", "suggestion", "TRAFFIC-BUS"),
        ("我要表扬供水公司的师傅", "praise", ""),
    ],
)
def test_types_and_classes_by_the_words_in_which_it_is_told(said: str, type: str, code: str) -> None:
    cues = sample_cues()
    first, *_ = cues.types_of(said)
    assert first.code == type
    assert all(word in said for word in first.because), "people see why"
    classes = [one.code for one in cues.classes_of(said)]
    assert classes[:1] == ([code] if code else classes[:1])


def test_nothing_is_likely_of_nothing() -> None:
    for said in ("", "喂", "您好"):
        assert sample_cues().types_of(said) == ()
        assert sample_cues().classes_of(said) == ()


def test_a_word_inside_a_longer_one_does_not_count_twice() -> None:
    tree = ClassTree([TicketClass("A", "甲", "a"), TicketClass("B", "乙", "b")])
    cues = parse_cues({"classes": {"A": ["停水", "水"], "B": ["停", "水管"]}}, tree)
    found = cues.classes_of("停水了,水管也坏了")
    assert [(one.code, one.because) for one in found] == [("B", ("水管", "停")), ("A", ("停水",))]


def test_a_tree_of_ones_own_is_found_by_its_names() -> None:
    tree = ClassTree([TicketClass("01", "公园绿化", "Parks")])
    cues = load_cues(tree)
    assert [one.code for one in cues.classes_of("公园绿化没人管")] == ["01"]
    assert set(cues.types) == {one.value for one in TicketType}


def test_the_sample_names_classes_of_the_sample_tree_only() -> None:
    data = tomllib.loads(SAMPLE.read_text("utf-8"))
    assert set(data["classes"]) <= {one.code for one in load_classes()}
    assert set(data["types"]) == {one.value for one in TicketType}


@pytest.mark.parametrize(
    "data",
    [
        {"other": {}},
        {"types": {"wish": {"words": []}}},
        {"types": {"help": ["坏了"]}},
        {"types": {"help": {"maybe": ["坏了"]}}},
        {"types": {"help": {"words": [1]}}},
        {"types": {"help": {"words": [" "]}}},
        {"classes": {"CITY-LIGHT": "路灯"}},
        {"classes": []},
    ],
)
def test_what_is_wrong_in_a_file_is_told(data: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        parse_cues(data, load_classes())


# ---------------------------------------------------------------- looking things up


class Base:
    """A knowledge base whose answers come when the test lets them."""

    def __init__(self) -> None:
        self.asked: list[Wanted] = []
        self.open = asyncio.Event()
        self.open.set()
        self.now = self.most = 0
        self.away = False

    async def search(self, wanted: Wanted) -> Sequence[Entry]:
        self.asked.append(wanted)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.open.wait()
        finally:
            self.now -= 1
        if self.away:
            raise Unavailable("store")
        content = Content("路灯不亮怎么反映?", "请提供灯杆编号。" * 100, unit="chengguan")
        return [Entry(7, 1, KnowledgeState.PUBLISHED, content, 1, 1, 1, "bench", 0.0)]


def suggester(base: Base, told: list[tuple[CallId, Suggestions]], every_s: float = 0.0) -> Suggester:
    def tell(call: CallId, found: Suggestions) -> None:
        told.append((call, found))

    return Suggester(base.search, sample_cues(), load_classes(), tell, every_s=every_s)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_entries_type_and_class_come_for_the_desk() -> None:
    base = Base()
    told: list[tuple[CallId, Suggestions]] = []
    one = suggester(base, told)
    one.heard(CallId("c"), "我家门口的路灯坏了")
    await settle()
    ((call, found),) = told
    assert (call, found.entries[0].id, found.entries[0].unit) == ("c", "K000007", "chengguan")
    assert len(found.entries[0].answer) == 300
    assert (found.types[0].type, found.types[0].zh, found.classes[0].code) == ("help", "求助", "CITY-LIGHT")
    one.heard(CallId("c"), "我家门口的路灯坏了")
    one.heard(CallId("d"), "喂你好")
    await settle()
    assert len(base.asked) == 1, "the same words, and too few words, are not looked up"


async def test_while_one_look_is_under_way_only_the_newest_words_wait() -> None:
    base = Base()
    told: list[tuple[CallId, Suggestions]] = []
    one = suggester(base, told)
    base.open.clear()
    for number in range(50):
        one.heard(CallId("c"), f"我家门口的路灯坏了{number}")
        await settle()
    assert len(base.asked) == 1
    base.open.set()
    await settle()
    assert [wanted.text[-2:] for wanted in base.asked] == ["了0", "49"]
    assert all(len(wanted.text) <= LONGEST for wanted in base.asked)


async def test_all_calls_together_ask_so_many_at_once_only() -> None:
    base = Base()
    told: list[tuple[CallId, Suggestions]] = []
    one = suggester(base, told)
    base.open.clear()
    for number in range(20):
        one.heard(CallId(f"c{number}"), "我家门口的路灯坏了")
    await settle()
    assert base.now == AT_ONCE
    one.over(CallId("c0"))
    base.open.set()
    await settle()
    assert base.most == AT_ONCE
    assert {call for call, _ in told} == {f"c{number}" for number in range(1, 20)}


async def test_between_two_looks_of_a_call_there_is_time() -> None:
    base = Base()
    told: list[tuple[CallId, Suggestions]] = []
    one = suggester(base, told, every_s=3600.0)
    one.heard(CallId("c"), "我家门口的路灯坏了")
    await settle()
    one.heard(CallId("c"), "我家门口的路灯坏了三天了")
    await settle()
    assert len(base.asked) == 1
    one.close()


async def test_a_base_that_is_away_is_nobodys_trouble() -> None:
    base = Base()
    told: list[tuple[CallId, Suggestions]] = []
    one = suggester(base, told)
    base.away = True
    one.heard(CallId("c"), "我家门口的路灯坏了")
    await settle()
    assert (told, one.failed) == ([], 1)
    base.away = False
    one.heard(CallId("c"), "我家门口的路灯坏了三天")
    await settle()
    assert len(told) == 1
