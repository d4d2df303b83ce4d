"""Names of things that travel between the rooms.

A `NewType` costs nothing at run time and lets the type checker tell a call's id from a channel's name.
"""

from __future__ import annotations

from typing import NewType

CallId = NewType("CallId", str)
"""One citizen's call: Asterisk's Uniqueid of the caller's channel, prefixed by the exchange's system name."""

ChannelName = NewType("ChannelName", str)
"""Asterisk's name of one leg, such as ``PJSIP/1001-0000002a``; gone when the leg hangs up."""

AgentId = NewType("AgentId", str)
"""An agent (话务员) and his extension, such as ``1001``."""

QueueId = NewType("QueueId", str)
"""A queue (技能组), such as ``general``."""

SkillId = NewType("SkillId", str)
"""A skill that a queue asks for and an agent has with a level from 1 to 5, such as ``english``."""

TicketNumber = NewType("TicketNumber", str)
"""A ticket's (工单) public number as it is read to the caller: digits only."""

RequestId = NewType("RequestId", str)
"""One request of a person (a click, a command line); its answer carries the same id."""

ActorId = NewType("ActorId", str)
"""Somebody who may order: a supervisor's id of the configuration, or ``admin`` for the bearer of the API token."""

SpyId = NewType("SpyId", str)
"""A supervisor's listening: the unique id of his own channel, such as ``spy-lin-1795311109500``."""
