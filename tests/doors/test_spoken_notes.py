"""What `hotline check` says of choices that are said, by the vocabulary of the model that is here."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.config import ConfigError, load
from controller.spoken_notes import spoken_notes
from recordings.vocabulary import vocabulary
from tests.doors.test_model_check import vosk

pytestmark = pytest.mark.doors

SAMPLE = Path(__file__).resolve().parents[2] / "hotline.toml"
WORDS = ["综合", "服务", "政务", "咨询", "查询", "工单", "查", "英语", "英文", "对", "是", "的", "不对", "不是"]


def notes(folder: Path, words: list[str] | None, menus: str = "cores = 0.5", *, static: bool = False) -> list[str]:
    model = ""
    if words is not None:
        vosk(folder / "model", words, static=static)
        model = '[[speech.models]]\nlanguage = "zh"\npath = "model"\n'
    file = folder / "hotline.toml"
    text = SAMPLE.read_text(encoding="utf-8")
    file.write_text(f"{text}\n{model}[speech.menus]\n{menus}\n", encoding="utf-8")
    return spoken_notes(load(file), folder / "models")


def test_each_word_that_cannot_be_heard_is_named_with_its_key(tmp_path: Path) -> None:
    found = notes(tmp_path, [*WORDS, "[unk]"])
    assert [one for one in found if "key 2" in one] == [
        "menu main, question main, key 2: model does not know 一号答, which cannot be heard in zh"
    ]
    assert [one for one in found if "key 9" in one] == [
        "menu main, question main, key 9: model does not know English, which cannot be heard in zh"
    ]
    assert [one for one in found if "key 0" in one] == [
        "menu main, question main, key 0: model does not know 人工服务, 人工, which cannot be heard in zh; "
        "nothing else stands for it"
    ]
    assert len(found) == 3, "a phrase is put together of known words"


def test_a_hotline_that_listens_to_nobody_is_told_nothing(tmp_path: Path) -> None:
    assert notes(tmp_path, WORDS, "cores = 0.0") == []


def test_no_model_or_one_that_takes_no_list_means_keys_alone(tmp_path: Path) -> None:
    assert notes(tmp_path, None) == ["no Vosk model for zh: there, choices are made by keys alone"]
    (tmp_path / "static").mkdir()
    assert "takes no closed list" in notes(tmp_path / "static", WORDS, static=True)[0]


def test_a_model_without_a_word_for_everything_else_needs_fillers(tmp_path: Path) -> None:
    found = notes(tmp_path, WORDS, 'cores = 0.5\nfillers = 0\nothers = { zh = ["喂"] }')
    assert any("[unk]" in one and "fillers is 0" in one for one in found)
    assert "[speech.menus] others: model does not know 喂 (zh)" in found


def test_a_models_words_are_read_from_either_place(tmp_path: Path) -> None:
    assert vocabulary(vosk(tmp_path / "symbols", WORDS)) == frozenset(WORDS)
    (tmp_path / "text/graph").mkdir(parents=True)
    (tmp_path / "text/graph/words.txt").write_text("英语 1\n对 2\n", encoding="utf-8")
    assert vocabulary(tmp_path / "text") == {"英语", "对"}
    (tmp_path / "none/graph").mkdir(parents=True)
    assert vocabulary(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("menus", "fault"),
    [
        ("cores = 0.04", "cores is less than call_cores"),
        ('cores = 0.5\nconfirm = "unsure"\nsure_conf = 0.5', "sure_conf is less than min_conf"),
        ('cores = 0.5\nno = { zh = ["不对", "对"] }', "no has words that stand in yes too"),
        ("cores = 0.5\nyes = { zh = [] }", "yes and no need at least one word each"),
        ('cores = 0.5\nyes = { zh = ["1"] }', "yes.zh"),
        ("cores = 0.5\nmin_conf = 2", "min_conf"),
    ],
)
def test_what_cannot_be_meant_is_a_fault(tmp_path: Path, menus: str, fault: str) -> None:
    with pytest.raises(ConfigError) as raised:
        notes(tmp_path, None, menus)
    assert fault in str(raised.value)
