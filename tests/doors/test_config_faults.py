"""Every fault of a configuration and its menus is named in one run, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.config import ConfigError, load

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
