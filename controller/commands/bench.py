"""`hotline bench NAME`: a table beside the peer and the goal, and the figures as JSON."""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys


def main(arguments: argparse.Namespace) -> int:
    """0 when the bench could be run; a missed goal is shown, not hidden behind an exit status."""
    run = importlib.import_module(f"benchmarks.{arguments.name}").run
    if arguments.quick and "quick" not in inspect.signature(run).parameters:
        print(f"hotline: bench {arguments.name} has no --quick; it runs as always", file=sys.stderr)
        arguments.quick = False
    return int(run(arguments.json, quick=True) if arguments.quick else run(arguments.json))
