"""Several cities in one configuration: whose numbers, queues, units and rules, and every fault with its line."""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path

import pytest

from controller.commands.check import checked, servable
from controller.config import ConfigError, load
from controller.config_sections import ExchangeSection
from controller.open311 import open311_of
from controller.peers import peers_of
from pbx.ids import QueueId

pytestmark = pytest.mark.doors

NAMES = 'leader = "张三"\noffice = "办公室"\nhandler = "李四"\n'
CITIES = f"""[[numbers]]
dialled = "051912345"
direct = "cz-general"
[[numbers]]
dialled = "051112345"
city = "zj"
direct = "shared"
[[queues]]
id = "cz-general"
name_zh = "常州"
name_en = "Changzhou"
city = "cz"
[[queues]]
id = "shared"
name_zh = "共享"
name_en = "Shared"
[[agents]]
id = "1001"
name = "王敏"
cities = ["cz", "zj"]
[tickets]
close_other_working_days = 5
[[organisations]]
id = "js"
name = "江苏省"
kind = "province"
{NAMES}
[[organisations]]
id = "cz"
name = "常州市"
kind = "city"
parent = "js"
tickets = {{ close_other_working_days = 4, working_hours = ["09:00-17:00"] }}
{NAMES}
[[organisations]]
id = "zj"
name = "镇江市"
kind = "city"
parent = "js"
{NAMES}
[[organisations]]
id = "cz-water"
name = "常州市水务局"
kind = "unit"
parent = "cz"
sort = "water"
{NAMES}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "hotline.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_one_installation_serves_several_cities(tmp_path: Path) -> None:
    settings = load(written(tmp_path, CITIES))
    policy = settings.tickets
    assert policy.numbers == {"051912345": "cz", "051112345": "zj"}
    assert settings.plan.queues[QueueId("cz-general")].requirement.needs[-1][0] == "city:cz"
    assert "cz-water" in policy.units
    assert "zj" in policy.units
    assert len(policy.classes) > 30
    own = policy.of("", "051912345")
    assert (own.deadlines.handle_other.amount, len(own.hours.spans)) == (4, 1)
    assert own.deadlines.sign == policy.deadlines.sign, "what a city leaves out is as for all"
    assert policy.of("", "051112345") is policy
    assert policy.deadlines.handle_other.amount == 5
    assert policy.of("cz-water", "051112345") is own


TWO = 'dialled = "12345"\nmenu = "two"\n'
MENU = """id = "two"
start = "which"
fallback = "one"
[nodes.which]
kind = "question"
say = ["menu-main"]
on_failure = "one"
on_silence = "one"
[nodes.which.keys]
1 = "one"
2 = "two"
[nodes.one]
kind = "queue"
queue = "cz-general"
[nodes.two]
kind = "queue"
queue = "QUEUE"
"""


def with_menu(folder: Path, queue: str, number: str = TWO) -> Path:
    """CITIES with a number whose menu leads to Changzhou's queue and to `queue`."""
    (folder / "menus").mkdir(exist_ok=True)
    (folder / "menus" / "two.toml").write_text(MENU.replace("QUEUE", queue), encoding="utf-8")
    return written(folder, f'[hotline]\nmenus = "menus"\n[[numbers]]\n{number}{CITIES}')


def test_a_number_with_a_menu_is_of_the_city_of_its_queues(tmp_path: Path) -> None:
    policy = load(with_menu(tmp_path, "cz-general")).tickets
    assert (policy.numbers["12345"], policy.queues, policy.city) == ("cz", {"cz-general": "cz"}, "cz")


def test_a_number_whose_tickets_would_be_nobody_s_is_refused(tmp_path: Path) -> None:
    file = with_menu(tmp_path, "shared")
    with pytest.raises(ConfigError, match="missing: whose the tickets of its calls are, one of js, cz, zj") as refused:
        load(file)
    (problem,) = refused.value.problems
    assert problem.line == 3
    assert load(with_menu(tmp_path, "shared", f'{TWO}city = "js"\n')).tickets.city == "js"
    with pytest.raises(ConfigError, match=r"numbers\[2\].city is missing"):
        load(written(tmp_path, CITIES.replace('city = "zj"\ndirect', "direct")))


