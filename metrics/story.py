"""The story of one call as its record tells it: who was offered it and why, talk, hold, transfers, the safety net, the
survey and the end, in Chinese and in English. A fold over one `CallRecord`; `hotline why` tells the same with what the
journal knows beside it. No number that somebody dialled is named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pbx.call import CallRecord, OfferRecord, Outcome, TransferRecord, VoiceMessage
from pbx.callback import CallbackKind

Kind = Literal[
    "arrived", "line", "full", "told", "offer", "offer_over", "talk", "hold", "hold_over", "hand_over",
    "hand_over_over", "net", "ticket", "message", "message_over", "released", "score", "ended",
]  # fmt: skip

GIVEN = "transfer to "
"""How the reason of an offer begins that no rule of the line has made: an agent has given the caller to somebody."""

RETURNED = "returned:"
"""How the reason begins when the one who gave him away is rung again."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """One thing that happened to a call at epoch second `at`. `agent` was asked or talks; empty where it is no agent.

    `kind` and `key` together name it: the record as it was stored later tells it again under the same name.
    """

    kind: Kind
    key: str
    at: float
    zh: str
    en: str
    agent: str = ""
    queue: str = ""
    reason: str = ""


def chapters(record: CallRecord) -> tuple[Chapter, ...]:
    """The story, in the order in which it happened. What has no instant of its own stands where it must have been."""
    over = record.ended_at if record.ended_at is not None else math.inf  # nothing happens to a call that is over
    return tuple(sorted(_told(record), key=lambda chapter: min(chapter.at, over)))


def asked_by_the_line(offer: OfferRecord) -> bool:
    """Whether a rule of the line, or a supervisor, chose the agent; else he was named by the one who gave him away."""
    return not offer.reason.startswith((GIVEN, RETURNED))


def waited(record: CallRecord, at: float) -> float | None:
    """How long the caller had waited at epoch second `at`, seconds: without talk and hold. None when he did not wait.

    He waits from the instant at which he joined the line, or was put (back) into one, until he is answered.
    """
    if record.queued_at is None or at < record.queued_at:
        return None
    turns = [(record.queued_at, True)]
    turns += [(one, False) for one in (record.joined_at, record.released_at, record.ended_at) if one is not None]
    turns += [(one.ended_at, False) for one in record.offers if one.outcome == "answered" and one.ended_at is not None]
    turns += [(one.ended_at, True) for one in record.transfers if _into_line(one) and one.ended_at is not None]
    waits_since: float | None = None
    total = 0.0
    for instant, waits in sorted(turn for turn in turns if record.queued_at <= turn[0] <= at):
        if waits and waits_since is None:
            waits_since = instant
        elif not waits and waits_since is not None and instant < at:
            total += instant - waits_since
            waits_since = None
    return None if waits_since is None else total + (at - waits_since)


def _into_line(transfer: TransferRecord) -> bool:
    """Whether the caller stood in a line when it was over: he was given into one, or the one who was named did not
    answer.
    """
    if transfer.way != "blind":
        return False
    if transfer.outcome == "done":
        return transfer.target.startswith("queue:")
    return transfer.outcome == "failed" and transfer.detail != "lost"


# ---------------------------------------------------------------- the whole


def _told(record: CallRecord) -> Iterator[Chapter]:
    yield _arrived(record)
    if record.queued_at is not None:
        yield _line(record)
    for told in record.estimates:
        zh, en = _interval(told.interval.low, told.interval.high)
        yield Chapter("told", f"{told.at}", told.at, f"告知预计等待: {zh}", f"is told how long he will wait: {en}")
    yield from _held(record)
    for transfer in record.transfers:
        yield from _handed_over(record, transfer)
    for offer in record.offers:  # after the transfers: one that has failed may be offered back in the same instant
        yield from _offered(record, offer)
    yield from _first_talk(record)
    if record.message is not None:
        yield from _message(record.message)
    yield from _after(record)


def _asked_by_voice(record: CallRecord) -> bool:
    """Whether the hotline itself has called to ask about a ticket, which there was before (自动语音回访)."""
    return record.purpose == CallbackKind.FOLLOW_UP.value


def _arrived(record: CallRecord) -> Chapter:
    agent = str(record.placed_by or "")
    if _asked_by_voice(record):
        about = f" {record.ticket}" if record.ticket else ""
        zh, en = (
            f"自动语音回访工单{about}, 市民接起",
            f"the hotline itself asks about ticket{about}; somebody has answered",
        )
    elif record.callback:
        zh, en = "按预约回拨市民, 市民接起", "he is called back, as he had asked for"
    elif record.direction == "inbound":
        zh, en = "来电接入", "the call arrives"
    elif agent:
        zh, en = f"坐席 {agent} 外呼市民", f"agent {agent} calls the citizen"
    else:
        zh, en = "热线外呼市民", "the hotline calls the citizen"
    return Chapter("arrived", "", record.arrived_at, zh, en, agent)


def _line(record: CallRecord) -> Chapter:
    """Into the first line; its name is known as long as he was not given into another."""
    assert record.queued_at is not None
    moved = any(one.target.startswith("queue:") and one.outcome == "done" for one in record.transfers)
    queue = "" if moved else str(record.queue or "")
    by = f" ({', '.join(record.favours)})" if record.favours else ""
    if record.outcome is Outcome.OVERFLOWED:
        return Chapter("full", "", record.queued_at, f"队列 {queue} 已满", f"the line of {queue} is full", queue=queue)
    zh, en = (f"进入队列 {queue}{by}", f"joins the line of {queue}{by}") if queue else ("进入队列", "joins a line")
    key = f"{record.queued_at:.3f}"  # as exact as the mark in the channel, from which a restarted controller knows it
    return Chapter("line", key, record.queued_at, zh, en, queue=queue)


def _interval(low: int, high: int | None) -> tuple[str, str]:
    if high is None:
        return "无法估计", "nobody can say"
    if high == 0:
        return "不到 1 分钟", "less than a minute"
    if low == 0:
        return f"不超过 {high} 分钟", f"at most {high} minutes"
    return f"{low}-{high} 分钟", f"{low} to {high} minutes"


# ---------------------------------------------------------------- offers and talks


def _offered(record: CallRecord, offer: OfferRecord) -> Iterator[Chapter]:
    agent, key = str(offer.agent), f"{offer.offered_at} {offer.agent}"
    given = offer.reason.startswith(GIVEN)
    zh, en = f"坐席 {agent}", f"agent {agent}"
    if given:
        zh, en = party(offer.reason.removeprefix(GIVEN))
        agent = agent_in(offer.reason.removeprefix(GIVEN))
    elif offer.reason.startswith(RETURNED):
        text = f"转接未接, 退回{zh}", f"offered back to {en}: the transfer was not answered"
        yield Chapter("offer", key, offer.offered_at, *text, agent, str(record.queue or ""))
    else:
        text = f"派给{zh}", f"offered to {en}"
        yield Chapter("offer", key, offer.offered_at, *text, agent, str(record.queue or ""), offer.reason)
    if offer.ended_at is None:
        return
    if offer.outcome == "answered":
        if not _taken_by_net(record, offer):
            yield Chapter("talk", key, offer.ended_at, f"{zh} 接起, 通话开始", f"{en} answers: they talk", agent)
    elif not given:  # what became of a transfer is told of the transfer
        why_zh, why_en = OFFER_OVER.get(offer.outcome, (offer.outcome, offer.outcome))
        verb = "振铃停止" if offer.outcome in ("caller_gone", "lost", "net") else "没有接起"
        told = "is rung no more" if offer.outcome in ("caller_gone", "lost", "net") else "did not take it"
        text = f"{zh} {verb}: {why_zh}", f"{en} {told}: {why_en}"
        yield Chapter("offer_over", key, offer.ended_at, *text, agent)


OFFER_OVER = {
    "noanswer": ("无人接听", "no answer"),
    "busy": ("拒接或忙", "busy, or refused"),
    "answer": ("接起后立即挂断", "hung up as soon as he had answered"),
    "chanunavail": ("话机无法接通", "his phone could not be reached"),
    "congestion": ("话机无法接通", "his phone could not be reached"),
    "engaged": ("话机正在通话", "his phone was in use"),
    "cancel": ("已取消", "cancelled"),
    "lost": ("结果未知", "nobody knows what became of it"),
    "net": ("来电转入安全网", "the caller went to the safety net"),
    "caller_gone": ("来电人已挂机", "the caller has hung up"),
}
"""What became of an offer, in words."""


def _taken_by_net(record: CallRecord, offer: OfferRecord) -> bool:
    """Whether somebody else than the one who was offered the call has answered it in the safety net."""
    return record.in_net and offer.ended_at == record.joined_at and offer.agent != _first_agent(record)


def _first_agent(record: CallRecord) -> str:
    """With whom he talked first: who put him on hold or handed him over first, else whose call it is."""
    deeds = [(one.began_at, one.agent) for one in record.holds] + [(one.asked_at, one.by) for one in record.transfers]
    return str(min(deeds)[1] if deeds else record.agent or "")


FIRST = "first"
"""The key of a first talk that no offer of ours began."""


def _first_talk(record: CallRecord) -> Iterator[Chapter]:
    """A talk that no offer of ours began: the safety net's, a call of ours, one that nobody saw begin."""
    at = record.joined_at
    if record.in_net:
        yield _net(record)
    if at is None:
        return
    answered = [one for one in record.offers if one.outcome == "answered" and one.ended_at == at]
    if any(not _taken_by_net(record, one) for one in answered):
        return
    agent = _first_agent(record)
    zh, en = (f"坐席 {agent}", f"agent {agent}") if agent else ("坐席", "somebody whose name is not known")
    if record.in_net:
        text = f"安全网接通{zh}, 通话开始", f"the safety net joins him with {en}: they talk"
    else:
        text = f"与{zh} 通话", f"talks with {en}"
    yield Chapter("talk", FIRST, at, *text, agent)


