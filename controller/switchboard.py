"""The switchboard: one event in, commands out. Pure: it reads no clock and performs nothing.

The same switchboard runs live (events from Asterisk), in replay (events from the journal) and in simulation. One table
says which rule handles which event; the rules stand in `caller.py`, `offers.py`, `talk.py`, `held.py`, `transfers.py`,
`outbound.py`, `spoken.py`, `favours.py`, `desk.py`, `recorded.py`, `pauses.py` and `resync.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from controller import (
    callback_desk,
    callbacks,
    caller,
    campaign,
    codes,
    desk,
    favours,
    held,
    hold_keys,
    lessons,
    listen,
    notices,
    offers,
    outbound,
    pauses,
    recorded,
    resync,
    spoken,
    supervise,
    talk,
    ticket_query,
    transfers,
    turned_away,
)
from controller.house import House
from controller.plan import Plan
from pbx import campaign as follow_up
from pbx import events, live_words, memory, notice
from pbx import spoken as said
from pbx import supervision as orders
from pbx.commands import Command
from pbx.events import Event, TimeIsUp, TimerKind

Rule = Callable[[House, Any, float], None]


def _time_is_up(house: House, event: TimeIsUp, now: float) -> None:
    if event.kind is TimerKind.WRAP_UP:
        desk.wrap_up_over(house, event, now)
    elif event.kind is TimerKind.REASON_LIMIT:
        desk.reason_overrun(house, event, now)
    elif event.kind is TimerKind.OVERRIDE:
        supervise.override_over(house, event, now)
    elif event.kind is TimerKind.NOTICE:
        notices.time_is_up(house, event, now)
    elif event.kind is TimerKind.RECORDING_PAUSE:
        pauses.time_is_up(house, event, now)
    elif event.kind is TimerKind.CALLBACK:
        callbacks.time_is_up(house, event, now)
    else:
        offers.time_is_up(house, event, now)


def _nothing(house: House, event: Event, now: float) -> None:
    """Confirmations that need no answer; they are journaled like every input."""


RULES: dict[type[Any], Rule] = {
    events.CallArrived: caller.arrived,
    events.KeysPressed: caller.keys_pressed,
    events.PromptPlayed: caller.prompt_played,
    events.CallerIdle: caller.caller_idle,
    events.StepStarted: talk.step_started,
    events.StepLost: caller.step_lost,
    events.StepRefused: caller.step_refused,
    events.Recorded: turned_away.recorded,
    events.Announced: notices.announced,
    events.HoldKeyPressed: hold_keys.pressed,
    events.CallbackAsked: callback_desk.asked,
    events.CallbackCancelled: callback_desk.cancel,
    events.CallbackStored: hold_keys.stored,
    events.CallbacksRestored: callbacks.restored,
    events.LegStarted: offers.leg_started,
    events.OfferFailed: offers.offer_failed,
    events.PartyJoined: talk.party_joined,
    events.PartyLeft: talk.party_left,
    events.TalkEnded: talk.talk_ended,
    events.NetTalkEnded: talk.talk_ended,
    events.JoinEnded: talk.join_ended,
    events.ConsultEnded: held.consult_ended,
    events.PhoneHeld: held.phone_held,
    events.OutboundAnswered: caller.picked_up,
    events.OutboundFailed: outbound.failed,
    events.AgentWaits: outbound.agent_waits,
    events.LegEnded: talk.leg_ended,
    events.CallScored: talk.scored,
    events.FellBack: talk.fell_back,
    events.CallEnded: talk.call_ended,
    events.TicketOpened: talk.ticket_opened,
    events.RecordingStopped: recorded.stopped,
    events.TimeIsUp: _time_is_up,
    events.PhoneChanged: desk.phone_changed,
    events.PhoneUsed: desk.phone_used,
    events.AgentSignedIn: desk.signed_in,
    events.AgentSignedOut: desk.signed_out,
    events.AgentWentReady: desk.went_ready,
    events.AgentWentNotReady: desk.went_not_ready,
    events.CodeDialled: codes.dialled,
    events.WrapUpExtended: desk.wrap_up_extended,
    events.ThirdPartyAsked: transfers.third_party_asked,
    events.ThirdPartyDropped: transfers.third_party_dropped,
    events.HoldAsked: held.hold_asked,
    events.ResumeAsked: held.resume_asked,
    events.TransferAsked: transfers.transfer_asked,
    events.ConsultAsked: held.consult_asked,
    events.ConsultCompleted: held.consult_completed,
    events.HandOverAsked: transfers.hand_over_asked,
    events.TicketHandedOver: transfers.ticket_handed_over,
    events.MuteAsked: transfers.mute_asked,
    events.DigitsAsked: transfers.digits_asked,
    events.OutboundAsked: outbound.outbound_asked,
    orders.ReadyForced: supervise.ready_forced,
    orders.NotReadyForced: supervise.not_ready_forced,
    orders.SignOutForced: supervise.sign_out_forced,
    orders.ReleaseAsked: supervise.release_asked,
    orders.MoveAsked: supervise.move_asked,
    orders.SkillsChanged: supervise.skills_changed,
    orders.QueueChanged: supervise.queue_changed,
    orders.OverridesRestored: supervise.overrides_restored,
    notice.NoticeGiven: notices.given,
    notice.NoticeEnded: notices.ended,
    notice.IncidentOver: notices.incident_over,
    events.TicketQueried: ticket_query.queried,
    notice.NoticeRegistered: notices.registered,
    notice.NoticesRestored: notices.restored,
    follow_up.FollowUpsWanted: campaign.wanted,
    follow_up.CampaignPaused: campaign.pause,
    follow_up.CampaignRestored: campaign.restored,
    orders.RecordingPauseAsked: pauses.asked,
    orders.SpyAsked: listen.spy_asked,
    orders.SpyEndAsked: listen.spy_end_asked,
    orders.SpyStarted: listen.spy_started,
    orders.SpyStopped: listen.spy_stopped,
    orders.SpyWaits: listen.spy_waits,
    events.CallsRestored: resync.calls_restored,
    events.CallersRemembered: favours.restored,
    memory.DeskNoticesRestored: desk.notices_restored,
    memory.LessonsRestored: lessons.restored,
    live_words.LiveWordsMarked: recorded.live_words_marked,
    said.ListeningChanged: spoken.listening_changed,
    said.ChoiceSpoken: caller.choice_spoken,
    events.CallerListed: favours.caller_listed,
    events.CallerUnlisted: favours.caller_unlisted,
    events.ExchangeConnected: resync.exchange_connected,
    events.ExchangeLost: resync.exchange_lost,
    events.ExchangeEnding: resync.exchange_ending,
}


_OWN_CHOICE = (events.AgentSignedIn, events.AgentSignedOut, events.AgentWentReady, events.AgentWentNotReady)
"""Events by which an agent chooses his state himself."""


class Switchboard:
    """The whole hotline's call control as a function of its inputs."""

    def __init__(self, plan: Plan) -> None:
        self.house = House(plan)

    def step(self, event: Event, now: float) -> list[Command]:
        """Take one event at epoch second `now`; return what has to be done, in order.

        After every event the line is distributed once if it or an agent changed, so that a free agent and a caller
        who fits him never stand beside each other. While the exchange is away nothing is offered. The rules speak of
        agents; what is said of phones is translated at this door (`seats.py`).
        """
        house = self.house
        house.out = []
        house.now = now
        RULES[type(event)](house, house.seats.inward(event), now)
        if isinstance(event, _OWN_CHOICE):
            supervise.agent_acted(house, event.agent)
        if house.paused:
            pauses.settle(house, now)
        if house.connected and house.supervision.spies:
            listen.follow(house)
        if house.ending:
            house.unheld.clear()  # nobody is told anything any more
        elif house.dirty and house.connected:
            offers.distribute(house, now)
        return [house.seats.outward(command) for command in house.out]
