"""The result of one call's inspection: what was judged and what not, figures, and findings that carry their evidence.

Pure. What could not be judged says so and why: it never counts as "not said" or as nothing found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from recordings.personal_data import digit_spans, find_in, masked, spans_by_turn

FORMAT = 1

JUDGED = "judged"
SAID, NOT_SAID, NOT_JUDGED = "said", "not_said", "not_judged"

MOST_EVIDENCE = 50
"""Findings of one kind that are kept with their place; the count has them all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, with what a person needs to check it.

    `rule`: a measure (`dead-air`, …) or a list's id; `at_s`, `end_s`: seconds in the recording; `speaker`: who spoke,
    or who cut the other; empty where it is nobody's. `word` of the list, and the letters that were `said`. `how`:
    ``sound`` (measured), ``record`` (the call's own record), ``exact`` or ``by_sound`` (a suspicion).
    """

    rule: str
    at_s: float
    end_s: float
    speaker: str = ""
    word: str = ""
    said: str = ""
    how: str = "sound"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found in a call by the rules of version `rules`.

    `sound` and `words` are ``judged``, or why not. `figures`: seconds, shares (0..1), characters a minute; what was not
    judged is absent. `counts`: of each kind of finding that was judged, how often (0 = looked for, and not found);
    `suspected`: of the words found by their sound alone. `said`: of each opening and closing list ``said``,
    ``not_said`` or ``not_judged``. `said_type`: the type of ticket that the caller named, empty = none.
    """

    rules: str
    sound: str
    words: str
    figures: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    suspected: Mapping[str, int] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)
    said_type: str = ""
    findings: tuple[Finding, ...] = ()

    def to_json(self) -> str:
        """The whole as JSON; `from_json` reads it back equal."""
        return json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Inspection:
        """Read `to_json`'s form; ValueError for anything else."""
        try:
            data: dict[str, Any] = json.loads(text)
            if data.pop("format") != FORMAT:
                raise ValueError("an inspection of another format")
            data["findings"] = tuple(Finding(**one) for one in data["findings"])
            return cls(**data)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not an inspection: {error!r}") from error

    def found_times(self) -> dict[str, int]:
        """How often each kind of finding was found; an opening or closing once where it was not said. No suspicions."""
        missing = {name: 1 for name, one in self.said.items() if one == NOT_SAID}
        return {name: count for name, count in self.counts.items() if count} | missing

    def without_personal_data(self) -> Inspection:
        """The same without the numbers of people (`recordings/personal_data.py`): as long as they were, in stars.

        Every three digits or more are hidden: a finding is a piece of a turn, and the parts of a number cannot be told
        from other digits when they stand alone.
        """
        return replace(self, findings=tuple(replace(one, said=_hidden(one.said)) for one in self.findings))

    def rows(self) -> dict[str, float]:
        """Everything that is counted over many calls, by name: figures, counts, `name?` for suspicions, and for each
        opening and closing that was judged, ``name`` = 1 where it was not said."""
        found = dict(self.figures) | {name: float(count) for name, count in self.counts.items()}
        found |= {f"{name}?": float(count) for name, count in self.suspected.items()}
        return found | {name: float(one == NOT_SAID) for name, one in self.said.items() if one != NOT_JUDGED}


def _hidden(said: str) -> str:
    return masked(said, [*spans_by_turn(find_in(said)).get(0, ()), *digit_spans(said)]) if said else said
