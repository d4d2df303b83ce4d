"""A private tree of Debian packages: no root, no chroot, nothing to install.

apt-get resolves and downloads with a state directory of its own, `dpkg-deb -x` unpacks, and programs of the
tree run by the tree's own loader (shared/asterisk.md section 1.1b, measured). The archive is the one that the
machine's own apt sources already name; its address never enters a file of this project.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

APT_FOLDER = Path("/etc/apt")
DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MARKER = ".prepared.json"
APT_TIMEOUT_S = 1800.0
"""Longest time for one apt-get run, in seconds: 80 MB over a very slow line."""


class PrepareError(Exception):
    """The tree could not be made; the text is one sentence for the user, with what to do."""


@dataclass(frozen=True, slots=True)
class Source:
    """One archive named by the machine's apt: its address and how its signature is checked."""

    uri: str
    signed_by: str = ""
    trusted: str = ""


def prepare_tree(
    packages: Sequence[str],
    *,
    suite: str,
    root: Path,
    cache: Path,
    progress: Callable[[str], None],
    apt_folder: Path = APT_FOLDER,
) -> None:
    """Unpack `packages` of Debian `suite` and all they depend on into the folder `root`.

    `cache` holds apt's lists and downloads (downloads are erased afterwards). `progress` gets sentences for the
    user. `apt_folder` is where the machine's apt sources are read. The tree appears by one rename when it is
    complete; an interrupted run leaves nothing half-done, and a second run with the same packages and suite does
    nothing. Two runs at once: the second waits and then finds the tree. Raises PrepareError.
    """
    for tool in ("apt-get", "dpkg-deb", "dpkg"):
        if shutil.which(tool) is None:
            raise PrepareError(f"{tool} is not on this machine: install the programs by hand or use Debian or Ubuntu")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        root.parent.mkdir(parents=True, exist_ok=True)
        with _locked(cache / "lock"):
            if is_prepared(root, packages, suite=suite):
                return
            _sweep(root)
            _prepare(packages, suite, root, cache.resolve(), progress, apt_folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise PrepareError(_disk_full(root)) from error
        raise PrepareError(f"cannot write {error.filename or root}: {error.strerror}") from error


def is_prepared(root: Path, packages: Sequence[str], *, suite: str) -> bool:
    """Whether `root` is a complete tree made for exactly these packages of this suite."""
    try:
        made = json.loads((root / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(made.get("suite") == suite and made.get("packages") == sorted(packages))


def apt_sources(apt_folder: Path = APT_FOLDER) -> list[Source]:
    """The package archives of the machine's apt, best first: deb822 `.sources` and one-line `.list` files.

    Security and update archives, source packages, disabled entries and CD-ROMs are left out.
    """
    found: list[Source] = []
    files = [apt_folder / "sources.list", *sorted((apt_folder / "sources.list.d").glob("*"))]
    for file in files:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if file.suffix == ".sources":
            found.extend(_deb822(text))
        elif file.suffix == ".list":
            found.extend(_one_line(text))
    return list(dict.fromkeys(found))


def _deb822(text: str) -> Iterator[Source]:
    """Entries of a deb822 file (sources.list(5)); a value may go on in lines that begin with a blank."""
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t") and name:
                fields[name] += "\n" + line
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields.get("enabled", "yes").lower() in ("no", "false", "0") or "deb" not in fields.get("types", "").split():
            continue
        suites, components = fields.get("suites", "").split(), fields.get("components", "").split()
        for uri in fields.get("uris", "").split():
            if _usable(uri, suites, components):
                yield Source(uri, fields.get("signed-by", ""), fields.get("trusted", ""))


def _one_line(text: str) -> Iterator[Source]:
    """Entries `deb [option=value …] uri suite component …` of a one-line file."""
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[(?P<options>[^]]*)]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<parts>[^#]*)", line)
        if match is None or not _usable(match["uri"], [match["suite"]], match["parts"].split()):
            continue
        options = dict(o.split("=", 1) for o in (match["options"] or "").split() if "=" in o)
        yield Source(match["uri"], options.get("signed-by", "").replace(",", " "), options.get("trusted", ""))


def _usable(uri: str, suites: Sequence[str], components: Sequence[str]) -> bool:
    if uri.startswith("cdrom:") or "main" not in components or "security" in uri:
        return False
    return any("-" not in s and "/" not in s for s in suites)


def _prepare(
    packages: Sequence[str], suite: str, root: Path, cache: Path, progress: Callable[[str], None], apt_folder: Path
) -> None:
    sources = apt_sources(apt_folder)
    if not sources:
        raise PrepareError(f"no Debian archive is named in {apt_folder}: add one to the apt sources of this machine")
    architecture = _run(["dpkg", "--print-architecture"]).stdout.strip()
    problem = PrepareError("no archive answered")
    for source in sources:
        try:
            apt = _update(source, suite, cache, architecture, progress)
            break
        except PrepareError as error:
            problem = error
    else:
        raise problem
    progress(f"looking up what {', '.join(packages)} of Debian {suite} need")
    # apt leaves out what is downloaded already: it is asked for the whole list with an archive folder that is empty.
    (cache / "none/partial").mkdir(parents=True, exist_ok=True)
    whole = ["-o", f"Dir::Cache::archives={cache}/none", "install", "--print-uris", "--yes", *packages]
    uris = _apt(apt, whole, root, suite, architecture)
    wanted = re.findall(r"^'[^']+' (\S+\.deb) (\d+) ", uris, re.MULTILINE)
    if not wanted:
        raise PrepareError(f"the archive named no package for {', '.join(packages)} in suite {suite}")
    size = sum(int(size) for _, size in wanted)
    progress(f"downloading {len(wanted)} packages, {size / 1e6:.0f} MB")
    _apt(apt, ["install", "--download-only", "--yes", *packages], root, suite, architecture)
    building = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    try:
        building.chmod(0o755)
        for number, (name, _) in enumerate(wanted, 1):
            if number % 40 == 0 or number == len(wanted):
                progress(f"unpacking {number} of {len(wanted)}")
            done = _run(["dpkg-deb", "-x", str(cache / "archives" / name), str(building)])
            if done.returncode != 0:
                raise _explained(done.stderr, root, suite, architecture)
        _drop_setuid(building)
        (building / MARKER).write_text(
            json.dumps({"suite": suite, "packages": sorted(packages), "files": [n for n, _ in wanted]}, indent=1),
            encoding="utf-8",
        )
        if root.exists():
            shutil.rmtree(root)
        building.rename(root)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    shutil.rmtree(cache / "archives", ignore_errors=True)
    progress(f"{', '.join(packages)} ready in {root}")


def _update(source: Source, suite: str, cache: Path, architecture: str, progress: Callable[[str], None]) -> list[str]:
    """Fetch the package lists; return the apt-get command that uses them.

    The validity check of the release file is on; it is switched off only when the first try failed for that very
    reason (a mirror that lags, or a clock that is wrong), and this is said. Signatures are checked always.
    """
    progress(f"reading the package lists of Debian {suite}")
    apt = _configure(source, suite, cache, architecture, valid_until=True, date=True)
    done = _run([*apt, "update"])
    expired, early = "is expired" in done.stderr, "is not valid yet" in done.stderr
    if done.returncode != 0 and (expired or early):
        what = "is older than its own validity" if expired else "is dated in the future of this machine's clock"
        progress(f"the archive's release file {what}: trying again without that check (signatures are still checked)")
        apt = _configure(source, suite, cache, architecture, valid_until=False, date=not early)
        done = _run([*apt, "update"])
    if done.returncode != 0:
        raise _explained(done.stderr, cache, suite, architecture)
    for release in (cache / "lists").glob("*Release"):
        offered = re.search(r"^Architectures:(.*)$", release.read_text(encoding="utf-8"), re.MULTILINE)
        if offered is not None and architecture not in offered[1].split():
            raise PrepareError(
                f"the archive has no packages for this machine's architecture ({architecture}) in suite {suite}"
            )
    return apt


def _configure(
    source: Source, suite: str, cache: Path, architecture: str, *, valid_until: bool, date: bool
) -> list[str]:
    """Write apt's private configuration below `cache`; return the command that reads it last of all.

    The machine's apt.conf.d still counts (proxies, credentials), but its hooks are cleared: they are meant for the
    machine's own package cache.
    """
    for folder in ("lists/partial", "archives/partial", "log"):
        (cache / folder).mkdir(parents=True, exist_ok=True)
    (cache / "status").touch()
    signed_by = source.signed_by or (str(DEBIAN_KEYRING) if DEBIAN_KEYRING.exists() else "")
    # apt uses packages of a file: archive where they lie; we want all of them in one folder.
    uri = re.sub(r"^file:", "copy:", source.uri)
    lines = ["Types: deb", f"URIs: {uri}", f"Suites: {suite}", "Components: main", "Targets: Packages"]
    lines += [f"Signed-By: {signed_by}"] if signed_by else []
    lines += [f"Trusted: {source.trusted}"] if source.trusted else []
    parts = cache / "sources"  # a deb822 file is known by its ending, and read only from a folder of sources
    parts.mkdir(exist_ok=True)
    (parts / "private.sources").write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = {
        "Dir::State": cache,
        "Dir::State::status": cache / "status",
        "Dir::State::lists": cache / "lists",
        "Dir::Cache": cache,
        "Dir::Cache::archives": cache / "archives",
        "Dir::Cache::pkgcache": "pkgcache.bin",
        "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
        "Dir::Log": cache / "log",
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": parts,
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "APT::Architecture": architecture,
        "APT::Install-Recommends": "false",
        "APT::Install-Suggests": "false",
        "APT::Sandbox::User": "",
        "APT::Update::Error-Mode": "any",
        "APT::Keep-Downloaded-Packages": "true",
        "Acquire::Languages": "none",
        "Acquire::PDiffs": "false",
        "Acquire::Retries": "2",
        "Acquire::http::Timeout": "30",
        "Acquire::Check-Valid-Until": str(valid_until).lower(),
        "Acquire::Check-Date": str(date).lower(),
        "Debug::NoLocking": "true",
    }
    cleared = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success",
               "DPkg::Pre-Invoke", "DPkg::Post-Invoke", "DPkg::Pre-Install-Pkgs", "APT::Architectures")  # fmt: skip
    text = [f"#clear {name};" for name in cleared]
    text += [f'{name} "{value}";' for name, value in options.items()]
    text += [f'APT::Architectures {{ "{architecture}"; }};']
    (cache / "apt.conf").write_text("\n".join(text) + "\n", encoding="utf-8")
    return ["apt-get", "-c", str(cache / "apt.conf")]


def _apt(apt: list[str], arguments: list[str], root: Path, suite: str, architecture: str) -> str:
    done = _run([*apt, *arguments])
    if done.returncode != 0:
        raise _explained(done.stderr, root, suite, architecture)
    return done.stdout


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run to the end with English messages, as the reasons below are read from them."""
    environment = os.environ | {"LC_ALL": "C", "LANGUAGE": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", env=environment,
            stdin=subprocess.DEVNULL, timeout=APT_TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        late = f"{command[0]} did not end within {APT_TIMEOUT_S:.0f} s: is the network very slow?"
        raise PrepareError(late) from error


def _explained(stderr: str, place: Path, suite: str, architecture: str) -> PrepareError:
    """The reason in one sentence, read from apt's English messages."""
    first = next((line for line in stderr.splitlines() if line.startswith(("E:", "W:"))), stderr.strip()[:200])
    reasons = (
        (("No space left", "enough free space"), _disk_full(place)),
        (("Temporary failure resolving", "Could not resolve", "Could not connect", "Network is unreachable",
          "Connection failed", "Connection timed out", "Unable to connect", "Connection refused"),
         "the Debian archive of this machine's apt sources cannot be reached: check the network or the proxy"),
        (("does not have a Release file", "404 ", "Failed to stat"),
         f"this machine's archive does not hold suite {suite}"),
        (("NO_PUBKEY", "is not signed", "signatures couldn't be verified"),
         "the archive's signature cannot be checked: install the package debian-archive-keyring"),
        (("Unable to locate package", "has no installation candidate"),
         f"suite {suite} has not all the packages wanted for architecture {architecture}"),
    )  # fmt: skip
    for patterns, sentence in reasons:
        if any(pattern in stderr for pattern in patterns):
            return PrepareError(f"{sentence} (apt says: {_without_hosts(first)})")
    return PrepareError(f"apt-get failed: {_without_hosts(first)}")


def _without_hosts(line: str) -> str:
    """Addresses may carry a user name and password: they are cut out of messages."""
    return re.sub(r"://[^/\s]*@", "://", line)


def _disk_full(place: Path) -> str:
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    return f"the disk of {place} is full ({free / 1e6:.0f} MB free, about 600 MB are needed): make room and try again"


def _drop_setuid(tree: Path) -> None:
    """Nothing of a private tree may gain rights: matters when root unpacked it."""
    for folder, _, names in os.walk(tree):
        for name in names:
            file = Path(folder, name)
            mode = file.lstat().st_mode
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                file.chmod(stat.S_IMODE(mode) & ~(stat.S_ISUID | stat.S_ISGID))


def _sweep(root: Path) -> None:
    """Erase what a killed run left beside `root` (we hold the lock, so nobody is at work there)."""
    for left in root.parent.glob(f".{root.name}.*"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
