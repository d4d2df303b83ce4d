"""The knowledge base in both databases: versions, review, the index that follows, search, questions without answer."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import Connection, Engine, func, select

from controller.database import database_url as where
from controller.database import make_engine
from knowledge import index, sql, tasks_sql
from knowledge.entry import Content, KnowledgeRefused
from knowledge.find import Filter, find
from knowledge.moves import Editor, KnowledgeInput, KnowledgeState, Role
from knowledge.rank import RankRules
from knowledge.sql import KnowledgeConflict, Policy
from knowledge.tasks import TaskState
from knowledge.tasks_sql import TaskConflict
from knowledge.version import Entry
from knowledge.words import Vocabulary, standard_vocabulary
from pbx.terms import key_of

pytestmark = pytest.mark.doors

POLICY = Policy()
TODAY = date(2026, 11, 22)
ALL = Filter(TODAY)
WRITER, OTHER = Editor("w", Role.UNIT, "police"), Editor("x", Role.UNIT, "water")
EDITOR, REVIEWER, AGENT = Editor("e", Role.EDITOR), Editor("r", Role.REVIEWER), Editor("1001", Role.AGENT)

_I, _S = KnowledgeInput, KnowledgeState


@pytest.fixture
def engine(shaped_url: str) -> Iterator[Engine]:
    made = make_engine(where(shaped_url))
    yield made
    made.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as made:
        yield made


def content(question: str, answer: str = "答", **values: object) -> Content:
    return dataclasses.replace(Content(question, answer, unit="police", source="局"), **values)  # type: ignore[arg-type]


def published(connection: Connection, question: str, answer: str = "答", **values: object) -> Entry:
    one = sql.begin(connection, content(question, answer, **values), EDITOR, 1.0, POLICY)
    sql.move(connection, one.no, _I.SUBMIT, EDITOR, 2.0, POLICY)
    return sql.move(connection, one.no, _I.PUBLISH, REVIEWER, 3.0, POLICY, today=TODAY)


def hits(connection: Connection, text: str, wanted: Filter = ALL, limit: int = 10) -> list[int]:
    return [one.no for one in find(connection, text, wanted, standard_vocabulary(), limit)]


def postings(connection: Connection) -> dict[tuple[int, int], bytes]:
    return {(row.term, row.block): row.entries for row in connection.execute(select(index.postings))}


@contextlib.contextmanager
def refused(code: str) -> Iterator[None]:
    with pytest.raises(KnowledgeRefused) as error:
        yield
    assert error.value.code == code


def test_an_entry_comes_back_as_it_was_written(connection: Connection) -> None:
    whole = Content(
        "问 🚰?", "一\n二", "《法》", "证", "一步", "词", "police", "320700", date(2026, 1, 1), date(2027, 1, 1),
        "局", "en", False,
    )  # fmt: skip
    one = sql.begin(connection, whole, WRITER, 5.0, POLICY, ticket="2026112200001")
    assert one == sql.get(connection, one.no)
    assert (one.content, one.state, one.version, one.revision, one.ticket, one.published) == (
        whole, _S.DRAFT, 1, 1, "2026112200001", None
    )  # fmt: skip
    assert one.id == f"K{one.no:06d}"
    assert sql.get(connection, one.no + 1) is None


def test_from_draft_to_the_citizen_and_every_move_is_kept(connection: Connection) -> None:
    one = sql.begin(connection, content("身份证补办", ""), WRITER, 1.0, POLICY)
    with refused("knowledge_incomplete"):
        sql.move(connection, one.no, _I.SUBMIT, WRITER, 2.0, POLICY)
    sql.write(connection, one.no, {"answer": "到派出所"}, WRITER, 3.0, POLICY)
    same = sql.write(connection, one.no, {"answer": "到派出所"}, WRITER, 4.0, POLICY)
    sql.move(connection, one.no, _I.SUBMIT, WRITER, 5.0, POLICY, seen=same.revision)
    assert hits(connection, "身份证") == []
    with refused("reason_needed"):
        sql.move(connection, one.no, _I.REFUSE, REVIEWER, 6.0, POLICY, reason=" ")
    sql.move(connection, one.no, _I.REFUSE, REVIEWER, 6.0, POLICY, reason="无依据")
    sql.write(connection, one.no, {"basis": "《居民身份证法》"}, WRITER, 7.0, POLICY)
    sql.move(connection, one.no, _I.SUBMIT, WRITER, 8.0, POLICY)
    done = sql.move(connection, one.no, _I.PUBLISH, REVIEWER, 9.0, POLICY, today=TODAY)
    assert (done.state, done.published, done.decided_by, done.decided_at) == (_S.PUBLISHED, 1, "r", 9.0)
    assert sql.get(connection, one.no) == done
    assert hits(connection, "身份证") == [one.no]
    kept = [(move.cause, move.before, move.after, move.actor, move.role, move.at, move.reason)
            for move in sql.list_moves(connection, one.no)]  # fmt: skip
    assert kept == [
        ("begin", None, _S.DRAFT, "w", "unit", 1.0, ""),
        ("write", _S.DRAFT, _S.DRAFT, "w", "unit", 3.0, ""),
        ("submit", _S.DRAFT, _S.IN_REVIEW, "w", "unit", 5.0, ""),
        ("refuse", _S.IN_REVIEW, _S.REFUSED, "r", "reviewer", 6.0, "无依据"),
        ("write", _S.REFUSED, _S.DRAFT, "w", "unit", 7.0, ""),
        ("submit", _S.DRAFT, _S.IN_REVIEW, "w", "unit", 8.0, ""),
        ("publish", _S.IN_REVIEW, _S.PUBLISHED, "r", "reviewer", 9.0, ""),
    ]


def test_nobody_publishes_his_own_and_no_unit_touches_anothers(connection: Connection) -> None:
    one = sql.begin(connection, content("问"), Editor("r", Role.EDITOR), 1.0, POLICY)
    sql.move(connection, one.no, _I.SUBMIT, EDITOR, 2.0, POLICY)
    with refused("own_entry"):
        sql.move(connection, one.no, _I.PUBLISH, REVIEWER, 3.0, POLICY, today=TODAY)
    with refused("own_entry"):
        sql.move(connection, one.no, _I.PUBLISH, Editor("e", Role.REVIEWER), 3.0, POLICY, today=TODAY)
    with refused("not_your_unit"):
        sql.write(connection, one.no, {"answer": "x"}, OTHER, 4.0, POLICY)
    with refused("not_your_unit"):
        sql.begin(connection, content("问"), OTHER, 4.0, POLICY)
    mine = sql.begin(connection, content("问"), WRITER, 4.0, POLICY)
    with refused("not_your_unit"):
        sql.write(connection, mine.no, {"unit": "water"}, WRITER, 5.0, POLICY)
    with refused("not_allowed"):
        sql.write(connection, mine.no, {"answer": "x"}, AGENT, 5.0, POLICY)
    with refused("unknown_entry"):
        sql.write(connection, 999, {"answer": "x"}, EDITOR, 5.0, POLICY)


def test_the_served_version_stays_until_the_next_is_published(connection: Connection) -> None:
    one = published(connection, "公积金提取", "旧答案")
    new = sql.revise(connection, one.no, {"question": "租房提取", "answer": "新答案"}, WRITER, 10.0, POLICY)
    assert (new.version, new.state, new.published, new.latest) == (2, _S.DRAFT, 1, 2)
    assert find(connection, "公积金", ALL, standard_vocabulary())[0].content.answer == "旧答案"
    with refused("knowledge_not_now"):
        sql.revise(connection, one.no, {}, WRITER, 11.0, POLICY)
    sql.move(connection, one.no, _I.SUBMIT, WRITER, 12.0, POLICY)
    sql.move(connection, one.no, _I.PUBLISH, REVIEWER, 13.0, POLICY, today=TODAY)
    assert [(old.version, old.state) for old in sql.all_versions(connection, one.no)] == [
        (1, _S.REPLACED), (2, _S.PUBLISHED)
    ]  # fmt: skip
    assert hits(connection, "租房提取") == [one.no]
    assert hits(connection, "公积") == [], "the words of the old version are not in the index any more"
    seqs = [move.seq for move in sql.list_moves(connection, one.no)]
    assert seqs == list(range(1, len(seqs) + 1))
    assert [move.cause for move in sql.list_moves(connection, one.no)][-2:] == ["replace", "publish"]


def test_a_thrown_away_draft_leaves_the_served_one(connection: Connection) -> None:
    one = published(connection, "落户", "答")
    sql.revise(connection, one.no, {"answer": "错"}, WRITER, 5.0, POLICY)
    sql.move(connection, one.no, _I.WITHDRAW, WRITER, 6.0, POLICY, version=2)
    assert hits(connection, "落户") == [one.no]
    third = sql.revise(connection, one.no, {}, WRITER, 7.0, POLICY)
    assert (third.version, third.content.answer) == (3, "答")
    sql.move(connection, one.no, _I.WITHDRAW, WRITER, 8.0, POLICY)
    assert hits(connection, "落户") == [], "without a version it is the served one that is withdrawn"
    with refused("unknown_version"):
        sql.move(connection, one.no, _I.WITHDRAW, WRITER, 9.0, POLICY, version=9)


def test_who_saw_an_older_state_gets_the_present_one_and_nothing_is_lost(connection: Connection) -> None:
    one = sql.begin(connection, content("问"), WRITER, 1.0, POLICY)
    second = sql.write(connection, one.no, {"answer": "甲"}, WRITER, 2.0, POLICY, seen=one.revision)
    with pytest.raises(KnowledgeConflict) as conflict:
        sql.write(connection, one.no, {"answer": "乙"}, EDITOR, 3.0, POLICY, seen=one.revision)
    assert conflict.value.present == second == sql.get(connection, one.no)


def test_what_has_ended_is_neither_found_nor_published(connection: Connection) -> None:
    soon = published(connection, "限时补贴", valid_to=TODAY)
    later = published(connection, "限时补贴", valid_from=date(2026, 12, 1))
    assert hits(connection, "补贴") == [soon.no]
    assert hits(connection, "补贴", Filter(date(2026, 11, 23))) == []
    assert hits(connection, "补贴", Filter(date(2026, 12, 1))) == [later.no]
    assert sql.expire(connection, TODAY, 9.0, POLICY) == 0
    assert sql.expire(connection, date(2026, 11, 23), 9.0, POLICY) == 1
    assert sql.expire(connection, date(2026, 11, 23), 9.0, POLICY) == 0
    gone = sql.get(connection, soon.no)
    assert gone is not None
    assert (gone.state, gone.published) == (_S.EXPIRED, None)
    again = sql.revise(connection, soon.no, {}, WRITER, 10.0, POLICY)
    sql.move(connection, again.no, _I.SUBMIT, WRITER, 11.0, POLICY)
    with refused("over_already"):
        sql.move(connection, again.no, _I.PUBLISH, REVIEWER, 12.0, POLICY, today=date(2026, 11, 23))


def test_citizens_find_what_is_public_of_their_region(connection: Connection) -> None:
    city = published(connection, "停车收费", region="320700")
    other = published(connection, "停车收费", region="320100")
    everywhere = published(connection, "停车收费")
    secret = published(connection, "停车收费", public=False)
    assert hits(connection, "停车") == [city.no, other.no, everywhere.no, secret.no]
    assert hits(connection, "停车", Filter(TODAY, public=True)) == [city.no, other.no, everywhere.no]
    wanted = Filter(TODAY, regions=("320706", "320700", "320000", ""))
    assert hits(connection, "停车", wanted) == [city.no, everywhere.no, secret.no]
    assert hits(connection, "停车", Filter(TODAY, unit="water")) == []
    assert hits(connection, "停车", Filter(TODAY, language="en")) == []


def test_few_allowed_among_many_are_found_and_the_limit_holds(connection: Connection) -> None:
    many = sql.begin_many(connection, [content(f"停车 {number}") for number in range(80)], EDITOR, 1.0, POLICY)
    for one in many:
        sql.move(connection, one.no, _I.SUBMIT, EDITOR, 2.0, POLICY)
        sql.move(connection, one.no, _I.PUBLISH, REVIEWER, 3.0, POLICY, today=TODAY)
    last = published(connection, "小区里停车", region="320706")
    assert hits(connection, "停车", Filter(TODAY, regions=("320706",))) == [last.no]
    assert len(hits(connection, "停车", limit=7)) == 7


def test_a_title_comes_before_a_text_and_the_rare_word_decides(connection: Connection) -> None:
    text = published(connection, "其他事项", "在大厅可以咨询居住证")
    title = published(connection, "居住证签注", "到派出所")
    for number in range(8):
        published(connection, f"登记事项{number}", "办理签注,到大厅")
    assert hits(connection, "居住证")[:2] == [title.no, text.no]
    assert hits(connection, "居住证签注")[0] == title.no


def test_synonyms_find_what_was_called_otherwise(connection: Connection) -> None:
    one = published(connection, "机动车驾驶证遗失补领")
    assert hits(connection, "驾照丢了") == [one.no]
    assert find(connection, "驾照", ALL, Vocabulary()) == []
    water = published(connection, "停水了怎么办")
    assert hits(connection, "没有水") == [water.no]


def test_a_search_without_words_or_without_entries_finds_nothing(connection: Connection) -> None:
    assert hits(connection, "公积金") == []
    published(connection, "公积金")
    assert hits(connection, "?!\u200b") == []
    assert hits(connection, "' OR 1=1 --") == []
    assert len(hits(connection, "公积金" * 1000)) == 1


def test_the_index_made_anew_is_the_one_that_grew(connection: Connection) -> None:
    """Published, revised, withdrawn, expired: what is left is what would be there had it been written at once."""
    kept = [published(connection, f"事项{number}", f"内容{number}" * number) for number in range(1, 8)]
    sql.revise(connection, kept[0].no, {"question": "改了名"}, WRITER, 5.0, POLICY)
    sql.move(connection, kept[0].no, _I.SUBMIT, WRITER, 6.0, POLICY)
    sql.move(connection, kept[0].no, _I.PUBLISH, REVIEWER, 7.0, POLICY, today=TODAY)
    sql.move(connection, kept[1].no, _I.WITHDRAW, WRITER, 8.0, POLICY)
    grown, order = postings(connection), hits(connection, "事项内容改名")
    assert not sql.needs_rebuild(connection, POLICY)
    assert sql.rebuild(connection, POLICY) == 6
    assert postings(connection) == grown
    assert hits(connection, "事项内容改名") == order
    numbers = sql.rebuild_begin(connection)
    late = published(connection, "此时发布")
    sql.rebuild_some(connection, numbers[:2], POLICY)
    assert sql.needs_rebuild(connection, POLICY), "a controller that dies now begins again"
    sql.move(connection, numbers[5], _I.WITHDRAW, WRITER, 9.0, POLICY)
    sql.rebuild_some(connection, numbers[2:], POLICY)
    sql.rebuild_some(connection, numbers[2:], POLICY)
    sql.rebuild_end(connection, POLICY)
    grown = postings(connection)
    assert sql.rebuild(connection, POLICY) == 6
    assert postings(connection) == grown
    assert hits(connection, "此时") == [late.no]
    other = Policy(rank=RankRules(question=9.0))
    assert sql.needs_rebuild(connection, other)
    sql.rebuild(connection, other)
    assert postings(connection) != grown
    assert connection.execute(select(index.facts.c.number).where(index.facts.c.name == "indexed")).scalar_one() == 6


def test_blocks_do_not_mix_entries(connection: Connection) -> None:
    """Entries whose numbers share their place in different blocks, and a block that is emptied again."""
    for no, impact in ((5, 20), (5 + index.BLOCK, 10), (5 + 2 * index.BLOCK, 30)):
        index.write(connection, {no: {key_of("水"): impact}}, {}, "s")
    found = index.search(connection, [(key_of("水"), 1.0)]).best(10)
    assert found == [5 + 2 * index.BLOCK, 5, 5 + index.BLOCK], "by impact"
    index.write(connection, {}, {5 + index.BLOCK: [key_of("水")]}, "s")
    assert index.search(connection, [(key_of("水"), 1.0)]).best(10) == [5 + 2 * index.BLOCK, 5]
    assert connection.execute(select(func.count()).select_from(index.postings)).scalar_one() == 2


def test_lists_by_state_and_unit_go_on_where_they_ended(connection: Connection) -> None:
    first = published(connection, "一")
    sql.revise(connection, first.no, {}, WRITER, 4.0, POLICY)
    second = sql.begin(connection, content("二", unit="water"), EDITOR, 5.0, POLICY)
    assert [(one.no, one.version) for one in sql.list_entries(connection)] == [(first.no, 2), (second.no, 1)]
    assert [(one.no, one.version) for one in sql.list_entries(connection, states=[_S.PUBLISHED])] == [(first.no, 1)]
    assert [one.no for one in sql.list_entries(connection, states=[_S.DRAFT], unit="water")] == [second.no]
    assert [one.no for one in sql.list_entries(connection, after=first.no, limit=1)] == [second.no]
    assert sql.count_states(connection) == {
        ("police", _S.PUBLISHED): 1, ("police", _S.DRAFT): 1, ("water", _S.DRAFT): 1
    }  # fmt: skip


# ---------------------------------------------------------------- questions to which nothing was found


def test_a_question_is_one_task_however_often_it_is_asked(connection: Connection) -> None:
    first = tasks_sql.ask(connection, content("共享单车 能进公园吗?", ""), AGENT, 10.0, 99.0, POLICY, ticket="T1")
    again = tasks_sql.ask(connection, content("共享单车能进公园吗", ""), AGENT, 20.0, 199.0, POLICY)
    other = tasks_sql.ask(connection, content("共享单车能进公园吗", "", unit="water"), AGENT, 21.0, 199.0, POLICY)
    assert (again.no, again.times, again.last_asked_at, again.due_at, again.ticket) == (first.no, 2, 20.0, 99.0, "T1")
    assert other.no != first.no
    assert tasks_sql.list_tasks(connection, unit="police") == [again]
    with refused("missing"):
        tasks_sql.ask(connection, content("问", unit=""), AGENT, 1.0, 2.0, POLICY)
    with refused("missing"):
        tasks_sql.ask(connection, content("??"), AGENT, 1.0, 2.0, POLICY)


def test_an_answer_becomes_a_draft_and_its_publication_ends_the_question(connection: Connection) -> None:
    task = tasks_sql.ask(connection, content("共享单车能进公园吗", ""), AGENT, 10.0, 99.0, POLICY)
    with refused("missing"):
        tasks_sql.answer(connection, task.no, {"answer": " "}, WRITER, 20.0, POLICY, None)
    with refused("not_your_unit"):
        tasks_sql.answer(connection, task.no, {"answer": "不能"}, OTHER, 20.0, POLICY, None)
    with pytest.raises(TaskConflict):
        tasks_sql.answer(connection, task.no, {"answer": "不能"}, WRITER, 20.0, POLICY, 99)
    done, entry = tasks_sql.answer(
        connection, task.no, {"answer": "不能", "source": "局"}, WRITER, 20.0, POLICY, task.revision
    )
    assert (done.state, done.entry, entry.state, entry.content.question) == (
        TaskState.ANSWERED, entry.no, _S.DRAFT, "共享单车能进公园吗"
    )  # fmt: skip
    tasks_sql.follow(connection, sql.move(connection, entry.no, _I.SUBMIT, WRITER, 30.0, POLICY), 30.0)
    tasks_sql.follow(connection, sql.move(connection, entry.no, _I.PUBLISH, REVIEWER, 40.0, POLICY), 40.0)
    assert [(move.cause, move.after, move.actor) for move in tasks_sql.list_task_moves(connection, task.no)] == [
        ("ask", TaskState.OPEN, "1001"), ("answer", TaskState.ANSWERED, "w"), ("published", TaskState.DONE, "system")
    ]  # fmt: skip
    new = tasks_sql.ask(connection, content("共享单车能进公园吗", ""), AGENT, 50.0, 99.0, POLICY)
    assert new.no != task.no, "whoever asks after the answer is there asks anew"


def test_a_lost_draft_opens_the_question_again(connection: Connection) -> None:
    task = tasks_sql.ask(connection, content("问题", ""), AGENT, 10.0, 99.0, POLICY)
    _, entry = tasks_sql.answer(connection, task.no, {"answer": "答"}, WRITER, 20.0, POLICY, None)
    tasks_sql.follow(connection, sql.move(connection, entry.no, _I.WITHDRAW, WRITER, 30.0, POLICY), 30.0)
    found = tasks_sql.get_task(connection, task.no)
    assert found is not None
    assert (found.state, found.entry) == (TaskState.OPEN, None)


def test_a_question_is_given_on_or_dismissed_with_a_reason(connection: Connection) -> None:
    task = tasks_sql.ask(connection, content("问题", ""), AGENT, 10.0, 99.0, POLICY)
    with refused("reason_needed"):
        tasks_sql.assign(connection, task.no, "water", WRITER, 20.0, 200.0, "", None)
    given = tasks_sql.assign(connection, task.no, "water", WRITER, 20.0, 200.0, "不属我局", None)
    assert (given.unit, given.due_at, given.state) == ("water", 200.0, TaskState.OPEN)
    with refused("not_your_unit"):
        tasks_sql.assign(connection, task.no, "police", WRITER, 21.0, 200.0, "x", None)
    with refused("not_allowed"):
        tasks_sql.dismiss(connection, task.no, OTHER, 30.0, "x", None)
    gone = tasks_sql.dismiss(connection, task.no, REVIEWER, 30.0, "无效", None)
    assert gone.state is TaskState.DISMISSED
    asked = tasks_sql.ask(connection, content("问题", "", unit="water"), AGENT, 40.0, 400.0, POLICY)
    assert (asked.no, asked.state, asked.due_at, asked.times) == (task.no, TaskState.OPEN, 400.0, 2)
    assert tasks_sql.list_tasks(connection, state=TaskState.DISMISSED) == []
    with refused("unknown_task"):
        tasks_sql.dismiss(connection, 999, REVIEWER, 1.0, "x", None)
