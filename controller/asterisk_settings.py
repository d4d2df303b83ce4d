"""What one instance of Asterisk is told: its settings, its secrets and the files made from asterisk-config/."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import jinja2

from controller.asterisk_tree import MODULES, Account, AsteriskBinary, service_account

SETTINGS_FILE = "exchange.json"

FOLDERS = ("etc", "lib/keys", "lib/agi-bin", "db", "data/sounds/hotline/zh", "data/sounds/hotline/en", "moh",
           "spool/monitor", "run", "log/cdr-csv", "cache", "sbin")  # fmt: skip
"""Folders of an instance, all of which must exist before Asterisk starts."""

EMPTY_FILES = ("acl", "ccss", "cel", "cli", "cli_aliases", "cli_permissions", "features", "http", "pjproject",
               "queuerules", "sorcery", "stasis", "udptl")  # fmt: skip
"""Configuration files Asterisk asks for and whose defaults we want: without them it logs errors or warnings."""

SOCKET_PATH_MAX = 90
"""Longest path, in bytes, of the folder of Asterisk's control socket: sun_path holds 108 (unix(7))."""


def generated_secret() -> str:
    """A new secret of 192 bits; its letters are safe in every .conf file."""
    return secrets.token_urlsafe(24)


@dataclass(frozen=True, slots=True)
class Phone:
    """A digest-authenticated telephone (agent or other extension): its number is its user name."""

    number: str
    password: str = field(default_factory=generated_secret, repr=False)


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """Everything the templates of asterisk-config/ are filled with. Times are in seconds unless named otherwise.

    Secrets never show in repr(). asterisk-config/README.md says what each value does.
    """

    instance: Path
    """Folder of this instance: configuration, log, recordings in spool/monitor."""
    sip_port: int
    ami_port: int
    rtp_start: int
    rtp_end: int
    host: str = "127.0.0.1"
    """Address of the SIP and RTP sockets."""
    ami_host: str = "127.0.0.1"
    """AMI listens on loopback only."""
    systemname: str = "h12345"
    numbers: tuple[str, ...] = ("12345",)
    """Numbers the trunk may dial, exactly as they arrive."""
    phones: tuple[Phone, ...] = ()
    realm: str = "hotline"
    ami_user: str = "ctl"
    ami_secret: str = field(default_factory=generated_secret, repr=False)
    watch_secret: str = field(default_factory=generated_secret, repr=False)
    """AMI user `watch`: the exchange's own look whether Asterisk is alive."""
    tool_secret: str = field(default_factory=generated_secret, repr=False)
    """AMI user `tool`: commands and tests; never beats the controller's heart."""
    citizen_user: str = "citizen"
    citizen_password: str = field(default_factory=generated_secret, repr=False)
    trunk_secret: str = field(default_factory=generated_secret, repr=False)
    """Value of the header X-Trunk by which a carrier on the same machine is known."""
    trunk_hosts: tuple[str, ...] = ()
    """Addresses of carriers that are known by address."""
    carrier_host: str = ""
    """Where our own calls to the outside go (the endpoint `carrier`); empty: there are none."""
    carrier_port: int = 5060
    carrier_qualify_s: int = 0
    """Asked so often by OPTIONS whether it is there; 0: never. A carrier that leaves them unanswered gets no calls."""
    carrier_user: str = ""
    """For carriers that ask who calls; the password likewise."""
    carrier_password: str = field(default="", repr=False)
    carrier_from: str = ""
    """User part of From towards the carrier; empty: the number that is shown. P-Asserted-Identity always has it."""
    heartbeat_max_s: int = 5
    """Age of the controller's heartbeat (global variable HB) at which callers leave for the safety net."""
    idle_max_s: int = 10
    """A caller whom the controller forgets in p-idle goes to the safety net after this."""
    hold_turn_s: float = 0.5  # so late may a waiting caller hear what is announced, and notice a missing controller
    talk_min_ms: int = 1000
    """A shorter talk is no talk: the caller goes on waiting instead of being asked how it was. Milliseconds."""
    survey_wait_s: int = 5
    agent_hold_max_s: int = 300
    internal_ring_s: int = 30
    code_sign_in: str = "*11"
    """What an agent dials to sign in at a phone; empty: not offered. The same for the three below."""
    code_sign_out: str = "*12"
    code_ready: str = "*13"
    code_not_ready: str = "*14"
    code_language: str = "zh"
    code_answer_s: int = 5
    """How long a phone that has dialled a code waits for the controller's answer."""
    net_ring_s: int = 15
    """How long the safety net rings one agent."""
    net_announce_s: int = 30
    net_prompt: str = "net-hold"
    """Said by the safety net while it waits, in the caller's language; left out when the prompt is not there."""
    music_class: str = "default"
    qualify_s: int = 30
    """Period of OPTIONS to phones (0: off); a phone that answers none of them is no longer called."""
    rtp_timeout_s: int = 30
    """A leg that sends no sound for this long is ended: cures ghosts (shared/asterisk.md 11.3)."""
    rtp_timeout_hold_s: int = 300
    log_levels: str = "error"
    """What Asterisk writes into its log. Its warnings may hold a caller's name and number (docs/privacy.md)."""
    max_files: int = 20000
    malloc_arenas: int = 2
    """MALLOC_ARENA_MAX of the process."""
    sounds: Path | None = None
    """Prompts <language>/<id>.alaw, copied into the instance."""
    music: Path | None = None
    """Music on hold, copied into the instance; None: asterisk-config/moh."""

    @property
    def recordings(self) -> Path:
        """Where Asterisk may write recordings."""
        return self.instance / "spool" / "monitor"

    @property
    def messages(self) -> Path:
        """Asterisk's log: warnings and errors only."""
        return self.instance / "log" / "messages.log"

    @property
    def run_dir(self) -> Path:
        """Folder of the control socket and the pid file; a short one elsewhere if the instance's path is long."""
        wished = self.instance / "run"
        if len(os.fsencode(wished)) <= SOCKET_PATH_MAX:
            return wished
        name = hashlib.sha256(os.fsencode(self.instance)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"hotline-{name}"

    def phone(self, number: str) -> Phone:
        """The phone with this number. Raises KeyError."""
        for phone in self.phones:
            if phone.number == number:
                return phone
        raise KeyError(number)


def free_settings(
    instance: Path, *, phones: Sequence[Phone | str] = (), rtp_ports: int = 600, **overrides: Any
) -> ExchangeSettings:
    """Settings with free ports and new secrets.

    Where `instance` already holds settings, its ports and secrets are kept, also the passwords of phones that are
    named only by number: a new controller then finds the Asterisk that the old one left running. `overrides` are
    fields of ExchangeSettings. Ports of kept settings are not tested here: `Exchange.start` does that.
    """
    instance = instance.resolve()
    kept = load_settings(instance)
    if kept is None:
        host = overrides.get("host", "127.0.0.1")
        start = overrides.pop("rtp_start", None) or _free_block(host, rtp_ports)
        kept = ExchangeSettings(
            instance=instance,
            sip_port=overrides.pop("sip_port", 0) or _free_port(host, socket.SOCK_DGRAM),
            ami_port=overrides.pop("ami_port", 0) or _free_port("127.0.0.1", socket.SOCK_STREAM),
            rtp_start=start,
            rtp_end=overrides.pop("rtp_end", start + rtp_ports - 1),
        )
    known = {phone.number: phone for phone in kept.phones}
    wanted = tuple(known.get(p) or Phone(p) if isinstance(p, str) else p for p in phones) or kept.phones
    return replace(kept, phones=wanted, **overrides)


def load_settings(instance: Path) -> ExchangeSettings | None:
    """The settings an earlier run left in `instance`; None if there are none (or none that this version reads)."""
    try:
        raw: dict[str, Any] = json.loads((instance / SETTINGS_FILE).read_text(encoding="utf-8"))
        known = {f.name for f in fields(ExchangeSettings)}
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in raw.items() if key in known
        }
        values["phones"] = tuple(Phone(**phone) for phone in raw["phones"])
        for name in ("sounds", "music"):
            values[name] = Path(values[name]) if values.get(name) else None
        values["instance"] = instance.resolve()
        return ExchangeSettings(**values)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def default_templates() -> Path:
    """asterisk-config/ of the clone, or of the installed wheel."""
    here = Path(__file__).resolve().parent
    return here / "asterisk-config" if (here / "asterisk-config").is_dir() else here.parent / "asterisk-config"


