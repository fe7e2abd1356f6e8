"""The settings that the server reads: strategy, evaluation, checkpoints."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from fer_models.config import Section

StrategyName = Literal[
    "fedavg", "fedprox", "fedavgm", "fedadam", "fedyogi", "fedadagrad", "qfedavg",
    "median", "trimmed-mean", "krum", "multi-krum", "bulyan",
    "scaffold", "feddyn", "fednova", "fedlc", "balanced-softmax", "ditto", "fine-tune", "ridge",
    "local",
]  # fmt: skip

# Each option, the strategies that own it, and their defaults; None: follows from the phones of the round.
OPTIONS: dict[str, dict[str, float | int | None]] = {
    "lr": {"fedavgm": 1.0, "fedadam": 0.03, "fedyogi": 0.03, "fedadagrad": 0.1, "scaffold": 1.0},
    "local_lr": {"scaffold": 0.03, "feddyn": 0.01, "fednova": 0.01},
    "momentum": {"fedavgm": 0.9},
    "beta1": {"fedadam": 0.9, "fedyogi": 0.9, "fedadagrad": 0.0},
    "beta2": {"fedadam": 0.99, "fedyogi": 0.99},
    "tau": {"fedadam": 0.001, "fedyogi": 0.001, "fedadagrad": 0.03},
    "q": {"qfedavg": 1.0},
    "lipschitz": {"qfedavg": 1.0},
    "trim": {"trimmed-mean": 0.1},
    "byzantine": {"krum": None, "multi-krum": None, "bulyan": None},
    "keep": {"multi-krum": None},
    "mu": {"fedprox": 30.0},
    "alpha": {"feddyn": 3.0},
    "margin": {"fedlc": 10.0},
    "prior": {"balanced-softmax": 1.0},
    "own_pull": {"ditto": 1.0},
    "adapt_epochs": {"fine-tune": 5},
}

_Auto = Literal["auto"]  # the strategy's own default
_Positive = Annotated[float, Field(gt=0, le=1_000_000)]
_Weight = Annotated[float, Field(ge=0, le=1_000_000)]
_Decay = Annotated[float, Field(ge=0, lt=1)]


class StrategyConfig(Section):
    """How updates become the next head. An option is refused for a strategy that does not own it."""

    name: StrategyName = "fedavg"
    start: Literal["random", "ridge"] = "random"
    projection: int = Field(0, ge=0, le=1_000_000)
    lr: _Auto | _Positive = "auto"
    local_lr: _Auto | Annotated[float, Field(gt=0, le=100)] = "auto"
    momentum: _Auto | _Decay = "auto"
    beta1: _Auto | _Decay = "auto"
    beta2: _Auto | _Decay = "auto"
    tau: _Auto | _Positive = "auto"
    q: _Auto | Annotated[float, Field(ge=0, le=100)] = "auto"
    lipschitz: _Auto | _Positive = "auto"
    trim: _Auto | Annotated[float, Field(ge=0, lt=0.5)] = "auto"
    byzantine: _Auto | Annotated[int, Field(ge=0)] = "auto"
    keep: _Auto | Annotated[int, Field(ge=1)] = "auto"
    mu: _Auto | _Weight = "auto"
    alpha: _Auto | _Positive = "auto"
    margin: _Auto | _Weight = "auto"
    prior: _Auto | _Weight = "auto"
    own_pull: _Auto | _Weight = "auto"
    adapt_epochs: _Auto | Annotated[int, Field(ge=1, le=10_000)] = "auto"

    @model_validator(mode="after")
    def _check(self) -> "StrategyConfig":
        for option, owners in OPTIONS.items():
            if getattr(self, option) != "auto" and self.name not in owners:
                raise ValueError(
                    f"{option} belongs to {', '.join(owners)}; strategy.name is {self.name}; leave it out"
                )
        return self

    @model_validator(mode="after")
    def _check_start(self) -> "StrategyConfig":
        if self.start == "ridge" and self.name in ("ridge", "local"):
            raise ValueError(
                f"start = ridge is for strategies with rounds of their phones, not for {self.name}"
            )
        if self.projection and not self.sums:
            raise ValueError(
                f"projection belongs to ridge, or start = ridge; strategy.name is {self.name}; leave it out"
            )
        return self

    @property
    def sums(self) -> bool:
        """Whether phones send sums for ridge regression."""
        return "ridge" in (self.name, self.start)

    def options(self) -> dict[str, float | int | None]:
        """What the strategy owns, as set or by default; None where it follows from the phones of a round."""
        owned = {option: owners[self.name] for option, owners in OPTIONS.items() if self.name in owners}
        return {
            option: default if getattr(self, option) == "auto" else getattr(self, option)
            for option, default in owned.items()
        }


class EvaluationConfig(Section):
    """When the head is judged, which head is the result, and how many photos rank a phone among others."""

    every: int = Field(1, ge=1)
    select: Literal["last", "best"] = "last"
    min_photos: int = Field(5, ge=1, le=1_000_000)


class CheckpointConfig(Section):
    """How often, in rounds, the state to resume from is written."""

    every: int = Field(10, ge=1)
