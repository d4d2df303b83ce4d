"""What XML can write of a text, for Open311's answers and for the XML inside every room's Excel files. Pure."""

from __future__ import annotations

import re

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """`text` without the characters that XML 1.0 has no way to write (2.2 Characters); one of them breaks the file."""
    return _NOT_XML.sub("", text)