def _net(record: CallRecord) -> Chapter:
    cut = next((one.ended_at for one in record.offers if one.outcome == "net" and one.ended_at is not None), None)
    at = cut or record.queued_at or record.arrived_at
    at = min(at, record.joined_at) if record.joined_at is not None else at
    zh, en = "控制器失联, 由安全网接管", "the safety net has him: the controller was missing"
    return Chapter("net", "", at, zh, en)


# ---------------------------------------------------------------- hold and hand-over


def _held(record: CallRecord) -> Iterator[Chapter]:
    for hold in record.holds:
        agent, key = str(hold.agent), f"{hold.began_at}"
        text = f"坐席 {agent} 保持通话, 来电人听音乐", f"agent {agent} puts him on hold"
        yield Chapter("hold", key, hold.began_at, *text, agent)
        ends = hold.ended_at
        if ends is None or _told_otherwise(record, ends):
            continue
        if _in_line_next(record, ends):
            yield Chapter("hold_over", key, ends, *LEFT_ON_HOLD)
        else:
            text = f"取消保持, 与坐席 {agent} 继续通话", f"resumed: he talks with agent {agent} again"
            yield Chapter("hold_over", key, ends, *text, agent)


LEFT_ON_HOLD = ("坐席已离开, 回到队列原位", "his agent has left: he stands in the line again")
"""A time on hold that ended without a talk, in words."""


