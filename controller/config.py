"""The configuration: one TOML file, read once, checked once, every fault named with file and line.

`load` gives a frozen `Settings` (ports, paths, database) with the `Plan` (numbers, queues, agents, rules) that the
switchboard needs, or raises `ConfigError` with everything that is wrong; nothing is started then. The meaning, the
default and the source of each value stand beside its field here and in the commented `hotline.toml`.
"""

from __future__ import annotations

import hashlib
import ipaddress
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from acd.policy import DEFAULT_AGEING_S, DEFAULT_POLICY, POLICIES
from acd.relax import RelaxStep, relaxed
from acd.skills import Requirement, fits
from agents.agent import AgentRules
from agents.roster import AgentProfile
from controller.database import StoreError, database_url
from controller.plan import NumberPlan, Plan, QueuePlan
from controller.toml_lines import Path as TomlPath
from controller.toml_lines import TomlLines, scan
from ivr.fields import Problem as MenuProblem
from ivr.hours import HoursError, parse_hours
from ivr.menu import Menu
from ivr.menu_check import check_menu
from ivr.menu_file import MenuError, parse_menu
from pbx.ids import AgentId, QueueId, SkillId
from recordings.policy import RecordingPolicy, StartAt
from tickets.deadlines import ChineseCalendar, DeadlineRules, Limit, Unit, WorkingHours
from tickets.ticket import TicketPolicy, TicketType

HOME = Path(__file__).resolve().parent.parent
"""The folder of the program: menus and sounds that come with it are found from here."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong: where (file, line) and what, and what would be right."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        """As editors understand it: ``file:line: text``."""
        return f"{self.file}:{self.line}: {self.text}"


class ConfigError(Exception):
    """The configuration cannot be used; `problems` are all that were found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


