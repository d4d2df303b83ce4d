"""The address of call-backs: endpoints that reach nobody are named, and are those that the template generates so."""

from __future__ import annotations

import logging
import re
from dataclasses import fields
from pathlib import Path

import jinja2
import pytest

from controller.asterisk_settings import ExchangeSettings, Phone
from controller.config_callback import ADDRESSLESS, OUTGOING, dial_fault, endpoint_of
from tests.core.test_callbacks import NUMBER, PLAN, desk, dialled, fails, waiting_request

pytestmark = pytest.mark.core

ROOT = Path(__file__).resolve().parents[2]


def endpoints(carrier_host: str) -> dict[str, bool]:
    """The endpoints of the generated pjsip.conf; whether each has an address of record."""
    settings = ExchangeSettings(
        Path("/x"), sip_port=5060, ami_port=5038, rtp_start=10000, rtp_end=10100,
        phones=(Phone("1001", "p"),), carrier_host=carrier_host,
    )  # fmt: skip
    loader = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROOT / "asterisk-config"), undefined=jinja2.StrictUndefined, autoescape=True
    )
    text = loader.get_template("pjsip.conf.j2").render({f.name: getattr(settings, f.name) for f in fields(settings)})
    found: dict[str, bool] = {}
    for name, base, body in re.findall(r"^\[([^\]]+)\]\((line|outside|phone)\)\n([^\[]*)", text, re.MULTILINE):
        assert base
        found[name] = re.search(r"^aors *=", body, re.MULTILINE) is not None
    return found


def test_the_endpoints_without_an_address_are_those_of_the_template() -> None:
    assert endpoints("192.0.2.1") == {"trunk": False, "citizen": False, "carrier": True, "1001": True}
    assert "carrier" not in endpoints("")
    assert set(ADDRESSLESS) == {name for name, addressed in endpoints("192.0.2.1").items() if not addressed}
    assert OUTGOING == "carrier"


@pytest.mark.parametrize(
    ("dial", "trunk", "named"),
    [
        ("PJSIP/{number}@trunk", True, "the endpoint trunk"),
        ("PJSIP/0{number}@citizen", True, "the endpoint citizen"),
        ("PJSIP/trunk/{number}", True, "the endpoint trunk"),
        ("PJSIP/{number}@carrier", False, "without [trunk]"),
        ("PJSIP/{number}@carrier", True, ""),
        ("PJSIP/{number}@trunk-2", False, ""),
    ],
)
def test_a_dial_that_reaches_nobody_is_named(dial: str, trunk: bool, named: str) -> None:
    fault = dial_fault(dial, trunk=trunk)
    assert named in fault
    assert bool(fault) == bool(named)


def test_the_example_of_the_configuration_reaches_the_carrier() -> None:
    (example,) = re.findall(r'^# dial = "([^"]*)"', (ROOT / "hotline.toml").read_text("utf-8"), re.MULTILINE)
    assert endpoint_of(example) == OUTGOING
    assert not dial_fault(example, trunk=True)


def test_an_attempt_that_could_not_be_placed_is_logged_without_its_number(caplog: pytest.LogCaptureFixture) -> None:
    hall = desk()
    request = waiting_request(hall)
    call = dialled(hall).call
    with caplog.at_level(logging.WARNING):
        fails(hall, call, "failed")
    (line,) = caplog.messages
    assert (request.id in line, PLAN.dial in line, NUMBER in line) == (True, True, False)


def test_a_busy_number_is_no_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    hall = desk()
    waiting_request(hall)
    call = dialled(hall).call
    with caplog.at_level(logging.WARNING):
        fails(hall, call, "busy")
    assert not caplog.messages
