"""The automatic voice follow-up as the pages see it: what the store has, and the open requests as they are now."""

from __future__ import annotations

from acd.campaign import figures
from controller import campaign
from controller.house import House
from controller.records import Records
from controller.ticket_desk import from_store
from pbx.callback import CallbackKind, CallbackRequest, CallbackState
from tickets.follow_up import FollowUpRules
from web.campaign_view import AskedTicket, CampaignView


async def campaign_view(house: House, records: Records, since: float, until: float, now: float) -> CampaignView:
    """Its state, and the requests made in [since, until) with those that are open. Raises as `from_store`."""
    found = {one.id: one for one in await from_store(records.campaign(since, until))}
    found |= {id: one for id, one in house.callbacks.items() if one.kind is CallbackKind.FOLLOW_UP}
    requests = sorted(found.values(), key=lambda one: (one.asked_at, one.id))
    rest, opens_at = house.campaign.rest, campaign.opens(house, now)
    return CampaignView(
        house.plan.campaign.on,
        rest.by,
        rest.at if rest.by else None,
        opens_at <= now,
        opens_at,
        figures(requests, FollowUpRules().dissatisfied_to),
        tuple(_asked(one) for one in requests),
    )


def _asked(one: CallbackRequest) -> AskedTicket:
    next_at = one.next_at or None if one.state is CallbackState.WAITING else None
    return AskedTicket(
        one.ticket,
        one.round,
        one.why,
        one.queue,
        one.state.value,
        one.answer,
        one.asked_at,
        next_at,
        one.ended_at,
        one.attempts,
    )
