"""The two formats of Open311: XML as the specification's examples have it, and JSON after the Spark convention. Pure.

JSON leaves the root element out and makes a list of repeated elements; an empty element is null.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET  # noqa: S405 - written here only, never read
from collections.abc import Mapping, Sequence

from pbx.xml_text import xml_text

JSON, XML = "application/json", "text/xml"


def text_of(value: object) -> str:
    """A value as the text of an element."""
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.10f}".rstrip("0").rstrip(".")
        case _:
            return xml_text(str(value))


_ONE = {"attributes": "attribute", "values": "value", "endpoints": "endpoint", "formats": "format"}
"""A list's element by the name of the list."""


def _fill(element: ET.Element, value: object, name: str) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _fill(ET.SubElement(element, key), inner, key)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            _fill(ET.SubElement(element, _ONE[name]), inner, _ONE[name])
    elif value is not None:
        element.text = text_of(value)


def as_xml(root: str, value: object, each: str = "") -> bytes:
    """`value` under `root`; a list's elements are called `each`."""
    top = ET.Element(root)
    if each:
        assert isinstance(value, Sequence)
        for one in value:
            _fill(ET.SubElement(top, each), one, each)
    else:
        _fill(top, value, root)
    body: bytes = ET.tostring(top, encoding="utf-8", xml_declaration=False)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + body


def as_json(value: object) -> bytes:
    """`value` without its root."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
