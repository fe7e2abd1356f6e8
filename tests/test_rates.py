"""Learning rates: their decay over rounds and epochs, the baseline's own, and those of strategies."""

from pathlib import Path

import numpy as np
import pytest
from support_reference import CLASSES, WIDTH, make_shards, torch_phone
from support_rounds import SIZES, head_bytes, run

from fer_models.config import TrainConfig
from fer_models.errors import InputError
from fer_models.heads import new_head
from fer_models.local.phone_rows import PhoneRows
from fer_models.local.training import CentralTrainer, round_key
from fer_models.networks.build import Spec, build, restore
from fer_models.networks.training import NetworkTrainer
from server.checkpoint import load as load_checkpoint
from server.config import StrategyConfig
from server.job import Plan
from server.strategies.registry import check_optimizer, make
from simulations.experiment import load, shipped, validate


@pytest.fixture
def shards(tmp_path: Path) -> PhoneRows:
    shards = make_shards(SIZES)
    np.save(tmp_path / "features.npy", shards.features)
    shards.save(tmp_path, tmp_path / "features.npy")
    return shards


def test_the_rate_after_some_rounds_by_hand() -> None:
    train = TrainConfig(lr=0.4, decay=0.5)
    assert [train.after(steps).lr for steps in (0, 1, 3)] == [0.4, 0.2, 0.05]
    assert 0 < train.after(5000).lr < 1e-300  # still a rate that an order can carry
    assert TrainConfig(lr=0.3).after(7) == TrainConfig(lr=0.3)


def test_phones_step_at_the_rate_of_their_round(tmp_path: Path, shards: PhoneRows) -> None:
    train = TrainConfig(lr=0.2, dropout=0.0, optimizer="sgd", decay=0.5)
    got = run(tmp_path, shards, rounds=3, train=train)
    head = new_head(CLASSES, WIDTH, seed=0)
    for number, rate in ((1, 0.2), (2, 0.1), (3, 0.05)):
        now = TrainConfig(lr=rate, dropout=0.0, optimizer="sgd")
        heads = [torch_phone(shards, p, head, now, 1, round_key(0, number))[0] for p in range(len(SIZES))]
        head = np.average(heads, axis=0, weights=shards.sizes).astype(np.float32)
    np.testing.assert_allclose(got.states[-1].head, head, atol=1e-5)


@pytest.mark.parametrize("name", ["fedavg", "scaffold"])
def test_a_decaying_run_goes_on_from_a_checkpoint_with_the_same_bits(
    tmp_path: Path, shards: PhoneRows, name: str
) -> None:
    asked = {
        "train": TrainConfig(lr=0.1, optimizer="sgd", decay=0.7),
        "strategy": StrategyConfig(name=name),
        "rounds": 4,
    }
    whole = run(tmp_path, shards, **asked)  # type: ignore[arg-type]
    whole.states[1].save(tmp_path)
    rest = run(tmp_path, shards, start=load_checkpoint(tmp_path, "last"), nodes=3, **asked)  # type: ignore[arg-type]
    assert [record.round for record in rest.records] == [3, 4]
    assert head_bytes(rest) == head_bytes(whole)
    without = run(tmp_path, shards, **asked | {"train": TrainConfig(lr=0.1, optimizer="sgd")})  # type: ignore[arg-type]
    assert head_bytes(without) != head_bytes(whole)


def test_scaffold_divides_by_the_rate_of_the_round(tmp_path: Path, shards: PhoneRows) -> None:
    """After round 1 from no control variates, c is minus the mean update per step and rate."""
    train = TrainConfig(lr=0.1, batch=100, dropout=0.0, optimizer="sgd", decay=0.25)
    got = run(tmp_path, shards, rounds=2, train=train, strategy=StrategyConfig(name="scaffold"))
    first, second = (state.head.astype(np.float64) for state in got.states)
    start = new_head(CLASSES, WIDTH, seed=0).astype(np.float64)
    np.testing.assert_allclose(got.states[0].state["c"], (start - first) / 0.1, atol=1e-4)
    # With one step a phone and all of them, c is the mean gradient at the head of the round.
    np.testing.assert_allclose(got.states[1].state["c"], (first - second) / 0.025, atol=1e-4)


