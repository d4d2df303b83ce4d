"""Every fault of a configuration and its menus is named in one run, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.commands.check import key_notes, skill_notes
from controller.config import ConfigError, load
from controller.plan import AreaPlan, Full, VoiceMessagePlan
from pbx.ids import QueueId

pytestmark = pytest.mark.doors

FAULTY = """[hotline]
data = 5
timezone = "Mars/Olympus"
menus = "menus"
colour = "red"
data = "x"
[[numbers]]
dialled = "12345"
menu = "main"
direct = "general"
[[queues]]
id = "general"
name_zh = "综合"
ring_s = "six"
[[queues]]
id = "general"
name_zh = "综合"
name_en = "g"
[[agents]]
id = "10"
name = ""
[asterisk]
mode = "attach"
sip_host = "nowhere"
carriers = ["192.0.2.0/24", "bad host"]
[database]
url = "mysql://x"
[web]
port = 99999
"""
LINES = [2, 3, 5, 6, 7, 9, 11, 14, 16, 20, 21, 22, 22, 22, 24, 25, 27, 29]


def test_all_faults_at_once(tmp_path: Path) -> None:
    (tmp_path / "menus").mkdir()
    (tmp_path / "menus" / "latin.toml").write_bytes('id = "m"\n# Öffnungszeit\n'.encode("latin-1"))
    (tmp_path / "menus" / "twice.toml").write_text('id = "t"\nstart = "a"\nstart = "b"\n')
    file = tmp_path / "hotline.toml"
    file.write_text(FAULTY, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(file)
    found = refused.value.problems
    assert [problem.line for problem in found if problem.file == str(file)] == LINES, "\n".join(map(str, found))
    menus = {(Path(problem.file).name, problem.line) for problem in found if problem.file != str(file)}
    assert {("latin.toml", 2), ("twice.toml", 3)} <= menus


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [(b'[web]\nhost = "\xff"\n', 2, "not UTF-8"), (b"[web\n", 1, "is not TOML here"), (None, 1, "cannot be read")],
)
def test_file_that_cannot_be_read(tmp_path: Path, data: bytes | None, line: int, words: str) -> None:
    file = tmp_path / "hotline.toml"
    if data is None:
        file.mkdir()
    else:
        file.write_bytes(data)
    with pytest.raises(ConfigError) as refused:
        load(file)
    (problem,) = refused.value.problems
    assert (problem.line, words in problem.text) == (line, True), problem


def test_windows_editor(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "hotline.toml").read_text(encoding="utf-8")
    file = tmp_path / "hotline.toml"
    file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load(file).plan.numbers


STAFFED = """[[numbers]]
dialled = "12345"
direct = "general"
[[queues]]
id = "general"
name_zh = "综合"
name_en = "General"
[[agents]]
id = "1001"
name = "王敏"
"""


@pytest.mark.parametrize(
    ("added", "line", "words"),
    [
        ('[[seats]]\nid = "1001"\n', 12, "is taken already"),
        ('[[seats]]\nid = "8001"\n[[seats]]\nid = "8001"\n', 14, "is taken already"),
        ('[[seats]]\nid = "8001"\n[[extensions]]\nid = "8001"\nname = "x"\n', 14, "is taken already"),
        ("phone = false\n", 11, "nobody could sit"),
        ('[phone_codes]\nready = "*43"\n', 12, "cannot be told from *43"),
        ('[phone_codes]\nready = "*141"\n', 11, "cannot be told from *141"),
        ('[phone_codes]\nsign_in = "11"\n', 12, "phone_codes.sign_in"),
        ("[agent_rules]\nwrap_up_max_s = 5.0\n", 12, "must not be below wrap_up_s"),
        ('[agent_rules]\nnot_ready_reasons = ["break", { id = "break" }]\n', 12, "stands twice"),
        ('[agent_rules]\nnot_ready_reasons = ["missed"]\n', 12, "the system"),
    ],
)
def test_what_contradicts_itself_about_agents_and_seats(tmp_path: Path, added: str, line: int, words: str) -> None:
    file = tmp_path / "hotline.toml"
    file.write_text(STAFFED + added, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(file)
    assert [(one.line, words in one.text) for one in refused.value.problems] == [(line, True)], refused.value.problems


def test_seats_codes_and_reasons_as_they_are_read(tmp_path: Path) -> None:
    file = tmp_path / "hotline.toml"
    reasons = 'not_ready_reasons = [{ id = "break", name_zh = "小休", limit_s = 600.0, most = 2 }, "meal"]'
    file.write_text(
        f'{STAFFED}phone = false\n[[seats]]\nid = "8001"\n[phone_codes]\nready = ""\n[agent_rules]\nwrap_up_s = 400.0\n'
        f"{reasons}\n",
        encoding="utf-8",
    )
    plan = load(file).plan
    assert (plan.phones, plan.own_phones) == (("8001",), {})
    rules = plan.agent_rules
    assert (rules.not_ready_reasons, rules.limits_s, rules.most) == (("break", "meal"), {"break": 600.0}, {"break": 2})
    assert rules.wrap_up_max_s == 400.0
    assert plan.reason_names == {"break": ("小休", "")}


SUPERVISORS = """
[[numbers]]
dialled = "12345"
direct = "general"
[[queues]]
id = "general"
name_zh = "综合"
name_en = "General"
[[agents]]
id = "1001"
name = "One"
[[supervisors]]
id = "lin"
name = "林"
phone = "9001"
rights = ["listen", "force"]
"""


def test_supervisors_are_read(tmp_path: Path) -> None:
    file = tmp_path / "hotline.toml"
    file.write_text(SUPERVISORS + "[supervision]\nconflict_s = 5.0\nring_s = 7\nagent_sees = false\n", encoding="utf-8")
    plan = load(file).plan
    (one,) = plan.supervisors.values()
    assert (one.id, one.name, one.phone, one.queues) == ("lin", "林", "9001", {"*"})
    assert {right.value for right in one.rights} == {"listen", "force"}
    assert plan.supervisor_phones == ("9001",)
    rules = plan.supervision
    assert (rules.conflict_s, rules.ring_s, rules.agent_sees) == (5.0, 7, False)


@pytest.mark.parametrize(
    ("was", "now", "line", "words"),
    [
        ('id = "lin"', 'id = "admin"', 13, "means somebody else"),
        ('id = "lin"', 'id = "system"', 13, "means somebody else"),
        ('phone = "9001"', 'phone = "1001"', 15, "taken already"),
        ('phone = "9001"', "", 16, "needs a phone to listen"),
        ('phone = "9001"', 'phone = "9001"\nqueues = ["general", "none"]', 16, "'none' is no queue"),
        ('"listen", "force"', '"listen", "everything"', 16, "rights"),
        ('rights = ["listen", "force"]', "", 12, "rights"),
    ],
)
def test_a_supervisor_who_makes_no_sense(tmp_path: Path, was: str, now: str, line: int, words: str) -> None:
    assert was in SUPERVISORS
    file = tmp_path / "hotline.toml"
    file.write_text(SUPERVISORS.replace(was, now), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(file)
    (problem,) = refused.value.problems
    assert (problem.line, words in problem.text) == (line, True), problem


SERVED = """
[[numbers]]
dialled = "12345"
direct = "general"

