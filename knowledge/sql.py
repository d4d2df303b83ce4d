"""Entries of the knowledge base on disk: their versions, their moves, and the index that follows what is published.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL, where
an entry that is being changed is locked. What is published is in the index in the same transaction, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Row,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    func,
    insert,
    not_,
    or_,
    select,
    true,
    update,
)

from knowledge import index
from knowledge.entry import NAMES, Content, KnowledgeRefused, KnowledgeRules, changed, checked, lacking
from knowledge.index import metadata
from knowledge.moves import (
    KNOWLEDGE_MOVES,
    SYSTEM,
    Editor,
    KnowledgeInput,
    KnowledgeMove,
    KnowledgeState,
    moved,
    require_right,
    require_served,
)
from knowledge.rank import RankRules, impacts
from knowledge.version import Entry

entries = Table(
    "knowledge_entries",
    metadata,
    Column("no", Integer, nullable=False, autoincrement=False),
    Column("latest", Integer, nullable=False),
    Column("published", Integer),
    Column("revision", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("ticket", Text, nullable=False),
    PrimaryKeyConstraint("no", name="pk_knowledge_entries"),
)
"""`latest` and `published`: version numbers; `revision` grows with every move; `ticket`: the inquiry it came from."""

versions = Table(
    "knowledge_versions",
    metadata,
    Column("entry", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("basis", Text, nullable=False),
    Column("materials", Text, nullable=False),
    Column("process", Text, nullable=False),
    Column("keywords", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("valid_from", Text),
    Column("valid_to", Text),
    Column("source", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("public", Boolean, nullable=False),
    Column("written_by", Text, nullable=False),
    Column("written_at", Double, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", Double),
    PrimaryKeyConstraint("entry", "version", name="pk_knowledge_versions"),
    ForeignKeyConstraint(["entry"], ["knowledge_entries.no"], name="fk_knowledge_versions_entry_knowledge_entries"),
    Index("ix_knowledge_versions_state_unit", "state", "unit"),
    Index("ix_knowledge_versions_state_region", "state", "region"),
)
"""Days as YYYY-MM-DD, which sort as they follow each other."""

moves = Table(
    "knowledge_moves",
    metadata,
    Column("entry", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("before", Text),
    Column("after", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("entry", "seq", name="pk_knowledge_moves"),
    ForeignKeyConstraint(["entry"], ["knowledge_entries.no"], name="fk_knowledge_moves_entry_knowledge_entries"),
)

_S, _I = KnowledgeState, KnowledgeInput

_AUTHORS = (_I.WRITE.value, _I.SUBMIT.value, _I.REVISE.value, "begin")


@dataclass(frozen=True, slots=True)
class Policy:
    """By which rules entries are kept and ranked."""

    rules: KnowledgeRules = KnowledgeRules()
    rank: RankRules = RankRules()


class KnowledgeConflict(Exception):
    """Somebody else was faster: the entry is not any more as the asker saw it. `present` is what it is now."""

    def __init__(self, present: Entry) -> None:
        super().__init__("The entry was changed meanwhile.")
        self.present = present


# ---------------------------------------------------------------- writing


def begin(
    connection: Connection, content: Content, actor: Editor, at: float, policy: Policy, *, ticket: str = ""
) -> Entry:
    """A new entry, as the first version's draft. Raises `KnowledgeRefused`."""
    return begin_many(connection, [content], actor, at, policy, ticket=ticket)[0]


def begin_many(
    connection: Connection,
    contents: Sequence[Content],
    actor: Editor,
    at: float,
    policy: Policy,
    *,
    ticket: str = "",
    submit: bool = False,
) -> list[Entry]:
    """New entries at once, such as those of a file; `submit`: straight into review.

    Raises `KnowledgeRefused`: then none of them is made.
    """
    if not contents:
        return []
    good = []
    for content in contents:
        good.append(checked(content, policy.rules))
        require_right(actor, _I.WRITE, good[-1].unit)
        if submit and (missing := lacking(good[-1])):
            raise KnowledgeRefused("knowledge_incomplete", f"The entry has no {missing[0]} yet.", missing[0])
    first = index.next_number(connection, "entry", len(good))
    made = [
        Entry(first + step, 1, _S.DRAFT, content, 1, 1, None, actor.id, at, ticket=ticket)
        for step, content in enumerate(good)
    ]
    connection.execute(
        insert(entries),
        [
            {"no": one.no, "latest": 1, "published": None, "revision": 1, "created_at": at, "ticket": ticket}
            for one in made
        ],
    )
    connection.execute(insert(versions), [_row(one) for one in made])
    connection.execute(insert(moves), [_move(one, None, "begin", actor, at, "") for one in made])
    return submit_many(connection, made, actor, at) if submit else made


