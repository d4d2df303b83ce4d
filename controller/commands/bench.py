"""`hotline bench NAME`: a table beside the peer and the goal, and the figures as JSON."""

from __future__ import annotations

import argparse
import importlib


def main(arguments: argparse.Namespace) -> int:
    """0 when the bench could be run; a missed goal is shown, not hidden behind an exit status."""
    return int(importlib.import_module(f"benchmarks.{arguments.name}").run(arguments.json))
