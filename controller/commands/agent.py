"""`hotline agent ready 1001`: what an agent does at his desk, from the command line; the HTTP API does the same.

`hotline agent pin 1001` sets the PIN with which he signs in at a phone; it needs no serving hotline.
"""

from __future__ import annotations

import argparse
import getpass
import sys

from controller.commands.check import checked
from controller.commands.client import Client, ClientError
from controller.config import Settings
from controller.pins import PINS, BadPin, PinFile
from pbx.ids import AgentId


def main(arguments: argparse.Namespace) -> int:
    """0 when the hotline accepted it."""
    settings = checked(arguments.config)
    if settings is None:
        return 2
    if arguments.action != "list" and not arguments.id:
        print(f"which agent? e.g. `./hotline agent {arguments.action} 1001`", file=sys.stderr)
        return 2
    if arguments.action == "pin":
        return _set_pin(settings, AgentId(arguments.id), remove=arguments.remove)
    try:
        client = Client(settings.data)
        if arguments.action == "list":
            for agent in client.get("/api/overview")["agents"]:
                phone = "phone registered" if agent["phone"] else "no phone"
                seat = f"at {agent['seat']}" if agent["seat"] not in (None, agent["agent"]) else ""
                what = f"{agent['agent']}  {agent['state']:<10} {agent['reason']:<10} {phone:<17} {seat:<12}"
                print(f"{what} {agent['name']}")
            return 0
        body = {"reason": arguments.reason} if arguments.action == "not-ready" else {}
        if arguments.action == "sign-in" and arguments.seat:
            body = {"seat": arguments.seat}
        client.post(f"/api/agents/{arguments.id}/{arguments.action}", body)
    except ClientError as error:
        print(f"hotline: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.id}: {arguments.action}")
    return 0


def _set_pin(settings: Settings, agent: AgentId, *, remove: bool) -> int:
    """Ask for a PIN twice, or read it from a pipe, and keep its hash; never shown, never an argument."""
    if agent not in settings.plan.agents:
        print(f"{agent} is no agent of this configuration.", file=sys.stderr)
        return 1
    pin = None
    if not remove:
        if sys.stdin.isatty():
            pin = getpass.getpass(f"new PIN of {agent}: ")
            if getpass.getpass("once more: ") != pin:
                print("The two differ; nothing was changed.", file=sys.stderr)
                return 1
        else:
            pin = sys.stdin.readline().strip()
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        PinFile(settings.data / PINS).put(agent, pin)
    except (BadPin, ValueError) as error:
        print(f"hotline: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"hotline: the PIN cannot be kept: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{agent}: PIN {'removed' if remove else 'set'}")
    return 0