def submit_many(connection: Connection, drafts: Sequence[Entry], actor: Editor, at: float) -> list[Entry]:
    """Drafts that the caller has just made, is allowed to submit, and knows to be complete, into review at once."""
    if not drafts:
        return []
    after = [replace(one, state=moved(one.state, _I.SUBMIT), revision=one.revision + 1) for one in drafts]
    _write_many(connection, after)
    rows = [_move(new, old.state, _I.SUBMIT.value, actor, at, "") for old, new in zip(drafts, after, strict=True)]
    connection.execute(insert(moves), rows)
    return after


def revise_many(
    connection: Connection, wanted: Sequence[tuple[Entry, Content]], actor: Editor, at: float
) -> list[Entry]:
    """The next version of entries whose latest one is given, with content that was checked, as drafts at once.

    An entry whose latest version is a draft, or was refused, is written instead. Raises `KnowledgeRefused`.
    """
    begun, again = [], []
    for last, content in wanted:
        cause = _I.WRITE if KNOWLEDGE_MOVES[last.state, _I.WRITE] is not None else _I.REVISE
        require_right(actor, cause, last.content.unit)
        require_right(actor, cause, content.unit)
        after = moved(last.state, cause)
        new = replace(last, content=content, revision=last.revision + 1, written_by=actor.id, written_at=at)
        if cause is _I.WRITE:
            again.append((last, replace(new, state=after)))
        else:
            begun.append(replace(new, version=last.version + 1, latest=last.version + 1, state=_S.DRAFT,
                                 decided_by=None, decided_at=None))  # fmt: skip
    if begun:
        connection.execute(insert(versions), [_row(one) for one in begun])
        connection.execute(insert(moves), [_move(one, None, _I.REVISE.value, actor, at, "") for one in begun])
        connection.execute(_TOUCH_MANY, [_touched(one) for one in begun])
    if again:
        _write_many(connection, [new for _, new in again])
        rows = [_move(new, old.state, _I.WRITE.value, actor, at, "") for old, new in again]
        connection.execute(insert(moves), rows)
    return begun + [new for _, new in again]


def latest_of(connection: Connection, numbers: Sequence[int]) -> dict[int, Entry]:
    """The latest version of each of many entries, locked."""
    found: dict[int, Entry] = {}
    for start in range(0, len(numbers), index.AT_ONCE):
        some = list(numbers[start : start + index.AT_ONCE])
        connection.execute(
            select(entries.c.no).where(entries.c.no.in_(some)).order_by(entries.c.no).with_for_update()
        ).all()
        query = _WITH_ENTRY.where(entries.c.no.in_(some), versions.c.version == entries.c.latest)
        found |= {row.entry: entry_of(row) for row in connection.execute(query)}
    return found


def write(
    connection: Connection,
    no: int,
    wanted: Mapping[str, Any],
    actor: Editor,
    at: float,
    policy: Policy,
    *,
    seen: int | None = None,
) -> Entry:
    """Write fields into the latest version. Raises `KnowledgeRefused`, `KnowledgeConflict`."""
    one = _locked(connection, no)
    require_right(actor, _I.WRITE, one.content.unit)
    _seen(one, seen)
    after = moved(one.state, _I.WRITE)
    content = checked(changed(one.content, wanted), policy.rules)
    require_right(actor, _I.WRITE, content.unit)
    if content == one.content and after is one.state:
        return one
    return _keep(connection, one, replace(one, content=content, state=after, written_by=actor.id, written_at=at),
                 _I.WRITE, actor, at)  # fmt: skip


def revise(
    connection: Connection,
    no: int,
    wanted: Mapping[str, Any],
    actor: Editor,
    at: float,
    policy: Policy,
    *,
    seen: int | None = None,
    reason: str = "",
) -> Entry:
    """Begin the next version, from the one that is served, else from the latest. Raises as `write`."""
    last = _locked(connection, no)
    require_right(actor, _I.REVISE, last.content.unit)
    _seen(last, seen)
    moved(last.state, _I.REVISE)
    served = get(connection, no, last.published) if last.published else None
    content = checked(changed((served or last).content, wanted), policy.rules)
    require_right(actor, _I.WRITE, content.unit)
    new = Entry(no, last.version + 1, _S.DRAFT, content, last.revision + 1, last.version + 1, last.published,
                actor.id, at, ticket=last.ticket)  # fmt: skip
    connection.execute(insert(versions), _row(new))
    _touch(connection, new)
    connection.execute(insert(moves), _move(new, None, _I.REVISE.value, actor, at, reason))
    return new


