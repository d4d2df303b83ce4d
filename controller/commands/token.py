"""`hotline token add water-1 --role unit --unit water`: gives those who work on tickets their access tokens.

A token is printed once and kept nowhere; the data folder has its digest. It needs no serving hotline, and one that
serves knows of it within a second or two.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import datetime
from zoneinfo import ZoneInfo

from controller.commands.check import checked
from controller.config import Settings
from controller.tokens import ACCESS, AccessFile, BadToken
from tickets.moves import Role


def main(arguments: argparse.Namespace) -> int:
    """0 when it was done, 1 when it could not be, 2 for a wrong request."""
    settings = checked(arguments.config)
    if settings is None:
        return 2
    file = AccessFile(settings.data / ACCESS)
    try:
        return _do(arguments, settings, file)
    except (BadToken, ValueError) as error:
        print(f"hotline: {error}", file=sys.stderr)
    except OSError as error:
        print(f"hotline: {file.file} cannot be used: {error.strerror}", file=sys.stderr)
    return 1


def _do(arguments: argparse.Namespace, settings: Settings, file: AccessFile) -> int:
    if arguments.action == "list":
        for id, one in sorted(file.read().items()):
            made = datetime.fromtimestamp(one.made_at, ZoneInfo(settings.plan.timezone))
            print(f"{id:<20} {one.role:<11} {one.unit or '-':<16} {made:%Y-%m-%d %H:%M}  {one.note}".rstrip())
        return 0
    if not arguments.id:
        print(f"whose? e.g. `./hotline token {arguments.action} water-1`", file=sys.stderr)
        return 2
    if arguments.action == "remove":
        file.remove(arguments.id)
        print(f"{arguments.id}: token removed")
        return 0
    if arguments.role is None:
        print("in what role? e.g. --role dispatcher", file=sys.stderr)
        return 2
    if arguments.unit and arguments.unit not in settings.tickets.units:
        raise BadToken(f"there is no handling unit {arguments.unit} in the configuration")
    role = Role(arguments.role)
    if role is Role.AGENT and arguments.id not in settings.plan.agents:
        raise BadToken(f"{arguments.id} is no agent of this configuration")
    token = file.add(arguments.id, role, arguments.unit or "", made_at=time.time(), note=arguments.note)
    print(f"{arguments.id}: this token is shown once and cannot be shown again", file=sys.stderr)
    print(token)
    return 0