# ---------------------------------------------------------------- the sections of the file

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
Extension = Annotated[str, Field(pattern=r"^[0-9]{3,8}$")]
Dialled = Annotated[str, Field(pattern=r"^[0-9]{3,20}$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(ge=0, le=86400)]
_SPAN = r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d)$"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class HotlineSection(_Section):
    """[hotline]: names and places."""

    name_zh: str = "12345政务服务便民热线"
    name_en: str = "12345 government service hotline"
    timezone: str = "Asia/Shanghai"
    default_number: Dialled | None = None  # callers of an unknown number; default: the first of [[numbers]]
    data: str = "var/hotline"  # everything that is written; relative to the configuration file
    menus: str | None = None  # folder of the menus; default: those that come with the program


class NumberSection(_Section):
    """[[numbers]]: a dialled number and what happens to its callers; menu or direct, not both."""

    dialled: Dialled
    menu: Id | None = None
    direct: Id | None = None
    language: Literal["zh", "en"] = "zh"
    hours: dict[str, Any] = Field(default_factory=dict)  # empty = 7x24 (domain.md A2)


class RelaxSection(_Section):
    """One step of `relax` of [[queues]]: see `acd.relax`."""

    after_s: Annotated[float, Field(gt=0, le=86400)]
    skills: dict[str, Annotated[int, Field(ge=1, le=5)]] = Field(default_factory=dict)  # their new, lower levels
    drop: list[str] = Field(default_factory=list)  # skills that are not asked for any more
    join: list[Id] = Field(default_factory=list)  # queues whose agents will do as well, when nobody else is free


class QueueSection(_Section):
    """[[queues]]: see `controller.plan.QueuePlan`."""

    id: Id
    name_zh: str
    name_en: str
    skills: dict[str, Annotated[int, Field(ge=1, le=5)]] = Field(default_factory=dict)  # the first is the primary one
    ring_s: Annotated[int, Field(ge=1, le=120)] = 6
    retry_s: Seconds = 5.0
    music: Id = "default"
    announce_first_s: Seconds = 20.0
    announce_every_s: Annotated[float, Field(ge=5, le=86400)] = 45.0
    prefers: dict[str, Annotated[int, Field(ge=1, le=5)]] = Field(default_factory=dict)  # who has them goes first
    policy: str = DEFAULT_POLICY.name
    ageing_s: Seconds = DEFAULT_AGEING_S
    relax: list[RelaxSection] = Field(default_factory=list)


class AgentSection(_Section):
    """[[agents]]: an agent; his id is his extension."""

    id: Extension
    name: Annotated[str, Field(min_length=1, max_length=60)]
    skills: dict[str, Annotated[int, Field(ge=1, le=5)]] = Field(default_factory=dict)


class ExtensionSection(_Section):
    """[[extensions]]: a department's phone that may be a third party."""

    id: Extension
    name: Annotated[str, Field(min_length=1, max_length=60)]


class AgentRulesSection(_Section):
    """[agent_rules]: see `agents.agent.AgentRules`."""

    wrap_up_s: Seconds = 20.0
    misses_before_not_ready: Annotated[int, Field(ge=1, le=100)] = 2
    not_ready_reasons: list[Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")]] = Field(
        default_factory=lambda: list(AgentRules().not_ready_reasons), min_length=1
    )


class RecordingSection(_Section):
    """[recording]: see `recordings.policy.RecordingPolicy`."""

    record: bool = True
    consent_required: bool = True
    start: Literal["answer", "after_consent"] = "after_consent"
    keep_days: Annotated[int, Field(ge=1)] = 1095
    transcript_keep_days: Annotated[int, Field(ge=1)] = 1095


class CallSection(_Section):
    """[call]: what a caller hears beside the menu."""

    survey: bool = True
    read_ticket: bool = True
    read_ticket_twice: bool = False
    digit_one_yao: bool = True  # 幺 in telephone and ticket numbers
    third_party_ring_s: Annotated[int, Field(ge=1, le=120)] = 20


class AsteriskSection(_Section):
    """[asterisk]: "own" = started, watched and stopped by us; "attach" = a running one is used."""

    mode: Literal["own", "attach"] = "own"
    sip_host: str = "127.0.0.1"
    sip_port: Port = 0  # 0 = a free one, kept for the next start
    ami_host: str = "127.0.0.1"
    ami_port: Port = 0
    ami_user: str = "ctl"
    ami_secret_file: str | None = None  # attach only: a file of mode 0600 that holds the AMI secret
    spool: str | None = None  # attach only: Asterisk's spool folder, readable by us
    rtp_ports: Annotated[int, Field(ge=40, le=20000)] = 1200
    heartbeat_max_s: Annotated[int, Field(ge=3, le=60)] = 5
    carriers: list[str] = Field(default_factory=list)  # addresses from which a carrier's calls are accepted
    rtp_timeout_s: Annotated[int, Field(ge=5, le=3600)] = 30


class WebSection(_Section):
    """[web]: pages and API."""

    host: str = "127.0.0.1"
    port: Port = 8012


class DatabaseSection(_Section):
    """[database]: SQLAlchemy URL; default SQLite below `data`."""

    url: str | None = None


class SpeechSection(_Section):
    """[speech]: transcripts after the call, by Vosk."""

    transcribe: bool = True
    model: str | None = None  # folder of a Vosk model; default: one fetched by `hotline model fetch`
    language: Literal["zh", "en"] = "zh"
    grammar: list[str] = Field(default_factory=list)  # closed vocabulary; empty = open
    package_model: bool = False  # fall back to a model that a Python package carries (the demo's)


class TicketsSection(_Section):
    """[tickets]: deadlines (`domain.md` D5, D7) and the working time in which they run."""

    working_hours: list[Annotated[str, Field(pattern=_SPAN)]] = Field(
        default_factory=lambda: ["08:30-12:00", "13:30-18:00"], min_length=1
    )
    sign_working_hours: Annotated[float, Field(gt=0, le=1000)] = 4.0
    close_working_days: dict[str, Annotated[int, Field(ge=1, le=365)]] = Field(default_factory=lambda: {"inquiry": 3})
    close_other_working_days: Annotated[int, Field(ge=1, le=365)] = 5
    holidays: list[date] = Field(default_factory=list)  # beside the statutory ones: a newer notice, a local closure
    workdays: list[date] = Field(default_factory=list)  # make-up working days (调休) of a newer notice


class HotlineFile(_Section):
    """The whole file."""

    hotline: HotlineSection = Field(default_factory=HotlineSection)
    numbers: list[NumberSection] = Field(min_length=1)
    queues: list[QueueSection] = Field(min_length=1)
    agents: list[AgentSection] = Field(default_factory=list)
    extensions: list[ExtensionSection] = Field(default_factory=list)
    agent_rules: AgentRulesSection = Field(default_factory=AgentRulesSection)
    recording: RecordingSection = Field(default_factory=RecordingSection)
    call: CallSection = Field(default_factory=CallSection)
    asterisk: AsteriskSection = Field(default_factory=AsteriskSection)
    web: WebSection = Field(default_factory=WebSection)
    database: DatabaseSection = Field(default_factory=DatabaseSection)
    speech: SpeechSection = Field(default_factory=SpeechSection)
    tickets: TicketsSection = Field(default_factory=TicketsSection)


@dataclass(frozen=True, slots=True)
class Settings:
    """A checked configuration: the file as typed, the plan for the switchboard, and resolved places."""

    file: Path
    raw: HotlineFile
    plan: Plan
    tickets: TicketPolicy
    data: Path
    database_url: str
    sounds: Path


# ---------------------------------------------------------------- reading it


def load(file: Path, *, sounds: Path | None = None) -> Settings:
    """Read and check a configuration file. Raises `ConfigError` naming everything that is wrong."""
    text = read_text(file)
    lines = scan(text)
    problems = [
        Problem(str(file), line, f"{_dotted(path)} stands twice (first in line {lines.lines[path]}); keep one")
        for line, path in lines.doubled
    ]
    table, broken = _parse(file, text, lines)
    problems += broken
    if table is None:
        raise ConfigError(problems)
    try:
        raw = HotlineFile.model_validate(table)
    except ValidationError as error:
        problems += [_fault(file, lines, fault) for fault in error.errors()]
        rest = _without_faults(table, error)
        if rest is not None:  # what can be read is checked too, so that everything is named in one run
            reader = _Reader(file, lines, rest, sounds or HOME / "ivr" / "sounds")
            reader.plan("")
            problems += reader.problems
        raise ConfigError(problems) from error
    sounds = sounds or HOME / "ivr" / "sounds"
    reader = _Reader(file, lines, raw, sounds)
    plan = reader.plan(hashlib.sha256(text.encode()).hexdigest()[:16])
    tickets = reader.tickets()
    problems += reader.problems
    if problems or plan is None or tickets is None:
        raise ConfigError(problems)
    data = (file.parent / raw.hotline.data).resolve()
    url = raw.database.url or f"sqlite:///{data / 'hotline.db'}"
    return Settings(file, raw, plan, tickets, data, url, sounds)


def read_text(file: Path) -> str:
    """The text of a configuration or menu file. Raises `ConfigError`: not readable, not UTF-8 (with the line)."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError([Problem(str(file), 1, f"cannot be read: {error.strerror}")]) from error
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8").replace("\r\n", "\n")  # Windows editors
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError([Problem(str(file), line, "is not UTF-8 text; save it as UTF-8")]) from error


def _parse(file: Path, text: str, lines: TomlLines) -> tuple[dict[str, Any] | None, list[Problem]]:
    """The file's table; keys that stand twice are left out, so that the rest can be checked in the same run."""
    rows = text.splitlines()
    for line, _path in lines.doubled:
        rows[line - 1] = ""
    try:
        return tomllib.loads("\n".join(rows)), []
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        line = 1
        if "(at line " in message:
            line = int(message.split("(at line ")[1].split(",")[0])
            message = message.split(" (at line ")[0]
        elif "end of document" in message:
            line = len(rows)
        return None, [Problem(str(file), line, f"is not TOML here: {message}")]


def _without_faults(table: dict[str, Any], error: ValidationError) -> HotlineFile | None:
    """The file as it would be without the values that are wrong; None when it cannot do without them.

    A value that an entry cannot do without is replaced by one that stands nowhere else, so that the entries keep their
    places and what else is wrong in them is named in the same run.
    """
    for fault in error.errors():
        place: Any = table
        *around, name = [part for part in fault["loc"] if part != "[key]"]
        for part in around:
            try:
                place = place[part]
            except (KeyError, IndexError, TypeError):
                break
        else:
            if isinstance(place, dict):
                place.pop(name, None)
                if len(around) == 2 and around[0] in _NEEDED and name in _NEEDED[around[0]]:
                    place[name] = _NEEDED[around[0]][name].format(around[1])
            elif isinstance(place, list) and around[-1:] != ["hours"] and isinstance(name, int) and len(around) == 2:
                place[name] = place[name - 1] if name else ""
    try:
        return HotlineFile.model_validate(table)
    except ValidationError:
        return None


_NEEDED: dict[Any, dict[Any, str]] = {
    "numbers": {"dialled": "000000000{}"},
    "queues": {"id": "missing-{}", "name_zh": "?", "name_en": "?"},
    "agents": {"id": "999{:05d}", "name": "?"},
    "extensions": {"id": "998{:05d}", "name": "?"},
}
"""What an entry cannot do without, and what stands there while the rest of a faulty file is checked."""

_WORDS = {
    "extra_forbidden": "is not a known setting; correct its name or take it out",
    "missing": "is missing",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number, without quotes",
    "float_type": "must be a number, without quotes",
    "string_type": "must be a text in quotes",
    "list_type": "must be a list in square brackets",
    "dict_type": "must be a table",
    "model_type": "must be a table",
}


def _fault(file: Path, lines: TomlLines, fault: Mapping[str, Any]) -> Problem:
    path: TomlPath = tuple(part for part in fault["loc"] if part != "[key]")
    text = _WORDS.get(fault["type"]) or fault["msg"][0].lower() + fault["msg"][1:]
    return Problem(str(file), lines.line_of(path), f"{_dotted(path)} {text}")


def _dotted(path: TomlPath) -> str:
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _requirement(queue: QueueSection) -> Requirement:
    """What a queue asks for at first."""
    needs = tuple((SkillId(skill), level) for skill, level in queue.skills.items())
    return Requirement(needs, tuple((SkillId(skill), level) for skill, level in queue.prefers.items()))


class _Reader:
    """Turns the typed file into a plan and finds what contradicts itself."""

    def __init__(self, file: Path, lines: TomlLines, raw: HotlineFile, sounds: Path) -> None:
        self.file, self.lines, self.raw, self.sounds = file, lines, raw, sounds
        self.problems: list[Problem] = []

    def wrong(self, path: TomlPath, text: str) -> None:
        self.problems.append(Problem(str(self.file), self.lines.line_of(path), f"{_dotted(path)} {text}"))

    def plan(self, version: str) -> Plan | None:
        raw = self.raw
        try:
            ZoneInfo(raw.hotline.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            self.wrong(("hotline", "timezone"), f"{raw.hotline.timezone!r} is no time zone, such as Asia/Shanghai")
        self._doubles("numbers", [number.dialled for number in raw.numbers], "dialled")
        self._doubles("queues", [queue.id for queue in raw.queues], "id")
        self._doubles("agents", [agent.id for agent in raw.agents], "id")
        taken = {agent.id for agent in raw.agents}
        for index, extension in enumerate(raw.extensions):
            if extension.id in taken:
                self.wrong(("extensions", index, "id"), f"{extension.id} is taken already; every phone needs its own")
            taken.add(extension.id)
        queues = {QueueId(queue.id): self._queue(index, queue) for index, queue in enumerate(raw.queues)}
        agents = {
            AgentId(one.id): AgentProfile(
                AgentId(one.id), one.name, {SkillId(skill): level for skill, level in one.skills.items()}
            )
            for one in raw.agents
        }
        for index, plan in enumerate(queues.values()):
            if agents and not any(fits(agent.skills, plan.requirement) for agent in agents.values()):
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
        self._doors()
        if self.problems or recording is None:
            return None
        rules = raw.agent_rules
        return Plan(
            version=version,
            numbers=numbers,
            default_number=default,
            menus=menus,
            queues=queues,
            agents=agents,
            extensions=frozenset(AgentId(extension.id) for extension in raw.extensions),
            agent_rules=AgentRules(rules.wrap_up_s, rules.misses_before_not_ready, tuple(rules.not_ready_reasons)),
            recording=recording,
            timezone=raw.hotline.timezone,
            survey=raw.call.survey,
            read_ticket=raw.call.read_ticket,
            read_ticket_twice=raw.call.read_ticket_twice,
            yao=raw.call.digit_one_yao,
            third_party_ring_s=raw.call.third_party_ring_s,
            lengths={
                f"hotline/{sound.parent.name}/{sound.stem}": sound.stat().st_size / 8000  # A-law: a byte a sample
                for sound in sorted(self.sounds.glob("*/*.alaw"))
            },
        )

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
        model = self.raw.speech.model
        if self.raw.speech.transcribe and model is not None and not (self.file.parent / model).is_dir():
            self.wrong(("speech", "model"), f"{self.file.parent / model} is no folder")

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
            policy or DEFAULT_POLICY,
            queue.ageing_s,
            self._relax(index, queue, requirement),
        )

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
        return NumberPlan(number.dialled, number.language, number.menu, direct, hours)

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
            Problem(str(file), line, f"{_dotted(path)} stands twice; keep one") for line, path in lines.doubled
        ]
        table, broken = _parse(file, text, lines)
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
            line = lines.line_of(tuple(problem.path.split(".")))
            self.problems.append(Problem(str(file), line, str(problem)))
        return menu

    def tickets(self) -> TicketPolicy | None:
        """The rules for tickets; None after noting what contradicts itself."""
        section = self.raw.tickets
        for name in section.close_working_days:
            if name not in {kind.value for kind in TicketType}:
                known = ", ".join(kind.value for kind in TicketType)
                self.wrong(("tickets", "close_working_days", name), f"is no type of ticket; there are: {known}")
        both = set(section.holidays) & set(section.workdays)
        if both:
            self.wrong(("tickets", "workdays"), f"{min(both)} stands in holidays too")
        spans = tuple(
            (time.fromisoformat(begin), time.fromisoformat(end))
            for begin, end in (span.split("-") for span in section.working_hours)
        )
        try:
            hours = WorkingHours(spans, self.raw.hotline.timezone)
        except (ValueError, KeyError) as error:
            self.wrong(("tickets", "working_hours"), str(error))
            return None
        days = {day: False for day in section.holidays} | {day: True for day in section.workdays}
        where = f"{self.file.name}, [tickets]"
        rules = DeadlineRules(
            Limit(section.sign_working_hours, Unit.WORKING_HOURS, where),
            {name: Limit(days, Unit.WORKING_DAYS, where) for name, days in section.close_working_days.items()},
            Limit(section.close_other_working_days, Unit.WORKING_DAYS, where),
        )
        return TicketPolicy(hours, ChineseCalendar(days), rules)

    def _recording(self) -> RecordingPolicy | None:
        section = self.raw.recording
        try:
            return RecordingPolicy(
                section.record,
                section.consent_required,
                StartAt(section.start),
                section.keep_days,
                section.transcript_keep_days,
            )
        except ValueError as error:
            self.wrong(("recording",), str(error))
            return None
