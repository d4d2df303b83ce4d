"""Callers on hold and callers who are given away, as the journal shows them: who has them, and from when nobody has.

On hold caller and agent stand apart; the caller fetches whom he shall talk with. A transfer is commanded while the talk
still goes on: until the exchange has begun it, it may come to nothing and the talk is as it was.
"""

from __future__ import annotations

from controller.verify.scene import Caller, Held, Scene, Word

AGENT_WAITS = ("ag-hold", "ag-consult")
"""Where an agent's leg stands while his caller is on hold."""


def holds(scene: Scene, caller: Caller, command: Word) -> None:
    """Caller and agent are parted."""
    scene.leave(caller)
    caller.stage = "held"
    caller.hold_leg, caller.hold_step = command["leg"], command["step"]
    caller.hold_begun = caller.hold_gone = False
    caller.joining = ""


def joins(scene: Scene, caller: Caller, command: Word) -> None:
    """The caller fetches a leg: his agent's, or that of the one who was asked."""
    if caller.stage != "held":  # a call of ours: its agent has been waiting
        holds(scene, caller, command)
        caller.hold_begun = True
    caller.joining = command["leg"]
    nobody_asked(scene, caller.name)


def nobody_asked(scene: Scene, call: str) -> None:
    """Whoever was to be asked, and whose phone is not known to ring, is free: there is nothing left that rings it."""
    for agent in scene.keepers(call):
        held = agent.held
        if held is not None and held.third and not held.leg and held.asked:
            scene.hold(agent.name, None)


def gives_away(caller: Caller, command: Word) -> None:
    """He is to be taken out of his talk."""
    caller.leaving, caller.leaving_legs = command["step"], tuple(caller.legs)


def begun(scene: Scene, caller: Caller, step: int, now: float) -> None:
    """The exchange runs a step: what it was to begin has begun."""
    if 0 < caller.leaving <= step:
        caller.leaving = 0
        caller.in_bridge = False
        for leg in caller.leaving_legs:
            caller.legs.pop(leg, None)
    if caller.stage == "held" and step >= caller.hold_step and not caller.hold_begun:
        _parted(scene, caller, now)


def _parted(scene: Scene, caller: Caller, now: float) -> None:
    caller.hold_begun, caller.in_bridge = True, False
    caller.legs.clear()
    settle(scene, caller, now)


def undo(scene: Scene, caller: Caller) -> None:
    """He was to be given away, and was not: he talks on, and nobody is kept for him."""
    caller.leaving = 0
    if caller.agent:
        scene.release(caller.agent, caller.name)
        scene.no_offer(caller)
    scene.leave(caller)
    caller.stage = "talk"
    scene.dirty = True


def lost(scene: Scene, caller: Caller, now: float) -> None:
    """A command for a caller on hold was lost; whether he is fetched again is seen in the commands of the step."""
    if not caller.hold_begun and caller.in_bridge and caller.legs:
        nobody_asked(scene, caller.name)
        caller.stage = "talk"
    elif not caller.hold_begun:
        _parted(scene, caller, now)  # only the report of it is lost


def not_fetched(scene: Scene, caller: Caller, now: float) -> None:
    """What he should fetch is not tried again, or was gone."""
    caller.joining = ""
    settle(scene, caller, now)


def leg_gone(scene: Scene, caller: Caller, leg: str, now: float) -> None:
    """A leg that has to do with a caller on hold is gone."""
    if leg == caller.hold_leg:
        caller.hold_gone = True
    elif leg != caller.joining:
        return
    if caller.joining == leg:
        caller.joining = ""
    settle(scene, caller, now)


def settle(scene: Scene, caller: Caller, now: float) -> None:
    """On hold without an agent nobody is: he stands in the line again, at his place."""
    if caller.stage == "held" and caller.hold_begun and caller.hold_gone and not caller.joining:
        nobody_asked(scene, caller.name)
        caller.legs.clear()
        caller.in_bridge = False
        scene.settled.append(caller.name)
        scene.wait(caller, now)


def joined(scene: Scene, caller: Caller, event: Word) -> None:
    """A leg has entered a bridge while the caller is on hold: of the asking, or the caller has fetched somebody."""
    channel, name = event["channel"], event["agent"] or ""
    if event["role"] != "caller":
        if channel not in (caller.joining, caller.hold_leg) and name:
            scene.hold(name, Held(caller.name, 0, channel, True, True))
        return
    caller.in_bridge = True
    if not caller.joining:
        return
    leg = caller.joining
    whose = next((one.name for one in scene.keepers(caller.name) if one.held is not None and one.held.leg == leg), "")
    caller.stage, caller.joining = "talk", ""
    caller.legs = {leg: whose}
    if whose:
        caller.last_agent = whose
        scene.hold(whose, Held(caller.name, caller.running, leg, True))


def found(scene: Scene, caller: Caller, row: Word, others: list[Word]) -> bool:
    """Whether the snapshot shows a caller on hold, whose agent's leg waits for him; then it is noted."""
    mine = waiting(row, others)
    if mine is None or row["bridged"] or row["context"] not in ("p-hold", "p-join"):
        return False
    if caller.agent:
        scene.release(caller.agent, caller.name)
        scene.no_offer(caller)
    scene.leave(caller)
    caller.stage, caller.in_bridge, caller.leaving = "held", False, 0
    caller.legs = {}
    caller.hold_leg, caller.hold_step, caller.joining = mine["channel"], row["step"], ""
    caller.hold_begun, caller.hold_gone = True, False
    scene.hold(mine["agent"], Held(caller.name, row["step"], mine["channel"], True))
    if mine["context"] == "ag-consult":
        for one in others:
            if one is not mine and one["role"] == "agent" and one["agent"]:
                scene.hold(one["agent"], Held(caller.name, 0, one["channel"], one["bridged"], True))
    return True


def waiting(row: Word, others: list[Word]) -> Word | None:
    """The leg of an agent that waits for a caller; one that was fetched keeps its context, and is in his bridge."""
    return next(
        (
            one
            for one in others
            if one["context"] in AGENT_WAITS and one["agent"] and not (row["bridged"] and one["bridged"])
        ),
        None,
    )
