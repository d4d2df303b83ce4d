"""The definitions over tickets, follow-ups and decisions: in time, right, satisfied, repeated. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from metrics.definitions.measure import Kind, Measure, Subject
from metrics.definitions.rows import DecisionRow, TicketRow

REPEAT_DAYS = (7, 30)

DAY_S = 86_400.0

Rule = Callable[[TicketRow], bool]


def _sign_due(row: TicketRow) -> bool:
    """Dispatched, and signed for or past the limit: one that is late and still unsigned is late."""
    return row.first_dispatched_at is not None and (row.signed_at is not None or row.now > row.sign_due)


def _signed_in_time(row: TicketRow) -> bool:
    return row.signed_at is not None and row.signed_at <= row.sign_due


def _close_due(row: TicketRow) -> bool:
    """Resolved, or past the limit while its clock runs; merged ones are counted with what they were merged into."""
    if row.merged:
        return False
    return row.resolved_at is not None or (not row.paused and row.now > row.handle_due)


def _closed_in_time(row: TicketRow) -> bool:
    return row.resolved_at is not None and row.resolved_at <= row.handle_due


def _repeats(days: int, row: TicketRow) -> bool:
    return row.before_s is not None and row.before_s <= days * DAY_S


def _ratio(
    name: str,
    subject: Subject,
    zh: str,
    en: str,
    formula_zh: str,
    formula_en: str,
    source: str,
    counts: Rule,
    succeeds: Rule,
    target: float | None = None,
    better: str = "higher",
) -> Measure:
    return Measure(
        name,
        subject,
        Kind.RATIO,
        "1",
        zh,
        en,
        formula_zh,
        formula_en,
        source,
        counts,
        succeeds,
        target=target,
        better=better,
    )


def tickets() -> Iterator[Measure]:
    """Of the tickets opened in the period, as they are when it is asked."""
    made = partial(_ratio, subject=Subject.TICKETS)
    yield made(
        name="sign_in_time.v1",
        zh="按时签收率",
        en="signed in time",
        formula_zh="在签收时限内签收的工单 ÷ 已派单且(已签收或已过签收时限)的工单",
        formula_en="signed for within the limit / dispatched, and signed for or past the limit",
        source="domain.md 3.4 (GK): signed in time / dispatched; a ticket whose limit runs counts in neither",
        counts=_sign_due,
        succeeds=_signed_in_time,
    )
    yield made(
        name="close_in_time.v1",
        zh="按时办结率",
        en="closed in time",
        formula_zh="在办理时限内办结的工单 ÷ 已办结或已超时限的工单(不含并单、暂停计时)",
        formula_en="resolved within the limit / resolved or past it (without merged and paused ones)",
        source="domain.md F2: 98.44 % (S2); lamps of S2",
        counts=_close_due,
        succeeds=_closed_in_time,
    )
    yield made(
        name="fcr.resolved.v1",
        zh="一次解决率(办结工单中)",
        en="first-contact resolution, of resolved tickets",
        formula_zh="未派单即办结的工单 ÷ 已办结的工单",
        formula_en="resolved without a dispatch / resolved",
        source="domain.md 3.4: 即时答复率 98.43 % (12328 [P49])",
        counts=lambda row: row.resolved_at is not None,
        succeeds=lambda row: not row.dispatches,
    )
    yield made(
        name="dispatch_accuracy.v1",
        zh="派单准确率",
        en="dispatch accuracy",
        formula_zh="未被退回的已派工单 ÷ 已派工单",
        formula_en="1 - returned / dispatched",
        source="domain.md 3.4 (GK)",
        counts=lambda row: row.dispatches > 0,
        succeeds=lambda row: row.returns == 0,
    )
    for days in REPEAT_DAYS:
        yield made(
            name=f"repeat{days}d.v1",
            zh=f"重复来电率({days}天内)",
            en=f"repeats within {days} days",
            formula_zh=f"{days}天内同号码同类别已有诉求的工单 ÷ 有号码和类别的工单",
            formula_en=f"opened within {days} days after one of the same number and class / with a number and a class",
            source="domain.md 3.4 (GK): same number + same class within N days",
            counts=lambda row: bool(row.caller and row.class_code),
            succeeds=partial(_repeats, days),
            better="lower",
        )


def follow_ups() -> Iterator[Measure]:
    """Of the tickets followed up (回访) in the period: 三率 and what they stand on."""
    made = partial(_ratio, subject=Subject.FOLLOW_UPS)
    yield made(
        name="response.v1",
        zh="响应率",
        en="response rate",
        formula_zh="承办单位已联系诉求人的 ÷ 回访到的工单",
        formula_en="the unit had contacted the requester / followed up and told",
        source="domain.md 3.4: 三率 [P44]",
        counts=lambda row: row.contacted is not None,
        succeeds=lambda row: bool(row.contacted),
    )
    yield made(
        name="solved.v1",
        zh="解决率",
        en="solved rate",
        formula_zh="诉求人称已解决的 ÷ 回访到的工单",
        formula_en="solved, as the requester says / followed up and told",
        source="domain.md 3.4: 三率 [P44]",
        counts=lambda row: row.solved is not None,
        succeeds=lambda row: bool(row.solved),
    )
    yield made(
        name="satisfaction.v1",
        zh="满意率(回访)",
        en="satisfaction, by follow-up",
        formula_zh="诉求人满意的 ÷ 回访到并表态的工单",
        formula_en="satisfied / followed up and said so or not",
        source="domain.md F1: 95 % (S4)",
        counts=lambda row: row.satisfied is not None,
        succeeds=lambda row: bool(row.satisfied),
        target=0.95,
    )


def _judged(kind: str, row: DecisionRow) -> bool:
    return row.kind == kind and row.right is not None


def _right(row: DecisionRow) -> bool:
    return bool(row.right)


def decisions() -> Iterator[Measure]:
    """Of the requests decided in the period and judged by an inspector since."""
    words = (
        ("return", "答复回退授权准确率", "return authorisation accuracy", 0.98),
        ("extension", "延期授权准确率", "extension authorisation accuracy", 1.0),
        ("hard_case", "疑难问题界定准确率", "hard-case accuracy", 0.98),
    )
    for kind, zh, en, target in words:
        yield Measure(
            f"{kind}_accuracy.v1",
            Subject.DECISIONS,
            Kind.RATIO,
            "1",
            zh,
            en,
            "经质检判定正确的审核 ÷ 已判定的审核",
            "decisions that an inspector found right / decisions judged",
            "domain.md D14 (S4)",
            partial(_judged, kind),
            _right,
            target=target,
        )
