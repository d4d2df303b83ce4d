"""[open311] of the configuration: the kinds of requests, and whose they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field, model_validator

from controller.config_base import Section
from controller.toml_lines import Path as TomlPath
from tickets.organisations import HOTLINES, OrganisationTree

Jurisdiction = Annotated[str, Field(min_length=1, max_length=200)]


class Open311AttributeSection(Section):
    """[[open311.services.attributes]]: a question that a service asks besides."""

    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
    description: Annotated[str, Field(min_length=1, max_length=200)]
    datatype: Literal["string", "number", "datetime", "text", "singlevaluelist", "multivaluelist"] = "string"
    required: bool = False
    variable: bool = True
    datatype_description: str = ""
    values: dict[str, str] = Field(default_factory=dict)  # of the two lists: key -> name


class Open311ServiceSection(Section):
    """[[open311.services]]: a kind of request; without any, the types of tickets are offered."""

    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    name: Annotated[str, Field(min_length=1, max_length=60)]
    type: Literal["inquiry", "help", "complaint", "report", "suggestion", "praise"]
    description: str = ""
    class_code: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,64}$")] = ""
    keywords: list[str] = Field(default_factory=list)
    group: str = ""
    attributes: list[Open311AttributeSection] = Field(default_factory=list)


class Open311Section(Section):
    """[open311]: the GeoReport v2 endpoint, `docs/open311.md`."""

    enabled: bool = False
    jurisdiction: str = ""
    jurisdictions: dict[Jurisdiction, str] = Field(
        default_factory=dict
    )  # where several cities are served: whose each is
    public: bool = False  # whether requests may be read without a key
    url: str = ""  # of the endpoint as apps see it; default: as they asked for it
    contact: str = ""
    key_service: str = ""
    services: list[Open311ServiceSection] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_code_each(self) -> Open311Section:
        wrong = []
        if self.jurisdiction and self.jurisdictions:
            wrong.append("jurisdiction is that of the whole installation; with jurisdictions there is none")
        codes = [one.code for one in self.services]
        if len(set(codes)) < len(codes):
            wrong.append("two services have the same code")
        for service in self.services:
            asked = [one.code for one in service.attributes]
            if len(set(asked)) < len(asked):
                wrong.append(f"two attributes of {service.code} have the same code")
            for one in service.attributes:
                if one.datatype.endswith("valuelist") is not bool(one.values):
                    wrong.append(f"attribute {one.code}: the two lists, and only they, have values")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


def check_jurisdictions(raw: Open311Section, tree: OrganisationTree, wrong: Callable[[TomlPath, str], None]) -> None:
    """Note every jurisdiction that is not that of a city or province with its hotline here."""
    for name, city in raw.jurisdictions.items():
        place: TomlPath = ("open311", "jurisdictions", name)
        found = tree.get(city)
        if found is None:
            wrong(place, f"{city} is not among [[organisations]]")
        elif found.kind not in HOTLINES:
            wrong(place, f"{city} is neither a city nor a province: it has no hotline of its own")
        elif tree.peer(city):
            wrong(place, f"{city} is served by another installation")
