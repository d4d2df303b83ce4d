"""What people write into a ticket, as it may be stored. Pure.

Emoji, joiners and right-to-left text are kept as they are; control characters and half character pairs are refused.
"""

from __future__ import annotations

import unicodedata


class TicketRefused(Exception):
    """Something may not be done to a ticket, or not so. `code` is stable, `field` names the faulty field or nothing."""

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.field = field


def cleaned(value: str, name: str, longest: int) -> str:
    """Text with `\\n` line ends and no blanks around it.

    Raises `TicketRefused` (``NAME_too_long``, ``bad_NAME``): control characters, lone surrogates and a text of which
    nothing can be seen are refused.
    """
    value = value.replace("\r\n", "\n").replace("\r", "\n").strip()
    if len(value) > longest:
        raise TicketRefused(f"{name}_too_long", f"The {name} may have {longest} characters.", name)
    for character in value:
        if character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs"):
            raise TicketRefused(f"bad_{name}", f"The {name} contains a control character.", name)
    if value and all(unicodedata.category(character) in _UNSEEN or character in _FILLERS for character in value):
        raise TicketRefused(f"bad_{name}", f"Nothing of the {name} can be seen.", name)
    return value


_UNSEEN = frozenset({"Cf", "Mn", "Me", "Zl", "Zp", "Zs"})
_FILLERS = frozenset("\n\t\u115f\u1160\u2800\u3164\uffa0")
"""What leaves a text empty to the eye: joiners, marks without a letter, blanks, letters that are drawn as blanks."""


def one_line(value: str, name: str, longest: int) -> str:
    """`cleaned`, and a single line. Raises `TicketRefused`."""
    value = cleaned(value, name, longest)
    if "\n" in value:
        raise TicketRefused(f"bad_{name}", f"The {name} must be a single line.", name)
    return value
