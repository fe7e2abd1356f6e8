"""Server steps that move by the mean: worked out by hand, and as Flower's own strategies take them."""

import re
from itertools import pairwise
from pathlib import Path

import flwr.serverapp.strategy as flower
import numpy as np
import pytest
from support_flower_steps import SHAPE, came, drawn, flower_step

from fer_models.errors import InputError
from server.config import StrategyConfig
from server.strategies.adaptive import FedAdagrad, FedAdam, FedYogi
from server.strategies.base import Algorithm, State
from server.strategies.fedavg import FedAvg
from server.strategies.fedavgm import FedAvgM
from server.strategies.qfedavg import QFedAvg
from server.strategies.registry import ALGORITHMS, STRATEGIES, check_phones, make
from simulations.experiment import load

HEAD = np.random.default_rng(9).normal(0, 0.05, SHAPE).astype(np.float32)
ONE = np.zeros((1, 1), np.float32)  # a head of one number


def steps(algorithm: Algorithm, *means: float) -> list[float]:
    """Where a head of one number, from 0, is after each of these mean updates."""
    head, state, path = ONE, algorithm.begin(ONE), []
    for mean in means:
        head, state = algorithm.step(head, came([[[mean]]]), state)
        path.append(float(head[0, 0]))
    return path


def test_fedavg_by_hand() -> None:
    head, state = FedAvg().step(ONE + 1, came([[[1]], [[4]]], views=[2, 1]), {})
    assert head == 3.0  # 1 + (2 * 1 + 1 * 4) / 3
    assert head.dtype == np.float32
    assert state == {}


def test_fedavgm_by_hand() -> None:
    # v: 1, 0.5 + 1, 0.75 - 2; the head moves by twice that
    assert steps(FedAvgM(lr=2.0, momentum=0.5), 1, 1, -2) == [2, 5, 2.5]
    assert steps(FedAvgM(lr=1.0, momentum=0.0), 1, 1, -2) == [1, 2, 0]


def test_adaptive_by_hand() -> None:
    # tau 1: v starts at 1. Adagrad: v = 1 + 8 = 9, so 0 + 2 * sqrt(8) / (3 + 1)
    root8, root15 = 8**0.5, 15**0.5
    assert steps(FedAdagrad(lr=2.0, beta1=0.0, tau=1.0), root8) == pytest.approx([root8 / 2])
    # Adam, beta 0.5: v = 0.5 + 7.5 = 8 and m = sqrt(15) / 2; then v = 4 + 0.5 * 8 = 8 and m = m / 2 + sqrt(2)
    first = root15 / 2 / (root8 + 1)
    second = first + (root15 / 4 + root8 / 2) / (root8 + 1)
    adam = FedAdam(lr=1.0, beta1=0.5, tau=1.0, beta2=0.5)
    assert steps(adam, root15, root8) == pytest.approx([first, second])
    # Yogi: v = 1 + 0.5 * 16 = 9, then below 16 still: 9 - 0.5 * 4 * sign(9 - 4) = 7
    yogi = FedYogi(lr=1.0, beta1=0.0, tau=1.0, beta2=0.5)
    assert steps(yogi, 4, 2) == pytest.approx([4 / 4, 1 + 2 / (7**0.5 + 1)])


def test_qfedavg_by_hand() -> None:
    # losses 1 and 2, updates 1 and 3, q 2, L 0.5, equal views:
    # sum F^2 update = 1 + 12; h / L = F^2 (1 + q L update^2 / F) = 1 * (1 + 1) + 4 * (1 + 4.5)
    back = came([[[1]], [[3]]], losses=[1, 2])
    head, _ = QFedAvg(q=2.0, lipschitz=0.5).step(ONE, back, {})
    assert head == pytest.approx(13 / 24)
    back = came([[[1]], [[3]]], views=[3, 1], losses=[1, 2])
    head, _ = QFedAvg(q=2.0, lipschitz=0.5).step(ONE, back, {})
    assert head == pytest.approx((3 + 12) / (3 * 2 + 22))


