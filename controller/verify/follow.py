"""What each event and command of the journal changes in the scene: one small function for a word, found by its name.

A word that is not known here changes nothing, so a journal of a later program can be read.
"""

from __future__ import annotations

from collections.abc import Callable

from controller.verify import parted
from controller.verify.scene import Caller, Held, Scene, Word, mark_of

CANCELLED = 16
"""Q.850 cause of a leg that we hung up ourselves while it rang: the agent has missed nothing."""

_OUR_CONTEXTS = ("p-idle", "p-ask", "p-play", "p-record", "p-hold", "p-dial", "p-join", "p-survey", "fallback")
"""Where a caller stands in the dialplan once it is ours."""


def _caller(scene: Scene, event: Word) -> Caller | None:
    return scene.callers.get(event.get("call", ""))


# ---------------------------------------------------------------- the caller's own channel


AGENTS_CALL = "out-"
"""How the id of a call begins that an agent places: it begins when it is placed. A call-back begins when answered."""


def begins(event: Word) -> bool:
    """Whether a call begins with this event."""
    word = event["is"]
    return word == "CallArrived" or (word == "OutboundAnswered" and not event["call"].startswith(AGENTS_CALL))


def arrived(scene: Scene, event: Word, now: float) -> None:
    """A call begins."""
    scene.callers[event["call"]] = Caller(event["call"], arrived_at=event["at"])


def answered(scene: Scene, event: Word, now: float) -> None:
    """A citizen whom we called has answered; a call-back begins here."""
    if begins(event) and event["call"] not in scene.callers:
        arrived(scene, event, now)


def step_lost(scene: Scene, event: Word, now: float) -> None:
    """A command was lost: an offer of which no leg is known is none any more."""
    caller = _caller(scene, event)
    if caller is None or not scene.connected:
        return
    late = event["step"] < caller.step and caller.commanded_at > event["at"]
    if event["step"] > caller.step or late:
        return
    if caller.leaving and caller.in_bridge:
        parted.undo(scene, caller)
    elif caller.stage == "held":
        parted.lost(scene, caller, now)
    elif not caller.leg and caller.stage in ("menu", "line", "offered"):
        if caller.stage == "offered":
            scene.take_back(caller, now)
        caller.oldest_news = 0  # a command of this same step is news again


def step_refused(scene: Scene, event: Word, now: float) -> None:
    """The fence refused a command: the offer was not made."""
    caller = _caller(scene, event)
    if caller is None or event["got"] != caller.step:
        return
    caller.step = max(caller.step, event["step"])
    if caller.stage == "held":
        parted.lost(scene, caller, now)
    elif caller.stage == "offered":
        scene.take_back(caller, now)
        caller.oldest_news = 0


def step_started(scene: Scene, event: Word, now: float) -> None:
    """The exchange runs a command: an older offer is over, and so is a talk that it has cut."""
    caller = _caller(scene, event)
    if caller is None:
        return
    newly = event["step"] > caller.running
    caller.running = max(caller.running, event["step"])
    parted.begun(scene, caller, event["step"], now)
    if caller.stage == "offered" and caller.agent and caller.offer_step < event["step"]:
        scene.take_back(caller, now)
    elif newly and caller.stage == "talk":
        caller.legs.clear()
        caller.in_bridge = False
        scene.wait(caller, now)


def fell_back(scene: Scene, event: Word, now: float) -> None:
    """The caller went to the safety net; what takes him back is a command of the same step."""
    caller = _caller(scene, event)
    if caller is None or event["step"] < caller.oldest_news or caller.stage in ("talk", "survey"):
        return
    caller.step = max(caller.step, event["step"])
    parted.nobody_asked(scene, caller.name)
    if caller.agent:
        scene.release(caller.agent, caller.name)
        scene.no_offer(caller)
    scene.leave(caller)
    caller.stage = "net"


def call_ended(scene: Scene, event: Word, now: float) -> None:
    """The caller's channel is gone."""
    caller = _caller(scene, event)
    if caller is not None:
        parted.nobody_asked(scene, caller.name)
        scene.end(caller)


# ---------------------------------------------------------------- offers and talks


def leg_started(scene: Scene, event: Word, now: float) -> None:
    """The exchange made the leg of an offer, perhaps of one that we had given up."""
    caller = _caller(scene, event)
    if caller is None:
        return
    step, name = event["step"], event["agent"]
    if step == 0:  # somebody who is asked on behalf of a caller on hold
        asked = scene.agents.get(name)
        if asked is not None and asked.held is not None and asked.held.call == caller.name and asked.held.third:
            asked.held.leg = event["leg"]
        return
    caller.running = max(caller.running, step)
    parted.begun(scene, caller, step, now)
    given_up = caller.stage == "line" and step >= caller.oldest_news
    if not given_up and not _ours(caller, step, name):
        return
    agent = scene.agent(name)
    rings = agent.held.call == caller.name if agent.held is not None else agent.ready
    if rings:
        scene.hold(name, Held(caller.name, step, event["leg"]))
        if given_up:
            scene.leave(caller)
            caller.stage = "offered"
    if rings or caller.agent:
        scene.ring(caller, name, step, event["leg"])