def test_a_jurisdiction_of_open311_is_a_city_that_is_served_here(tmp_path: Path) -> None:
    head = "[open311]\nenabled = true\n"
    good = f'{head}[open311.jurisdictions]\n"cz.gov.cn" = "cz"\n"zj.gov.cn" = "zj"\n{CITIES}'
    rules = open311_of(load(written(tmp_path, good)).raw.open311)
    assert rules.jurisdictions == {"cz.gov.cn": "cz", "zj.gov.cn": "zj"}
    for text, says, line in (
        ('"cz.gov.cn" = "nj"', "nj is not among", 4),
        ('"a.cn" = "cz"\n"b.cn" = "cz-water"', "neither a city nor a province", 5),
        ('"js.gov.cn" = "js"', "served by another installation", 4),
    ):
        peer = (
            f'{CITIES}[exchange]\nname = "us"\n[[exchange.peers]]\nid = "js"\nurl = "https://js.example"\n'
            'keys = [{ id = "k", file = "k" }]\n'
        )
        peer = peer.replace('kind = "province"', 'kind = "province"\npeer = "js"')
        with pytest.raises(ConfigError, match=says) as refused:
            load(written(tmp_path, f"{head}[open311.jurisdictions]\n{text}\n{peer}"))
        assert refused.value.problems[0].line == line
    with pytest.raises(ConfigError, match="with jurisdictions there is none"):
        load(written(tmp_path, good.replace("enabled = true", 'enabled = true\njurisdiction = "js.gov.cn"')))


def test_without_organisations_everything_is_as_before(tmp_path: Path) -> None:
    policy = load(written(tmp_path, CITIES.partition("[[organisations]]")[0])).tickets
    assert len(policy.organisations) == len(policy.units) == 0
    assert policy.local == {}


def test_every_fault_is_named_where_it_stands(tmp_path: Path) -> None:
    wrong = (
        CITIES.replace('city = "zj"\ndirect = "shared"', 'city = "zj"\ndirect = "cz-general"')
        .replace('cities = ["cz", "zj"]', 'cities = ["cz", "su"]')
        .replace('parent = "cz"\nsort', 'parent = "gone"\ntickets = { close_other_working_days = 3 }\nsort')
        .replace("[tickets]\n", '[tickets]\nclasses = "nowhere.toml"\n')
        .replace('["09:00-17:00"]', '["17:00-09:00"]')
    )
    with pytest.raises(ConfigError) as refused:
        load(written(tmp_path, wrong))
    text = str(refused.value)
    assert "gone, which is not in the tree" in text
    assert "nowhere.toml cannot be read" in text
    with pytest.raises(ConfigError) as refused:
        load(written(tmp_path, wrong.replace('dialled = "051112345"', 'dialled = "051112345"\ncolour = "red"')))
    assert "colour" in str(refused.value)
    assert "gone, which is not in the tree" in str(refused.value), "also beside a setting that there is not"
    fixed = wrong.replace('parent = "gone"', 'parent = "cz"').replace('classes = "nowhere.toml"\n', "")
    with pytest.raises(ConfigError) as refused:
        load(written(tmp_path, fixed))
    text = str(refused.value)
    assert "is a queue of cz, and the number belongs to zj" in text
    assert "su is no city" in text
    assert "only a city or a province has rules" in text
    lines = fixed.splitlines()
    (hours,) = [one for one in refused.value.problems if "working hours" in one.text]
    assert "17:00-09:00" in lines[hours.line - 1], "a city's fault stands in the city's table"


def test_an_installation_with_one_city_needs_no_number_that_says_so(tmp_path: Path) -> None:
    text = CITIES.partition("[[organisations]]")[0].replace('city = "zj"\n', "").replace('"cz", "zj"', '"cz"')
    text = text.replace('city = "cz"\n', "")
    one = f'[[organisations]]\nid = "cz"\nname = "常州市"\nkind = "city"\n{NAMES}'
    text += '[exchange]\nname = "cz"\n[[exchange.peers]]\nid = "zhenjiang"\nurl = "https://zj.example"\n'
    text += 'keys = [{ id = "k", file = "key" }]\n'
    other = f'[[organisations]]\nid = "zj"\nname = "镇江市"\nkind = "city"\npeer = "zhenjiang"\n{NAMES}'
    assert load(written(tmp_path, text + one + other)).tickets.numbers == {"051912345": "cz", "051112345": "cz"}


