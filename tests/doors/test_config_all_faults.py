"""`hotline check` names every fault of every stage in one run: the faults of TOML, of types, of names that refer to
nothing, of rules that contradict each other, in any mixture.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from controller.__main__ import main
from controller.config import ConfigError, Problem, load

pytestmark = pytest.mark.doors

GOOD = """[hotline]
timezone = "Asia/Shanghai"
default_number = "12345"

[[numbers]]
dialled = "12345"
menu = "main"

[[numbers]]
dialled = "12346"
direct = "general"
hours = { mon-fri = ["09:00-17:00"] }

[[queues]]
id = "general"
name_zh = "综合"
name_en = "General"
skills = { general = 1 }
policy = "best-level"
music = "default"
relax = [
    { after_s = 30.0, join = ["english"] },
]
keys = { "2" = "queue:english" }

[[queues]]
id = "english"
name_zh = "英语"
name_en = "English"
skills = { english = 3 }
full = { waiting = 9 }

[[queues]]
id = "approvals"
name_zh = "一号答"
name_en = "Approvals"

[[agents]]
id = "1001"
name = "王敏"
skills = { general = 3, english = 4 }

[[agents]]
id = "1002"
name = "周涛"
skills = { general = 2 }

[[seats]]
id = "8001"

[[extensions]]
id = "2001"
name = "审批"

[[supervisors]]
id = "lin"
name = "林"
phone = "9001"
queues = ["general"]
rights = ["listen", "force"]

[[supervisors]]
id = "zhao"
name = "赵"
rights = ["audit"]

[[callers]]
number = "13800001111"
kind = "vip"
until = 2027-01-01
queue = "general"

[[destinations]]
id = "police"
name_zh = "公安"
name_en = "Police"
ways = ["transfer"]
extension = "2001"

[[destinations]]
id = "water"
name_zh = "水务"
name_en = "Water"
ways = ["three_way"]
extension = "2001"

[agent_rules]
wrap_up_s = 20.0
not_ready_reasons = ["break", { id = "meal", limit_s = 1800.0 }]

[phone_codes]
ready = "*13"

[recording]
keep_days = 1095

[outbound]
allow = ['1[3-9]\\d{9}']

[callback]
hours = { mon-sun = ["08:00-21:00"] }

[asterisk]
sip_host = "127.0.0.1"
carriers = ["192.0.2.0/24"]

[web]
port = 8012

[database]
url = "sqlite:///x.db"

[tickets]
working_hours = ["08:30-12:00", "13:30-18:00"]
close_working_days = { inquiry = 3 }

[[tickets.limits]]
clock = "sign"
working_hours = 4
types = ["complaint"]

[knowledge]
warn_days = 30

[citizens]
follow_up_after_h = 24.0
follow_up_within_days = 14.0

[exchange]
retry_first_s = 1.0
retry_last_s = 300.0

[[webhooks]]
id = "portal"
url = "https://portal.example/hook"
secret_file = "secret"
moves = ["open"]