def _ours(caller: Caller, step: int, agent: str) -> bool:
    if not caller.agent:
        return caller.stage == "offered" and step >= caller.oldest_news
    return step > caller.offer_step or (step == caller.offer_step and agent == caller.agent)


def offer_failed(scene: Scene, event: Word, now: float) -> None:
    """Nobody took the call, or was gone in the instant in which he took it: the caller stands in the line again."""
    caller = _caller(scene, event)
    if caller is None:
        return
    if caller.stage == "talk" and event["step"] >= caller.running:
        caller.legs.clear()
        caller.in_bridge = False
        caller.last_agent = event["agent"]  # a talk found after a restart: its offer was seen by another start
        scene.release(event["agent"], caller.name)
        scene.wait(caller, now)
    elif _ours(caller, event["step"], event["agent"]):
        scene.ring(caller, event["agent"], event["step"], "")
        scene.take_back(caller, now)


def party_joined(scene: Scene, event: Word, now: float) -> None:
    """A leg entered the bridge: the talk begins when the caller and somebody else are in it."""
    caller = _caller(scene, event)
    if caller is None:
        return
    if caller.stage == "held":
        parted.joined(scene, caller, event)
        return
    name = event["agent"] or ""
    if event["role"] == "caller":
        caller.in_bridge = True
    else:
        caller.legs[event["channel"]] = name
    if not caller.in_bridge or not caller.legs:
        return
    if caller.stage == "talk":
        if event["role"] != "caller" and name:
            scene.hold(name, Held(caller.name, caller.running, event["channel"], True))
        return
    if caller.stage == "survey":
        return
    channel, name = next(reversed(caller.legs.items()))
    scene.leave(caller)
    if caller.agent and caller.agent != name:
        scene.release(caller.agent, caller.name)
    scene.no_offer(caller)
    caller.stage = "talk"
    caller.last_agent = name or caller.last_agent
    if name:
        scene.hold(name, Held(caller.name, caller.running, channel, True))


def party_left(scene: Scene, event: Word, now: float) -> None:
    """A leg left the bridge."""
    caller = _caller(scene, event)
    if caller is None:
        return
    if event["role"] == "caller":
        caller.in_bridge = False
    else:
        caller.legs.pop(event["channel"], None)


def talk_ended(scene: Scene, event: Word, now: float) -> None:
    """The last one who talked with the caller has left."""
    caller = _caller(scene, event)
    if caller is None or ("step" in event and event["step"] < caller.running):
        return
    if caller.stage not in ("talk", "offered", "net", "held") and not caller.leaving:
        return
    caller.leaving = 0
    parted.nobody_asked(scene, caller.name)
    if caller.agent:
        scene.release(caller.agent, caller.name)
        scene.no_offer(caller)
    scene.leave(caller)
    caller.stage = "survey"


def join_ended(scene: Scene, event: Word, now: float) -> None:
    """A talk into which the caller was fetched is over; or there was none, and he hears music again."""
    caller = _caller(scene, event)
    if caller is None or event["step"] < caller.running:
        return
    if event["ok"]:
        if caller.stage != "held" or caller.joining:
            talk_ended(scene, event, now)
    elif caller.stage == "held":
        parted.not_fetched(scene, caller, now)
    elif caller.stage == "talk":
        caller.legs.clear()
        caller.in_bridge = False
        scene.wait(caller, now)


def consult_ended(scene: Scene, event: Word, now: float) -> None:
    """The agent talks no more with the colleague whom he has asked."""
    agent, caller = scene.agents.get(scene.named(event["endpoint"])), _caller(scene, event)
    fetched = caller.joining if caller is not None else ""
    if agent is not None and agent.held is not None and fetched and agent.held.leg == fetched:
        return  # the caller is fetching him: what has ended is only that he was asked
    if agent is not None and agent.held is not None and agent.held.third:
        scene.release(agent.name, event["call"])


def leg_ended(scene: Scene, event: Word, now: float) -> None:
    """A leg is gone. That of the offer which is being made: what became of it is told by another event."""
    caller, name = _caller(scene, event), event["agent"] or ""
    if caller is not None:
        caller.legs.pop(event["leg"], None)
        if caller.stage == "held":
            parted.leg_gone(scene, caller, event["leg"], now)
        if caller.agent and caller.agent == name:
            caller.leg_ended = caller.leg == event["leg"]
            return
    agent = scene.agents.get(name)
    if agent is None or agent.held is None or agent.held.call != event["call"]:
        return
    if not agent.held.leg or agent.held.leg == event["leg"]:
        scene.hold(name, None)


