"""What the configuration says of the knowledge base, checked."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from controller.config_sections import KnowledgeSection
from knowledge.entry import KnowledgeRules
from knowledge.rank import RankRules
from knowledge.sql import Policy
from knowledge.words import Vocabulary, standard_vocabulary, vocabulary_of


@dataclass(frozen=True, slots=True)
class KnowledgePlan:
    """The rules of entries and ranks, and the words."""

    policy: Policy = field(default_factory=Policy)
    vocabulary: Vocabulary = field(default_factory=standard_vocabulary)


def knowledge_plan(
    section: KnowledgeSection, folder: Path, wrong: Callable[[tuple[str, ...], str], None]
) -> KnowledgePlan:
    """The plan of a section; `wrong` is told of a vocabulary that cannot be used, and the standard one stands in."""
    rules = KnowledgeRules(
        warn_days=section.warn_days,
        review_days=section.review_days,
        import_rows=section.import_rows,
        answer_days=section.answer_working_days,
    )
    words = standard_vocabulary()
    if section.vocabulary is not None:
        try:
            words = vocabulary_of(tomllib.loads((folder / section.vocabulary).read_text("utf-8")))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            wrong(("knowledge", "vocabulary"), f"cannot be used ({reason})")
    return KnowledgePlan(Policy(rules, RankRules()), words)
