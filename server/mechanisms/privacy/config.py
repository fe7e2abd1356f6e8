"""Section `privacy` of the settings."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from fer_models.config import Section
from fer_models.local.kernel import WITHIN_CLIP
from server.mechanisms.accounting.participation import LEAST_NOISE, MOST_NOISE

Positive = Annotated[float, Field(gt=0)]


class PrivacyConfig(Section):
    """Differential privacy of phones: what noise protects whom, and at which price."""

    mechanism: Literal["none", "central"] = "none"
    epsilon: Literal["auto"] | Positive = "auto"
    noise_multiplier: Literal["auto"] | Annotated[float, Field(ge=LEAST_NOISE, le=MOST_NOISE)] = "auto"
    delta: Literal["auto"] | Annotated[float, Field(gt=0, lt=1)] = "auto"
    sampling: Literal["poisson", "fixed", "all"] = "poisson"
    neighbours: Literal["add-remove", "replace"] = "add-remove"
    clipping: Literal["fixed", "adaptive"] = "fixed"
    clip: float = Field(1.0, gt=0, le=WITHIN_CLIP)
    quantile: float = Field(0.5, gt=0, lt=1)
    clip_rate: float = Field(0.2, gt=0, le=10)
    directions: int = Field(0, ge=0, le=1280)
    population: int = Field(0, ge=0, le=10**10)
    cohort: int = Field(0, ge=0, le=10**10)
    accountant: Literal["pld", "rdp"] = "pld"
    randomness: Literal["seeded", "secret"] = "seeded"
    on_budget: Literal["refuse", "stop"] = "refuse"

    @property
    def private(self) -> bool:
        """Whether there is a mechanism."""
        return self.mechanism != "none"

    @model_validator(mode="after")
    def _check(self) -> "PrivacyConfig":
        if not self.private:
            return self
        given = [name for name in ("epsilon", "noise_multiplier") if getattr(self, name) != "auto"]
        if self.on_budget == "stop" and "epsilon" not in given:
            raise ValueError('epsilon, the budget, must be given with privacy.on_budget = "stop"; set it')
        if not given or (len(given) > 1 and self.on_budget != "stop"):
            got = "both" if given else "neither"
            raise ValueError(
                "epsilon or noise_multiplier must be given, one of them, and the other follows, got"
                f' {got}; set one (both with privacy.on_budget = "stop": train until epsilon is spent)'
            )
        if bool(self.population) != bool(self.cohort):
            raise ValueError(
                f"population and cohort go together, got {self.population:,} and {self.cohort:,}; set both,"
                " or none"
            )
        if self.cohort > self.population:
            raise ValueError(
                f"cohort must not exceed privacy.population ({self.population:,}), got {self.cohort:,};"
                " lower it"
            )
        return self