# ---------------------------------------------------------------- clocks, the exchange as a whole


def time_is_up(scene: Scene, event: Word, now: float) -> None:
    """Who has refused a caller may be asked again; he is kept for nobody any more; a step of his queue is due."""
    caller = scene.callers.get(event["key"])
    if caller is None:
        return
    if event["kind"] == "retry_offer":
        caller.refused.clear()
    elif event["kind"] == "kept":
        caller.only = ""
    if event["kind"] in ("retry_offer", "relax", "kept") and caller.stage == "line":
        if event["kind"] == "relax" or caller.kind is None:
            scene.wait(caller, now)
        else:  # his place among those who ask for the same, without looking at the clock again
            scene.again(caller)


def phone_used(scene: Scene, event: Word, now: float) -> None:
    """A phone begins or ends a call, ours or its own."""
    scene.used([event["agent"]], in_use=event["use"] != "idle")


def overrides_restored(scene: Scene, event: Word, now: float) -> None:
    """What supervisors had changed for a time before the controller started."""
    by_agent: dict[str, list[Word]] = {}
    for one in event["skills"]:
        by_agent.setdefault(one["agent"], []).append(one)
    for name, skills in by_agent.items():
        scene.override(name, skills)
    for change in event["queues"]:
        scene.override_queue(change["queue"], change)


def exchange_lost(scene: Scene, event: Word, now: float) -> None:
    """Nothing can be commanded from now on."""
    scene.connected = False


def exchange_connected(scene: Scene, event: Word, now: float) -> None:
    """The exchange says who is where."""
    scene.connected = True
    scene.used_alone({row["agent"] for row in event["channels"] if row["agent"] and not row["call"]})
    _remembered(scene, event)
    _talked_unseen(scene, event)
    rows: dict[str, list[Word]] = {}
    for row in event["channels"]:
        rows.setdefault(row["call"], []).append(row)
    legs = {(row["agent"], row["call"]) for row in event["channels"] if row["agent"]}
    talks = {
        (row["agent"], row["call"])
        for row in event["channels"]
        if row["agent"] and (row["bridged"] or row["context"] in parted.AGENT_WAITS)
    }
    present = {call for call, found in rows.items() if any(row["role"] == "caller" for row in found)}
    for caller in [caller for caller in scene.callers.values() if caller.name not in present]:
        caller.leg = caller.leg if (caller.agent, caller.name) in legs else ""
        scene.end(caller)
    for agent in list(scene.agents.values()):
        if agent.held is not None and agent.held.talking and (agent.name, agent.held.call) not in talks:
            scene.hold(agent.name, None)
    for call, found in rows.items():
        if call in present:
            _row(scene, call, found, now)
    offered = {(caller.agent, caller.name) for caller in scene.callers.values() if caller.agent}
    for agent in list(scene.agents.values()):
        if agent.held is not None:
            here = (agent.name, agent.held.call)
            if here not in legs and here not in offered:
                scene.hold(agent.name, None)


def _talked_unseen(scene: Scene, event: Word) -> None:
    """Talks that are over, as the exchange noted them: who has been idle since before one has had no idle time.

    He is looked at only where he was idle before it began. Who gave the caller away was idle again before it ended,
    and the note does not say so.
    """
    talks = [(one["talk"], one["ended_at"]) for one in event.get("gone", ())]
    talks += [(row.get("talk"), event["at"]) for row in event["channels"] if row["context"] == "p-survey"]
    for talk, ended_at in talks:
        name = scene.named(talk["agent"]) if talk and talk["agent"] else ""
        if talk and scene.is_agent(name):
            agent = scene.agent(name)
            if agent.since < talk["joined_at"]:
                ended_at = min(talk["released_at"] or ended_at, event["at"])
                agent.talked_at = max(agent.talked_at, ended_at)


def _remembered(scene: Scene, event: Word) -> None:
    """After a start of the controller: the agents as the exchange remembers them, until they are marked anew."""
    phones = set(event["phones"])
    for name, mark in event["marks"]:
        if not scene.agent(name).marked and scene.is_agent(name):
            back = mark.startswith("not_ready|") and mark.split("|")[2:3] == ["phone_lost"]
            mark = f"ready|{event['at']:.3f}" if back else mark
            scene.marked(name, mark, "ready" if name in phones else "paused")


