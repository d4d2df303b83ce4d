"""To whom a call may go: an agent, a line, an extension, a destination or a number outside; or why not.

Nothing outside is allowed that the configuration does not name: `[[destinations]]`, and `[outbound] allow`. A number is
never logged; the answer is a code. Pure.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.house import House, LiveCall
from pbx.events import TargetKind
from pbx.ids import AgentId, QueueId

log = logging.getLogger(__name__)

TRANSFER, THREE_WAY, TICKET = "transfer", "three_way", "ticket"
"""The ways in which a call is handed over to another service (`domain.md` 3.5: 一键转接, 三方通话, 工单流转)."""

BLIND, ATTENDED = "blind", "attended"
"""The ways of a transfer, in the call's record (`pbx.call.TransferRecord`), beside `THREE_WAY` and `TICKET`."""

_NUMBER = re.compile(r"\+?[0-9*#]{2,31}")


@dataclass(frozen=True, slots=True)
class Target:
    """A phone to be rung, or a line. `name` is what the record keeps, such as ``agent:1002``.

    `endpoint`: an agent's or extension's phone, or the trunk over which `number` is dialled; empty for a line.
    """

    name: str
    endpoint: AgentId = AgentId("")
    number: str = ""
    agent: AgentId | None = None
    queue: QueueId | None = None
    caller_id: str = field(default="", repr=False)


def resolve(house: House, live: LiveCall, kind: TargetKind, target: str, way: str) -> Target | str:
    """Whom `kind` and `target` mean, or the code of a refusal.

    Codes: ``unknown_party``, ``party_not_ready``, ``party_unreachable``, ``unknown_queue``,
    ``unknown_destination``, ``way_not_allowed``, ``forbidden_number``, ``no_trunk``.
    """
    match kind:
        case TargetKind.AGENT:
            return _agent(house, AgentId(target))
        case TargetKind.QUEUE:
            queue = QueueId(target)
            return Target(f"queue:{target}", queue=queue) if queue in house.plan.queues else "unknown_queue"
        case TargetKind.EXTENSION:
            return _extension(house, AgentId(target))
        case TargetKind.DESTINATION:
            return _destination(house, live, target, way)
        case TargetKind.NUMBER:
            return number(house, live, target)


def party(house: House, live: LiveCall, endpoint: AgentId) -> Target | str:
    """A third party by whatever name the agent knows it: a destination, an extension, an agent."""
    if endpoint in house.plan.destinations:
        return _destination(house, live, endpoint, THREE_WAY)
    return _extension(house, endpoint) if endpoint in house.plan.extensions else _agent(house, endpoint)


def _agent(house: House, agent: AgentId) -> Target | str:
    known = house.agent(agent)
    if known is None:
        return "unknown_party"
    if not known.available:
        return "party_not_ready"
    return Target(f"agent:{agent}", agent, agent=agent)


def _extension(house: House, extension: AgentId) -> Target | str:
    if extension not in house.plan.extensions:
        return "unknown_party"
    if not house.seats.is_reachable(extension):
        return "party_unreachable"
    return Target(f"extension:{extension}", extension)


def _destination(house: House, live: LiveCall, name: str, way: str) -> Target | str:
    known = house.plan.destinations.get(name)
    if known is None:
        return "unknown_destination"
    if way not in known.ways:
        return "way_not_allowed"
    if known.extension is not None:
        found = _extension(house, known.extension)
        return found if isinstance(found, str) else Target(f"destination:{name}", known.extension)
    if not house.plan.outbound.trunk:
        return "no_trunk"
    trunk = AgentId(house.plan.outbound.trunk)
    return Target(f"destination:{name}", trunk, known.number, caller_id=shown(house, live))


def number(house: House, live: LiveCall | None, wanted: str) -> Target | str:
    """A number outside, if the allow-list has it."""
    if not allowed(house, wanted):
        log.warning("a call to a number that is not allowed was refused", extra={"action": "number_forbidden"})
        return "forbidden_number"
    if not house.plan.outbound.trunk:
        return "no_trunk"
    trunk = AgentId(house.plan.outbound.trunk)
    return Target(f"number:{wanted}", trunk, wanted, caller_id=shown(house, live))


def allowed(house: House, wanted: str) -> bool:
    """Whether `[outbound] allow` has the whole number."""
    patterns = house.plan.outbound.allow
    return bool(_NUMBER.fullmatch(wanted)) and any(re.fullmatch(pattern, wanted) for pattern in patterns)


def shown(house: House, live: LiveCall | None, queue: str = "") -> str:
    """The number that the called one sees: the citizen's where the trunk may show it, else the hotline's."""
    plan = house.plan.outbound
    if live is not None and plan.show_caller and live.record.caller.isdecimal():
        return live.record.caller
    by_queue: Mapping[str, str] = plan.caller_by_queue
    return by_queue.get(queue) or plan.caller or house.plan.default_number
