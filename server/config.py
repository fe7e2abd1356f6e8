"""The settings that the server reads: strategy, evaluation, checkpoints."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from fer_models.config import Section
from fer_models.options import AUTO, declared
from server.strategies.base import Algorithm
from server.strategies.registry import STRATEGIES


class StrategyConfig(Section):
    """How updates become the next head. Beside these keys it has the options of all strategies, which their
    pages declare (server/strategies): "auto" is the strategy's own default, and an option is refused for a
    strategy that does not own it.
    """

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, BeforeValidator(STRATEGIES.named)] = STRATEGIES.default
    start: Literal["random", "ridge"] = "random"
    projection: int = Field(0, ge=0, le=1_000_000)

    @classmethod
    def known_keys(cls, given: Mapping[str, Any]) -> Iterable[str]:
        """With the options; also those of a strategy of the user's own, where `given` names one."""
        name = given.get("name", STRATEGIES.default)
        return [*cls.model_fields, *STRATEGIES.options(*[name] if name in STRATEGIES else [])]

    @model_validator(mode="before")
    @classmethod
    def _with_options(cls, given: Any) -> Any:
        if not isinstance(given, dict) or (name := given.get("name", STRATEGIES.default)) not in STRATEGIES:
            return given
        options = STRATEGIES.checked(name, given, cls.model_fields, auto=True)
        if unknown := sorted(given.keys() - options.keys() - cls.model_fields.keys()):
            raise ValueError(f"{unknown[0]} is unknown; leave it out")
        every = STRATEGIES.options(name)
        for option, value in options.items():
            if value != AUTO and name not in every[option]:
                raise ValueError(
                    f"{option} belongs to {', '.join(every[option])}; strategy.name is {name}; leave it out"
                )
        return {**{key: given[key] for key in cls.model_fields if key in given}, **options}

    @model_validator(mode="after")
    def _check_start(self) -> "StrategyConfig":
        if self.start == "ridge" and not self.page.has_rounds():
            raise ValueError(
                f"start = ridge is for strategies with rounds of their phones, not for {self.name}"
            )
        if self.projection and not self.sums:
            raise ValueError(
                f"projection belongs to ridge, or start = ridge; strategy.name is {self.name}; leave it out"
            )
        return self

    @property
    def page(self) -> type[Algorithm]:
        """The class that the name stands for."""
        return STRATEGIES.page(self.name)

    @property
    def sums(self) -> bool:
        """Whether phones send sums for ridge regression."""
        return self.page.closed_form or self.start == "ridge"

    def options(self) -> dict[str, Any]:
        """What the strategy owns, as set or by default; None where it follows from the phones of a round."""
        values = self.model_extra or {}
        return {
            option: rules.default if values.get(option, AUTO) == AUTO else values[option]
            for option, rules in declared(self.page).items()
        }


class EvaluationConfig(Section):
    """When the head is judged, which head is the result, and how many photos rank a phone among others."""

    every: int = Field(1, ge=1)
    select: Literal["last", "best"] = "last"
    min_photos: int = Field(5, ge=1, le=1_000_000)


class CheckpointConfig(Section):
    """How often, in rounds, the state to resume from is written."""

    every: int = Field(10, ge=1)
