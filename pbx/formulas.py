"""What a spreadsheet could take for a formula (OWASP, CSV Injection), for every room that writes one. Pure.

A sign that begins one counts in its full width too, as spreadsheets of East Asia take it, and behind blanks and
characters that nobody sees.
"""

from __future__ import annotations

import unicodedata

_SIGNS = frozenset("=+-@")
_UNSEEN = frozenset({"Cc", "Cf", "Mn", "Zl", "Zp", "Zs"})


def begins_formula(text: str) -> bool:
    """Whether a cell with this text could be taken for a formula."""
    if text[:1].isalnum():
        return False
    if text.startswith(("\t", "\r")):
        return True
    for character in text:
        if unicodedata.category(character) not in _UNSEEN:
            return unicodedata.normalize("NFKC", character)[0] in _SIGNS
    return False


def neutral(text: str) -> str:
    """A cell that no spreadsheet takes for a formula. What begins with an apostrophe gets another one, so that
    `plain` gives back exactly what was there."""
    return "'" + text if text.startswith("'") or begins_formula(text) else text


def plain(cell: str) -> str:
    """What `neutral` was given."""
    return cell[1:] if cell.startswith("'") and (cell[1:2] == "'" or begins_formula(cell[1:])) else cell
