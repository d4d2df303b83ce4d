"""`hotline asterisk prepare`: a private Asterisk from Debian's packages, without root."""

from __future__ import annotations

import argparse
import signal
import sys

from controller.asterisk_tree import find_asterisk, prepare_asterisk
from controller.debian import PrepareError


def main(arguments: argparse.Namespace) -> int:
    """0 when there is an Asterisk of version 20 or newer."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C: what is half-done is erased
    binary = find_asterisk(arguments.var)
    if binary is None and arguments.action == "prepare":
        try:
            binary = prepare_asterisk(arguments.var, lambda text: print(f"asterisk: {text}", flush=True))
        except PrepareError as error:
            print(f"asterisk: {error}", file=sys.stderr)
            return 1
    if binary is None:
        print("There is no Asterisk of version 20 or newer; run `./hotline asterisk prepare`.", file=sys.stderr)
        return 1
    print(f"Asterisk {binary.version} ({binary.source})")
    return 0
