"""The settings that the server reads: strategy, evaluation, checkpoints."""

from typing import Literal

from pydantic import Field

from fer_models.config import Section


class StrategyConfig(Section):
    """How updates become the next head."""

    name: Literal["fedavg"] = "fedavg"


class EvaluationConfig(Section):
    """When the head is judged on the validation photos, and which head is the result."""

    every: int = Field(1, ge=1)
    select: Literal["last", "best"] = "last"


class CheckpointConfig(Section):
    """How often, in rounds, the state to resume from is written."""

    every: int = Field(10, ge=1)