def test_qfedavg_is_fedavg_where_q_is_0() -> None:
    back = drawn(300)
    fair, _ = QFedAvg(q=0.0, lipschitz=1e6).step(HEAD, back, {})
    np.testing.assert_allclose(fair, FedAvg().step(HEAD, back, {})[0], rtol=1e-6)


def test_qfedavg_leans_towards_phones_with_a_large_loss_and_bears_none_and_huge_ones() -> None:
    updates = [[[1.0]], [[-1.0]]]
    for losses in ([3, 1], [1e200, 1e-300], [1, 0]):
        for q in (0.1, 1.0, 5.0):
            head, _ = QFedAvg(q=q, lipschitz=1.0).step(ONE, came(updates, losses=losses), {})
            assert 0 < head <= 1


def reference(name: str) -> tuple[Algorithm, flower.FedAvg]:
    decay = {"beta1": 0.9, "tau": 1e-3, "lr": 0.03}
    names = {"eta": 0.03, "tau": 1e-3}
    return {
        "fedavg": (FedAvg(), flower.FedAvg()),
        "fedavgm": (FedAvgM(0.5, 0.9), flower.FedAvgM(server_learning_rate=0.5, server_momentum=0.9)),
        "fedadam": (FedAdam(beta2=0.99, **decay), flower.FedAdam(beta_1=0.9, beta_2=0.99, **names)),
        "fedyogi": (FedYogi(beta2=0.99, **decay), flower.FedYogi(beta_1=0.9, beta_2=0.99, **names)),
        "fedadagrad": (FedAdagrad(**{**decay, "beta1": 0.0}), flower.FedAdagrad(**names)),
        "qfedavg": (QFedAvg(1.5, 20.0), flower.QFedAvg(q=1.5, client_learning_rate=0.05)),
    }[name]  # type: ignore[return-value]


@pytest.mark.parametrize("name", ["fedavg", "fedavgm", "fedadam", "fedyogi", "fedadagrad", "qfedavg"])
def test_five_rounds_like_flowers_own_strategy(name: str) -> None:
    ours, theirs = reference(name)
    if hasattr(theirs, "v_t"):
        theirs.v_t = {"head": np.full(SHAPE, 1e-3**2)}  # type: ignore[attr-defined]  # Flower's own start is 0
    head, state, there = HEAD, ours.begin(HEAD), HEAD.astype(np.float64)
    for number in range(1, 6):
        back = drawn(11, seed=number)
        if name == "qfedavg":  # Flower counts every phone once
            back = came(back.updates, losses=back.losses)
        if name == "fedadam":  # Flower's correction, which ours has not, taken back
            theirs.eta = 0.03 / (1 - 0.99 ** (number + 1)) ** 0.5 * (1 - 0.9 ** (number + 1))  # type: ignore[attr-defined]
        head, state = ours.step(head, back, state)
        there = flower_step(theirs, there, back, number=number)
        np.testing.assert_allclose(head, there, atol=3e-7)


@pytest.mark.parametrize("name", list(ALGORITHMS))
def test_laws_of_every_strategy(name: str) -> None:
    algorithm = make(StrategyConfig(name=name))  # type: ignore[arg-type]
    head, state = HEAD, algorithm.begin(HEAD)
    for number in range(3):
        back = drawn(23, seed=number)
        order = np.random.default_rng(number).permutation(23)
        mixed = came(back.updates[order], back.views[order], back.losses[order])  # type: ignore[index]
        kept, before = {k: v.copy() for k, v in state.items()}, head.copy()
        other, _ = algorithm.step(head, mixed, state)
        head, after = algorithm.step(head, back, state)
        np.testing.assert_allclose(other, head, atol=1e-6)  # the order of the phones does not matter
        assert head.dtype == np.float32
        assert not np.array_equal(head, before)
        assert_same(state, kept)  # what went in is as it was
        assert set(after) >= set(state)
        for key, array in after.items():
            if key.endswith(".phones"):
                assert_same({key: array}, {key: back.phones})
            elif key.endswith(".values"):
                assert (array.dtype, len(array)) == (np.float32, 23)
            else:
                assert array.shape == SHAPE
        state = after


