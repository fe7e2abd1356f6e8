"""The round's two places for what comes: mechanisms on the server's sum, and who is folded when."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from support_reference import make_shards
from support_rounds import SIZES, head_bytes, run

from fer_models.errors import RunError
from fer_models.local.training import PhoneRows, Update
from server.config import StrategyConfig
from server.exchange import Replies
from server.mechanisms.base import SumContext, applied
from server.scheduler import Barrier, Decision


@dataclass(frozen=True)
class Times:
    """A mechanism that multiplies the sum."""

    factor: float

    def __call__(self, update: Update, context: SumContext) -> tuple[Update, dict[str, float]]:
        name = f"times {self.factor:g}"
        return replace(update, total=self.factor * update.total), {name: float(context.asked)}


@dataclass(frozen=True)
class Plus:
    """A mechanism that adds to the sum."""

    term: float

    def __call__(self, update: Update, context: SumContext) -> tuple[Update, dict[str, float]]:
        return replace(update, total=update.total + self.term), {}


@pytest.fixture
def shards(tmp_path: Path) -> PhoneRows:
    made = make_shards(SIZES)
    np.save(tmp_path / "features.npy", made.features)
    made.save(tmp_path, tmp_path / "features.npy")
    return made


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


class Late:
    """A scheduler that folds what a round brought one round later, and never what phone 0 sent."""

    def __init__(self) -> None:
        self.clocks: list[float] = []

    def decide(self, replies: Replies, waiting: tuple[Replies, ...], clock: float) -> Decision:
        self.clocks.append(clock)
        if not waiting:
            return Decision(
                replace(replies, update=replace(replies.update, total=0 * replies.update.total)), (replies,)
            )
        return Decision(waiting[0], (replies,), {0: "too late"})


def test_a_scheduler_decides_what_is_folded_when(tmp_path: Path, shards: PhoneRows) -> None:
    scheduler = Late()
    late = run(tmp_path, shards, rounds=2, scheduler=scheduler)
    barrier = run(tmp_path, shards, rounds=1)
    assert head_bytes(late) == head_bytes(barrier)  # round 2 folds what round 1 brought
    assert late.records[0].dropped_phones == {}
    assert late.records[1].dropped_phones == {"0": "too late"}
    assert 0 <= scheduler.clocks[0] < scheduler.clocks[1]


def test_the_barrier_folds_everything_at_once(tmp_path: Path, shards: PhoneRows) -> None:
    assert head_bytes(run(tmp_path, shards, scheduler=Barrier())) == head_bytes(run(tmp_path, shards))
    replies = Replies(np.arange(2), Update(np.zeros((1, 2)), 2, 2, 2, 0.0, 0.0), {})
    assert Barrier().decide(replies, (), 1.0) == Decision(replies, (), {})


@pytest.mark.parametrize("name", ["median", "scaffold", "mime-lite", "ridge"])
def test_a_strategy_that_would_bypass_a_mechanism_is_refused(
    tmp_path: Path, shards: PhoneRows, name: str
) -> None:
    with pytest.raises(RunError, match="all that mechanisms change"):
        run(tmp_path, shards, rounds=1, mechanisms=(Times(0.5),), strategy=StrategyConfig(name=name))