def render(settings: ExchangeSettings, binary: AsteriskBinary, templates: Path | None = None) -> set[str]:
    """Write all configuration files, prompts and music of the instance; return the names of the .conf that changed.

    Files have mode 0600, folders 0700, and belong to the user Asterisk runs as. Raises ValueError for a value that
    would break out of its line, OSError when the disk is full.
    """
    templates = templates or default_templates()
    account = service_account()
    out = settings.instance
    for folder in ("", *FOLDERS):
        place = out
        for part in ("", *Path(folder).parts):
            place = place / part
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            _own(place, 0o700, account)
    settings.run_dir.mkdir(mode=0o700, exist_ok=True)
    _own(settings.run_dir, 0o700, account)
    mirror(settings.sounds, out / "data/sounds/hotline", account)
    mirror(settings.music or templates / "moh", out / "moh", account)
    mirror(templates / "tones", out / "data/sounds/tones", account)
    # A name without a folder ("net-hold") is found in the caller's own language.
    links = {out / "data/sounds" / language: Path("hotline") / language for language in ("zh", "en")}
    links[out / "data/documentation"] = binary.data_dir / "documentation"
    links[out / "data/sounds/beep.alaw"] = Path("tones/beep.alaw")  # what Record plays
    links[out / "spool/message.sln"] = Path("/dev/null")  # p-record: the message stands in the call's recording
    for link, target in links.items():
        if not link.is_symlink() or link.readlink() != target:
            link.unlink(missing_ok=True)
            link.symlink_to(target)
    spoken = all((out / "data/sounds/hotline" / lang / f"{settings.net_prompt}.alaw").exists() for lang in ("zh", "en"))
    values = {f.name: getattr(settings, f.name) for f in fields(settings)} | {
        "run_dir": settings.run_dir,
        "modules_dir": binary.modules_dir,
        "modules": MODULES,
        "net_prompt": settings.net_prompt if spoken else "",
    }
    changed = {name for name, text in rendered(values, templates).items() if _put(out / "etc" / name, text, account)}
    raw = asdict(settings)
    _put(out / SETTINGS_FILE, json.dumps(raw, indent=1, default=str, ensure_ascii=False) + "\n", account)
    return changed


