"""`hotline agent ready 1001`: what an agent does at his desk, from the command line; the HTTP API does the same."""

from __future__ import annotations

import argparse
import sys

from controller.commands.check import checked
from controller.commands.client import Client, ClientError


def main(arguments: argparse.Namespace) -> int:
    """0 when the hotline accepted it."""
    settings = checked(arguments.config)
    if settings is None:
        return 2
    try:
        client = Client(settings.data)
        if arguments.action == "list":
            for agent in client.get("/api/overview")["agents"]:
                phone = "phone registered" if agent["phone"] else "no phone"
                print(f"{agent['agent']}  {agent['state']:<10} {agent['reason']:<10} {phone:<17} {agent['name']}")
            return 0
        if not arguments.id:
            print("which agent? e.g. `./hotline agent ready 1001`", file=sys.stderr)
            return 2
        body = {"reason": arguments.reason} if arguments.action == "not-ready" else {}
        if arguments.action == "sign-in" and arguments.seat:
            body = {"seat": arguments.seat}
        client.post(f"/api/agents/{arguments.id}/{arguments.action}", body)
    except ClientError as error:
        print(f"hotline: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.id}: {arguments.action}")
    return 0
