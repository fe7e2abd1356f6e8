"""Section `secagg` of the settings, and what follows from it in a round: groups, degrees and losses."""

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from fer_models.config import Section
from fer_models.secagg.graph import Assumed, Degree, degree_of
from fer_models.seeding import stream

if TYPE_CHECKING:
    from fer_models.secagg.ring import Ring

Share = Annotated[float, Field(ge=0, le=1)]
LOST = ("shares", "masks", "unmasking")  # before which of them `lose` loses phones


class SecAggConfig(Section):
    """Secure aggregation: whether the server sees single updates, or one masked sum."""

    protocol: Literal["none", "sum", "secagg+"] = "none"
    neighbours: Literal["auto"] | Annotated[int, Field(ge=2, le=10_000)] = "auto"
    threshold: Literal["auto"] | Annotated[int, Field(ge=2, le=10_000)] = "auto"
    corrupt: float = Field(0.05, ge=0, lt=1)
    dropouts: float = Field(0.1, ge=0, lt=1)
    bits: Literal[32, 64] = 64
    group: int = Field(1000, ge=3, le=100_000)
    lose: Annotated[tuple[Share, Share, Share], Field(strict=False)] = (0.0, 0.0, 0.0)

    @property
    def on(self) -> bool:
        """Whether updates are summed in the ring."""
        return self.protocol != "none"

    @property
    def masks(self) -> bool:
        """Whether they are masked there."""
        return self.protocol == "secagg+"

    @property
    def ring(self) -> "Ring":
        """The ring of `bits` bits."""
        from fer_models.secagg.ring import RINGS

        return RINGS[self.bits]

    def degree(self, phones: int) -> Degree:
        """Neighbours and threshold in a group of so many phones; ValueError, one line, if there are none."""
        given = [0 if value == "auto" else value for value in (self.neighbours, self.threshold)]
        return degree_of(phones, Assumed(self.corrupt, self.dropouts, *given))

    def groups(self, phones: np.ndarray, *labels: int, seed: int) -> list[np.ndarray]:
        """The phones (n,) at random in groups of nearly equal sizes, at most `group`, each sorted."""
        order = stream(seed, "secagg", "groups", *labels).permutation(phones)
        return [np.sort(part) for part in np.array_split(order, max(1, -(-len(order) // self.group)))]

    def losses(self, phones: np.ndarray, *labels: int, seed: int) -> list[np.ndarray]:
        """The phones (n,) that are lost before shares, before masks and before unmasking, each sorted."""
        order = stream(seed, "secagg", "lose", *labels).permutation(phones)
        first, second, third = (round(share * len(order)) for share in self.lose)
        ends = first, first + second, first + second + third
        return [np.sort(part) for part in np.split(order, ends)[:3]]

    @model_validator(mode="after")
    def _check(self) -> "SecAggConfig":
        if sum(self.lose) > 1:
            raise ValueError(f"lose must not lose more than all phones, got {list(self.lose)}; lower them")
        if any(self.lose) and not self.masks:
            raise ValueError(f'lose is for secagg.protocol = "secagg+", got "{self.protocol}"; leave it out')
        if self.neighbours != "auto" and self.threshold != "auto" and self.threshold > self.neighbours:
            raise ValueError(
                f"threshold must not exceed secagg.neighbours ({self.neighbours}), got {self.threshold};"
                " lower it"
            )
        return self
