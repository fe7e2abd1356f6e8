"""What phones report besides their update, and the strategies that need it: by hand, and against torch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support_flower_steps import came
from support_reference import CLASSES, WIDTH, make_shards
from support_rounds import SIZES, run
from support_slow import few_quick
from support_tiny_networks import ALL, network, shards

from fer_models.config import TrainConfig
from fer_models.heads import LinearHead, new_head, with_added_bias
from fer_models.local.measures import MEASURES, measured
from fer_models.local.phone_rows import PhoneRows
from server.config import StrategyConfig
from server.strategies import personal_heads
from server.strategies.base import RoundUpdates
from server.strategies.fedavg import FedAvg
from server.strategies.fedexp import FedExP
from server.strategies.fedpac import FedPAC, mixtures
from server.strategies.mime_lite import MimeLite
from server.strategies.own_prior import OwnPrior

ONE = np.zeros((1, 1), np.float32)  # a head of one number


def test_a_gradient_is_that_of_torch() -> None:
    held, head = make_shards([30, 9]), new_head(CLASSES, WIDTH, seed=1)
    found = measured(("gradient",), held, np.arange(2), head, CLASSES)["gradient"]
    for phone in range(2):
        own = held.rows[held.offsets[phone] : held.offsets[phone + 1]]
        weight = torch.from_numpy(head[:, :-1].copy()).requires_grad_()
        bias = torch.from_numpy(head[:, -1].copy()).requires_grad_()
        logits = torch.from_numpy(held.features[own]) @ weight.T + bias
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(held.labels[own])).backward()
        assert weight.grad is not None
        assert bias.grad is not None
        expected = torch.cat([weight.grad, bias.grad[:, None]], dim=1)
        np.testing.assert_allclose(found[phone], expected, atol=1e-6)


@pytest.mark.parametrize("name", ["cnn", "mobilenet-deep"])
def test_a_networks_gradient_is_that_of_a_step_without_dropout(name: str) -> None:
    spec = ALL[name]
    phones, held = network(spec), shards(spec)
    own = held.rows[held.offsets[1] : held.offsets[2]]
    found = phones.gradient(held.features[own], held.labels[own], phones.head)
    model = phones.classifier(phones.head).network
    logits = model(torch.from_numpy(np.array(held.features[own])))
    torch.nn.functional.cross_entropy(logits, torch.from_numpy(held.labels[own])).backward()
    parts = [p.grad.reshape(-1).numpy() for p in model.parameters() if p.grad is not None]
    np.testing.assert_allclose(found[0], np.concatenate(parts), atol=1e-6)


@pytest.mark.parametrize(
    "name", few_quick(["cnn", "mobilenet-deep", "mobilenet-tuned"], "cnn", "mobilenet-deep")
)
def test_a_networks_row_ends_with_the_bias_of_its_output(name: str) -> None:
    phones, held = network(ALL[name]), shards(ALL[name])
    bias = np.log(np.arange(1.0, phones.start.spec.classes + 1))
    plain = phones.classifier(phones.head).probabilities(held.features)
    shifted = phones.classifier(with_added_bias(phones.head, bias)).probabilities(held.features)
    expected = plain * np.exp(bias)
    np.testing.assert_allclose(shifted, expected / expected.sum(axis=1, keepdims=True), rtol=1e-4)


def test_every_measure_has_one_row_a_phone_and_class_counts_are_counts() -> None:
    held = make_shards([3, 0, 5])
    found = measured(tuple(MEASURES), held, np.array([0, 2]), new_head(CLASSES, WIDTH, seed=0), CLASSES)
    assert {len(rows) for rows in found.values()} == {2}
    for place, phone in enumerate((0, 2)):
        own = held.labels[held.rows[held.offsets[phone] : held.offsets[phone + 1]]]
        np.testing.assert_array_equal(found["class_counts"][place], np.bincount(own, minlength=CLASSES))


def test_fedexp_by_hand() -> None:
    # updates 3 and -1 of equal weight: mean 1, mean square 5; 5 / (2 * (1 + 0.25)) = 2
    head, _ = FedExP(epsilon=0.25).step(ONE, came([[[3]], [[-1]]]), {})
    assert head == pytest.approx(2)
    # shares 3/4 and 1/4: mean 2, mean square 7; 7 / (2 * 4) is below 1
    head, _ = FedExP(epsilon=0.0).step(ONE, came([[[3]], [[-1]]], views=[3, 1]), {})
    assert head == pytest.approx(2)
    head, _ = FedExP(epsilon=0.0).step(ONE + 5, came([[[0]], [[0]]]), {})
    assert head == 5


def test_fedexp_is_fedavg_where_updates_agree_and_longer_where_they_are_orthogonal() -> None:
    """With k orthogonal updates of length 1 the mean square is 1, that of the mean 1 / k: eta is k / 2."""
    same = came(np.ones((7, 3, 4)))
    np.testing.assert_array_equal(
        FedExP().step(np.zeros((3, 4), np.float32), same, {})[0],
        FedAvg().step(np.zeros((3, 4), np.float32), same, {})[0],
    )
    apart = came(np.eye(8).reshape(8, 2, 4))
    head, _ = FedExP(epsilon=0.0).step(np.zeros((2, 4), np.float32), apart, {})
    np.testing.assert_allclose(head, 8 / 2 / 8)


def test_mime_lite_by_hand() -> None:
    # gradients 1 and 5 of shares 3/4 and 1/4 have the mean 2; m is 2, then 2 + 0.5 * 2
    mime, views = MimeLite(momentum=0.5), np.array([3, 1])
    back = RoundUpdates(
        np.arange(2), views, np.full((1, 1), -0.3), measured={"gradient": np.array([[[1.0]], [[5.0]]])}
    )
    head, state = mime.step(ONE, back, mime.begin(ONE))
    assert (float(head[0, 0]), float(state["m"][0, 0])) == (pytest.approx(-0.3), 2.0)
    asked = mime.ask(head, np.arange(2), views, views, state)
    np.testing.assert_allclose(asked.corrections, [[[1.0]], [[1.0]]])  # type: ignore[arg-type]
    assert float(mime.step(head, back, state)[1]["m"][0, 0]) == 3.0


def test_one_step_of_all_views_is_centralized_sgd_with_momentum(tmp_path: Path) -> None:
    """Where each phone takes one step on all its views, the head descends as torch.optim.SGD does."""
    held = make_shards(SIZES)
    np.save(tmp_path / "features.npy", held.features)
    held.save(tmp_path, tmp_path / "features.npy")
    chosen = StrategyConfig.model_validate({"name": "mime-lite", "momentum": 0.8})
    train = TrainConfig(batch=64, dropout=0.0, optimizer="sgd", lr=0.1)
    whole = run(tmp_path, held, strategy=chosen, rounds=4, train=train)
    head = torch.from_numpy(new_head(CLASSES, WIDTH, seed=0).astype(np.float64)).requires_grad_()
    optimizer = torch.optim.SGD([head], lr=0.1, momentum=0.8)
    x = torch.from_numpy(held.features[held.rows].astype(np.float64))
    for _ in range(4):
        optimizer.zero_grad()
        logits = x @ head[:, :-1].T + head[:, -1]
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(held.labels[held.rows])).backward()
        optimizer.step()
    np.testing.assert_allclose(whole.states[-1].head, head.detach().numpy(), atol=2e-6)
    size = len(SIZES) * 4 * CLASSES * (WIDTH + 1)
    assert (whole.records[0].bytes_down, whole.records[0].bytes_up) == (2 * size, 2 * size)


def test_own_priors_by_hand() -> None:
    """Counts 3, 1 and 1, 3 of two phones: all have 1/2, 1/2. With 4 views of smoothing: 5/8, 3/8 over 1/2."""
    head = np.zeros((2, 3), np.float32)
    counts = np.array([[3.0, 1.0], [1.0, 3.0]])
    strategy = OwnPrior(smoothing=4.0)
    np.testing.assert_allclose(np.exp(strategy.biases(counts)), [[1.25, 0.75], [0.75, 1.25]])
    back = RoundUpdates(
        np.array([2, 5]), np.array([4, 4]), np.ones((2, 3)), measured={"class_counts": counts}
    )
    after, state = strategy.step(head, back, {})
    np.testing.assert_array_equal(after, np.ones((2, 3)))
    own = personal_heads.of(state)
    assert own is not None
    assert own.phones.tolist() == [2, 5]
    np.testing.assert_allclose(np.exp(own.heads[0][:, -1] - 1), [1.25, 0.75], rtol=1e-6)
    # a phone that comes later changes the frequencies of all, and all have the newest head
    more = RoundUpdates(
        np.array([3]), np.array([8]), np.ones((2, 3)), measured={"class_counts": np.array([[0.0, 8.0]])}
    )
    _, state = strategy.step(after, more, state)
    own = personal_heads.of(state)
    assert own is not None
    assert own.phones.tolist() == [2, 3, 5]
    np.testing.assert_array_equal(own.heads[:, :, :-1], np.full((3, 2, 2), 2))
    np.testing.assert_allclose(np.exp(own.heads[1][:, -1] - 2), [1 / 3, (8 + 3) / 12 / 0.75], rtol=1e-6)


def test_own_priors_multiply_probabilities_and_bear_classes_that_no_phone_has() -> None:
    features = np.random.default_rng(0).normal(size=(20, WIDTH)).astype(np.float32)
    head, counts = new_head(3, WIDTH, seed=0), np.array([[5.0, 3.0, 0.0], [1.0, 7.0, 0.0]])
    biases = OwnPrior(smoothing=1e-6).biases(counts)
    np.testing.assert_allclose(np.exp(biases[0]), [5 / 8 / (6 / 16), 3 / 8 / (10 / 16), 1], rtol=1e-5)
    own = LinearHead(with_added_bias(head, biases[0])).probabilities(features)
    expected = LinearHead(head).probabilities(features) * np.exp(biases[0])
    np.testing.assert_allclose(own, expected / expected.sum(axis=1, keepdims=True), rtol=1e-5)
    far = OwnPrior(smoothing=1e6).biases(counts)
    np.testing.assert_allclose(far, 0, atol=1e-5)


@pytest.mark.slow
def test_measures_arrive_with_the_phones_that_can_be_used(tmp_path: Path) -> None:
    """A phone whose views are not finite is in none of the arrays; other nodes' bits do not depend on it."""
    good = make_shards(SIZES)
    features = np.concatenate([good.features, np.full((1, WIDTH), np.inf, np.float32)])
    rows = good.rows.copy()
    rows[good.offsets[4]] = len(good.features)
    held = PhoneRows(features, np.append(good.labels, 0), rows, good.offsets)
    np.save(tmp_path / "features.npy", features)
    held.save(tmp_path, tmp_path / "features.npy")
    for name in ("mime-lite", "own-prior", "fedpac"):
        asked = {"strategy": StrategyConfig(name=name), "rounds": 2}
        one = run(tmp_path, held, nodes=1, **asked)  # type: ignore[arg-type]
        many = run(tmp_path, held, nodes=10, block=1, grid_seed=3, **asked)  # type: ignore[arg-type]
        assert one.records[0].dropped_phones == {"4": "not finite"}
        assert one.states[-1].head.tobytes() == many.states[-1].head.tobytes()
        for key, array in one.states[-1].state.items():
            assert array.tobytes() == many.states[-1].state[key].tobytes()


