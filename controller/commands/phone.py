"""`hotline phone 1001`: what a softphone needs to register, or, without a number, to dial in as a citizen."""

from __future__ import annotations

import argparse
import sys

from controller.asterisk_settings import ExchangeSettings, load_settings
from controller.commands.check import checked


def main(arguments: argparse.Namespace) -> int:
    """0 when the phone is known."""
    settings = checked(arguments.config)
    if settings is None:
        return 2
    exchange = load_settings(settings.data / "asterisk")
    if exchange is None:
        print("No exchange has been started with this configuration yet; run `./hotline run` first.", file=sys.stderr)
        return 1
    try:
        for name, value in account(exchange, arguments.id).items():
            print(f"{name:<10}{value}")
    except KeyError:
        print(f"{arguments.id} is neither an agent nor an extension of this configuration.", file=sys.stderr)
        return 1
    return 0


def account(exchange: ExchangeSettings, number: str | None) -> dict[str, str]:
    """SIP address, user and password of an extension, or of the citizens' line. Raises KeyError."""
    server = f"{exchange.host}:{exchange.sip_port} (UDP)"
    if number is not None:
        phone = exchange.phone(number)
        return {"server": server, "user": phone.number, "password": phone.password, "codec": "PCMA (G.711 A-law)"}
    return {
        "server": server,
        "user": exchange.citizen_user,
        "password": exchange.citizen_password,
        "register": "no",
        "dial": ", ".join(exchange.numbers),
    }
