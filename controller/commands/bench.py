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
    options = {"quick": True} if arguments.quick else {}
    if arguments.model is not None:
        if "model" not in inspect.signature(run).parameters:
            print(f"hotline: bench {arguments.name} has no --model", file=sys.stderr)
            return 2
        options["model"] = arguments.model
    return int(run(arguments.json, **options))
