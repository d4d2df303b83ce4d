"""`hotline demo`: see `controller/demo/`."""

from __future__ import annotations

import argparse


def main(arguments: argparse.Namespace) -> int:
    """0 only if every story ended as it should."""
    from controller.demo.run import main as run_demo

    return run_demo(arguments)
