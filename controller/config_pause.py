"""[recording.pause]: when a recording is silent on purpose; the rule is `recordings.policy.PausePolicy`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from recordings.policy import LONGEST_PAUSE_S, PausePolicy


class RecordingPauseSection(BaseModel):
    """[recording.pause]; strict like every section of `controller.config_sections`, which holds it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    private_keys: bool = True
    agents: bool = True
    longest_s: Annotated[float, Field(ge=1.0, le=3600.0)] = LONGEST_PAUSE_S

    def policy(self) -> PausePolicy:
        """The rule."""
        return PausePolicy(self.private_keys, self.agents, self.longest_s)
