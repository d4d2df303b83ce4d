"""Menu choices that are said instead of keyed: when somebody listens, and what becomes of what was heard. Pure rules.

Keys come first. Whoever listens can only add an answer to a question that is being asked: a question is asked by the
same command whether or not it is listened to, and a key answers it at once whatever is being said.
"""

from __future__ import annotations

from dataclasses import replace

from controller.house import House, LiveCall, SpokenQuestion
from ivr.menu import Question, confirming
from ivr.spoken import NO, YES
from pbx.call import CallState
from pbx.events import KeysPressed, KeyStatus
from pbx.spoken import ChoiceSpoken, ListeningChanged

DEAF_S = 0.7
"""Nobody has understood the question whether he was heard rightly so soon after it began: who presses a key then has
pressed it for the question before, and the key is stronger than what was heard."""


def listening_changed(house: House, event: ListeningChanged, now: float) -> None:
    """Whether choices can be heard now; questions that are being asked go on by keys."""
    house.listening = frozenset(event.languages)


def listens(live: LiveCall) -> SpokenQuestion | None:
    """The question that he may answer aloud at this moment."""
    found = live.listening
    return found if found is not None and live.state is CallState.ASKING and found.step == live.step else None


def worded(house: House, live: LiveCall, asked: Question, step: int) -> tuple[tuple[str, ...], float]:
    """What is said to ask a question by the command `step`, and how long an answer is waited for.

    Speech is offered only where somebody listens to it, and there is room for one more to be listened to.
    """
    live.listening = None
    plan, language, either = house.plan.spoken, live.record.language, asked.listening
    if either is None or asked.private or language not in house.listening:
        return asked.prompts, asked.wait_s
    if sum(listens(one) is not None for one in house.calls.values()) >= plan.at_once:
        return asked.prompts, asked.wait_s
    phrases = either.phrases
    if either.confirm:
        yes, no = plan.yes.get(language, ()), plan.no.get(language, ())
        phrases = (*((one, YES) for one in yes), *((one, NO) for one in no))
    if not phrases:
        return asked.prompts, asked.wait_s
    live.listening = SpokenQuestion(step, phrases)
    return either.prompts, asked.wait_s + plan.lag_s


def answers(house: House, live: LiveCall, event: ChoiceSpoken) -> bool:
    """Whether what was heard answers the question that is being asked now, and is sure enough to be an answer."""
    asked = listens(live)
    if asked is None or asked.step != event.step or event.conf < house.plan.spoken.min_conf:
        return False
    return any(event.key == key for _, key in asked.phrases)


def sure(house: House, event: ChoiceSpoken) -> bool:
    """Whether it is taken as said, without asking."""
    wanted = house.plan.spoken.sure_conf
    return wanted is not None and event.conf >= wanted


def key_was_first(live: LiveCall, event: KeysPressed) -> None:
    """A key that was pressed for a question of which meanwhile a choice had been heard: what was heard is forgotten.

    Its report may come late, after the next command has been given, or the key may have been taken for an answer to
    whether he was heard rightly, before he can have heard that he was asked.
    """
    menu, position = live.menu, live.position
    if menu is None or position is None or not event.keys or not confirming(menu, position):
        return
    if live.state is not CallState.ASKING or live.dialog is not None or live.query is not None or live.away:
        return
    if not live.spoke_at:  # a restarted controller: what he answered has come through the channel, long after
        return
    late = event.step == live.spoke_at
    early = event.step == live.step and (
        event.status is KeyStatus.AHEAD or live.asked_at is None or event.at - live.asked_at < DEAF_S
    )
    if late or early:
        live.position = replace(position, heard="")
        if late:
            live.oldest_news = event.step