[[queues]]
id = "general"
name_zh = "综合"
name_en = "General"

[[agents]]
id = "1001"
name = "王敏"

[[extensions]]
id = "2001"
name = "审批局窗口"
"""

DESTINATIONS = """
[[destinations]]
id = "police"
name_zh = "公安"
name_en = "Police"
kind = "emergency"
ways = ["transfer", "three_way", "ticket"]
number = "110"
unit = "police"

[[destinations]]
id = "approvals-desk"
name_zh = "审批"
name_en = "Approvals"
ways = ["three_way"]
extension = "2001"

[[organisations]]
id = "police"
name = "公安局"
kind = "unit"
leader = "张三"
office = "指挥中心"
handler = "李四"

[outbound]
allow = ['1[3-9]\\d{9}']
caller_by_queue = { general = "12345" }
"""

TRUNK = '\n[trunk]\nhost = "192.0.2.10"\n'


def test_destinations_and_calls_to_the_outside(tmp_path: Path) -> None:
    file = tmp_path / "hotline.toml"
    file.write_text(SERVED + DESTINATIONS + TRUNK, encoding="utf-8")
    plan = load(file).plan
    police = plan.destinations["police"]
    assert (police.number, police.unit, police.urgency) == ("110", "police", "critical")
    assert plan.destinations["approvals-desk"].extension == "2001"
    assert (plan.outbound.trunk, plan.outbound.allow) == ("carrier", (r"1[3-9]\d{9}",))
    file.write_text(SERVED, encoding="utf-8")
    plan = load(file).plan
    assert (plan.outbound.trunk, plan.outbound.allow, plan.destinations) == ("", (), {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DESTINATIONS, "over [trunk] only"),
        (DESTINATIONS.replace('"2001"', '"2009"') + TRUNK, "2009 is not among [[extensions]]"),
        (DESTINATIONS.replace('extension = "2001"', "") + TRUNK, "needs either extension"),
        (DESTINATIONS.replace('"police"', '"1001"') + TRUNK, "is a phone of ours"),
        (DESTINATIONS.replace('unit = "police"\n', "") + TRUNK, "name the organisation that gets it"),
        (DESTINATIONS.replace('unit = "police"', 'unit = "fire"') + TRUNK, "fire is not among [[organisations]]"),
        (DESTINATIONS.replace("1[3-9]", "1[3-9") + TRUNK, "is no regular expression"),
        (DESTINATIONS.replace("{ general", "{ water") + TRUNK, "is no queue"),
        (DESTINATIONS + TRUNK + 'user = "12345"\n', "belong together"),
        (DESTINATIONS + TRUNK + 'user = "1"\npassword_file = "nowhere"\n', "cannot be read"),
        (DESTINATIONS + '\n[[destinations]]\nid = "police"\nname_zh = "a"\nname_en = "b"\nways = ["ticket"]\n' + TRUNK,
         "stands twice"),
    ],
)  # fmt: skip
def test_wrong_destinations_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "hotline.toml"
    file.write_text(SERVED + text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(file)
    assert words in str(refused.value), refused.value


QUEUE = 'dialled = "12345"\n', 'id = "general"\n'


@pytest.mark.parametrize(
    ("number", "queue", "words"),
    [
        ("", "full = {}\n", "needs waiting (callers) or wait_s (seconds)"),
        ("", 'full = { waiting = 9 }\nwhen_full = "callback"\n', "needs [callback] dial"),
        ("", "full = { waiting = 0, wait_s = 9 }\n", "greater than or equal to 1"),
        ("", 'when_full = "busy"\n', "when_full"),
        ('when_closed = "callback"\n', "", "needs [callback] dial"),
        ('when_closed = "wait"\n', "", "when_closed"),
    ],
)
def test_full_queues_and_closed_hours_that_make_no_sense(tmp_path: Path, number: str, queue: str, words: str) -> None:
    file = tmp_path / "hotline.toml"
    text = STAFFED.replace(QUEUE[0], QUEUE[0] + number).replace(QUEUE[1], QUEUE[1] + queue)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(file)
    assert [words in str(one) for one in refused.value.problems] == [True], refused.value.problems


def test_full_queues_and_closed_hours_are_read(tmp_path: Path) -> None:
    file = tmp_path / "hotline.toml"
    text = STAFFED.replace(QUEUE[0], QUEUE[0] + 'when_closed = "voice-message"\n')
    text = text.replace(QUEUE[1], QUEUE[1] + 'full = { waiting = 30, wait_s = 900 }\nwhen_full = "callback"\n')
    file.write_text(text + '[callback]\ndial = "PJSIP/{number}@x"\n[voice_message]\nlongest_s = 60\n', encoding="utf-8")
    plan = load(file).plan
    (queue,) = plan.queues.values()
    assert (queue.full, queue.when_full) == (Full(30, 900.0), "callback")
    assert plan.numbers["12345"].when_closed == "voice-message"
    assert plan.voice_message == VoiceMessagePlan(60, 8)


AREA = """[[numbers]]
dialled = "12345"
menu = "main"
[[queues]]
id = "general"
name_zh = "综合"
name_en = "g"
keys = { "9" = "menu", "1" = "menu" }
city = "ganyu"
[[queues]]
id = "approvals"
name_zh = "一号答"
name_en = "a"
[[queues]]
id = "english"
name_zh = "英语"
name_en = "e"
[[agents]]
id = "1001"
name = "a"
cities = ["ganyu"]
[[areas]]
id = "haizhou"
"""


def test_areas_are_of_numbers_queues_and_menus_that_there_are(tmp_path: Path) -> None:
    file = tmp_path / "hotline.toml"
    file.write_text(AREA + 'numbers = ["110"]\nqueues = ["x"]\nmenu = ["y/1"]\n[[areas]]\nid = "atlantis"\n')
    with pytest.raises(ConfigError) as refused:
        load(file)
    told = [str(problem).split(": ", 1)[1] for problem in refused.value.problems]
    assert told == [
        "areas[1].numbers[1] '110' is not there; there are: 12345",
        "areas[1].queues[1] 'x' is not there; there are: approvals, english, general",
        "areas[1].menu[1] 'y' is not there; there are: direct, main",
        "areas[2].id there is no prompt area-atlantis in every language",
    ]
    file.write_text(AREA + 'numbers = ["12345"]\nmenu = ["main/1/2"]\n')
    plan = load(file).plan
    assert plan.area_callers == {
        "haizhou": AreaPlan(frozenset({"12345"}), frozenset(), (("main", ("1", "2")),)),
        "ganyu": AreaPlan(queues=frozenset({QueueId("general")})),
    }


def test_a_key_that_a_notice_would_use_is_noted_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "hotline.toml"
    file.write_text(AREA)
    (note,) = key_notes(load(file))
    assert note.startswith(f"note: {file}:8: key 1 of the queue general does 'menu'")
    file.write_text(AREA.replace('"1" = ', '"2" = '))
    assert key_notes(load(file)) == []


def test_a_skill_that_nobody_asks_for_or_has_is_noted_with_its_line(tmp_path: Path) -> None:
    """One letter too many, and the agent is never rung: nothing else would say so."""
    file = tmp_path / "hotline.toml"
    file.write_text(
        '[[numbers]]\ndialled = "12345"\ndirect = "general"\n'
        '[[queues]]\nid = "general"\nname_zh = "综合"\nname_en = "general"\nskills = { mandarin = 1 }\n'
        "prefers = { hakka = 1 }\n"
        '[[agents]]\nid = "1001"\nname = "a"\nskills = { mandarin = 3 }\n'
        '[[agents]]\nid = "1002"\nname = "b"\nskills = { mandarine = 4 }\n'
    )
    first, second = skill_notes(load(file))
    assert first == f"note: {file}:17: no queue asks for the skill mandarine of agent 1002; is it spelled rightly?"
    assert second.startswith(f"note: {file}:9: no agent has the skill hakka that the queue general prefers")
    file.write_text(file.read_text().replace("mandarine", "mandarin").replace("prefers = { hakka = 1 }\n", ""))
    assert skill_notes(load(file)) == []