def test_a_city_below_a_province_that_is_another_installation(tmp_path: Path) -> None:
    text = CITIES.replace('kind = "province"\n', 'kind = "province"\npeer = "jiangsu"\n')
    text += '[exchange]\nname = "cities"\n[[exchange.peers]]\nid = "jiangsu"\nurl = "https://js.example"\n'
    text += 'keys = [{ id = "k", file = "key" }]\n'
    policy = load(written(tmp_path, text)).tickets
    assert policy.numbers == {"051912345": "cz", "051112345": "zj"}
    assert (policy.organisations.peer("js"), policy.organisations.peer("cz-water")) == ("jiangsu", "")
    with pytest.raises(ConfigError, match="js is no city or province of .* that this hotline serves"):
        load(written(tmp_path, text.replace('city = "zj"', 'city = "js"')))


def test_the_exchange_has_names_peers_and_keys(tmp_path: Path) -> None:
    text = CITIES.replace('name = "镇江市"\n', 'name = "镇江市"\npeer = "zhenjiang"\n').replace('city = "zj"\n', "")
    wrong = """[exchange]
retry_first_s = 5.0
retry_last_s = 1.0
[[exchange.peers]]
id = "other"
url = "https://a.example"
keys = [{ id = "k", file = "key" }, { id = "k", file = "key" }]
[[exchange.peers]]
id = "other"
url = "https://b.example"
keys = [{ id = "l", file = "key" }]
"""
    with pytest.raises(ConfigError) as refused:
        load(written(tmp_path, text + wrong))
    told = str(refused.value)
    for words in ("zhenjiang is not among", "name is missing", "other stands twice", "same id", "shorter than"):
        assert words in told, words


def test_who_is_to_serve_is_told_of_every_secret_that_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before Asterisk is started, with the line of each; who only reads the configuration needs no secrets."""
    hook = '[[webhooks]]\nid = "a"\nurl = "http://127.0.0.1:9/"\nsecret_file = "hook"\n'
    peer = '[exchange]\nname = "cz"\n[[exchange.peers]]\nid = "js"\nurl = "https://js.example"\n'
    file = written(tmp_path, f'{hook}{peer}keys = [{{ id = "k", file = "key" }}]\n{CITIES}')
    assert checked(file) is not None
    assert servable(file) is None
    told = capsys.readouterr().err
    for line, words in ((4, "webhooks[1].secret_file cannot be read"), (10, "keys[1].file cannot be read")):
        assert re.search(rf"hotline\.toml:{line}: .*{re.escape(words)}", told), told
    (tmp_path / "hook").write_text(f"whsec_{b64encode(bytes(range(32))).decode()}")
    (tmp_path / "key").write_text("k" * 40)
    assert servable(file) is None
    assert "others can read key; chmod 600 it" in capsys.readouterr().err
    for name in ("hook", "key"):
        (tmp_path / name).chmod(0o600)
    assert servable(file) is not None


def test_a_key_is_a_long_secret_in_a_file_of_its_own(tmp_path: Path) -> None:
    section = ExchangeSection.model_validate(
        {
            "name": "cz",
            "peers": [{"id": "js", "url": "https://js.example", "keys": [{"id": "k", "file": "key"}]}],
            "retry_first_s": 2.0,
        }
    )
    with pytest.raises(ValueError, match="cannot be read"):
        peers_of(section, tmp_path)
    key = tmp_path / "key"
    key.write_text("k" * 40 + "\n")
    key.chmod(0o640)
    with pytest.raises(ValueError, match="others can read key"):
        peers_of(section, tmp_path)
    key.chmod(0o600)
    (peer,), rules = peers_of(section, tmp_path)
    assert (peer.id, peer.keys[0].peer, peer.keys[0].secret) == ("js", "js", b"k" * 40)
    assert rules.retry.first_s == 2.0
    key.write_text("short")
    with pytest.raises(ValueError, match="at least 32"):
        peers_of(section, tmp_path)
