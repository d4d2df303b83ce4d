"""`hotline drill kill`: see `controller/drill/`."""

from __future__ import annotations

import argparse


def main(arguments: argparse.Namespace) -> int:
    """0 only if nobody was lost."""
    from controller.drill.run import main as run_drill

    return run_drill(arguments)