def rendered(values: Mapping[str, object], templates: Path) -> dict[str, str]:
    """The text of every .conf by its name; pure but for reading the templates."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        undefined=jinja2.StrictUndefined,
        finalize=_one_value,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - not HTML; _one_value keeps each value in its line
    )
    texts = {f"{name}.conf": "; empty on purpose: all defaults\n" for name in EMPTY_FILES}
    for file in sorted(templates.glob("*.conf.j2")):
        texts[file.name.removesuffix(".j2")] = environment.get_template(file.name).render(values)
    return texts


def _one_value(value: object) -> str:
    """A value as it stands in a .conf line: no line break may end it early, no ; may make the rest a comment."""
    text = str(value)
    if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in text):
        raise ValueError("a setting of Asterisk holds a control character")
    return text.replace(";", "\\;")


def mirror(source: Path | None, target: Path, account: Account | None) -> None:
    """Make the sound files below `target` those of `source`; only what differs in size or age is copied."""
    wanted: set[Path] = set()
    for file in sorted(source.rglob("*")) if source is not None and source.is_dir() else ():
        if file.is_file() and file.suffix in (".alaw", ".ulaw", ".wav", ".sln"):
            name = file.relative_to(source or target)
            wanted.add(name)
            copy = target / name
            new = file.stat()
            for folder in reversed(name.parents):
                (target / folder).mkdir(mode=0o700, exist_ok=True)
                _own(target / folder, 0o700, account)
            if copy.exists() and (copy.stat().st_size, int(copy.stat().st_mtime)) == (new.st_size, int(new.st_mtime)):
                continue
            part = copy.with_name(f".{copy.name}.part")
            shutil.copyfile(file, part)
            os.utime(part, (new.st_atime, new.st_mtime))
            _own(part, 0o600, account)
            part.replace(copy)
    for file in sorted(target.rglob("*")):
        if file.is_file() and file.relative_to(target) not in wanted:
            file.unlink()


def _put(file: Path, text: str, account: Account | None) -> bool:
    """Write by rename, so that a crash leaves the old or the new file; say whether it changed."""
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return False
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
    _own(part, 0o600, account)
    part.replace(file)
    return True


def _own(path: Path, mode: int, account: Account | None) -> None:
    if account is not None:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
    path.chmod(mode)


def _free_port(host: str, kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _blocks(count: int) -> Iterator[int]:
    """Starts of port blocks below the ports that the system gives to others (32768 and up), in random order."""
    starts = list(range(16384, 32768 - count, 200))
    secrets.SystemRandom().shuffle(starts)
    yield from starts


def _free_block(host: str, count: int) -> int:
    for start in _blocks(count):
        if all(_udp_free(host, port) for port in range(start, start + count)):
            return start
    raise OSError(f"no {count} free UDP ports in a row for RTP on {host}")


def _udp_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
