"""Adaptive optimisers at the server: the mean update is the gradient of FedAdagrad, FedAdam and FedYogi.

Reddi, Charles, Zaheer, Garrett, Rush, Konečný, Kumar and McMahan, "Adaptive Federated Optimization", 2021,
arXiv:2003.00295, algorithm 2:

    m <- beta1 * m + (1 - beta1) * mean
    v <- v + mean^2                                          (FedAdagrad)
    v <- beta2 * v + (1 - beta2) * mean^2                    (FedAdam)
    v <- v - (1 - beta2) * mean^2 * sign(v - mean^2)         (FedYogi)
    head <- head + lr * m / (sqrt(v) + tau)

As in the paper, m starts at 0 and v at tau^2 (the smallest value it allows), without bias correction: v has
no bias towards 0 to correct, and m, growing from 0, keeps the first rounds gentle. Flower starts v at 0 and
bias-corrects FedAdam alone, with a round count that is one too high.

FedAdagrad needs a tau larger than a typical mean update: otherwise its first rounds, which m does not dampen,
move every coordinate by about lr, however small its update, and v lets no later round make up for it.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from server.strategies.base import Algorithm, RoundUpdates, State, moved
from server.strategies.bounds import Decay, Positive


@dataclass(frozen=True)
class Adaptive(Algorithm):
    """Common base of the three; `tau` keeps the divisor of coordinates that hardly move away from 0."""

    mean_only: ClassVar[bool] = True

    lr: Positive = 0.03
    beta1: Decay = 0.9
    tau: Positive = 0.001

    @abstractmethod
    def second(self, v: np.ndarray, squares: np.ndarray) -> np.ndarray:
        """The next v from the last one and the squares of the mean update, each (C, D + 1)."""

    def begin(self, head: np.ndarray) -> State:
        """Zero momentum; v as if every coordinate had moved by tau."""
        return {"m": np.zeros(head.shape), "v": np.full(head.shape, self.tau**2)}

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """Each coordinate's step is divided by the typical size of its mean updates."""
        m = self.beta1 * state["m"] + (1 - self.beta1) * received.mean
        v = self.second(state["v"], received.mean**2)
        return moved(head, self.lr * m / (np.sqrt(v) + self.tau)), {"m": m, "v": v}


@dataclass(frozen=True)
class FedAdagrad(Adaptive):
    """Step sizes only shrink: v is the sum of all squares."""

    lr: Positive = 0.1
    beta1: Decay = 0.0
    tau: Positive = 0.03

    def second(self, v: np.ndarray, squares: np.ndarray) -> np.ndarray:
        """The sum."""
        return np.asarray(v + squares)


@dataclass(frozen=True)
class FedAdam(Adaptive):
    """v is the moving average of the squares."""

    beta2: Decay = 0.99

    def second(self, v: np.ndarray, squares: np.ndarray) -> np.ndarray:
        """The moving average."""
        return self.beta2 * v + (1 - self.beta2) * squares


@dataclass(frozen=True)
class FedYogi(Adaptive):
    """v moves towards the squares in steps sized by them alone, so it falls slowly after large ones."""

    beta2: Decay = 0.99

    def second(self, v: np.ndarray, squares: np.ndarray) -> np.ndarray:
        """A step towards the squares."""
        return np.asarray(v - (1 - self.beta2) * squares * np.sign(v - squares))
