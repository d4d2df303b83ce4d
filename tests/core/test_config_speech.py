"""[speech]: what was valid stays so, a model for each language, and what cannot be meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from controller.config_speech import SpeechSection, models_of, speech_faults

pytestmark = pytest.mark.core


def section(**values: object) -> SpeechSection:
    return SpeechSection.model_validate(values)


def vosk(folder: Path) -> None:
    for name in ("am", "conf"):
        (folder / name).mkdir(parents=True)
    (folder / "am/final.mdl").touch()


def test_the_options_of_before(tmp_path: Path) -> None:
    vosk(tmp_path / "mine")
    vosk(tmp_path / "var" / "en")
    old = section(transcribe=True, model="mine", language="zh", grammar=["是"], package_model=False)
    assert list(speech_faults(old, tmp_path)) == []
    found = models_of(old, tmp_path, tmp_path / "var")
    assert {language: (model.path, model.kind) for language, model in found.items()} == {
        "zh": (tmp_path / "mine", "vosk"),
        "en": (tmp_path / "var" / "en", "vosk"),
    }
    assert models_of(section(), tmp_path, tmp_path / "none") == {}
    assert (section().cores, section().limits().niceness, section().rules().idle_s) == (1, 10, 300.0)


def test_a_model_for_each_language(tmp_path: Path) -> None:
    vosk(tmp_path / "chinese")
    (tmp_path / "any").mkdir()
    both = section(
        models=[
            {"language": "zh", "path": "chinese", "grammar": ["路灯"]},
            {"language": "en", "path": "any", "recogniser": "tests.fakes.recogniser:NumberRecogniser", "prompt": "x"},
        ]
    )
    assert list(speech_faults(both, tmp_path)) == []
    found = models_of(both, tmp_path, tmp_path / "var")
    assert (found["zh"].grammar, found["zh"].language, found["zh"].kind) == (("路灯",), "zh", "vosk")
    assert (found["en"].language, found["en"].kind, found["en"].prompt) == (
        "en",
        "tests.fakes.recogniser:NumberRecogniser",
        "x",
    )


def test_one_that_is_no_model_leaves_its_language_without_and_the_other_with(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vosk(tmp_path / "var" / "zh")
    (tmp_path / "empty").mkdir()
    wanted = section(models=[{"language": "en", "path": "empty"}])
    assert set(models_of(wanted, tmp_path, tmp_path / "var")) == {"zh"}
    assert "no transcripts of calls in en: no Vosk model in" in caplog.text
    wanted = section(models=[{"language": "en", "path": "empty", "recogniser": "whisper"}])
    assert set(models_of(wanted, tmp_path, tmp_path / "var")) == {"zh"}
    assert "no Whisper model in" in caplog.text


@pytest.mark.parametrize(
    ("values", "place", "said"),
    [
        ({"model": "nowhere"}, ("speech", "model"), "is no folder"),
        ({"models": [{"language": "zh", "path": "nowhere"}]}, ("speech", "models", 0, "path"), "is no folder"),
        (
            {"model": ".", "models": [{"language": "zh", "path": "."}]},
            ("speech", "models", 0, "language"),
            "another model for zh",
        ),
        (
            {"models": [{"language": "en", "path": "."}, {"language": "en", "path": "."}]},
            ("speech", "models", 1, "language"),
            "another model for en",
        ),
        (
            {"models": [{"language": "en", "path": ".", "recogniser": "whisper", "grammar": ["yes"]}]},
            ("speech", "models", 0, "grammar"),
            "knows no grammar",
        ),
        ({"models": [{"language": "en", "path": ".", "prompt": "x"}]}, ("speech", "models", 0, "prompt"), "no prompt"),
    ],
)
def test_what_cannot_be_meant(tmp_path: Path, values: dict[str, object], place: object, said: str) -> None:
    ((found, text),) = speech_faults(section(**values), tmp_path)
    assert found == place
    assert said in text
    assert list(speech_faults(section(transcribe=False, **values), tmp_path)) == []


@pytest.mark.parametrize(
    "values",
    [
        {"cores": 0},
        {"niceness": 20},
        {"idle_s": 0.0},
        {"models": [{"language": "zh", "path": ""}]},
        {"models": [{"language": "zh", "path": ".", "recogniser": "os.system"}]},
        {"model_of": "x"},
    ],
)
def test_what_is_no_value(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        section(**values)
