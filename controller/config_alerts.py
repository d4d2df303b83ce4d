"""[alerts] of the configuration: the rules, who is told, the mail server, and what is kept live. See docs/alerts.md."""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from controller.config_base import Section
from controller.toml_lines import Path as TomlPath
from metrics.alerts import GAUGES, BadRule, Rule, Severity, rule_of
from metrics.live import DEFAULT_DEFINITIONS, Group, usual_windows
from tickets.ticket import TicketPolicy

if TYPE_CHECKING:
    from controller.config_sections import HotlineFile

MAIL, WEBHOOK = "mail", "webhook"

SHIPPED = Path(__file__).resolve().parent.parent / "metrics" / "alerts.toml"

Wrong = Callable[[TomlPath, str], None]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
Address = Annotated[str, Field(pattern=r"^[^@\s<>,;]{1,64}@[^@\s<>,;]{1,255}$")]


class RuleSection(Section):
    """[[alerts.rules]]: see `metrics.alerts.Rule`."""

    name: Name
    measure: str
    of: Literal["whole", "queue", "city", "number", "team"] = "whole"
    only: list[str] = Field(default_factory=list)
    window: str = ""
    below: float | None = None
    above: float | None = None
    clears_at: float | None = None
    for_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    clear_for_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    severity: Literal["warning", "critical"] = "warning"
    least: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    zh: str = ""
    en: str = ""
    source: str = ""


class ReceiverSection(Section):
    """[[alerts.receivers]]: who is told, and of what; nothing named = of all."""

    id: Name
    mail: list[Address] = Field(default_factory=list)
    webhook: str | None = None  # an id of [[webhooks]]
    cities: list[str] = Field(default_factory=list)  # of their queues and numbers too, and not of the whole
    rules: list[str] = Field(default_factory=list)
    severities: list[Literal["warning", "critical"]] = Field(default_factory=list)
    language: Literal["zh", "en", "both"] = "both"


class MailSection(Section):
    """[alerts.mail]: the server that takes our mail."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 25
    tls: Literal["none", "starttls", "tls"] = "none"
    sender: Address
    user: str | None = None
    password_file: str | None = None  # mode 0600
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 10.0


class AlertsSection(Section):
    """[alerts]."""

    on: bool = True
    every_s: Annotated[float, Field(ge=0.1, le=300)] = 5.0  # so often rules are looked at
    off: list[str] = Field(default_factory=list)  # rules of metrics/alerts.toml that are left out
    due_soon_hours: Annotated[float, Field(gt=0, le=720)] = 4.0  # of tickets_due_soon
    shifts: list[str] = Field(default_factory=list)  # when shifts begin, local time: the window "shift"
    definitions: list[str] = Field(default_factory=lambda: list(DEFAULT_DEFINITIONS))  # kept live
    rules: list[RuleSection] = Field(default_factory=list)
    receivers: list[ReceiverSection] = Field(default_factory=list)
    mail: MailSection | None = None


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is told of what; an empty set = of everything."""

    id: str
    mail: tuple[str, ...] = ()
    webhook: str = ""
    cities: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()
    severities: frozenset[Severity] = frozenset()
    language: str = "both"

    @property
    def ways(self) -> tuple[str, ...]:
        """By which ways he is told."""
        return (*((MAIL,) if self.mail else ()), *((WEBHOOK,) if self.webhook else ()))

    def wants(self, rule: str, severity: Severity, city: str) -> bool:
        """Whether he is told of such an alert; `city` empty: it is of the whole, or of a team."""
        return (
            (not self.cities or city in self.cities)
            and (not self.rules or rule in self.rules)
            and (not self.severities or severity in self.severities)
        )