def _row(scene: Scene, call: str, found: list[Word], now: float) -> None:
    """One live caller of the snapshot."""
    row = next(one for one in found if one["role"] == "caller")
    caller = scene.callers.get(call)
    if caller is None:
        if not row["mark"] and row["context"] not in _OUR_CONTEXTS:
            return
        caller = scene.callers[call] = Caller(call, arrived_at=now)
        place = mark_of(row["mark"])
        if place is not None:
            caller.queue, caller.priority, caller.queued_at, caller.place_at = place
    context, bridged = row["context"], row["bridged"]
    caller.step = max(caller.step, row["step"])
    caller.running = max(caller.running, row["step"])
    caller.oldest_news = row["step"]
    others = [one for one in found if one is not row]
    if parted.found(scene, caller, row, others):
        return
    if caller.leaving and bridged and any(one["channel"] in caller.leaving_legs for one in others if one["bridged"]):
        parted.undo(scene, caller)
    caller.leaving, caller.hold_leg, caller.joining = 0, "", ""
    others = [one for one in others if bridged or one["context"] not in parted.AGENT_WAITS]
    ringing = next((one for one in others if not one["bridged"] and one["role"] == "agent" and one["agent"]), None)
    dialling = context == "p-dial" and caller.agent and caller.offer_step == row["step"]
    if caller.agent and not bridged and not dialling and context != "p-survey":
        scene.take_back(caller, now)
    if bridged:
        if caller.agent and all(one["agent"] != caller.agent for one in others if one["bridged"]):
            scene.release(caller.agent, call)
        scene.leave(caller)
        scene.no_offer(caller)
        caller.stage, caller.in_bridge = "talk", True
        caller.legs = {one["channel"]: one["agent"] or "" for one in others if one["bridged"]}
        for channel, name in caller.legs.items():
            scene.hold(name, Held(call, row["step"], channel, True))
    elif context == "p-survey":
        if caller.agent:
            scene.release(caller.agent, call)
        scene.leave(caller)
        scene.no_offer(caller)
        caller.stage, caller.in_bridge = "survey", False
        caller.legs = {}
    elif context == "p-dial":
        scene.leave(caller)
        caller.stage = "offered"
        if ringing is not None:
            _rung(scene, caller, ringing, row["step"])
    elif context == "p-hold":
        caller.stage = "line"  # those of whom nobody knew a queue are put into one by the commands of this step
        if caller.queue:
            scene.wait(caller, now)
    elif context == "fallback":
        scene.leave(caller)
        caller.stage = "net"
        if ringing is not None:
            agent = scene.agent(ringing["agent"])
            if agent.held is None and agent.ready:
                scene.hold(agent.name, Held(call, row["step"], ringing["channel"]))
    else:
        scene.leave(caller)
        caller.stage = "menu"


def _rung(scene: Scene, caller: Caller, ringing: Word, step: int) -> None:
    agent = scene.agent(ringing["agent"])
    rings = agent.held.call == caller.name if agent.held is not None else agent.ready
    if rings:
        scene.hold(agent.name, Held(caller.name, step, ringing["channel"]))
    if rings or caller.agent:
        scene.ring(caller, agent.name, step, ringing["channel"])


EVENTS: dict[str, Callable[[Scene, Word, float], None]] = {
    "CallArrived": arrived,
    "OutboundAnswered": answered,
    "StepLost": step_lost,
    "StepRefused": step_refused,
    "StepStarted": step_started,
    "FellBack": fell_back,
    "CallEnded": call_ended,
    "LegStarted": leg_started,
    "OfferFailed": offer_failed,
    "PartyJoined": party_joined,
    "PartyLeft": party_left,
    "TalkEnded": talk_ended,
    "NetTalkEnded": talk_ended,
    "LegEnded": leg_ended,
    "JoinEnded": join_ended,
    "ConsultEnded": consult_ended,
    "OutboundFailed": call_ended,
    "TimeIsUp": time_is_up,
    "PhoneUsed": phone_used,
    "OverridesRestored": overrides_restored,
    "ExchangeLost": exchange_lost,
    "ExchangeConnected": exchange_connected,
}

_OF_A_PHONE = frozenset({"LegStarted", "OfferFailed", "TalkEnded", "PartyJoined", "PartyLeft", "LegEnded"})
_PARTIES = frozenset({"PartyJoined", "PartyLeft", "LegEnded"})


def of_agents(scene: Scene, event: Word) -> Word:
    """The event told of agents: the exchange speaks of phones, and somebody may sit at another than his own.

    Those who only listen are parties of no talk and are left out.
    """
    word = event["is"]
    if word == "ExchangeConnected":
        rows = [row for row in event["channels"] if row["role"] != "spy"]
        if scene.seats:
            rows = [{**row, "agent": _party(scene, row["agent"])} if row["call"] else row for row in rows]
        return {**event, "channels": rows}
    if not scene.seats or word not in _OF_A_PHONE or not event["agent"]:
        return event
    name = scene.named(event["agent"])
    return {**event, "agent": None if name.startswith("@") and word in _PARTIES else name}


def _party(scene: Scene, phone: str | None) -> str | None:
    name = scene.named(phone) if phone else ""
    return name if name and not name.startswith("@") else None