def test_mixtures_by_hand() -> None:
    """Features 0 and 1 of one class on two phones, variance v of a view, n views each: with a and 1 - a the
    first minimises v / n (a^2 + (1 - a)^2) + (1 - a)^2, so that a / (1 - a) is 1 + n / v.
    """
    means = np.array([[[0.0, 1.0]], [[1.0, 1.0]]])
    found = mixtures(means, np.array([2.0, 3.0]), np.array([4, 4]))  # v = 2
    np.testing.assert_allclose(found, [[3 / 4, 1 / 4], [1 / 4, 3 / 4]])
    far = mixtures(
        np.array([[[0.0, 1]], [[0.0, 1]], [[1e4, 1]]]), np.array([1.0, 1.0, 1e8 + 1]), np.array([1, 3, 5])
    )
    np.testing.assert_allclose(
        far[0], [1 / 4, 3 / 4, 0], atol=1e-6
    )  # alike by views, the unlike one not at all
    np.testing.assert_allclose(far[2], [0, 0, 1], atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_mixtures_are_the_best_on_the_simplex(seed: int) -> None:
    """As the optimality conditions say: the gradient is least, and equal, where weights are positive."""
    rng = np.random.default_rng(seed)
    means, views, variances = rng.normal(size=(9, 3, 5)), rng.integers(1, 40, 9), rng.uniform(1, 2, 9)
    mix = mixtures(means, (means[:, :, :-1] ** 2).sum(axis=(1, 2)) + variances, views)
    np.testing.assert_allclose(mix.sum(axis=1), 1)
    variance = np.average(variances, weights=views)
    h = means[:, :, :-1].reshape(9, -1)
    for i, weights in enumerate(mix):
        gradient = 2 * weights * variance / views - 2 * h @ (h[i] - weights @ h)
        held = weights > 1e-9
        np.testing.assert_allclose(gradient[held], gradient.min(), rtol=1e-6)


def test_fedpac_trains_from_mixed_heads_and_shares_their_mean() -> None:
    head = np.zeros((1, 2), np.float32)
    means = np.array([[[0.0, 1.0]], [[1.0, 1.0]]])
    own = np.array([[[4.0, 0.0]], [[0.0, 8.0]]], np.float32)
    back = RoundUpdates(
        np.array([3, 7]), np.array([4, 4]), head, own=own,
        measured={"class_means": means, "squares": np.array([2.0, 3.0])},
    )  # fmt: skip
    after, state = FedPAC().step(head, back, {})
    np.testing.assert_allclose(after, [[2, 4]])
    asked = FedPAC().ask(after, np.array([3, 5]), np.ones(2), np.ones(2), state).starts
    np.testing.assert_allclose(asked, [[[3, 2]], [[2, 4]]])  # type: ignore[arg-type]


def test_class_means_and_squares_by_hand() -> None:
    held = PhoneRows(
        np.array([[2.0], [4.0], [1.0]], np.float32), np.array([0, 0, 1]), np.arange(3), np.array([0, 3])
    )
    found = measured(("class_means", "squares"), held, np.arange(1), np.zeros((2, 2), np.float32), 2)
    np.testing.assert_allclose(found["class_means"], [[[2, 2 / 3], [1 / 3, 1 / 3]]])
    np.testing.assert_allclose(found["squares"], [(4 + 16 + 1) / 3])
