"""Which Asterisk runs: the machine's own or a private tree, as which user, and where its files may live.

Asterisk never runs as root. An ordinary user runs it as himself; root hands it to the system user `hotline`, which
is made on first use. That user must be able to walk down to every file he needs: where the clone lies below a
closed folder (/root, a `mktemp -d` folder), the files live in /var/lib/hotline and the wished place is a link.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import pwd
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from controller.debian import PrepareError, is_prepared, prepare_tree

log = logging.getLogger(__name__)

PACKAGES = ("asterisk",)
"""Debian packages of the private tree; prompts and music are our own."""

SUITE = "forky"
"""Debian 12 and 13 carry no Asterisk; forky does (22.10, shared/asterisk.md)."""

OLDEST_VERSION = 20
SERVICE_USER = "hotline"
STATE_FOLDER = Path("/var/lib/hotline")

MODULES = (
    "res_timing_timerfd", "res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb", "res_crypto",
    "res_musiconhold", "res_rtp_asterisk", "res_pjproject", "res_pjsip", "res_pjsip_session", "res_pjsip_sdp_rtp",
    "res_pjsip_caller_id", "res_pjsip_authenticator_digest", "res_pjsip_endpoint_identifier_ip",
    "res_pjsip_endpoint_identifier_user", "res_pjsip_registrar", "res_pjsip_nat", "res_pjsip_dtmf_info",
    "res_pjsip_header_funcs", "res_pjsip_pubsub", "res_pjsip_rfc3326", "chan_pjsip", "bridge_simple",
    "bridge_native_rtp", "bridge_softmix", "codec_ulaw", "codec_alaw", "codec_resample", "format_pcm", "format_sln",
    "format_wav", "pbx_config", "app_dial", "app_playback", "app_read", "app_stack", "app_exec", "app_userevent",
    "app_mixmonitor", "app_record", "app_chanspy", "app_senddtmf", "app_bridgeaddchan", "app_queue", "app_waitforcond",
    "app_echo", "app_cdr", "cdr_csv", "res_manager_devicestate", "func_callerid", "func_cdr", "func_channel",
    "func_cut", "func_db", "func_global", "func_groupcount", "func_logic", "func_strings", "func_timeout",
    "res_mutestream", "res_audiosocket", "chan_audiosocket",
)  # fmt: skip
"""The pinned modules, in the order of modules.conf; nothing else is loaded (asterisk-config/README.md says why)."""


@dataclass(frozen=True, slots=True)
class AsteriskBinary:
    """One Asterisk that can be started."""

    source: Literal["system", "prepared"]
    version: str
    """As in `asterisk -V`, without the word Asterisk: 22.10.1~dfsg…"""
    command: tuple[str, ...]
    """What stands before Asterisk's own arguments."""
    modules_dir: Path
    data_dir: Path
    openssl_conf: Path | None = None
    """The tree's own OpenSSL settings: the machine's may be for another version of the library."""


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged user Asterisk runs as when we are root."""

    name: str
    uid: int
    gid: int


def service_account() -> Account | None:
    """The user Asterisk is handed to: None for an ordinary user (it runs as he is).

    Root: the system user `hotline`, made on first use. Raises PrepareError when it cannot be made.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        useradd = shutil.which("useradd") or "/usr/sbin/useradd"
        command = [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", str(STATE_FOLDER),
                   "--shell", "/usr/sbin/nologin", SERVICE_USER]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            problem = done.stderr.strip()
        except OSError as error:
            problem = str(error)
        try:  # Two of us may have made it at once: what counts is that it is there now.
            entry = pwd.getpwnam(SERVICE_USER)
        except KeyError:
            raise PrepareError(
                f"cannot make the system user {SERVICE_USER} that Asterisk runs as ({problem}): "
                f"make it by hand or start as an ordinary user"
            ) from None
        log.info("made the system user %s", SERVICE_USER, extra={"action": "asterisk.user"})
    return Account(SERVICE_USER, entry.pw_uid, entry.pw_gid)


def reachable(folder: Path, account: Account | None) -> bool:
    """Whether `account` can walk down to `folder` (or to its nearest existing parent)."""
    if account is None:
        return True
    resolved = folder.resolve()
    for place in reversed([resolved, *resolved.parents]):
        try:
            status = place.stat()
        except FileNotFoundError:
            return True
        bit = stat.S_IXOTH
        if status.st_uid == account.uid:
            bit = stat.S_IXUSR
        elif status.st_gid == account.gid:
            bit = stat.S_IXGRP
        if not status.st_mode & bit:
            return False
    return True