def test_epochs_of_the_baseline_step_at_their_rate_by_hand() -> None:
    features, labels = np.array([[1.0], [2.0], [0.5]], np.float32), np.array([0, 1, 1])
    pool = PhoneRows(features, labels, np.arange(3), np.array([0, 3]))
    start = np.array([[0.1, 0.0], [0.0, 0.2]], np.float32)
    train = TrainConfig(lr=0.3, batch=3, dropout=0.0, optimizer="sgd", decay=0.1)
    trainer = CentralTrainer(pool, start, train, seed=0)
    assert trainer.epoch() > trainer.epoch()
    x, head = np.column_stack([features, np.ones(3)]), start.astype(np.float64)
    for rate in (0.3, 0.03):
        scores = np.exp(x @ head.T)
        gap = scores / scores.sum(axis=1, keepdims=True) - np.eye(2)[labels]
        head = head - rate * gap.T @ x / 3
    np.testing.assert_allclose(trainer.head, head, atol=1e-6)


def test_epochs_of_a_network_step_at_their_rate_by_hand() -> None:
    # A network of zeros, one view of class 0: only the last bias b learns, by softmax(b) - (1, 0).
    spec = Spec("mobilenet-deep", 2, 64, dropout=0.0)
    pool = PhoneRows(np.ones((1, 1280), np.float32), np.array([0]), np.array([0]), np.array([0, 1]))
    zeros = {name: np.zeros_like(array) for name, array in build(spec, seed=0).arrays().items()}
    train = TrainConfig(lr=0.1, optimizer="sgd", decay=0.5)
    trainer = NetworkTrainer(pool, restore(spec, zeros), train, seed=0)
    assert trainer.epoch() > trainer.epoch()
    second = 0.05 + 0.05 * (1 - 1 / (1 + np.exp(-0.1)))
    np.testing.assert_allclose(trainer.classifier.arrays()["output.bias"], [second, -second], atol=1e-7)


def test_the_baseline_trains_as_the_phones_or_in_its_own_way() -> None:
    phones = {"optimizer": "sgd", "lr": 0.07, "batch": 7}
    config = validate({"train": phones})
    assert config.central_training == config.train
    config = validate({"train": phones, "baseline": {"lr": 0.2}})
    assert config.central_training == config.train.model_copy(update={"lr": 0.2})
    config = validate({"train": phones, "baseline": {"optimizer": "adam", "lr": 0.002}})
    assert config.central_training == TrainConfig(optimizer="adam", lr=0.002, batch=7)
    assert config.train.optimizer == "sgd"


def test_the_shipped_baselines_train_by_adam_whatever_the_phones_do() -> None:
    for name in shipped():
        _, config = load(name, settings=["train.optimizer=sgd", "train.lr=0.3"])
        own = config.central_training
        assert (own.optimizer, own.lr) == (("sgd", 0.3) if name == "study" else ("adam", 0.001)), name


def test_a_rate_for_one_optimiser_is_not_taken_for_another() -> None:
    words = (
        r'^baseline\.lr must be given with baseline\.optimizer = "sgd", got "auto": train\.lr is .* adam; set'
    )
    with pytest.raises(InputError, match=words):
        validate({"train": {"optimizer": "adam"}, "baseline": {"optimizer": "sgd"}})


def third_round(strategy: StrategyConfig, **train: object) -> TrainConfig:
    """How phones train in round 3."""
    plan = Plan("", np.ones(1), 0, 1, 1, TrainConfig(**train), 0, strategy)  # type: ignore[arg-type]
    return plan.training(make(strategy), 3)


@pytest.mark.parametrize("name", ["scaffold", "feddyn", "fednova"])
def test_strategies_of_plain_gradient_steps_take_the_rate_of_all_others(name: str) -> None:
    strategy = StrategyConfig(name=name)
    check_optimizer(strategy, "sgd")
    same = third_round(strategy, optimizer="sgd", lr=0.04, decay=0.5)
    assert (same.optimizer, same.lr) == ("sgd", 0.01)
    with pytest.raises(
        ValueError, match=rf'^train\.optimizer: the phones of {name} must run plain SGD, got "adam"'
    ):
        check_optimizer(strategy, "adam")
    own = StrategyConfig(name=name, local_lr=0.8)  # type: ignore[call-arg]
    check_optimizer(own, "adam")
    alone = third_round(own, optimizer="adam", lr=0.04, decay=0.5)
    assert (alone.optimizer, alone.lr) == ("sgd", 0.2)