def _told_otherwise(record: CallRecord, at: float) -> bool:
    """Whether a time on hold ended by what is told in other words: he was handed over, or the call was over."""
    if at in (record.ended_at, record.released_at):
        return True
    return any(
        (one.way == "attended" and one.outcome == "done" and one.ended_at == at)
        or (one.way == "blind" and one.asked_at == at)
        for one in record.transfers
    )


def _in_line_next(record: CallRecord, at: float) -> bool:
    """Whether the line offers him to somebody next, though nobody has given him away meanwhile."""
    offer = next((one for one in record.offers if one.offered_at >= at), None)
    if offer is None:
        return record.released_at is None and record.ended_at is not None and record.outcome is None
    deeds = [one.asked_at for one in record.transfers if one.way == "blind"]
    return asked_by_the_line(offer) and not any(at <= one <= offer.offered_at for one in deeds)


def _handed_over(record: CallRecord, transfer: TransferRecord) -> Iterator[Chapter]:
    by, key = transfer.by, f"{transfer.asked_at} {transfer.way} {transfer.target}"
    zh, en = party(transfer.target)
    agent = agent_in(transfer.target)
    queue = transfer.target.removeprefix("queue:") if transfer.target.startswith("queue:") else ""
    if transfer.way == "ticket":
        text = f"坐席 {by} 以工单转交{zh}", f"agent {by} hands it to {en} as a ticket"
        yield Chapter("hand_over", key, transfer.asked_at, *text)
        return
    text = {
        "blind": (f"坐席 {by} 转接给{zh}", f"agent {by} transfers him to {en}"),
        "attended": (f"坐席 {by} 咨询{zh}", f"agent {by} consults {en}"),
        "three_way": (f"坐席 {by} 邀请{zh} 三方通话", f"agent {by} asks {en} into a three-way talk"),
    }.get(transfer.way, (f"坐席 {by} {transfer.way} {zh}", f"agent {by}: {transfer.way} to {en}"))
    yield Chapter("hand_over", key, transfer.asked_at, *text, agent, queue)
    if transfer.ended_at is None or transfer.outcome == "asked":
        return
    over = _hand_over_over(transfer, zh, en)
    if over is not None:
        yield Chapter("hand_over_over", f"{key} {transfer.outcome}", transfer.ended_at, *over, agent, queue)


