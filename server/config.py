"""The settings that the server reads: strategy, evaluation, checkpoints."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from fer_models.config import Section
from fer_models.pages.options import as_toml
from fer_models.pages.registry import PageSection, Registry
from server.strategies.base import Algorithm
from server.strategies.closed_form import ClosedForm
from server.strategies.registry import CLOSED_FORMS, STRATEGIES, make


def _start(name: object) -> str:
    """The name of an initial head unchanged; ValueError if there is none of that name."""
    if isinstance(name, str) and name in ("random", *CLOSED_FORMS):
        return name
    *most, last = [f'"{known}"' for known in ("random", *CLOSED_FORMS)]
    raise ValueError(f'must be {", ".join(most)} or {last}, got {as_toml(name)}; the default is "random"')


class StrategyConfig(PageSection):
    """How updates become the next head. Besides these keys it takes the options that the strategies' pages
    declare (server/strategies): "auto" means the strategy's default, and an option that belongs to another
    strategy is refused.
    """

    pages: ClassVar[Registry[Algorithm]] = STRATEGIES
    auto: ClassVar[bool] = True

    name: Annotated[str, BeforeValidator(STRATEGIES.named)] = STRATEGIES.default
    start: Annotated[str, BeforeValidator(_start)] = "random"
    projection: int = Field(0, ge=0, le=1_000_000)

    @model_validator(mode="after")
    def _check_start(self) -> "StrategyConfig":
        if self.start in CLOSED_FORMS and not self.page.has_rounds():
            raise ValueError(
                f"start = {self.start} is for strategies that train in rounds, not for {self.name}"
            )
        if self.projection and not self.sums:
            forms = ", ".join(CLOSED_FORMS)
            raise ValueError(
                f"projection belongs to {forms}, as name or start; strategy.name is {self.name}; leave it out"
            )
        return self

    @property
    def form(self) -> ClosedForm | None:
        """The closed form that is the strategy, or that it starts from; None if neither is one."""
        if self.page.closed_form:
            form = make(self)
            assert isinstance(form, ClosedForm)
            return form
        return CLOSED_FORMS[self.start]() if self.start in CLOSED_FORMS else None

    @property
    def sums(self) -> bool:
        """Whether phones send sums for a closed form."""
        return self.page.closed_form or self.start in CLOSED_FORMS


class EvaluationConfig(Section):
    """When the head is evaluated, which head is the result, and the photos a phone needs to be ranked."""

    every: int = Field(1, ge=1)
    select: Literal["last", "best"] = "last"
    min_photos: int = Field(5, ge=1, le=1_000_000)


class CheckpointConfig(Section):
    """How often, in rounds, the state to resume from is written."""

    every: int = Field(10, ge=1)
