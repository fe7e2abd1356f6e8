"""The settings of the learning problem: photos and training (the model: models.py).

Each section is a small frozen value that validates itself; unknown keys are refused. The sections of
the federation live with the floor that reads them (`simulations/config.py` combines them all).
"""

import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fer_models.emotions import meaning

SPLITS = ("train", "validation", "test")  # the parts of a face set


class Section(BaseModel):
    """Base of every section: frozen, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def known_keys(cls, given: Mapping[str, Any]) -> Iterable[str]:
        """The keys that it takes, given these raw values: some values bring further keys with them."""
        return cls.model_fields


# TOML arrays arrive as lists: these fields take them as tuples.
Fractions = Annotated[tuple[float, float, float], Field(strict=False)]
Names = Annotated[tuple[str, ...], Field(strict=False)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class DataConfig(Section):
    """Which photos and classes to use, and how they are split and balanced."""

    source: str = Field("sketch", min_length=1)
    root: str = ""  # the folder that a table's file names are relative to; "": the table's own folder
    classes: Names = ("anger", "happiness", "neutrality", "sadness", "surprise")
    names: dict[str, str] = {}  # meaning of the source's labels
    split: Fractions | Literal["given"] = (0.6, 0.2, 0.2)
    split_by: Literal["auto", "subject", "photo"] = "auto"
    folds: int = Field(0, ge=0, le=50)  # 0: none
    fold: int = Field(0, ge=0)  # the one that is the test part
    balance: int = Field(1000, ge=0, le=1_000_000)
    balance_on: str = "server"  # one of fer_models/balancing
    image_size: Literal["auto"] | Annotated[int, Field(ge=32, le=1024)] = "auto"
    max_unreadable: float = Field(0.1, ge=0, le=1)

    @model_validator(mode="after")
    def _check(self) -> "DataConfig":
        if len(self.classes) < 2 or len(set(map(meaning, self.classes))) != len(self.classes):
            raise ValueError(
                f"classes must be two or more different names, got {list(self.classes)}; "
                "name each emotion once"
            )
        if empty := [label for label, name in self.names.items() if not name.strip()]:
            raise ValueError(
                f'names must say what "{empty[0]}" means, got nothing; for example {{"0" = "neutrality"}}'
            )
        if len(set(map(meaning, self.names))) != len(self.names):
            raise ValueError(
                f"names must name each label once, got {list(self.names)}, of which two mean the same;"
                " remove one"
            )
        if self.split != "given" and (min(self.split) <= 0 or abs(sum(self.split) - 1) > 1e-6):
            raise ValueError(
                f"split must be three positive shares that add up to 1, got {list(self.split)}; "
                "for example [0.6, 0.2, 0.2]"
            )
        return self

    @model_validator(mode="after")
    def _check_folds(self) -> "DataConfig":
        if self.folds == 1:
            raise ValueError("folds must be at least 2, or 0 for none, got 1; for example 5")
        if self.folds and self.split == "given":
            raise ValueError(
                f'folds must be 0 if data.split is "given", got {self.folds}; set it to 0,'
                " or data.split to three shares"
            )
        if self.fold and not self.folds:
            raise ValueError(f"fold must be 0 if data.folds is 0, got {self.fold}; set data.folds as well")
        if self.folds and self.fold >= self.folds:
            raise ValueError(
                f"fold must be from 0 to {self.folds - 1}, since data.folds is {self.folds}, got {self.fold};"
                " lower it"
            )
        return self


class SketchConfig(Section):
    """The built-in set of drawn faces."""

    faces: int = Field(4000, ge=50, le=10_000_000)
    subjects: int = Field(400, ge=5)
    seed: Seed = 0

    @model_validator(mode="after")
    def _check(self) -> "SketchConfig":
        if self.subjects > self.faces:
            raise ValueError(f"subjects must not exceed faces ({self.faces}), got {self.subjects}; lower it")
        return self


class TrainConfig(Section):
    """The local update of the phones, and of the baselines unless they have their own."""

    lr: float = Field(0.03, gt=0, le=100)
    batch: int = Field(16, ge=1, le=65_536)
    dropout: float = Field(0.2, ge=0, le=0.95)
    optimizer: Literal["adam", "sgd"] = "sgd"
    decay: float = Field(1.0, gt=0, le=1)

    def after(self, steps: int) -> "TrainConfig":
        """The same after `steps` rounds, or epochs of a baseline: the rate is lr * decay^steps, above 0."""
        return self.model_copy(update={"lr": max(self.lr * self.decay**steps, sys.float_info.min)})
