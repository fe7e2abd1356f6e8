"""Mechanisms on the server's sum: they follow one another, and the strategy steps by what they leave."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from support_rounds import run

from fer_models.errors import RunError
from fer_models.local.phone_rows import PhoneRows
from fer_models.local.training import Update
from server.config import StrategyConfig
from server.mechanisms.base import SumContext, applied


@dataclass(frozen=True)
class Times:
    """A mechanism that multiplies the sum."""

    factor: float

    def __call__(self, update: Update, context: SumContext) -> tuple[Update, dict[str, float]]:
        name = f"times {self.factor:g}"
        return replace(update, total=self.factor * update.total), {name: float(context.selected)}


@dataclass(frozen=True)
class Plus:
    """A mechanism that adds to the sum."""

    term: float

    def __call__(self, update: Update, context: SumContext) -> tuple[Update, dict[str, float]]:
        return replace(update, total=update.total + self.term), {}


def test_mechanisms_follow_one_another() -> None:
    update = Update(np.ones((1, 2)), 4, 4, 2, 0.0, 0.0)
    context = SumContext(1, 0, 2, np.zeros((1, 2), np.float32))
    found, metrics = applied([Plus(1.0), Times(3.0)], update, context)
    assert found.total.tolist() == [[6.0, 6.0]]
    assert metrics == {"times 3": 2.0}
    found, _ = applied([Times(3.0), Plus(1.0)], update, context)
    assert found.total.tolist() == [[4.0, 4.0]]


def test_the_strategy_steps_by_what_mechanisms_left(tmp_path: Path, shards: PhoneRows) -> None:
    plain = run(tmp_path, shards, rounds=1)
    half = run(tmp_path, shards, rounds=1, mechanisms=(Times(0.5),))
    none = run(tmp_path, shards, rounds=1, mechanisms=(Times(0.0),))
    start, whole = none.states[0].head, plain.states[0].head
    np.testing.assert_allclose(half.states[0].head - start, (whole - start) / 2, atol=1e-7)
    assert half.records[0].metrics == {"times 0.5": 10.0}
    assert half.records[0].train_loss == plain.records[0].train_loss


@pytest.mark.parametrize("name", ["median", "scaffold", "mime-lite", "ridge"])
def test_a_strategy_that_would_bypass_a_mechanism_is_refused(
    tmp_path: Path, shards: PhoneRows, name: str
) -> None:
    with pytest.raises(RunError, match="all that mechanisms change"):
        run(tmp_path, shards, rounds=1, mechanisms=(Times(0.5),), strategy=StrategyConfig(name=name))
