"""What every section of the configuration file has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the file: nothing unknown in it, no value guessed from another type, never changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