@pytest.mark.parametrize("name", ["fedavg", "median", "trimmed-mean", "krum", "multi-krum", "bulyan"])
@pytest.mark.parametrize("phones", [3, 10, 31])
def test_equal_updates_give_that_update(name: str, phones: int) -> None:
    update = np.random.default_rng(3).normal(0, 1, SHAPE).astype(np.float32)
    head, _ = make(StrategyConfig(name=name)).step(HEAD, came([update] * phones), {})  # type: ignore[arg-type]
    np.testing.assert_allclose(head, HEAD + update, atol=3e-7)


def test_strategies_have_their_own_defaults_and_take_options() -> None:
    assert make(StrategyConfig()) == FedAvg()
    assert make(StrategyConfig(name="fedavgm")) == FedAvgM(lr=1.0, momentum=0.9)
    assert make(StrategyConfig(name="fedadam")).lr != make(StrategyConfig(name="fedavgm")).lr  # type: ignore[attr-defined]
    assert make(StrategyConfig(name="fedyogi", lr=0.5, tau=0.1)) == FedYogi(0.5, 0.9, 0.1, 0.99)


def test_the_documents_tell_each_strategys_own_default() -> None:
    text = (Path(__file__).resolve().parents[1] / "docs" / "configuration.md").read_text()
    for option, owners in STRATEGIES.options().items():
        (row,) = re.findall(rf"^\| `strategy\.{option}` .*", text, re.M)
        for owner, default in ((owner, rules.default) for owner, rules in owners.items()):
            assert f"`{owner}`" in row if default is None else f"`{owner}` {default}" in row, (option, owner)


def test_an_option_of_another_strategy_is_refused() -> None:
    with pytest.raises(InputError) as refused:
        load("quickstart", settings=["strategy.byzantine=3"])
    assert str(refused.value) == (
        "strategy.byzantine belongs to krum, multi-krum, bulyan; strategy.name is fedavg; leave it out"
    )
    with pytest.raises(InputError, match=r"strategy\.trim must be .* at least 0 and below 0\.5, got 0\.5"):
        load("quickstart", settings=["strategy.name=trimmed-mean", "strategy.trim=0.5"])


@pytest.mark.parametrize(
    ("settings", "phones", "words"),
    [
        ({"name": "krum", "byzantine": 4}, 10, "strategy.byzantine must be at most 3 for krum with 10"),
        ({"name": "multi-krum", "byzantine": 1}, 4, "at most 0 for multi-krum with 4 phones .*, got 1"),
        ({"name": "bulyan", "byzantine": 2}, 10, "strategy.byzantine must be at most 1 for bulyan"),
        ({"name": "multi-krum", "byzantine": 3, "keep": 8}, 10, "strategy.keep must be at most 7 with 10"),
        ({"name": "krum"}, 2, "strategy.name = krum needs at least 3 phones in a round, got 2"),
    ],
)  # fmt: skip
def test_more_than_the_phones_of_a_round_allow(settings: dict[str, object], phones: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_phones(StrategyConfig.model_validate(settings), phones)


def test_defaults_work_with_every_number_of_phones() -> None:
    for name in ALGORITHMS:
        for phones in (*range(3, 60), 100, 10_000):
            check_phones(StrategyConfig(name=name), phones)  # type: ignore[arg-type]
    check_phones(StrategyConfig(name="krum", byzantine=4), 11)
    check_phones(StrategyConfig(name="bulyan", byzantine=2), 11)
    check_phones(StrategyConfig(name="median"), 1)


def assert_same(one: State, other: State) -> None:
    assert set(one) == set(other)
    for key in one:
        np.testing.assert_array_equal(one[key], other[key])


def test_momentum_speeds_up_and_adagrad_slows_down() -> None:
    path = [0.0, *steps(FedAvgM(lr=1.0, momentum=0.9), *[0.01] * 200)]
    assert path[-1] - path[-2] == pytest.approx(0.1, rel=1e-3)
    path = [0.0, *steps(FedAdagrad(lr=0.1, beta1=0.0, tau=1e-3), *[0.01] * 50)]
    moves = [b - a for a, b in pairwise(path)]
    assert all(b < a for a, b in pairwise(moves))
