"""GET /metrics: the overview's values go to the Prometheus door, which renders outside the loop."""

from __future__ import annotations

import asyncio
from collections import Counter

from aiohttp import web

from metrics.prometheus import ALL, CONTENT_TYPE, Gauges, HotlineMetrics
from web.backend import Overview
from web.described import described
from web.keys import BACKEND

METRICS: web.AppKey[HotlineMetrics] = web.AppKey("metrics", HotlineMetrics)

AGENT_STATES = ("offline", "not_ready", "ready", "reserved", "ringing", "talking", "holding", "wrap_up")
"""The values of `agents.agent.AgentState`: each is shown, with 0 too, so that no series comes and goes."""


def gauges_of(overview: Overview) -> Gauges:
    """The present values of an overview as the Prometheus door wants them."""
    states = Counter(agent.state for agent in overview.agents)
    return Gauges(
        connected=overview.connected,
        waiting={queue.queue: queue.waiting for queue in overview.queues},
        agents_ready={queue.queue: queue.agents_ready for queue in overview.queues},
        talking=overview.talking,
        agents={state: states.get(state, 0) for state in {*AGENT_STATES, *states}},
        service_levels=tuple(
            (level.definition, level.queue or ALL, level.value)
            for level in overview.service_levels
            if level.value is not None
        ),
        exchange=overview.exchange,
        archive=overview.archive,
    )


@described(media=("text/plain",))
async def show_metrics(request: web.Request) -> web.Response:
    """The exposition text. Two scrapers at once cost two renderings, both outside the loop."""
    metrics = request.app[METRICS]
    metrics.show(gauges_of(request.app[BACKEND].overview()))
    body = await asyncio.to_thread(metrics.render)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})
