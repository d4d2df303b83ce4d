"""Prometheus and promtool for the tests: the machine's own, or Debian's package in a private tree; none installed."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from controller.debian import PrepareError, is_prepared, prepare_tree

ROOT = Path(__file__).resolve().parents[2]
SUITES = ("bookworm", "trixie", "forky")


class NoPrometheus(Exception):
    """There is no Prometheus here and none could be prepared; the text says why."""


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the two programs lie."""

    prometheus: Path
    promtool: Path


def find_prometheus(tree: Path = ROOT / "var" / "prometheus", cache: Path = ROOT / "var" / "cache") -> Programs:
    """The programs on PATH, else those of a private tree, prepared (41 MB) if it is not there yet.

    Raises `NoPrometheus`.
    """
    server, tool = shutil.which("prometheus"), shutil.which("promtool")
    if server and tool:
        return Programs(Path(server), Path(tool))
    try:
        suite = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        suite = ""
    # The programs use the machine's own loader and C library, so the tree is of the machine's own suite.
    if suite not in SUITES:
        raise NoPrometheus("no Prometheus on this machine, and it is not a Debian whose package could be prepared")
    try:
        if not is_prepared(tree, ["prometheus"], suite=suite):
            prepare_tree(["prometheus"], suite=suite, root=tree, cache=cache, progress=lambda text: None)
    except PrepareError as error:
        raise NoPrometheus(str(error)) from None
    return Programs(tree / "usr/bin/prometheus", tree / "usr/bin/promtool")
