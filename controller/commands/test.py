"""`hotline test` and `hotline lint`: set up what the tests need, then lint, types, import contracts and all tests."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from controller.asterisk_tree import find_asterisk, prepare_asterisk
from controller.debian import PrepareError

DEBIAN_PARTS = (
    ("chromium", ("chromium", "chromium-browser", "google-chrome")),
    ("fonts-wqy-zenhei", ("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",)),
    ("espeak-ng", ("espeak-ng",)),
)
"""Debian packages of the tests, and the programs or files by which they are known: the browser, a font with Chinese
letters for its pictures, and the voice of last resort."""


def main(arguments: argparse.Namespace) -> int:
    """0 only if everything passed. What was skipped, and why, is printed last."""
    home, only_lint = arguments.home, arguments.command == "lint"
    chosen = list(getattr(arguments, "pytest", []))
    checks: list[tuple[str, list[str]]] = [
        ("lint", [_tool("ruff"), "check", "."]),
        ("format", [_tool("ruff"), "format", "--check", "."]),
        ("types", [_tool("mypy")]),
        ("import contracts", [_tool("lint-imports")]),
    ]
    missing: list[str] = []
    if not only_lint:
        for name, prepare in (("Asterisk", _asterisk), ("Debian packages", _debian_parts)):
            problem = prepare(arguments.var)
            if problem:
                missing.append(f"{name}: {problem}")
        checks.append(("tests", [sys.executable, "-m", "pytest", *(chosen or ["-q", *_before(home)])]))
    environment = os.environ | {"PYTHONASYNCIODEBUG": "1", "HOTLINE_VAR": str(arguments.var), "PYTHONUTF8": "1"}
    failed = []
    with contextlib.ExitStack() as stack:
        waits = (
            [stack.enter_context(_beside(lane, home, environment)) for lane in BESIDE]
            if not only_lint and not chosen
            else []
        )
        for name, command in checks if not chosen else checks[-1:]:
            begun = time.monotonic()
            print(f"== {name}", flush=True)
            status = subprocess.run(command, cwd=home, env=environment, check=False).returncode
            _say(name, status, begun)
            if status != 0:
                failed.append(name)
        failed += [lane.name for lane, wait in zip(BESIDE, waits, strict=False) if wait() != 0]
    for line in missing:
        print(f"could not be set up, so its tests were skipped or failed: {line}")
    if failed:
        print(f"FAILED: {', '.join(failed)}")
    return 1 if failed else 0


@dataclass(frozen=True)
class Lane:
    """Tests that run beside the others; `niceness` as in nice(1)."""

    name: str
    folders: tuple[str, ...]
    niceness: int = 0


BESIDE = (
    Lane("tests of rules", ("tests/core",), 10),
    Lane("tests of doors", ("tests/doors",), 10),
    Lane("tests of pages and stories", ("tests/browser", "tests/scenarios")),
    Lane("tests of recorded calls", ("tests/asterisk/recorded",)),
)
"""Rules, and one door at a time, which give way to calls; pages, whole stories and calls that are recorded and heard,
which mostly wait, as all calls do."""


def _before(home: Path) -> list[str]:
    """The folders of all other tests, without those within them that are a lane's; a new folder needs no word here."""
    tests = home / "tests"
    beside = {folder for lane in BESIDE for folder in lane.folders}
    folders = sorted({f"tests/{file.relative_to(tests).parts[0]}" for file in tests.glob("*/**/test_*.py")})
    within = [f"--ignore={folder}" for folder in sorted(beside) if folder.count("/") > 1]
    return [folder for folder in folders if folder not in beside] + within


@contextlib.contextmanager
def _beside(lane: Lane, home: Path, environment: dict[str, str]) -> Iterator[Callable[[], int]]:
    """Run a lane's tests beside the others.

    Gives what waits for their end, prints what they said and returns their status; whoever leaves earlier ends them.
    """
    command = ["nice", "-n", str(lane.niceness), sys.executable, "-m", "pytest", "-q", *lane.folders]
    begun = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=home, env=environment, stdout=said, stderr=subprocess.STDOUT)

        def wait() -> int:
            print(f"== {lane.name}", flush=True)
            status = process.wait()
            said.seek(0)
            print(said.read().decode(errors="replace"), end="", flush=True)
            _say(lane.name, status, begun)
            return status

        try:
            yield wait
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()


def _say(name: str, status: int, begun: float) -> None:
    """How a check has ended."""
    print(f"== {name}: {'passed' if status == 0 else 'FAILED'} in {time.monotonic() - begun:.0f} s", flush=True)


def _tool(name: str) -> str:
    """A tool of our own environment, not of the machine's PATH."""
    return str(Path(sys.executable).parent / name)


def _asterisk(var: Path) -> str:
    """Have an Asterisk; what kept us from it, or nothing."""
    if find_asterisk(var) is not None:
        return ""
    print("== preparing Asterisk", flush=True)
    try:
        prepare_asterisk(var, lambda text: print(f"   {text}", flush=True))
    except PrepareError as error:
        return str(error)
    return ""


def _debian_parts(var: Path) -> str:
    """Have the browser, its font and the voice: found on the machine, or installed by apt-get where we are root."""
    missing = [
        package
        for package, known_by in DEBIAN_PARTS
        if not any(Path(one).exists() if one.startswith("/") else shutil.which(one) for one in known_by)
    ]
    if not missing:
        return ""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return f"not on this machine; install them with: sudo apt-get install {' '.join(missing)}"
    print(f"== installing {' '.join(missing)}", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}

    def run(command: list[str]) -> int:
        quiet = subprocess.DEVNULL
        return subprocess.run(command, env=environment, stdout=quiet, stderr=quiet, check=False).returncode

    run(["apt-get", "update"])
    if run(["apt-get", "install", "-y", "--no-install-recommends", *missing]) != 0:
        return f"apt-get could not install {' '.join(missing)}"
    return ""
