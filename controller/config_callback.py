"""[callback] dial of the configuration: an address at which the Asterisk that we own can reach nobody. Pure."""

from __future__ import annotations

ADDRESSLESS = ("trunk", "citizen")
"""Endpoints of `pjsip.conf.j2` by which calls arrive: they have no address, so nothing goes out by them."""

OUTGOING = "carrier"
"""The endpoint by which calls go out; it is generated with [trunk]."""


def endpoint_of(dial: str) -> str:
    """The endpoint by which ``PJSIP/{number}@endpoint`` or ``PJSIP/endpoint/…`` goes out."""
    address = dial.removeprefix("PJSIP/")
    return (address.rpartition("@")[2] if "@" in address else address).partition("/")[0]


def dial_fault(dial: str, *, trunk: bool) -> str:
    """What is wrong with `dial` where Asterisk's configuration is ours; empty where nothing is. `trunk`: there is one.

    An endpoint that we do not generate is not judged.
    """
    name = endpoint_of(dial)
    if name in ADDRESSLESS:
        return (
            f"{dial!r} reaches nobody: calls arrive by the endpoint {name}, which has no address to send one to. "
            f'"PJSIP/{{number}}@{OUTGOING}" goes out by the host of [trunk]'
        )
    if name == OUTGOING and not trunk:
        return f"{dial!r} reaches nobody: there is no endpoint {OUTGOING} without [trunk], which names its host"
    return ""
