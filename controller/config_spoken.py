"""[speech.menus] of the configuration: menu choices that are said instead of keyed, and what they may cost."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from controller.config_base import Section
from controller.plan import SpokenPlan
from ivr.spoken import PHRASE, squeezed

Phrases = list[Annotated[str, Field(pattern=f"^(?:{PHRASE.pattern})$")]]
ByLanguage = dict[Literal["zh", "en"], Phrases]

YES: ByLanguage = {"zh": ["对", "对的", "是", "是的"], "en": ["yes", "right"]}
NO: ByLanguage = {"zh": ["不对", "不是", "不是的"], "en": ["no", "wrong"]}


class SpokenSection(Section):
    """[speech.menus]: off unless it is given cores. Which words stand for which key is told in the menus."""

    cores: Annotated[float, Field(ge=0, le=256)] = 0.0  # of the processor; 0 = choices are made by keys alone
    call_cores: Annotated[float, Field(gt=0, le=4)] = 0.05  # reckoned for one caller (shared/speech.md: 0.02-0.03)
    confirm: Literal["always", "unsure"] = "always"  # unsure: what is at least as sure as sure_conf is taken as said
    min_conf: Annotated[float, Field(ge=0, le=1)] = 0.9  # what is less sure was not said (shared/speech.md section 1)
    sure_conf: Annotated[float, Field(ge=0, le=1)] = 0.98
    lag_s: Annotated[float, Field(ge=0, le=5)] = 1.5  # a listened question waits so much longer: words end late
    longest_behind_s: Annotated[float, Field(ge=0.6, le=10)] = 1.0  # so far behind, choices are made by keys
    rest_s: Annotated[float, Field(ge=0, le=3600)] = 30.0  # after that for so long
    settle_s: Annotated[float, Field(ge=0.2, le=2)] = 0.5  # words that have not changed for so long are what he said
    yes: ByLanguage = Field(default_factory=lambda: dict(YES))
    no: ByLanguage = Field(default_factory=lambda: dict(NO))
    fillers: Annotated[int, Field(ge=0, le=300)] = 100  # words of the model's own that are no choice; see docs
    others: ByLanguage = Field(default_factory=dict)  # words that are no choice: what sounds like them is none then

    @property
    def at_once(self) -> int:
        """So many callers may be listened to at the same time."""
        return int(self.cores / self.call_cores + 1e-9)

    def plan(self) -> SpokenPlan:
        """The rule."""
        yes: dict[str, tuple[str, ...]] = {language: tuple(phrases) for language, phrases in (YES | self.yes).items()}
        no: dict[str, tuple[str, ...]] = {language: tuple(phrases) for language, phrases in (NO | self.no).items()}
        sure = self.sure_conf if self.confirm == "unsure" else None
        return SpokenPlan(self.at_once, self.min_conf, sure, self.lag_s, yes, no)


def spoken_fault(menus: SpokenSection) -> tuple[str, str]:
    """What is wrong with which option; two empty texts where nothing is."""
    if 0 < menus.cores < menus.call_cores:
        return "cores", f"is less than call_cores ({menus.call_cores:g}): there is never room for one caller"
    if menus.confirm == "unsure" and menus.sure_conf < menus.min_conf:
        return "sure_conf", f"is less than min_conf ({menus.min_conf:g})"
    plan = menus.plan()
    for language, phrases in plan.yes.items():
        both = {squeezed(one) for one in phrases} & {squeezed(one) for one in plan.no.get(language, ())}
        if both:
            return "no", f"has words that stand in yes too, for {language}: {', '.join(sorted(both))}"
        if not phrases or not plan.no.get(language):
            return "yes", f"and no need at least one word each for {language}"
    return "", ""