def move(
    connection: Connection,
    no: int,
    cause: KnowledgeInput,
    actor: Editor,
    at: float,
    policy: Policy,
    *,
    reason: str = "",
    seen: int | None = None,
    version: int | None = None,
    today: date | None = None,
) -> Entry:
    """Submit, take back, publish, refuse, withdraw or expire. Raises `KnowledgeRefused`, `KnowledgeConflict`.

    It is about the latest version; `WITHDRAW` and `EXPIRE` about the served one where there is any, unless `version`
    says which. `today` is needed to publish: what has ended already is not published.
    """
    last = _locked(connection, no)
    wanted = version or (last.published if cause in (_I.WITHDRAW, _I.EXPIRE) and last.published else last.version)
    one = last if wanted == last.version else get(connection, no, wanted)
    if one is None:
        raise KnowledgeRefused("unknown_version", "There is no such version of the entry.")
    authors: frozenset[str] = frozenset()
    if cause in (_I.PUBLISH, _I.REFUSE):
        wrote = select(moves.c.actor).where(
            moves.c.entry == no, moves.c.version == one.version, moves.c.cause.in_(_AUTHORS)
        )
        authors = frozenset(connection.execute(wrote).scalars())
    require_right(actor, cause, one.content.unit, authors)
    require_served(actor, last.content.unit)
    _seen(last, seen)
    state = moved(one.state, cause)
    if cause is _I.REFUSE and not reason.strip():
        raise KnowledgeRefused("reason_needed", "Who refuses an entry says why.", "reason")
    if cause in (_I.SUBMIT, _I.PUBLISH) and (missing := lacking(one.content)):
        raise KnowledgeRefused("knowledge_incomplete", f"The entry has no {missing[0]} yet.", missing[0])
    after = replace(one, state=state)
    if cause is _I.PUBLISH:
        if today is not None and one.content.valid_to is not None and one.content.valid_to < today:
            raise KnowledgeRefused("over_already", "The entry's last day is over already.", "valid_to")
        served = get(connection, no, one.published) if one.published else None
        if served is not None:
            _keep(connection, served, replace(served, state=moved(served.state, _I.REPLACE)), _I.REPLACE, SYSTEM, at)
            after = replace(after, revision=after.revision + 1)
        after = replace(after, published=one.version)
        _index(connection, served, after, policy.rank)
    elif one.state is _S.PUBLISHED and state is not _S.PUBLISHED:
        after = replace(after, published=None)
        _index(connection, one, None, policy.rank)
    if cause in (_I.PUBLISH, _I.REFUSE):
        after = replace(after, decided_by=actor.id, decided_at=at)
    return _keep(connection, one, after, cause, actor, at, reason)


def expire(connection: Connection, today: date, at: float, policy: Policy, most: int | None = None) -> int:
    """End the published entries whose last day lies before `today`, `most` of them at once; how many those were."""
    over = (
        select(versions.c.entry)
        .where(versions.c.state == _S.PUBLISHED.value, versions.c.valid_to < today.isoformat())
        .order_by(versions.c.entry)
        .limit(most)
    )
    numbers = connection.execute(over).scalars().all()
    for no in numbers:
        move(connection, no, _I.EXPIRE, SYSTEM, at, policy)
    return len(numbers)


def rebuild(connection: Connection, policy: Policy) -> int:
    """Make the index anew from what is published, all at once; how many entries that is."""
    numbers = rebuild_begin(connection)
    for start in range(0, len(numbers), index.BLOCK):
        rebuild_some(connection, numbers[start : start + index.BLOCK], policy)
    rebuild_end(connection, policy)
    return len(numbers)


def rebuild_begin(connection: Connection) -> list[int]:
    """Empty the index; the numbers of the entries that belong into it.

    It may be filled by and by, in transactions of their own; until `rebuild_end` it counts as made by no rules.
    """
    index.clear(connection)
    return list(
        connection.execute(
            select(entries.c.no).where(entries.c.published.is_not(None)).order_by(entries.c.no)
        ).scalars()
    )


