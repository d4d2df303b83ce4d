"""Codes that agents dial at their phones: sign in and out, ready, not ready. Pure rules over the house.

Who dials stands in the phone itself (the exchange knows which it is); a PIN is asked for signing in only and is checked
before the event is made (`pins.py`). The answer is spoken to the phone.
"""

from __future__ import annotations

from agents.moves import AgentInput, AgentState
from controller import desk
from controller.house import House
from ivr.prompts import Language, prompt_name, say_digits
from pbx.commands import SayToPhone
from pbx.events import CodeDialled, PhoneCode, PinVerdict
from pbx.ids import AgentId

_SAID = {
    PhoneCode.SIGN_OUT: "code-signed-out",
    PhoneCode.READY: "code-ready",
    PhoneCode.NOT_READY: "code-not-ready",
}

_REFUSED = {
    "agent_in_call": "code-busy",
    "seat_in_call": "code-busy",
    "not_signed_in": "code-nobody",
    "unknown_agent": "code-wrong",
}
"""What is said for a refusal; all others are simply not possible at the moment."""


def dialled(house: House, event: CodeDialled, now: float) -> None:
    """An agent has dialled a code: do it and tell him."""
    language: Language = "en" if house.plan.code_language == "en" else "zh"
    if event.code is PhoneCode.SIGN_IN:
        said = _sign_in(house, event, language, now)
    else:
        said = (_at_his_phone(house, event, now),)
    house.emit(SayToPhone(event.channel, tuple(prompt_name(language, one) for one in said)))


def _sign_in(house: House, event: CodeDialled, language: Language, now: float) -> tuple[str, ...]:
    """What is said to one who signs in at the phone where he stands."""
    if event.pin is PinVerdict.LOCKED:
        house.tell("pin_locked", event.agent or AgentId(""), event.phone)
        return ("code-locked",)
    if event.pin is not PinVerdict.RIGHT or event.agent is None:
        return ("code-wrong",)
    code = desk.sign_in(house, event.agent, event.phone, now)
    if code not in ("", "already_signed_in"):
        return (_REFUSED.get(code, "code-refused"),)
    return ("code-signed-in", *say_digits(event.agent, language, yao=house.plan.yao))


def _at_his_phone(house: House, event: CodeDialled, now: float) -> str:
    """What is said to the agent who sits at the phone."""
    agent = house.seats.agent_at(event.phone)
    known = house.agent(agent) if agent is not None else None
    if agent is None or known is None or known.state is AgentState.OFFLINE:
        return "code-nobody"
    if event.code is PhoneCode.NOT_READY:
        code = desk.go_not_ready(house, agent, _reason(house, event.digit), now)
    else:
        cause = AgentInput.GO_READY if event.code is PhoneCode.READY else AgentInput.SIGN_OUT
        code = desk.ask(house, agent, cause, now)
    return _REFUSED.get(code, "code-refused") if code else _SAID[event.code]


def _reason(house: House, digit: str) -> str:
    """The reason of a digit: the first is 1; empty, which is refused as unknown, for a digit without one."""
    reasons = house.plan.agent_rules.not_ready_reasons
    place = int(digit) - 1 if digit.isdecimal() and digit.isascii() else -1
    return reasons[place] if 0 <= place < len(reasons) else ""
