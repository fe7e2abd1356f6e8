"""What a malicious phone does, and which phones are malicious."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Annotated

import numpy as np
from pydantic import Field

from fer_models.local.phone_rows import PhoneData
from fer_models.local.transforms import Context, Groups, Metrics, Relabelled, Transform
from fer_models.seeding import stream

MOST_SCALE = 1_000_000.0
Scale = Annotated[float, Field(gt=0, le=MOST_SCALE)]


@dataclass(frozen=True)
class Attack:
    """What a malicious phone does. A page is a frozen dataclass of its options and overrides one method."""

    def corrupt(self, update: np.ndarray, phone: int, context: Context) -> np.ndarray:
        """What the phone with the id `phone` sends instead of its update (C, D + 1) float64."""
        return update

    def relabel(self, labels: np.ndarray, classes: int) -> np.ndarray | None:
        """The labels (m,) int64 that it trains on instead of the true ones; None: the true ones."""
        return None


@dataclass(frozen=True)
class Honest(Attack):
    """No attack."""


@dataclass(frozen=True)
class Malicious(Transform):
    """An attack by a fraction of the phones; honest phones' updates are unchanged."""

    share: float  # fraction of all phones that is malicious; rounded to whole phones
    attack: Attack

    @property
    def data_alone(self) -> bool:
        """If the attack is on labels alone."""
        return type(self.attack).corrupt is Attack.corrupt

    @property
    def words(self) -> str:
        """What it does, for reports."""
        options = (f", {field.name} {getattr(self.attack, field.name)}" for field in fields(self.attack))
        name = type(self.attack).__name__
        return f"{self.share:.0%} of the phones are malicious: {name}{''.join(options)}"

    def __call__(self, updates: np.ndarray, context: Context) -> tuple[np.ndarray, Metrics]:
        """The updates as sent, and which phones are malicious (1) or not (0)."""
        bad = self.of(context)
        sent = updates.copy()
        for place in np.flatnonzero(bad):
            sent[place] = self.attack.corrupt(updates[place], int(context.phones[place]), context)
        return sent, {"malicious": bad.astype(np.float64)}

    def of(self, context: Context) -> np.ndarray:
        """Which phones of the context are malicious, (b,) bool."""
        return np.isin(context.phones, malicious(context.population, self.share, context.seed))

    def groups(self, held: PhoneData, context: Context) -> Groups:
        """Malicious phones train on relabelled data if the attack changes labels."""
        bad, labels = self.of(context), self.attack.relabel(np.asarray(held.labels), context.classes)
        if labels is None or not bad.any():
            return super().groups(held, context)
        groups: Groups = [(np.flatnonzero(~bad), held), (np.flatnonzero(bad), Relabelled(held, labels))]
        return [(places, own) for places, own in groups if len(places)]

    def summary(self, metrics: Mapping[str, np.ndarray]) -> dict[str, float]:
        """The number of malicious phones in the round."""
        return {"malicious": float(metrics["malicious"].sum())}


@lru_cache(maxsize=4)
def malicious(population: int, share: float, seed: int) -> np.ndarray:
    """The ids of the malicious phones, sorted: round(share * population) of them, sampled once per run."""
    number = round(share * population)
    return np.sort(stream(seed, "malicious").choice(population, number, replace=False))