def rebuild_some(connection: Connection, numbers: Sequence[int], policy: Policy) -> None:
    """Put some of them into the index, those that are still published; doing it twice changes nothing."""
    found: dict[int, dict[int, int]] = {}
    for start in range(0, len(numbers), index.AT_ONCE):
        some = SERVED.where(versions.c.entry.in_(numbers[start : start + index.AT_ONCE]))
        found |= {row.entry: impacts(_content(row), policy.rank) for row in connection.execute(some)}
    index.write(connection, found, {}, "")


def rebuild_end(connection: Connection, policy: Policy) -> None:
    """The index is whole again; what was published meanwhile is in it by its own publication."""
    count = select(func.count()).select_from(entries).where(entries.c.published.is_not(None))
    index.settle(connection, int(connection.execute(count).scalar_one()), policy.rank.stamp)


def needs_rebuild(connection: Connection, policy: Policy) -> bool:
    """Whether the index was made by other rules than ours."""
    stamp = index.stamp_of(connection)
    return stamp is not None and stamp != policy.rank.stamp


# ---------------------------------------------------------------- reading


def get(connection: Connection, no: int, version: int | None = None) -> Entry | None:
    """A version of an entry, the latest by default; None if there is none."""
    wanted = entries.c.latest if version is None else version
    row = connection.execute(_WITH_ENTRY.where(entries.c.no == no, versions.c.version == wanted)).one_or_none()
    return entry_of(row) if row is not None else None


def all_versions(connection: Connection, no: int) -> list[Entry]:
    """Every version of an entry, the first one first."""
    return [
        entry_of(row) for row in connection.execute(_WITH_ENTRY.where(entries.c.no == no).order_by(versions.c.version))
    ]


def list_moves(connection: Connection, no: int) -> list[KnowledgeMove]:
    """Everything that was done to an entry, in order."""
    rows = connection.execute(select(moves).where(moves.c.entry == no).order_by(moves.c.seq))
    return [
        KnowledgeMove(**(dict(row._mapping) | {
            "before": _S(row.before) if row.before is not None else None, "after": _S(row.after)
        }))
        for row in rows
    ]  # fmt: skip


def list_entries(
    connection: Connection,
    *,
    states: Iterable[KnowledgeState] = (),
    unit: str = "",
    after: int = 0,
    limit: int = 100,
    served: frozenset[str] | None = None,
    registered: frozenset[str] | None = None,
) -> list[Entry]:
    """Entries numbered above `after`, by number, each in its latest version.

    With `states` those of which a version is in one of them, in that version: a published one while its successor is
    written is there as published, and as draft. Where units are `served`, of all others what is published only, but for
    those that are not `registered` (any more), where these are named.
    """
    query = _WITH_ENTRY.where(entries.c.no > after)
    wanted = [state.value for state in states]
    shown = versions.c.state.in_(wanted) if wanted else versions.c.version == entries.c.latest
    if unit:
        query = query.where(versions.c.unit == unit)
    if served is not None:
        mine = of_units(versions.c.unit, served, registered)
        public = versions.c.state == _S.PUBLISHED.value
        shown = or_(and_(mine, shown), and_(not_(mine), public, shown if wanted else true()))
    query = query.where(shown)
    query = query.order_by(entries.c.no, versions.c.version).limit(limit)
    return [entry_of(row) for row in connection.execute(query)]


def of_units(
    column: ColumnElement[str], served: frozenset[str], registered: frozenset[str] | None
) -> ColumnElement[bool]:
    """Whether a row's unit is one of the `served`, or none of the `registered`, where these are named."""
    if registered is None:
        return column.in_(served)
    return or_(column.in_(served), and_(column != "", column.not_in(registered)))


def served_entries(connection: Connection, unit: str = "", numbers: Iterable[int] | None = None) -> list[Entry]:
    """What is published, by number; of one unit, or of the numbers, where they are given."""
    query = SERVED
    if unit:
        query = query.where(versions.c.unit == unit)
    if numbers is not None:
        query = query.where(versions.c.entry.in_(list(numbers)))
    return [entry_of(row) for row in connection.execute(query.order_by(versions.c.entry))]


_WITH_ENTRY: Select[Any] = select(
    *versions.c, entries.c.revision, entries.c.latest, entries.c.published, entries.c.ticket
).join_from(entries, versions, versions.c.entry == entries.c.no)

SERVED: Select[Any] = _WITH_ENTRY.where(versions.c.version == entries.c.published)
"""Every published version, with what its entry says of it."""


# ---------------------------------------------------------------- within


def _locked(connection: Connection, no: int) -> Entry:
    lock = select(entries.c.no).where(entries.c.no == no).with_for_update()
    if connection.execute(lock).first() is None:
        raise KnowledgeRefused("unknown_entry", "There is no entry of this number.")
    one = get(connection, no)
    assert one is not None
    return one