def _hand_over_over(transfer: TransferRecord, zh: str, en: str) -> tuple[str, str] | None:
    """What became of it; None where the talk that follows says so."""
    why_zh, why_en = OFFER_OVER.get(transfer.detail, (transfer.detail, transfer.detail))
    why_zh, why_en = (f": {why_zh}", f": {why_en}") if why_en else ("", "")
    match transfer.way, transfer.outcome:
        case "blind", "done":
            queued = transfer.target.startswith("queue:")
            return (f"进入{zh}", f"stands in {en}") if queued else None
        case "blind", "failed" if transfer.detail == "lost":
            return (f"未能转接给{zh}, 通话继续", f"the transfer to {en} was not made: the talk goes on")
        case "blind", _:
            return (f"转接{zh} 未成{why_zh}", f"the transfer to {en} came to nothing{why_en}")
        case "attended", "done":
            return (f"{zh} 接手, 与来电人通话", f"{en} takes him over: they talk")
        case "attended", "failed":
            return (f"未能咨询{zh}{why_zh}", f"{en} could not be consulted{why_en}")
        case "attended", _:
            return (f"与{zh} 的咨询结束", f"the consultation with {en} is over")
        case "three_way", "joined":
            return (f"{zh} 加入, 三方通话", f"{en} joins: a three-way talk")
        case "three_way", "failed":
            return (f"{zh} 未加入三方通话", f"{en} did not join the talk")
    return (f"不再邀请{zh}", f"{en} is not asked any more")


def party(target: str) -> tuple[str, str]:
    """The target of a hand-over (`TransferRecord.target`) in Chinese and English; a number stays unnamed."""
    kind, _, name = target.partition(":")
    return {
        "agent": (f"坐席 {name}", f"agent {name}"),
        "queue": (f"队列 {name}", f"the line of {name}"),
        "extension": (f"分机 {name}", f"extension {name}"),
        "destination": (f"单位 {name}", f"destination {name}"),
    }.get(kind, ("外线号码", "a number outside"))


def agent_in(target: str) -> str:
    """The agent whom a target names; empty when it is somebody else."""
    return target.removeprefix("agent:") if target.startswith("agent:") else ""


# ---------------------------------------------------------------- message, survey, end


def _message(message: VoiceMessage) -> Iterator[Chapter]:
    ends = message.ended_at
    yield Chapter("message", "", message.began_at, "开始留言", "speaks a voice message")
    if ends is not None:
        yield Chapter("message_over", "", ends, "留言结束", f"the message is over ({message.ended_by})")


def _after(record: CallRecord) -> Iterator[Chapter]:
    talked, over = record.released_at, record.ended_at
    known_at = talked or over or record.joined_at or record.arrived_at
    if record.ticket is not None and not _asked_by_voice(record):
        at = record.joined_at or known_at
        yield Chapter("ticket", "", at, f"工单已建立: {record.ticket}", f"a ticket is opened: {record.ticket}")
    if talked is not None:
        yield Chapter("released", "", talked, "通话结束", "the talk is over")
    if record.score is not None:
        yield Chapter("score", "", over or known_at, f"满意度评价: {record.score}", f"survey: {record.score} of 5")
    if over is not None and record.outcome is not None:
        outcome = record.outcome.value
        yield Chapter("ended", "", over, f"结束: {OUTCOMES.get(outcome, outcome)}", f"ended: {outcome}")


OUTCOMES = {
    "answered": "已接听",
    "abandoned": "放弃",
    "left_menu": "导航中挂机",
    "surveyed": "自动回访已评价",
    "callback": "已预约回拨",
    "closed": "非服务时间",
    "overflowed": "队列已满",
    "unreached": "未接通",
    "failed": "异常结束",
}
"""`pbx.call.Outcome` in Chinese, as on the first page (``web/pages/words.js``)."""
