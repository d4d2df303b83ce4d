"""[alerts]: what the file may say, and what is told of what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.config import ConfigError, load
from controller.config_alerts import MailSection, mail_password
from metrics.alerts import Severity

pytestmark = pytest.mark.core

ROOT = Path(__file__).parents[2]
GIVEN = (ROOT / "hotline.toml").read_text(encoding="utf-8").partition("\n[alerts]\n")[0]


def settings(tmp_path: Path, text: str) -> Path:
    """A configuration with this in place of its alerts."""
    file = tmp_path / "hotline.toml"
    file.write_text(GIVEN + text, encoding="utf-8")
    return file


def test_rules_of_ones_own_stand_beside_the_shipped_or_in_their_place(tmp_path: Path) -> None:
    text = """
[alerts]
off = ["no-agent"]
shifts = ["16:00", "08:00"]
[alerts.mail]
host = "mail.example"
sender = "a@example.gov.cn"
[[alerts.rules]]
name = "sl15-falling"
measure = "sl15.offered.v1"
window = "shift"
below = 0.5
[[alerts.rules]]
name = "waiting"
measure = "waiting"
of = "queue"
only = ["general"]
above = 20.0
clears_at = 10.0
severity = "critical"
[[alerts.receivers]]
id = "duty"
mail = ["duty@example.gov.cn"]
severities = ["critical"]
"""
    plan = load(settings(tmp_path, text)).alerts
    rules = {one.name: one for one in plan.rules}
    assert "no-agent" not in rules
    assert (rules["sl15-falling"].threshold, rules["sl15-falling"].window) == (0.5, "shift")
    assert "sl15-24h" in rules
    assert plan.shifts == (8 * 3600, 16 * 3600)
    (duty,) = plan.receivers
    assert duty.wants("waiting", Severity.CRITICAL, "")
    assert not duty.wants("longest-wait", Severity.WARNING, "")
    assert duty.ways == ("mail",)


FAULTS = {
    'off = ["nope"]': "there is no rule nope",
    'shifts = ["8"]': "time of day",
    'definitions = ["conect.v1"]': "no definition has this name; nearest: ",
    'definitions = ["wait.p95.v1"]': "is not kept live",
    '[[alerts.rules]]\nname = "a"\nmeasure = "nope"\nwindow = "1h"\nbelow = 1.0': "is no gauge",
    '[[alerts.rules]]\nname = "a"\nmeasure = "connect.v1"\nwindow = "2h"\nbelow = 1.0': "must be one of 15m",
    '[[alerts.rules]]\nname = "a"\nmeasure = "connect.v1"\nwindow = "1h"\nbelow = 0.9\nclears_at = 0.8': "good side",
    '[[alerts.rules]]\nname = "a"\nmeasure = "waiting"\nof = "queue"\nonly = ["x"]\nabove = 1.0': "there is no queue x",
    '[[alerts.rules]]\nname = "a"\nmeasure = "waiting"': "below or above",
    '[[alerts.receivers]]\nid = "a"': "nobody would be told",
    '[[alerts.receivers]]\nid = "a"\nmail = ["a@example.cn"]': "needs [alerts.mail]",
    '[[alerts.receivers]]\nid = "a"\nwebhook = "x"': "there is no [[webhooks]] x",
    '[[alerts.receivers]]\nid = "a"\nmail = ["a@example.cn\\nBcc: b@example.cn"]': "mail",
}


@pytest.mark.parametrize("text", FAULTS)
def test_what_is_wrong_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(settings(tmp_path, f"\n[alerts]\n{text}\n"))
    assert FAULTS[text] in str(refused.value)


def test_a_password_that_others_may_read_is_refused(tmp_path: Path) -> None:
    section = MailSection(host="x", sender="a@example.cn", password_file="mail.secret")  # noqa: S106 - a file's name
    (tmp_path / "mail.secret").write_text("secret\n")
    (tmp_path / "mail.secret").chmod(0o644)
    with pytest.raises(ValueError, match="chmod 600"):
        mail_password(section, tmp_path)
    (tmp_path / "mail.secret").chmod(0o600)
    assert mail_password(section, tmp_path) == "secret"
