"""The dialogue of the automatic voice follow-up (自动语音回访): one question, 1 to 5, as a table. Pure.

He hears who calls and which ticket it is about, and is asked how satisfied he is; 5 is very satisfied, 1 very
dissatisfied, as in the survey after a talk. ``*`` repeats it, 9 wants an agent. A key that means nothing, or none, is
answered with the question once more; the second time it is over (an answering machine presses none). Drawn in
``docs/citizens.md``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from ivr.prompts import PAUSE, Language, say_ticket

REPEAT, AGENT = "*", "9"
SCORES = ("1", "2", "3", "4", "5")
REPEATS = 3
"""So often the question is repeated for who asks for it; then his key counts as none."""

_MARK = "fu"


class Stage(enum.Enum):
    """Where the dialogue is."""

    ASKED = "asked"  #: who calls, which ticket, the question
    AGAIN = "again"  #: no key that counts: the question alone, once more
    RATED = "rated"  #: he is thanked
    AGENT = "agent"  #: he wants to speak with an agent
    SILENT = "silent"  #: nobody presses a key: goodbye


class Press(enum.Enum):
    """What a key means."""

    SCORE = "score"
    REPEAT = "repeat"
    AGENT = "agent"
    NONE = "none"  #: none in time, or one that means nothing


_S, _P = Stage, Press

MOVES: Mapping[tuple[Stage, Press], Stage] = MappingProxyType(
    {
        (_S.ASKED, _P.SCORE): _S.RATED,  # a
        (_S.ASKED, _P.REPEAT): _S.ASKED,  # b
        (_S.ASKED, _P.AGENT): _S.AGENT,  # c
        (_S.ASKED, _P.NONE): _S.AGAIN,  # d
        (_S.AGAIN, _P.SCORE): _S.RATED,  # a
        (_S.AGAIN, _P.REPEAT): _S.ASKED,  # b
        (_S.AGAIN, _P.AGENT): _S.AGENT,  # c
        (_S.AGAIN, _P.NONE): _S.SILENT,  # e
    }
)
"""Every move; in the stages that have none, nothing is asked any more."""

ASKING = frozenset({Stage.ASKED, Stage.AGAIN})


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Where a citizen is in it; `answer`: his score, once he has given one; `repeats`: as he asked for it."""

    stage: Stage = Stage.ASKED
    answer: str = ""
    repeats: int = 0

    @property
    def asking(self) -> bool:
        """Whether a key is waited for."""
        return self.stage in ASKING

    def encode(self) -> str:
        """As the call carries it in its channel (`CallMark.node`); the dialplan writes ``fu-rated-SCORE-0`` too."""
        return f"{_MARK}-{self.stage.value}-{self.answer}-{self.repeats}"

    @staticmethod
    def decode(node: str) -> Dialogue | None:
        """What `encode` wrote; None for the mark of another call."""
        parts = node.split("-")
        if len(parts) != 4 or parts[0] != _MARK or not parts[3].isdecimal():
            return None
        try:
            stage = Stage(parts[1])
        except ValueError:
            return None
        if (stage is Stage.RATED) != (parts[2] in SCORES):
            return None
        return Dialogue(stage, parts[2], int(parts[3]))


def meaning(dialogue: Dialogue, keys: str) -> Press:
    """What the keys that came mean now."""
    if keys in SCORES:
        return Press.SCORE
    if keys == REPEAT and dialogue.repeats < REPEATS:
        return Press.REPEAT
    return Press.AGENT if keys == AGENT else Press.NONE


def pressed(dialogue: Dialogue, keys: str) -> Dialogue:
    """Where `keys` (empty = none in time) lead to; nowhere when nothing is asked."""
    press = meaning(dialogue, keys)
    stage = MOVES.get((dialogue.stage, press))
    if stage is None:
        return dialogue
    repeats = dialogue.repeats + (press is Press.REPEAT)
    return replace(dialogue, stage=stage, answer=keys if stage is Stage.RATED else "", repeats=repeats)


def question(dialogue: Dialogue, ticket: str, language: Language, *, yao: bool = True) -> tuple[str, ...]:
    """The pieces of the question that is due."""
    if dialogue.stage is Stage.AGAIN:
        return ("survey-again", "follow-up-keys")
    number = say_ticket(ticket, language, yao, repeat=False)
    return ("follow-up-greeting", *number, PAUSE, "follow-up-ask", "follow-up-keys")
