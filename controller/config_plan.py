"""The typed configuration file becomes the switchboard's plan; what contradicts itself is named with its line."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from acd.callback import CallbackRules
from acd.callers import Listed, ListedAs
from acd.policy import DEFAULT_POLICY, POLICIES
from acd.relax import RelaxStep, relaxed
from acd.skills import Requirement, fits
from agents.agent import MISSED, PHONE_LOST, SIGNED_IN, AgentRules
from agents.rights import ADMIN, EVERY_QUEUE, SYSTEM, Actor, Right
from agents.roster import AgentProfile
from controller.config_callback import dial_fault
from controller.config_faults import ConfigError, Problem, dotted, parse, read_text
from controller.config_mend import Mended
from controller.config_sections import HotlineFile, HotlineSection, NumberSection, QueueSection, ReasonSection
from controller.config_speech import speech_faults
from controller.config_tickets import ticket_policy
from controller.database import StoreError, database_url
from controller.hold_keys import MENU, QUEUE
from controller.notices import WORDS as NOTICE_WORDS
from controller.plan import (
    CALL_BACK,
    AreaPlan,
    CallbackPlan,
    Destination,
    Full,
    NumberPlan,
    OutboundPlan,
    Plan,
    QueuePlan,
    VoiceMessagePlan,
)
from controller.supervision import SupervisionRules
from controller.toml_lines import Path as TomlPath
from controller.toml_lines import TomlLines, scan
from ivr.fields import Problem as MenuProblem
from ivr.hours import HoursError, parse_hours
from ivr.manifest import LANGUAGES
from ivr.menu import Menu
from ivr.menu_check import check_menu
from ivr.menu_file import MenuError, parse_menu
from pbx.ids import ActorId, AgentId, QueueId, SkillId
from recordings.policy import RecordingPolicy, StartAt
from tickets.ticket import TicketPolicy

USUAL_ZONE = HotlineSection().timezone

HOME = Path(__file__).resolve().parent.parent
"""The folder of the program: menus and sounds that come with it are found from here."""


def _requirement(queue: QueueSection) -> Requirement:
    """What a queue asks for at first."""
    needs = tuple((SkillId(skill), level) for skill, level in queue.skills.items())
    if queue.city is not None:
        needs += ((SkillId(f"city:{queue.city}"), 1),)
    return Requirement(needs, tuple((SkillId(skill), level) for skill, level in queue.prefers.items()))


class PlanReader:
    """Turns the typed file into a plan and finds what contradicts itself."""

    def __init__(
        self, file: Path, lines: TomlLines, raw: HotlineFile, sounds: Path, mended: Mended | None = None
    ) -> None:
        self.file, self.lines, self.raw, self.sounds = file, lines, raw, sounds
        self.mended = mended or Mended(raw, [])
        self.problems: list[Problem] = []

    def wrong(self, path: TomlPath, text: str) -> None:
        """Note what is wrong at `path`, unless it only follows from what is known to be wrong."""
        if self.mended.follows(path, text):
            return
        text = self.mended.real(text)
        self.problems.append(Problem(str(self.file), self.lines.line_of(path), f"{dotted(path)} {text}"))

    def zone(self) -> ZoneInfo:
        """The time zone; the usual one stands in for one that there is not."""
        try:
            return ZoneInfo(self.raw.hotline.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            return ZoneInfo(USUAL_ZONE)

    def plan(self, version: str) -> Plan | None:
        """The plan; None after noting what contradicts itself."""
        raw = self.raw
        if self.zone().key != raw.hotline.timezone:
            self.wrong(("hotline", "timezone"), f"{raw.hotline.timezone!r} is no time zone, such as {USUAL_ZONE}")
        self._doubles("numbers", [number.dialled for number in raw.numbers], "dialled")
        self._doubles("queues", [queue.id for queue in raw.queues], "id")
        self._doubles("agents", [agent.id for agent in raw.agents], "id")
        taken = {agent.id for agent in raw.agents}
        for index, seat in enumerate(raw.seats):
            if seat.id in taken:
                self.wrong(("seats", index, "id"), f"{seat.id} is taken already; every phone needs its own")
            taken.add(seat.id)
        if raw.agents and not raw.seats and not any(agent.phone for agent in raw.agents):
            self.wrong(("agents", 0, "phone"), "is false for every agent and there are no [[seats]]: nobody could sit")
        for index, extension in enumerate(raw.extensions):
            if extension.id in taken:
                self.wrong(("extensions", index, "id"), f"{extension.id} is taken already; every phone needs its own")
            taken.add(extension.id)
        supervisors = self._supervisors(taken)
        queues = {QueueId(queue.id): self._queue(index, queue) for index, queue in enumerate(raw.queues)}
        agents = {
            AgentId(one.id): AgentProfile(
                AgentId(one.id),
                one.name,
                {SkillId(skill): level for skill, level in one.skills.items()}
                | {SkillId(f"city:{city}"): 1 for city in one.cities},
            )
            for one in raw.agents
        }
        for index, plan in enumerate(queues.values()):
            if (
                agents
                and self._skills_are_known()
                and not any(fits(agent.skills, plan.requirement) for agent in agents.values())
            ):
                self.wrong(
                    ("queues", index, "skills"), f"no agent fits ({plan.requirement}); its callers would wait for ever"
                )
        menus = self._menus(queues)
        numbers = {
            number.dialled: self._number(index, number, menus, queues) for index, number in enumerate(raw.numbers)
        }
        default = raw.hotline.default_number or raw.numbers[0].dialled
        if default not in numbers:
            self.wrong(("hotline", "default_number"), f"{default} is not among [[numbers]]")
        recording = self._recording()
        callback = self._callback()
        callers = tuple(self._callers(queues))
        area_callers = self._areas(menus, queues)
        agent_rules = self._agent_rules()
        self._codes()
        destinations = self._destinations()
        outbound = self._outbound(queues)
        self._doors()
        if self.problems or recording is None:
            return None
        return Plan(
            version=version,
            numbers=numbers,
            default_number=default,
            menus=menus,
            queues=queues,
            agents=agents,
            extensions=frozenset(AgentId(extension.id) for extension in raw.extensions),
            agent_rules=agent_rules,
            recording=recording,
            pauses=raw.recording.pause.policy(),
            spoken=raw.speech.menus.plan(),
            seats=frozenset(AgentId(seat.id) for seat in raw.seats),
            phoneless=frozenset(AgentId(agent.id) for agent in raw.agents if not agent.phone),
            reason_names={
                reason.id: (reason.name_zh, reason.name_en)
                for reason in self._reasons()
                if reason.name_zh or reason.name_en
            },
            code_language=raw.phone_codes.language,
            supervisors=supervisors,
            supervision=SupervisionRules(
                raw.supervision.conflict_s,
                raw.supervision.ring_s,
                raw.supervision.agent_sees,
                raw.supervision.follow_s,
            ),
            timezone=raw.hotline.timezone,
            callback=callback,
            voice_message=VoiceMessagePlan(raw.voice_message.longest_s, raw.voice_message.silence_s),
            survey=raw.call.survey,
            read_ticket=raw.call.read_ticket,
            read_ticket_twice=raw.call.read_ticket_twice,
            yao=raw.call.digit_one_yao,
            third_party_ring_s=raw.call.third_party_ring_s,
            consult_ring_s=raw.call.consult_ring_s,
            transfer_ring_s=raw.call.transfer_ring_s,
            transfer_failed=raw.call.transfer_failed,
            destinations=destinations,
            outbound=outbound,
            callers=callers,
            notice_kinds=self._prompts_called("notice-") - NOTICE_WORDS,
            areas=self._prompts_called("area-"),
            area_callers=area_callers,
            lengths={
                f"hotline/{sound.parent.name}/{sound.stem}": sound.stat().st_size / 8000  # A-law: a byte a sample
                for sound in sorted(self.sounds.glob("*/*.alaw"))
            },
        )

    def _skills_are_known(self) -> bool:
        """Whether every agent's skills could be read; without them nobody can say who fits."""
        return not any(place[0] == "agents" and place[2:] == ("skills",) for place in self.mended.places)

    def _codes(self) -> None:
        """Each code must be told from the others by the phone that dials it."""
        raw = self.raw.phone_codes
        taken = {"*43": "the echo test"}
        for name in ("sign_in", "sign_out", "ready", "not_ready"):
            code = getattr(raw, name)
            if not code:
                continue
            for other, what in taken.items():
                if code == other or code.startswith(other) or other.startswith(code):
                    self.wrong(("phone_codes", name), f"{code} cannot be told from {other} ({what})")
                    break
            taken[code] = name

    def _reasons(self) -> list[ReasonSection]:
        """The not-ready reasons, those that are only an id among them."""
        raw = self.raw.agent_rules.not_ready_reasons
        return [ReasonSection(id=reason) if isinstance(reason, str) else reason for reason in raw]

    def _destinations(self) -> dict[str, Destination]:
        """Whom calls may be handed over to."""
        raw = self.raw
        self._doubles("destinations", [one.id for one in raw.destinations], "id")
        extensions = {extension.id for extension in raw.extensions}
        phones = extensions | {agent.id for agent in raw.agents}
        organisations = {organisation.id for organisation in raw.organisations}
        for index, one in enumerate(raw.destinations):
            place: TomlPath = ("destinations", index)
            if one.ways != ["ticket"] and (one.extension is None) == (one.number is None):
                self.wrong(place, "needs either extension (a phone of [[extensions]]) or number (over [trunk])")
            if one.extension is not None and one.extension not in extensions:
                self.wrong((*place, "extension"), f"{one.extension} is not among [[extensions]]")
            if one.number is not None and raw.trunk is None:
                self.wrong((*place, "number"), "can be reached over [trunk] only, and there is none")
            if one.id in phones:
                self.wrong((*place, "id"), f"{one.id} is a phone of ours; choose another name")
            if "ticket" in one.ways and one.unit is None:
                self.wrong((*place, "ways"), "has ticket: name the organisation that gets it (unit = …)")
            elif one.unit is not None and one.unit not in organisations:
                self.wrong((*place, "unit"), f"{one.unit} is not among [[organisations]]")
        return {
            one.id: Destination(
                one.id,
                one.name_zh,
                one.name_en,
                one.kind,
                tuple(one.ways),
                one.number or "",
                AgentId(one.extension) if one.extension is not None else None,
                one.unit or "",
                one.urgency or ("critical" if one.kind == "emergency" else "normal"),
            )
            for one in raw.destinations
        }

    def _outbound(self, queues: Mapping[QueueId, QueuePlan]) -> OutboundPlan:
        """Calls of ours to the outside."""
        raw, trunk = self.raw.outbound, self.raw.trunk
        for index, pattern in enumerate(raw.allow):
            try:
                re.compile(pattern)
            except re.error as error:
                self.wrong(("outbound", "allow", index), f"is no regular expression: {error.msg}")
        for queue in raw.caller_by_queue:
            if queue not in queues:
                self.wrong(("outbound", "caller_by_queue", queue), f"is no queue; there are: {', '.join(queues)}")
        if trunk is not None and (trunk.user is None) != (trunk.password_file is None):
            self.wrong(("trunk", "user"), "and password_file belong together")
        if trunk is not None and trunk.password_file is not None:
            try:
                (self.file.parent / trunk.password_file).read_text(encoding="utf-8")
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or "not a text"
                self.wrong(("trunk", "password_file"), f"cannot be read ({reason})")
        return OutboundPlan(
            trunk="carrier" if trunk is not None else "",
            allow=tuple(raw.allow),
            caller=raw.caller or "",
            caller_by_queue=dict(raw.caller_by_queue),
            show_caller=raw.show_caller,
            ring_s=raw.ring_s,
            agent_ring_s=raw.agent_ring_s,
            auto_answer=raw.auto_answer,
            notice=raw.notice,
            survey=raw.survey,
        )

    def _agent_rules(self) -> AgentRules:
        raw = self.raw.agent_rules
        longest = raw.wrap_up_max_s
        if longest is None:
            longest = max(AgentRules().wrap_up_max_s, raw.wrap_up_s)
        elif longest < raw.wrap_up_s:
            self.wrong(("agent_rules", "wrap_up_max_s"), f"must not be below wrap_up_s ({raw.wrap_up_s:g})")
            longest = raw.wrap_up_s
        reasons = self._reasons()
        for index, reason in enumerate(reasons):
            if reason.id in (SIGNED_IN, PHONE_LOST, MISSED):
                self.wrong(
                    ("agent_rules", "not_ready_reasons", index), f"{reason.id} is one that only the system gives"
                )
            if reason.id in [other.id for other in reasons[:index]]:
                self.wrong(("agent_rules", "not_ready_reasons", index), f"{reason.id} stands twice")
        return AgentRules(
            wrap_up_s=raw.wrap_up_s,
            misses_before_not_ready=raw.misses_before_not_ready,
            not_ready_reasons=tuple(reason.id for reason in reasons),
            wrap_up_max_s=longest,
            limits_s={reason.id: reason.limit_s for reason in reasons if reason.limit_s is not None},
            most={reason.id: reason.most for reason in reasons if reason.most is not None},
        )

    def _supervisors(self, taken: set[str]) -> dict[ActorId, Actor]:
        """Who may order; `taken` are the extensions that have a phone already."""
        raw = self.raw
        self._doubles("supervisors", [one.id for one in raw.supervisors], "id")
        queues = {queue.id for queue in raw.queues}
        for index, one in enumerate(raw.supervisors):
            place: TomlPath = ("supervisors", index)
            if one.id in (ADMIN, SYSTEM):
                self.wrong((*place, "id"), f"{one.id!r} means somebody else in the audit trail; choose another")
            if one.phone is not None and one.phone in taken:
                self.wrong((*place, "phone"), f"{one.phone} is taken already; every phone needs its own")
            elif one.phone is not None:
                taken.add(one.phone)
            for queue in one.queues:
                if queue != EVERY_QUEUE and queue not in queues:
                    self.wrong((*place, "queues"), f"{queue!r} is no queue; there are: *, {', '.join(sorted(queues))}")
            if one.phone is None and {"listen", "whisper", "barge"} & set(one.rights):
                self.wrong((*place, "rights"), "needs a phone to listen with (phone = an extension of its own)")
        return {
            ActorId(one.id): Actor(
                ActorId(one.id),
                one.name,
                frozenset(Right(right) for right in one.rights),
                frozenset(one.queues),
                AgentId(one.phone) if one.phone is not None else None,
            )
            for one in raw.supervisors
        }

    def _doors(self) -> None:
        """What Asterisk, the web and the database are told must be possible together."""
        raw = self.raw.asterisk
        if raw.mode == "attach":
            for name in ("ami_port", "ami_secret_file", "spool"):
                if not getattr(raw, name):
                    self.wrong(("asterisk", name), 'is needed with mode = "attach"')
            if raw.ami_secret_file:
                try:
                    (self.file.parent / raw.ami_secret_file).read_text(encoding="utf-8")
                except (OSError, ValueError) as error:
                    reason = getattr(error, "strerror", None) or "not a text"
                    self.wrong(("asterisk", "ami_secret_file"), f"cannot be read ({reason})")
        try:
            ipaddress.IPv4Address(raw.sip_host)
        except ValueError:
            self.wrong(("asterisk", "sip_host"), f"{raw.sip_host!r} is no IPv4 address, such as 127.0.0.1")
        for carrier in raw.carriers:
            try:
                ipaddress.ip_network(carrier, strict=False)
            except ValueError:
                self.wrong(("asterisk", "carriers"), f"{carrier!r} is neither an address nor a network (192.0.2.0/24)")
        if raw.ami_port and raw.ami_port == self.raw.web.port:
            self.wrong(("web", "port"), f"{raw.ami_port} is [asterisk] ami_port too; each needs its own")
        if self.raw.database.url is not None:
            try:
                database_url(self.raw.database.url)
            except StoreError as error:
                self.wrong(("database", "url"), f"is wrong: {error}")
        for place, text in speech_faults(self.raw.speech, self.file.parent):
            self.wrong(place, text)

    def _callers(self, queues: Mapping[QueueId, QueuePlan]) -> Iterator[Listed]:
        """The entries of the caller list; those whose last day is over stay, and count no more."""
        self._doubles("callers", [one.number for one in self.raw.callers], "number")
        zone = self.zone()
        for index, one in enumerate(self.raw.callers):
            if one.queue is not None and one.queue not in queues:
                self.wrong(("callers", index, "queue"), f"{one.queue!r} is no queue; there are: {', '.join(queues)}")
                continue
            until = datetime.combine(one.until + timedelta(days=1), time(), zone).timestamp()
            queue = QueueId(one.queue) if one.queue else None
            try:
                yield Listed(one.number, ListedAs(one.kind), until, queue, one.priority, "configuration", one.note)
            except ValueError as error:
                self.wrong(("callers", index), str(error))

    def _areas(self, menus: Mapping[str, Menu], queues: Mapping[QueueId, QueuePlan]) -> dict[str, AreaPlan]:
        """By what callers of each area are known; a queue of a city that is an area is known by itself."""
        self._doubles("areas", [one.id for one in self.raw.areas], "id")
        spoken, numbers = self._prompts_called("area-"), {one.dialled for one in self.raw.numbers}
        found: dict[str, AreaPlan] = {}
        for index, one in enumerate(self.raw.areas):
            if one.id not in spoken:
                self.wrong(("areas", index, "id"), f"there is no prompt area-{one.id} in every language")
            for name, given, known in (
                ("numbers", one.numbers, numbers),
                ("queues", one.queues, set(queues)),
                ("menu", [path.split("/")[0] for path in one.menu], set(menus)),
            ):
                for place, value in enumerate(given):
                    if value not in known:
                        there = ", ".join(sorted(known))
                        self.wrong(("areas", index, name, place), f"{value!r} is not there; there are: {there}")
            paths = tuple((path.split("/")[0], tuple(path.split("/")[1:])) for path in one.menu)
            found[one.id] = AreaPlan(frozenset(one.numbers), frozenset(map(QueueId, one.queues)), paths)
        for queue in self.raw.queues:
            if queue.city is not None and queue.city in spoken:
                known_by = found.get(queue.city, AreaPlan())
                found[queue.city] = replace(known_by, queues=known_by.queues | {QueueId(queue.id)})
        return found

    def _doubles(self, section: str, ids: list[str], field: str) -> None:
        for index, one in enumerate(ids):
            if one in ids[:index]:
                self.wrong((section, index, field), f"{one} stands twice")

    def _queue(self, index: int, queue: QueueSection) -> QueuePlan:
        policy = POLICIES.get(queue.policy)
        if policy is None:
            self.wrong(("queues", index, "policy"), f"{queue.policy!r} is no policy; there are: {', '.join(POLICIES)}")
        requirement = _requirement(queue)
        return QueuePlan(
            QueueId(queue.id),
            queue.name_zh,
            queue.name_en,
            requirement,
            queue.ring_s,
            queue.retry_s,
            queue.music,
            queue.announce_first_s,
            queue.announce_every_s,
            policy=policy or DEFAULT_POLICY,
            ageing_s=queue.ageing_s,
            relax=self._relax(index, queue, requirement),
            return_within_s=queue.return_within_s,
            last_agent_within_s=queue.last_agent_within_s,
            last_agent_wait_s=queue.last_agent_wait_s,
            estimate=queue.estimate,
            expected_talk_s=queue.expected_talk_s,
            comfort=self._said(index, queue, "comfort"),
            comfort_first_s=queue.comfort_first_s,
            comfort_every_s=queue.comfort_every_s,
            keys=self._keys(index, queue),
            keys_say=self._said(index, queue, "keys_say"),
            full=self._full(index, queue),
            when_full=queue.when_full,
        )

    def _full(self, index: int, queue: QueueSection) -> Full | None:
        """When a queue is full, and that what its callers are given then is possible."""
        self._possible(("queues", index, "when_full"), queue.when_full)
        if queue.full is None:
            return None
        if queue.full.waiting is None and queue.full.wait_s is None:
            self.wrong(("queues", index, "full"), "needs waiting (callers) or wait_s (seconds)")
        return Full(queue.full.waiting or 0, queue.full.wait_s or 0.0)

    def _possible(self, place: TomlPath, way: str) -> None:
        """Note a call-back that nobody could place."""
        if way == CALL_BACK and not self.raw.callback.dial:
            self.wrong(place, "needs [callback] dial; without it nobody is called back")

    def _prompts_called(self, prefix: str) -> frozenset[str]:
        """What follows `prefix` in the names of the prompts that are there in every language."""
        found = [
            {file.stem.removeprefix(prefix) for file in (self.sounds / language).glob(f"{prefix}*.alaw")}
            for language in LANGUAGES
        ]
        return frozenset(set.intersection(*found))

    def _keys(self, index: int, queue: QueueSection) -> dict[str, str]:
        """What the keys in the line do, each of them possible."""
        queues = {one.id for one in self.raw.queues}
        for key, wanted in queue.keys.items():
            if wanted == CALL_BACK and not self.raw.callback.dial:
                self.wrong(("queues", index, "keys", key), "needs [callback] dial; without it nobody is called back")
            elif wanted not in (CALL_BACK, MENU) and wanted.removeprefix(QUEUE) not in queues - {queue.id}:
                others = ", ".join(f"{QUEUE}{one}" for one in queues - {queue.id})
                self.wrong(("queues", index, "keys", key), f"{wanted!r} is neither {CALL_BACK}, {MENU}, {others}")
        return dict(queue.keys)

    def _callback(self) -> CallbackPlan:
        """How people are called back."""
        raw = self.raw.callback
        if raw.dial and self.raw.asterisk.mode == "own":
            fault = dial_fault(raw.dial, trunk=self.raw.trunk is not None)
            if fault:
                self.wrong(("callback", "dial"), fault)
        for index, pattern in enumerate(raw.allow):
            try:
                re.compile(pattern)
            except re.error as error:
                self.wrong(("callback", "allow", index), f"is no regular expression: {error}")
        try:
            hours = parse_hours(raw.hours, str(self.file))
        except HoursError as error:
            for problem in error.problems:
                self.wrong(("callback", "hours", *problem.path.split(".")), problem.text)
            hours = parse_hours(None, "")
        rules = CallbackRules(raw.attempts, raw.pause_s, raw.keep_s)
        return CallbackPlan(
            raw.dial, raw.caller_id or "", raw.ring_s, raw.messages_at_once, rules, tuple(raw.allow), hours
        )

    def _said(self, index: int, queue: QueueSection, name: str) -> tuple[str, ...]:
        """Prompts that a queue names, each of which must be there in both languages."""
        prompts: list[str] = getattr(queue, name)
        for number, prompt in enumerate(prompts):
            self.prompt(("queues", index, name, number), prompt)
        return tuple(prompts)

    def prompt(self, place: TomlPath, prompt: str) -> None:
        """Note a prompt that has no sound in one of the languages."""
        absent = [language for language in LANGUAGES if not (self.sounds / language / f"{prompt}.alaw").is_file()]
        if absent:
            self.wrong(place, f"{prompt!r} is no prompt in {' and '.join(absent)}; `hotline prompts build` makes them")

    def _relax(self, index: int, queue: QueueSection, requirement: Requirement) -> tuple[RelaxStep, ...]:
        """The steps with everything that is asked for after each of them."""
        others = {one.id: _requirement(one) for one in self.raw.queues if one.id != queue.id}
        steps: list[RelaxStep] = []
        for number, step in enumerate(queue.relax):
            place: TomlPath = ("queues", index, "relax", number)
            if steps and step.after_s <= steps[-1].after_s:
                self.wrong((*place, "after_s"), f"{step.after_s:g} is not later than the step before it")
            unknown = [one for one in step.join if one not in others]
            if unknown:
                known = ", ".join(others) or "none"
                self.wrong((*place, "join"), f"{unknown[0]!r} is no other queue; there are: {known}")
            try:
                requirement = relaxed(
                    requirement,
                    levels=[(SkillId(skill), level) for skill, level in step.skills.items()],
                    drop=[SkillId(skill) for skill in step.drop],
                    join=[others[one] for one in step.join if one in others],
                    keep=step.keep,
                )
            except ValueError as error:
                if not unknown:
                    self.wrong(place, str(error))
            steps.append(RelaxStep(step.after_s, requirement))
        return tuple(steps)

    def _number(
        self, index: int, number: NumberSection, menus: Mapping[str, Menu], queues: Mapping[QueueId, QueuePlan]
    ) -> NumberPlan:
        place: TomlPath = ("numbers", index)
        if (number.menu is None) == (number.direct is None):
            self.wrong(place, "needs either menu (a menu's id) or direct (a queue's id), one of them")
        if number.menu is not None and number.menu not in menus:
            known = ", ".join(menus) or "none"
            self.wrong((*place, "menu"), f"{number.menu!r} is no menu; there are: {known}")
        if number.direct is not None and number.direct not in queues:
            self.wrong((*place, "direct"), f"{number.direct!r} is no queue; there are: {', '.join(queues)}")
        try:
            hours = parse_hours(number.hours, str(self.file))
        except HoursError as error:
            for problem in error.problems:
                self.wrong((*place, "hours", *problem.path.split(".")), problem.text)
            hours = parse_hours(None, "")
        direct = QueueId(number.direct) if number.direct else None
        self._possible((*place, "when_closed"), number.when_closed)
        return NumberPlan(number.dialled, number.language, number.menu, direct, hours, number.when_closed)

    def _menus(self, queues: Mapping[QueueId, QueuePlan]) -> dict[str, Menu]:
        given = self.raw.hotline.menus
        folder = (self.file.parent / given) if given else HOME / "ivr" / "menus"
        if not folder.is_dir():
            self.wrong(("hotline", "menus"), f"{folder} is no folder")
            return {}
        used = {number.menu for number in self.raw.numbers if number.menu}
        prompts = {
            language: {sound.stem for sound in (self.sounds / language).glob("*.alaw")} for language in ("zh", "en")
        }
        menus: dict[str, Menu] = {}
        for file in sorted(folder.glob("*.toml")):
            menu = self._menu(file, queues, prompts, used)
            if menu is not None and menu.id in menus:
                self.problems.append(Problem(str(file), 1, f"id {menu.id!r} stands in another menu too"))
            elif menu is not None:
                menus[menu.id] = menu
        return menus

    def _menu(
        self, file: Path, queues: Mapping[QueueId, QueuePlan], prompts: Mapping[str, set[str]], used: set[str]
    ) -> Menu | None:
        """A menu; those that no number uses are read too, but not checked against the queues of this hotline."""
        try:
            text = read_text(file)
        except ConfigError as error:
            self.problems += error.problems
            return None
        lines = scan(text)
        self.problems += [
            Problem(str(file), line, f"{dotted(path)} stands twice; keep one") for line, path in lines.doubled
        ]
        table, broken, left_out = parse(file, text, lines)
        self.problems += broken
        if table is None:
            return None
        menu: Menu | None = None
        found: list[MenuProblem] = []
        try:
            menu = parse_menu(table, str(file))
        except MenuError as error:
            found = list(error.problems)
        if menu is not None and menu.id in used:
            starts = {number.language for number in self.raw.numbers if number.menu == menu.id}
            found = check_menu(menu, queues=set(queues), prompts=prompts, languages=starts)
        for problem in found:
            if any(problem.path.startswith(dotted(path)) for path in left_out):
                continue  # known to be wrong
            line = lines.line_of(tuple(problem.path.split(".")))
            self.problems.append(Problem(str(file), line, str(problem)))
        return menu

    def tickets(self) -> TicketPolicy:
        """The rules for tickets; of no use after noting what contradicts itself."""
        return ticket_policy(self.raw, self.file, self.zone().key, self.wrong)

    def _recording(self) -> RecordingPolicy | None:
        section = self.raw.recording
        try:
            return RecordingPolicy(
                section.record,
                section.consent_required,
                StartAt(section.start),
                section.keep_days,
                section.transcript_keep_days or section.keep_days,
            )
        except ValueError as error:
            self.wrong(("recording",), str(error))
            return None