def _seen(one: Entry, seen: int | None) -> None:
    """Asked after the right: what there is now is shown to those only who may see it."""
    if seen is not None and seen != one.revision:
        raise KnowledgeConflict(one)


def _keep(
    connection: Connection,
    before: Entry,
    after: Entry,
    cause: KnowledgeInput,
    actor: Editor,
    at: float,
    reason: str = "",
) -> Entry:
    after = replace(after, revision=after.revision + 1)
    mine = (versions.c.entry == after.no, versions.c.version == after.version)
    connection.execute(update(versions).where(*mine).values(_row(after)))
    _touch(connection, after)
    connection.execute(insert(moves), _move(after, before.state, cause.value, actor, at, reason))
    return after


def _touch(connection: Connection, one: Entry) -> None:
    values = {"latest": one.latest, "published": one.published, "revision": one.revision}
    connection.execute(update(entries).where(entries.c.no == one.no).values(values))


_TOUCH_MANY = (
    update(entries)
    .where(entries.c.no == bindparam("of"))
    .values(latest=bindparam("to_latest"), revision=bindparam("to_revision"))
)
_WRITE_MANY = (
    update(versions)
    .where(versions.c.entry == bindparam("of"), versions.c.version == bindparam("of_version"))
    .values({name: bindparam(f"to_{name}") for name in (*NAMES, "state", "written_by", "written_at")})
)


def _touched(one: Entry) -> dict[str, int]:
    return {"of": one.no, "to_latest": one.latest, "to_revision": one.revision}


def _write_many(connection: Connection, written: Sequence[Entry]) -> None:
    """Content, state and revision of many versions."""
    rows = []
    for one in written:
        row = {f"to_{name}": value for name, value in _row(one).items()}
        for name in ("to_entry", "to_version", "to_decided_by", "to_decided_at"):
            del row[name]
        rows.append(row | {"of": one.no, "of_version": one.version})
    connection.execute(_WRITE_MANY, rows)
    connection.execute(_TOUCH_MANY, [_touched(one) for one in written])


def _index(connection: Connection, old: Entry | None, new: Entry | None, rules: RankRules) -> None:
    before = {old.no: impacts(old.content, rules)} if old is not None else {}
    changes = {new.no: impacts(new.content, rules)} if new is not None else {}
    index.write(connection, changes, before, rules.stamp)


def _row(one: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(one.content, name) for name in NAMES}
    for name in ("valid_from", "valid_to"):
        row[name] = row[name].isoformat() if row[name] is not None else None
    row |= {"entry": one.no, "version": one.version, "state": one.state.value}
    row |= {name: getattr(one, name) for name in ("written_by", "written_at", "decided_by", "decided_at")}
    return row


def _move(
    one: Entry, before: KnowledgeState | None, cause: str, actor: Editor, at: float, reason: str
) -> dict[str, Any]:
    return {
        "entry": one.no,
        "seq": one.revision,  # every move makes the revision one more
        "version": one.version,
        "before": before.value if before else None,
        "after": one.state.value,
        "cause": cause,
        "actor": actor.id,
        "role": actor.role.value,
        "at": at,
        "reason": reason.strip(),
    }


def _content(row: Row[Any]) -> Content:
    values = {name: getattr(row, name) for name in NAMES}
    for name in ("valid_from", "valid_to"):
        values[name] = date.fromisoformat(values[name]) if values[name] is not None else None
    return Content(**values)


def entry_of(row: Row[Any]) -> Entry:
    """The version that a row of `SERVED` is."""
    return Entry(
        no=row.entry,
        version=row.version,
        state=KnowledgeState(row.state),
        content=_content(row),
        revision=row.revision,
        latest=row.latest,
        published=row.published,
        written_by=row.written_by,
        written_at=row.written_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        ticket=row.ticket,
    )


def count_states(connection: Connection) -> dict[tuple[str, KnowledgeState], int]:
    """How many versions each unit has in each state."""
    counted = select(versions.c.unit, versions.c.state, func.count()).group_by(versions.c.unit, versions.c.state)
    return {(unit, KnowledgeState(state)): many for unit, state, many in connection.execute(counted)}


def made_of(connection: Connection, ticket: str) -> int | None:
    """The entry that was made of a ticket's answer; None if there is none."""
    return connection.execute(select(entries.c.no).where(entries.c.ticket == ticket).limit(1)).scalar_one_or_none()