def settle(wished: Path, account: Account | None, progress: Callable[[str], None], *, shared: str = "") -> Path:
    """A real folder for `wished` that `account` can reach; made if need be.

    Where the wish cannot be reached the folder is made in /var/lib/hotline (under the name `shared`, which several
    clones then use together, or under a name made from the wished path), `wished` becomes a link to it, and this
    is said. Raises PrepareError when an ordinary folder already stands in the way.
    """
    if reachable(wished, account):
        wished.mkdir(parents=True, exist_ok=True)
        return wished.resolve()
    name = shared or hashlib.sha256(os.fsencode(wished.parent.resolve() / wished.name)).hexdigest()[:12]
    real = STATE_FOLDER / name
    real.mkdir(parents=True, exist_ok=True)
    for folder in (STATE_FOLDER, real):
        folder.chmod(0o755)
    if not wished.is_symlink() or wished.resolve() != real:
        wished.parent.mkdir(parents=True, exist_ok=True)
        if wished.is_symlink():
            wished.unlink()
        elif wished.exists():
            try:
                wished.rmdir()
            except OSError as error:
                raise PrepareError(
                    f"the user {SERVICE_USER} cannot reach {wished}: remove that folder, or put the clone in a place "
                    f"that others may enter"
                ) from error
        wished.symlink_to(real)
    progress(f"the user {SERVICE_USER} cannot enter {wished.parent}: the files are in {real}")
    return real


def find_asterisk(
    var: Path, *, prefix: Path = Path("/"), path: str | None = None, modules: Sequence[str] = MODULES
) -> AsteriskBinary | None:
    """The machine's own Asterisk (version 20 or newer with all our modules), else the prepared tree, else None.

    `var` is the project's folder for what is made on this machine. `prefix` and `path` are where the machine's own
    is looked for: the file system's root and a search path like $PATH.
    """
    search = path if path is not None else os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    binary = shutil.which("asterisk", path=search)
    if binary is not None:
        found = _system(binary, prefix, modules)
        if found is not None:
            return found
    root = (var / "asterisk" / "root").resolve()
    return _prepared(root) if is_prepared(root, PACKAGES, suite=SUITE) else None


def prepare_asterisk(var: Path, progress: Callable[[str], None]) -> AsteriskBinary:
    """Make the private tree below `var`/asterisk if it is not there yet. Raises PrepareError."""
    account = service_account()
    base = settle(var / "asterisk", account, progress, shared="asterisk")
    if account is not None:
        base.chmod(0o755)
    prepare_tree(PACKAGES, suite=SUITE, root=base / "root", cache=base / "cache", progress=progress)
    return _prepared(base / "root")


def _system(binary: str, prefix: Path, modules: Sequence[str]) -> AsteriskBinary | None:
    version = _version((binary,))
    major = re.match(r"\d+", version)
    if major is None or int(major[0]) < OLDEST_VERSION:
        return None
    library = prefix / "usr" / "lib"
    places = [*sorted(library.glob("*/asterisk/modules")), library / "asterisk/modules",
              prefix / "usr/lib64/asterisk/modules"]  # fmt: skip
    data_places = [prefix / "usr/share/asterisk", prefix / "var/lib/asterisk"]
    data = next((d for d in data_places if (d / "documentation").is_dir()), data_places[0])
    for place in places:
        if place.is_dir():
            missing = [name for name in modules if not (place / f"{name}.so").exists()]
            if not missing:
                return AsteriskBinary("system", version, (binary,), place, data)
            log.warning("the machine's Asterisk lacks %s", ", ".join(missing), extra={"action": "asterisk.find"})
    return None


def _prepared(root: Path) -> AsteriskBinary:
    loaders = sorted((root / "usr/lib").glob(f"{platform.machine()}-*/ld-linux*.so.*"))
    loaders += sorted((root / "usr/lib").glob("*/ld-*.so.*"))
    if not loaders:
        raise PrepareError(f"{root} holds no program loader for {platform.machine()}")
    library = loaders[0].parent
    command = (str(loaders[0]), "--library-path", f"{library}:{root}/usr/lib", "--argv0", "asterisk",
               str(root / "usr/sbin/asterisk"))  # fmt: skip
    version = _version(command)
    if not version:
        raise PrepareError(f"the Asterisk in {root} does not start: remove that folder and prepare it again")
    openssl = root / "etc/ssl/openssl.cnf"
    return AsteriskBinary(
        "prepared", version, command, library / "asterisk/modules", root / "usr/share/asterisk",
        openssl if openssl.exists() else None,
    )  # fmt: skip


def _version(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run([*command, "-V"], capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"Asterisk\s+(\S+)", done.stdout)
    return match[1] if match else ""
