"""What `hotline check` says of menu choices that are said: which of their words the model here cannot hear.

Vosk drops a word that its model does not know from a closed list, and says nothing of it. Such a word harms nobody,
since keys always work; but nobody should wait for it to be heard.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from controller.config import Settings
from controller.config_speech import models_of
from ivr.menu import Menu, QuestionNode
from ivr.menu_check import reached_in
from recordings.closed import UNKNOWN, unheard
from recordings.model_check import BadModel, facts
from recordings.models import FoundModel
from recordings.recogniser import VOSK
from recordings.vocabulary import vocabulary


def spoken_notes(settings: Settings, models_dir: Path) -> list[str]:
    """One sentence for each. Nothing where choices are made by keys alone, or no menu has any that are said."""
    menus = settings.raw.speech.menus
    asked = _asked(settings)
    if not menus.at_once or not asked:
        return []
    models = models_of(settings.raw.speech, settings.file.parent, models_dir)
    notes: list[str] = []
    for language in sorted({language for _, _, _, language in asked}):
        model = models.get(language)
        if model is None or model.kind != VOSK:
            notes.append(f"no Vosk model for {language}: there, choices are made by keys alone")
            continue
        try:
            notes += _of(settings, model, language, asked)
        except BadModel as error:
            notes.append(f"choices in {language} are made by keys alone: {error}")
    return notes


Asked = tuple[str, str, QuestionNode, str]
"""A menu's id, a question's name, the question, and a language in which it is asked."""


def _asked(settings: Settings) -> list[Asked]:
    """The questions that may be answered aloud."""
    found: list[Asked] = []
    numbers = settings.plan.numbers.values()
    for menu in settings.plan.menus.values():
        starts = {number.language for number in numbers if number.menu == menu.id}
        found += [(menu.id, name, node, language) for name, node, language in _spoken(menu, starts)]
    return sorted(found, key=lambda one: (one[0], one[1], one[3]))


def _spoken(menu: Menu, starts: set[str]) -> Iterator[tuple[str, QuestionNode, str]]:
    for name, language in reached_in(menu, starts) if starts else ():
        node = menu.nodes[name]
        if isinstance(node, QuestionNode) and node.spoken:
            yield name, node, language


def _of(settings: Settings, model: FoundModel, language: str, asked: Iterable[Asked]) -> Iterator[str]:
    if not facts(model.path).grammar:
        yield f"{model.name} takes no closed list of words: choices in {language} are made by keys alone"
        return
    words = vocabulary(model.path)
    if words is None:
        yield f"{model.name} does not tell its words: whether the choices in {language} can be heard is not known"
        return
    knows = words.__contains__
    for menu, name, node, spoken_in in asked:
        for key, choice in node.spoken.items() if spoken_in == language else ():
            missing = unheard(choice.words, knows)
            if missing:
                more = "; nothing else stands for it" if len(missing) == len(choice.words) else ""
                yield (
                    f"menu {menu}, question {name}, key {key}: {model.name} does not know {', '.join(missing)}, which "
                    f"cannot be heard in {language}{more}"
                )
    plan, others = settings.plan.spoken, settings.raw.speech.menus.others
    for option, phrases in (
        ("yes", plan.yes.get(language, ())),
        ("no", plan.no.get(language, ())),
        ("others", tuple(next((found for one, found in others.items() if one == language), ()))),
    ):
        missing = unheard(phrases, knows)
        if missing:
            yield f"[speech.menus] {option}: {model.name} does not know {', '.join(missing)} ({language})"
    if not knows(UNKNOWN) and not settings.raw.speech.menus.fillers:
        yield (
            f"{model.name} has no word for what is none of the choices ({UNKNOWN}): whatever is said is taken for one "
            "of them, since [speech.menus] fillers is 0"
        )