@dataclass(frozen=True, slots=True)
class AlertsPlan:
    """What [alerts] means. `shifts`: seconds after local midnight."""

    on: bool = True
    every_s: float = 5.0
    due_soon_s: float = 4 * 3600.0
    shifts: tuple[int, ...] = ()
    definitions: tuple[str, ...] = DEFAULT_DEFINITIONS
    rules: tuple[Rule, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    teams: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: of each agent, his teams


def city_of(group: Group, policy: TicketPolicy) -> str:
    """The city to which a group belongs; empty for the whole and for teams."""
    if group.kind == "city":
        return group.name
    if group.kind == "queue":
        return policy.city_of("", group.name)
    return policy.city_of(group.name, "") if group.kind == "number" else ""


def shipped_rules() -> tuple[Rule, ...]:
    """The rules that come with the program. Blocks for a moment."""
    return tuple(rule_of(table) for table in tomllib.loads(SHIPPED.read_text(encoding="utf-8"))["rules"])


def alerts_plan(raw: HotlineFile, policy: TicketPolicy | None, wrong: Wrong = lambda place, why: None) -> AlertsPlan:
    """The plan of the section; `wrong` is told of what cannot be used."""
    section = raw.alerts
    shifts = _shifts(section, wrong)
    definitions = _definitions(section, wrong)
    windows = {one.name for one in usual_windows(ZoneInfo("UTC"), shifts)}
    rules = _rules(raw, definitions, windows, _names(raw, policy), wrong)
    return AlertsPlan(
        section.on, section.every_s, section.due_soon_hours * 3600.0, shifts, definitions, rules,
        _receivers(raw, {one.name for one in rules}, wrong),
        {agent: tuple(t for t, mine in raw.inspection.teams.items() if agent in mine) for agent in _in_teams(raw)},
    )  # fmt: skip


def _in_teams(raw: HotlineFile) -> set[str]:
    return {agent for agents in raw.inspection.teams.values() for agent in agents}


def _names(raw: HotlineFile, policy: TicketPolicy | None) -> dict[str, set[str]]:
    """What the groups of each kind are called; of cities nothing where the tickets' section cannot be used."""
    names = {
        "whole": {""},
        "queue": {queue.id for queue in raw.queues},
        "number": {number.dialled for number in raw.numbers},
        "team": set(raw.inspection.teams),
    }
    if policy is not None:
        names["city"] = {*policy.queues.values(), *policy.numbers.values(), policy.city} - {""}
    return names


_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def _shifts(section: AlertsSection, wrong: Wrong) -> tuple[int, ...]:
    found = set()
    for place, text in enumerate(section.shifts):
        if not (matched := _CLOCK.fullmatch(text)):
            wrong(("alerts", "shifts", place), "must be a time of day such as 08:00")
            continue
        found.add(int(matched[1]) * 3600 + int(matched[2]) * 60)
    return tuple(sorted(found))


def _definitions(section: AlertsSection, wrong: Wrong) -> tuple[str, ...]:
    if section.definitions == list(DEFAULT_DEFINITIONS):
        return DEFAULT_DEFINITIONS  # a start without any of its own need not load the definitions
    from metrics.definitions.catalogue import UnknownMeasure, measure
    from metrics.live import LiveFigures, NotLive

    found = []
    for place, name in enumerate(section.definitions):
        try:
            LiveFigures([measure(name)], ())
        except UnknownMeasure as error:
            near = f"; nearest: {', '.join(error.nearest)}" if error.nearest else ""
            wrong(("alerts", "definitions", place), f"no definition has this name{near} (没有此指标)")
        except NotLive:
            wrong(("alerts", "definitions", place), "is not kept live: a share or a mean over calls (不能实时计算)")
        else:
            found.append(measure(name).name)
    return tuple(dict.fromkeys(found))


def _rules(
    raw: HotlineFile, definitions: Collection[str], windows: Collection[str], names: Mapping[str, Collection[str]],
    wrong: Wrong,
) -> tuple[Rule, ...]:  # fmt: skip
    section = raw.alerts
    found = {one.name: one for one in shipped_rules() if one.measure in definitions or one.measure in GAUGES}
    for place, name in enumerate(section.off):
        if found.pop(name, None) is None:
            wrong(("alerts", "off", place), f"there is no rule {name}")
    own: set[str] = set()
    for place, given in enumerate(section.rules):
        at: TomlPath = ("alerts", "rules", place)
        if given.name in own:
            wrong((*at, "name"), f"{given.name} stands twice")
        own.add(given.name)
        try:
            rule = rule_of(given.model_dump(exclude_none=True))
        except BadRule as error:
            wrong((*at, error.field), error.why)
            continue
        if rule.measure not in GAUGES and rule.measure not in definitions:
            wrong((*at, "measure"), f"is no gauge ({', '.join(GAUGES)}), and not in [alerts] definitions")
        if rule.window and rule.window not in windows:
            wrong((*at, "window"), f"must be one of {', '.join(sorted(windows))}")
        if rule.kind in names and (odd := sorted(rule.names - set(names[rule.kind]))):
            wrong((*at, "only"), f"there is no {rule.kind} {odd[0]}")
        found[rule.name] = rule
    return tuple(found.values())


def _receivers(raw: HotlineFile, rules: Collection[str], wrong: Wrong) -> tuple[Receiver, ...]:
    found: dict[str, Receiver] = {}
    hooks = {hook.id for hook in raw.webhooks}
    for place, one in enumerate(raw.alerts.receivers):
        at: TomlPath = ("alerts", "receivers", place)
        if one.id in found:
            wrong((*at, "id"), f"{one.id} stands twice")
        if not one.mail and one.webhook is None:
            wrong((*at, "id"), "has neither mail nor webhook: nobody would be told")
        if one.mail and raw.alerts.mail is None:
            wrong((*at, "mail"), "needs [alerts.mail], the server that takes our mail")
        if one.webhook is not None and one.webhook not in hooks:
            wrong((*at, "webhook"), f"there is no [[webhooks]] {one.webhook}")
        for where, name in enumerate(one.rules):
            if name not in rules:
                wrong((*at, "rules", where), f"there is no rule {name}")
        found[one.id] = Receiver(
            one.id, tuple(one.mail), one.webhook or "", frozenset(one.cities), frozenset(one.rules),
            frozenset(Severity(severity) for severity in one.severities), one.language,
        )  # fmt: skip
    return tuple(found.values())


def mail_password(section: MailSection, folder: Path) -> str:
    """The mail server's password, empty = none. Blocks. OSError, or ValueError for a file that others may read."""
    if section.password_file is None:
        return ""
    file = folder / section.password_file
    text = file.read_text(encoding="utf-8").strip()
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise ValueError(f"{file.name} may be read by others; chmod 600 it")
    return text
