"""What ended calls teach of their queues: how long talks are, and how long callers wait before they give up.

A running controller learns from every call that ends (`learned_of`); one that starts learns the same from the calls in
the store (`lessons`), so a restart makes no estimate worse. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from acd.estimate import Patience, Talks
from controller.house import House
from controller.plan import Plan
from pbx.call import CallRecord
from pbx.ids import QueueId
from pbx.memory import CallLesson, LessonsRestored, QueueLessons

CALLS_READ = 5000
"""So many of the latest calls a starting controller looks at, in some 0.1 s: more than `Talks` and `Patience` remember
of a queue, of ten busy queues at once. A queue without one begins with what the configuration expects."""


def of(record: CallRecord) -> CallLesson | None:
    """What an ended call teaches; None for one that never stood in a line."""
    if record.queue is None or record.queued_at is None or record.ended_at is None:
        return None
    return CallLesson(
        record.call,
        record.queue,
        record.queued_at,
        record.joined_at,
        record.released_at,
        record.ended_at,
        record.outcome,
    )


def learned_of(house: House, record: CallRecord) -> None:
    """A call has ended: its queue's figures take it in."""
    lesson = of(record)
    if lesson is not None:
        queue = house.queue(lesson.queue).id
        _learn(lesson, house.talks[queue], house.patience[queue])


def _learn(lesson: CallLesson, talks: Talks, patience: Patience) -> None:
    waited, talk_s = lesson.waited, lesson.talk_s
    if waited is not None:
        patience.add(waited[0], gave_up=waited[1])
    if talk_s is not None:
        talks.add(talk_s)


def lessons(stored: Iterable[CallLesson], newer: Iterable[CallRecord], plan: Plan, at: float) -> LessonsRestored:
    """What a starting controller knows of its queues: `stored` calls, and `newer` records that replace them.

    The journal's end has records that the store may not have yet. Calls of queues that the plan has no more are left
    out.
    """
    known = {lesson.call: lesson for lesson in stored}
    known |= {lesson.call: lesson for record in newer if (lesson := of(record)) is not None}
    talks = {queue.id: Talks(queue.expected_talk_s) for queue in plan.queues.values()}
    patience = {queue: Patience() for queue in plan.queues}
    heard: set[QueueId] = set()
    for lesson in sorted(known.values(), key=lambda one: one.ended_at):
        if lesson.queue in talks:
            heard.add(lesson.queue)
            _learn(lesson, talks[lesson.queue], patience[lesson.queue])
    return LessonsRestored(
        tuple(QueueLessons(queue, talks[queue].seen, *patience[queue].sums) for queue in talks if queue in heard), at
    )


def restored(house: House, event: LessonsRestored, now: float) -> None:
    """The store's calls have been read at the start: the figures begin there."""
    for one in event.queues:
        plan = house.plan.queues.get(one.queue)
        if plan is None:
            continue  # a replay with another plan
        talks = Talks(plan.expected_talk_s)
        for length in one.talks:
            talks.add(length)
        house.talks[one.queue] = talks
        house.patience[one.queue] = Patience.of(one.gone, one.waited_s)
