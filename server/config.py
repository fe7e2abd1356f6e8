"""The settings that the server reads: strategy, evaluation, checkpoints."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from fer_models.config import Section
from fer_models.pages.registry import PageSection, Registry
from server.strategies.base import Algorithm
from server.strategies.registry import STRATEGIES


class StrategyConfig(PageSection):
    """How updates become the next head. Besides these keys it takes the options that the strategies' pages
    declare (server/strategies): "auto" means the strategy's default, and an option that belongs to another
    strategy is refused.
    """

    pages: ClassVar[Registry[Algorithm]] = STRATEGIES
    auto: ClassVar[bool] = True

    name: Annotated[str, BeforeValidator(STRATEGIES.named)] = STRATEGIES.default
    start: Literal["random", "ridge"] = "random"
    projection: int = Field(0, ge=0, le=1_000_000)

    @model_validator(mode="after")
    def _check_start(self) -> "StrategyConfig":
        if self.start == "ridge" and not self.page.has_rounds():
            raise ValueError(f"start = ridge is for strategies that train in rounds, not for {self.name}")
        if self.projection and not self.sums:
            raise ValueError(
                f"projection belongs to ridge, or start = ridge; strategy.name is {self.name}; leave it out"
            )
        return self

    @property
    def sums(self) -> bool:
        """Whether phones send sums for ridge regression."""
        return self.page.closed_form or self.start == "ridge"


class EvaluationConfig(Section):
    """When the head is evaluated, which head is the result, and the photos a phone needs to be ranked."""

    every: int = Field(1, ge=1)
    select: Literal["last", "best"] = "last"
    min_photos: int = Field(5, ge=1, le=1_000_000)


class CheckpointConfig(Section):
    """How often, in rounds, the state to resume from is written."""

    every: int = Field(10, ge=1)
