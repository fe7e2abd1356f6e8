"""Training of networks against the ordinary loop of torch, step by step."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from support_reference import sub_key
from support_slow import few_quick
from support_tiny_networks import (
    ALL,
    CLASSES,
    CNN,
    DEEP,
    SCRATCH,
    TUNED,
    cnn_arrays,
    gray,
    plain_cnn,
    rows_for,
    weights,
)

from fer_models import seeding
from fer_models.config import TrainConfig
from fer_models.local import kernel
from fer_models.local.phone_rows import PhoneRows
from fer_models.networks.build import NetworkClassifier, Spec, build, restore
from fer_models.networks.layers import Dropout
from fer_models.networks.training import BELOW_HEAD, NetworkTrainer


def make_shards(spec: Spec, n: int, seed: int = 0) -> PhoneRows:
    """n training views among half as many more rows, in an order of their own."""
    rng = np.random.default_rng(seed)
    rows = rows_for(spec, n + n // 2, seed)
    labels = rng.integers(0, spec.classes, len(rows))
    return PhoneRows(rows, labels, rng.permutation(len(rows))[:n], np.array([0, n]))


def trainer(spec: Spec, shards: PhoneRows, train: TrainConfig, seed: int = 0) -> NetworkTrainer:
    return NetworkTrainer(shards, build(spec, seed=seed, weights=weights()), train, seed=seed)


def same(one: NetworkClassifier, other: NetworkClassifier) -> bool:
    pairs = zip(one.arrays().values(), other.arrays().values(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_one_step_by_hand() -> None:
    # A network of zeros, one view of class 0: softmax (1/2, 1/2), gradient (-1/2, 1/2) by the last bias.
    spec = replace(DEEP, classes=2)
    shards = PhoneRows(np.ones((1, 1280), np.float32), np.array([0]), np.array([0]), np.array([0, 1]))
    zeros = {name: np.zeros_like(array) for name, array in build(spec, seed=0).arrays().items()}
    learner = NetworkTrainer(shards, restore(spec, zeros), TrainConfig(lr=0.1, optimizer="sgd"), seed=0)
    assert learner.epoch() == pytest.approx(np.log(2), abs=1e-6)
    arrays = learner.classifier.arrays()
    np.testing.assert_allclose(arrays.pop("output.bias"), [0.05, -0.05], atol=1e-7)
    assert not any(array.any() for array in arrays.values())


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_equals_the_ordinary_loop_in_the_order_of_the_kernel(optimizer: Literal["adam", "sgd"]) -> None:
    shards, plain = make_shards(CNN, 37), plain_cnn(CNN.size)
    train = TrainConfig(lr=0.01, batch=8, optimizer=optimizer)
    learner = NetworkTrainer(shards, restore(CNN, cnn_arrays(plain)), train, seed=3)
    make = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer]
    steps, losses = make(plain.parameters(), lr=train.lr), []
    for epoch in (1, 2):
        order = kernel.shuffled(sub_key(seeding.key(3, "central", epoch), 0), 37)
        total = 0.0
        for first in range(0, 37, 8):  # the last batch holds five
            chosen = shards.rows[order[first : first + 8]]
            steps.zero_grad()
            logits = plain(gray(shards.features[chosen]))
            loss = torch.nn.CrossEntropyLoss()(logits, torch.from_numpy(shards.labels[chosen]))
            loss.backward()
            steps.step()
            total += loss.item() * len(chosen)
        losses.append(total)
    assert [learner.epoch(), learner.epoch()] == pytest.approx(losses, rel=1e-4)
    found = learner.classifier.arrays()
    gaps = [np.abs(found[name] - array).ravel() for name, array in cnn_arrays(plain).items()]
    if optimizer == "sgd":
        assert np.concatenate(gaps).max() < 1e-5
    else:  # Adam steps by the sign even of a gradient that is mere rounding: a few weights differ
        assert np.mean(np.concatenate(gaps) > 2e-4) < 1e-3
        assert np.concatenate(gaps).max() < 0.02  # two steps


def test_a_part_of_an_epoch_is_its_beginning() -> None:
    shards = make_shards(CNN, 20)
    order = kernel.shuffled(sub_key(seeding.key(0, "central", 1), 0), 20)
    first = replace(shards, rows=shards.rows[order[:8]])
    part, alone = (trainer(CNN, s, TrainConfig(batch=8, optimizer="sgd")) for s in (shards, first))
    assert part.epoch(8) == pytest.approx(alone.epoch(), rel=1e-5)  # one batch: the order within is no matter
    for name, array in part.classifier.arrays().items():
        np.testing.assert_allclose(array, alone.classifier.arrays()[name], atol=1e-6)


@pytest.mark.slow
def test_pretrained_layers_learn_slower_and_their_statistics_stay() -> None:
    shards = make_shards(TUNED, 6)
    start = build(TUNED, seed=0, weights=weights())
    learner = NetworkTrainer(
        shards, start, TrainConfig(lr=0.5, batch=6, optimizer="sgd", dropout=0.0), seed=0
    )
    network = start.copy().network.train()
    chosen = shards.rows
    logits = network(torch.from_numpy(shards.features[chosen]))
    torch.nn.functional.cross_entropy(logits, torch.from_numpy(shards.labels[chosen])).backward()
    learner.epoch()
    before, after = start.arrays(), learner.classifier.arrays()
    parameters = dict(network.named_parameters())
    for name, array in before.items():
        if name not in parameters:
            np.testing.assert_array_equal(after[name], array)  # BatchNorm statistics
            continue
        gradient = parameters[name].grad
        assert gradient is not None
        rate = 0.5 if name.startswith("classifier.1.") else 0.5 * BELOW_HEAD
        np.testing.assert_allclose(after[name], array - rate * gradient.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_the_statistics_of_mobilenet_from_scratch_are_learned() -> None:
    learner = trainer(SCRATCH, make_shards(SCRATCH, 8), TrainConfig(batch=8))
    learner.epoch()
    arrays = learner.classifier.arrays()
    assert np.abs(arrays["features.0.1.running_mean"]).max() > 1e-3
    assert not np.array_equal(arrays["features.18.1.running_var"], np.ones(1280))


@pytest.mark.parametrize("spec", few_quick(ALL.values(), DEEP, CNN), ids=ALL)
def test_the_loss_goes_down(spec: Spec) -> None:
    rates = {"cnn": 0.002, "mobilenet-tuned": 0.01}
    learner = trainer(
        spec, make_shards(spec, 16), TrainConfig(lr=rates.get(spec.name, 0.001), batch=8, optimizer="adam")
    )
    losses = [learner.epoch() / 16 for _ in range(15)]
    assert losses[0] < 3
    assert np.mean(losses[-3:]) < 0.8 * losses[0]
    assert learner.finite


@pytest.mark.parametrize("spec", few_quick(ALL.values(), DEEP, CNN), ids=ALL)
def test_a_seed_gives_its_bits(spec: Spec) -> None:
    spec, shards = replace(spec, dropout=0.2), make_shards(spec, 11)  # a full batch and a short one
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    one, again, other = (trainer(spec, shards, TrainConfig(batch=8), seed) for seed in (1, 1, 2))
    assert [one.epoch(), one.epoch()] == [again.epoch(), again.epoch()]
    other.epoch()
    assert same(one.classifier, again.classifier)
    assert not same(one.classifier, other.classifier)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_dropout_differs_by_step_and_epoch_and_follows_the_seed() -> None:
    def masks(seed: int) -> list[np.ndarray]:
        seen: list[np.ndarray] = []
        spec = replace(DEEP, dropout=0.5)
        learner = trainer(spec, make_shards(spec, 4), TrainConfig(batch=2), seed)
        (dropout,) = (m for m in learner._learner.network.modules() if isinstance(m, Dropout))
        dropout.register_forward_hook(
            lambda module, given, out: seen.append((out != 0).numpy() | (given[0] == 0).numpy())
        )
        learner.epoch()
        learner.epoch()
        return seen

    one, again, other = masks(1), masks(1), masks(2)
    assert len(one) == 4
    for i, mask in enumerate(one):
        assert (mask == again[i]).all()
        assert not any((mask == later).all() for later in [*one[i + 1 :], *other])


@pytest.mark.parametrize("views", few_quick([1, 9], 1))
def test_a_lone_view_trains(views: int) -> None:
    # 32 pixels become maps of one: the last batch of 8 + 1 views holds one value per channel there.
    learner = trainer(SCRATCH, make_shards(SCRATCH, views), TrainConfig(batch=8))
    assert np.isfinite(learner.epoch())
    assert learner.finite


def test_divergence_is_seen() -> None:
    shards, start = make_shards(DEEP, 4), build(DEEP, seed=0).arrays()
    huge = restore(DEEP, {name: array * np.float32(1e25) for name, array in start.items()})
    learner = NetworkTrainer(shards, huge, TrainConfig(), seed=0)
    assert learner.finite
    assert not np.isfinite(learner.epoch())
    assert not learner.finite
    learner.classifier.arrays()  # still there to look at


def test_what_was_learned_is_a_copy(tmp_path: Path) -> None:
    shards = make_shards(CNN, 16)
    np.save(tmp_path / "rows.npy", shards.features)
    mapped = replace(shards, features=np.load(tmp_path / "rows.npy", mmap_mode="r"))
    start = build(CNN, seed=0)
    learner, other = (NetworkTrainer(s, start, TrainConfig(), seed=0) for s in (shards, mapped))
    learner.epoch()
    kept, arrays = learner.classifier, learner.classifier.arrays()
    other.epoch()
    assert same(kept, other.classifier)
    learner.epoch()
    for name, array in kept.arrays().items():
        np.testing.assert_array_equal(array, arrays[name])
    assert not same(kept, learner.classifier)
    assert same(start, build(CNN, seed=0))
    assert kept.probabilities(shards.features).shape == (len(shards.features), CLASSES)
