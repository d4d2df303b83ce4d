"""`hotline transcripts list|again`: which calls wait for their transcript or got none, and have them made again."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

from controller.commands.check import checked
from controller.commands.client import Client, ClientError


def main(arguments: argparse.Namespace) -> int:
    """0 when it was done, 1 when the hotline refused or does not serve, 2 for a wrong request."""
    settings = checked(arguments.config)
    if settings is None:
        return 2
    try:
        client = Client(settings.data)
        if arguments.action == "list":
            _list(client, arguments.state, ZoneInfo(settings.plan.timezone))
            return 0
        if arguments.call:
            told = client.post(f"/api/calls/{quote(arguments.call, safe='')}/transcript")
            print(f"{told['call']}: {told['state']}")
            return 0
        if not arguments.all and not arguments.cause:
            print("which? `./hotline transcripts again CALL`, or --cause no_model, or --all", file=sys.stderr)
            return 2
        asked = client.post("/api/transcript-jobs/again", {"cause": arguments.cause} if arguments.cause else {})
        print(f"{asked['asked']} wait for their transcript again")
    except ClientError as error:
        print(f"hotline: {error}", file=sys.stderr)
        return 1
    return 0


def _list(client: Client, state: str, zone: ZoneInfo) -> None:
    line = client.get(f"/api/transcript-jobs?state={state}")
    for one in line["transcripts"]:
        at = datetime.fromtimestamp(one["asked_at"], zone)
        why = f"{one['message']['en']} ({one['message']['zh']})" if one["message"] else ""
        print(f"{at:%Y-%m-%d %H:%M:%S}  {one['call']:<28} {one['language']:<3} {why}".rstrip())
    failed = ", ".join(f"{cause} {count}" for cause, count in sorted(line["failed"].items())) or "none"
    print(f"{line['waiting']} wait; given up: {failed}" + ("" if line["on"] else "; no transcripts are made here"))