[[organisations]]
id = "lyg"
name = "连云港"
kind = "city"
leader = "a"
office = "b"
handler = "c"
"""


@dataclass(frozen=True)
class Fault:
    """Replace `old` by `new`; then the line with `at` has the words in it."""

    old: str
    new: str
    at: str
    words: str


FAULTS = [
    Fault('timezone = "Asia/Shanghai"', 'timezone = "Mars/Olympus"', "Mars", "is no time zone"),
    Fault('timezone = "Asia', 'colour = "red"\ntimezone = "Asia', "colour", "is not a known setting"),
    Fault('default_number = "12345"', 'default_number = "99999"', "default_number", "is not among [[numbers]]"),
    Fault('menu = "main"', 'menu = "mian"', '"mian"', "is no menu"),
    Fault('dialled = "12346"', 'dialled = "12345"\n# twice', "# twice", "stands twice"),
    Fault("09:00-17:00", "17:00-09:99", "09:99", "numbers[2].hours"),
    Fault('name_en = "General"', "", "skills = { general = 1 }", "name_en is missing"),
    Fault('policy = "best-level"', 'policy = "worst"', '"worst"', "is no policy"),
    Fault('music = "default"', "music = 5", "music = 5", "must be a text"),
    Fault('music = "default"', 'music = "a" "b"', '"a" "b"', "is not TOML here"),
    Fault('join = ["english"]', 'join = ["englsh"]', '"englsh"', "is no other queue"),
    Fault('"queue:english"', '"queue:none"', '"queue:none"', "is neither"),
    Fault("english = 3", "english = 9", "english = 9", "less than or equal to 5"),
    Fault("full = { waiting = 9 }", "full = {}", "full = {}", "needs waiting"),
    Fault('id = "1002"', 'id = "10"', 'id = "10"', "agents[2].id"),
    Fault('name = "周涛"', 'name = ""', 'name = ""', "agents[2].name"),
    Fault('id = "8001"', 'id = "1001"\n# seat', "# seat", "is taken already"),
    Fault('name = "审批"', "", 'id = "2001"', "name is missing"),
    Fault('queues = ["general"]', 'queues = ["genral"]', '"genral"', "is no queue"),
    Fault('rights = ["listen", "force"]', 'rights = ["listen", "everything"]', '"everything"', "rights[2]"),
    Fault('rights = ["audit"]', "", 'id = "zhao"', "rights is missing"),
    Fault('id = "zhao"', 'id = "admin"', '"admin"', "means somebody else"),
    Fault('kind = "vip"', 'kind = "lord"', '"lord"', "callers[1].kind"),
    Fault('01-01\nqueue = "general"', '01-01\nqueue = "nowhere"', '"nowhere"', "is no queue"),
    Fault('ways = ["three_way"]', 'ways = ["telepathy"]', '"telepathy"', "destinations[2].ways[1]"),
    Fault('extension = "2001"', 'extension = "2009"', '"2009"', "is not among [[extensions]]"),
    Fault("wrap_up_s = 20.0", "wrap_up_s = 20.0\nwrap_up_max_s = 5.0", "wrap_up_max_s", "must not be below"),
    Fault('["break", ', '["Break", ', '"Break"', "not_ready_reasons[1] string should match"),
    Fault("limit_s = 1800.0", 'limit_s = "long"', '"long"', "limit_s must be a number"),
    Fault('ready = "*13"', 'ready = "*43"', '"*43"', "cannot be told from"),
    Fault("keep_days = 1095", "keep_days = 1095\nkeep_days = 7", "keep_days = 7", "stands twice"),
    Fault("1[3-9]", "1[3-9", "1[3-9\\", "is no regular expression"),
    Fault("08:00-21:00", "08:00-25:00", "08:00-25:00", "callback.hours"),
    Fault('sip_host = "127.0.0.1"', 'sip_host = "nowhere"', '"nowhere', "is no IPv4 address"),
    Fault('"192.0.2.0/24"', '"bad host"', '"bad host"', "neither an address nor a network"),
    Fault("port = 8012", "port = 99999", "99999", "less than or equal to 65535"),
    Fault("sqlite:///x.db", "mysql://x", "mysql", "is wrong"),
    Fault('"13:30-18:00"]', '"11:30-18:00"]', "11:30-18:00", "tickets.working_hours"),
    Fault("{ inquiry = 3 }", "{ inqury = 3 }", "inqury", "is no type of ticket"),
    Fault("working_hours = 4\n", "", 'clock = "sign"', "needs exactly one of"),
    Fault("warn_days = 30", "warn_days = 0", "warn_days = 0", "greater than or equal to 1"),
    Fault("follow_up_after_h = 24.0", "follow_up_after_h = 700.0", "[citizens]", "ends before"),
    Fault("retry_last_s = 300.0", "retry_last_s = 0.5", "retry_last_s", "is shorter than"),
    Fault('moves = ["open"]', 'moves = ["opened-wide"]', "opened-wide", "is no move"),
    Fault('handler = "c"', 'handler = "c"\npeer = "elsewhere"', "elsewhere", "is not among [[exchange.peers]]"),
]  # fmt: skip


def found(folder: Path, *faults: Fault) -> tuple[str, list[Problem]]:
    """The file with these faults, and what is told of it."""
    text = GOOD
    for fault in faults:
        assert text.count(fault.old), fault
        text = text.replace(fault.old, fault.new, 1)
    file = folder / "hotline.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(file)
    return text, list(refused.value.problems)


def line_of(text: str, fault: Fault) -> int:
    """The line that shows the fault; a table's header where what is missing has none of its own."""
    rows = text.splitlines()
    row = next(number for number, row in enumerate(rows, 1) if fault.at in row)
    if fault.words.startswith(("needs exactly", "name is missing", "rights is", "name_en is")):
        while not rows[row - 1].startswith("[["):
            row -= 1
    elif fault.at.startswith("# "):
        row -= 1
    return row


def test_the_file_itself_is_good(tmp_path: Path) -> None:
    file = tmp_path / "hotline.toml"
    file.write_text(GOOD, encoding="utf-8")
    assert load(file).plan.supervisors


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.at for fault in FAULTS])
def test_one_fault_is_named_once_and_nothing_that_follows_from_it(tmp_path: Path, fault: Fault) -> None:
    text, problems = found(tmp_path, fault)
    assert [(one.line, fault.words in one.text) for one in problems] == [(line_of(text, fault), True)], problems


def test_two_faults_of_whatever_stages_are_both_named(tmp_path: Path) -> None:
    """Mixed once for all; each fault is in four pairs, and where two stand at the same place the pair is left out."""
    mixed = Random(1).sample(FAULTS, len(FAULTS))
    pairs = [(one, mixed[(at + far) % len(mixed)]) for far in (1, 7) for at, one in enumerate(mixed)]
    for pair in pairs:
        if pair[0].old in pair[1].old or pair[1].old in pair[0].old:
            continue
        text, problems = found(tmp_path, *pair)
        for fault in pair:
            told = [one for one in problems if fault.words in one.text and one.line == line_of(text, fault)]
            assert told, f"{fault} is hidden by the other of {pair}:\n" + "\n".join(map(str, problems))


def test_the_command_tells_a_supervisors_unknown_right_and_his_unknown_queue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "hotline.toml"
    text = GOOD.replace('queues = ["general"]', 'queues = ["genral"]').replace('"force"]', '"everything"]')
    file.write_text(text, encoding="utf-8")
    assert main(["check", "--config", str(file)]) == 2
    told = capsys.readouterr().err.splitlines()
    line = text[: text.index('queues = ["genral"]')].count("\n") + 1
    assert told[0].startswith(f"{file}:{line}: supervisors[1].queues 'genral' is no queue")
    assert told[1].startswith(f"{file}:{line + 1}: supervisors[1].rights[2] ")
    assert told[2:] == ["2 faults; nothing was started."]
