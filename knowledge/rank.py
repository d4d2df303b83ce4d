"""How well an entry answers a question: BM25 over weighted fields, in whole numbers. Pure.

BM25F (Robertson, Zaragoza, Taylor 2004): the occurrences of a term are weighted by the field in which they stand and by
that field's length, added up, and then saturated. What depends on the entry alone, its *impact*, is computed when it is
published and stored as a whole number; a query adds impact times the term's weight. Everything that is added is an
integer, so the order is the same on every database and machine, ties included.

The usual length of a field is a constant here, not the corpus's mean: publishing one entry changes no other one's
impact.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import astuple, dataclass

from knowledge.entry import Content
from knowledge.words import ANALYSER, joined
from pbx.terms import key_of, length, normalised, terms

IMPACT_ONE = 1 << 14
"""The impact of a term that an entry is full of; every impact is below it and fits two bytes."""

WEIGHT_ONE = 1000
"""What a query's term weighs for each unit of its inverse document frequency."""


@dataclass(frozen=True, slots=True)
class RankRules:
    """The weights: of the fields (the answer's is 1), and BM25's own. Lengths in characters.

    A title is what an entry is about; half of all answers contain "办理". Measured with ``hotline bench knowledge``.
    """

    question: float = 4.0
    keywords: float = 3.0
    answer: float = 1.0
    rest: float = 0.6  #: basis, materials, process
    question_length: float = 16.0
    text_length: float = 160.0
    b_question: float = 0.6  #: how much a longer question thins its words
    b_text: float = 0.6
    k1: float = 2.0  #: at how many weighted occurrences an impact is half of `IMPACT_ONE`

    @property
    def stamp(self) -> str:
        """Changes with whatever changes the impacts: an index of another stamp is made anew."""
        return hashlib.blake2b(repr((ANALYSER, IMPACT_ONE, astuple(self))).encode(), digest_size=6).hexdigest()


def impacts(content: Content, rules: RankRules) -> dict[int, int]:
    """Every term of an entry with its impact, 1 to `IMPACT_ONE`."""
    short = rules.question_length, rules.b_question
    long = rules.text_length, rules.b_text
    fields = (
        (normalised(content.question), rules.question, *short, True),
        (normalised(content.keywords), rules.keywords, *short, True),
        (normalised(content.answer), rules.answer, *long, False),
        (normalised(joined((content.basis, content.materials, content.process))), rules.rest, *long, False),
    )
    weighted: dict[str, float] = {}
    for text, weight, usual, b, single in fields:
        thinned = weight / (1.0 - b + b * length(text) / usual)
        for term, count in terms(text, single=single).items():
            weighted[term] = weighted.get(term, 0.0) + count * thinned
    return {key_of(term): max(1, round(IMPACT_ONE * tf / (rules.k1 + tf)) - 1) for term, tf in weighted.items()}


def term_weight(said: float, having: int, entries: int) -> int:
    """What a term of a query weighs that `having` of `entries` have; `said` is 1, less for a synonym.

    The inverse document frequency of BM25, which is never negative.
    """
    return round(WEIGHT_ONE * said * math.log1p((entries - having + 0.5) / (having + 0.5)))
