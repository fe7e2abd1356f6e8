"""Losses weighted by the inverse frequency of their class: phones, baselines, networks and fitted heads."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from support_reference import CLASSES, WIDTH, make_shards, torch_phone
from support_tiny_networks import CNN, rows_for

from fer_models.config import TrainConfig
from fer_models.data.draws import PoolDraws
from fer_models.evaluation import HeldOut
from fer_models.heads import cross_entropy, new_head, probabilities
from fer_models.linear import logistic
from fer_models.local import kernel
from fer_models.local.clipping import ClipNorm
from fer_models.local.measures import measured
from fer_models.local.phone_rows import PhoneRows
from fer_models.local.training import CentralTrainer, LocalWork, round_key, train_phones, view_weights
from fer_models.local.transforms import Relabelled, Transforms
from fer_models.networks.build import build
from fer_models.networks.phones import NetworkPhones
from fer_models.networks.training import NetworkTrainer


def of_classes(counts: list[int]) -> np.ndarray:
    weights = np.empty(len(counts), np.float32)
    kernel.class_weights(np.array(counts), weights)
    return weights


def own(shards: PhoneRows, phone: int) -> np.ndarray:
    return shards.labels[shards.rows[shards.offsets[phone] : shards.offsets[phone + 1]]]


def test_weights_by_hand() -> None:
    # 8 photos of 2 classes: each class weighs 4; a class that is not there weighs nothing
    np.testing.assert_allclose(of_classes([2, 6, 0]), [2, 2 / 3, 0])
    np.testing.assert_allclose(view_weights(np.array([1, 0, 0, 0]), 3), [2, 2 / 3, 2 / 3, 2 / 3])
    assert of_classes([5, 0]).tolist() == [1, 0]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_phone_is_the_ordinary_loop_with_weights_in_the_loss(optimizer: str) -> None:
    shards = make_shards([7, 33, 1, 20])
    weighted = replace(shards, weighted=True)
    train = TrainConfig(lr=0.02, optimizer=optimizer)  # type: ignore[arg-type]
    head, key = new_head(CLASSES, WIDTH, seed=0), round_key(0, 1)
    work = LocalWork(head, train, 2, key, each=True, losses=True)
    got, without = (train_phones(held, np.arange(4), work) for held in (weighted, shards))
    losses = 0.0
    for phone in range(4):
        weights = of_classes(np.bincount(own(shards, phone), minlength=CLASSES).tolist())
        expected, loss = torch_phone(shards, phone, head, train, 2, key, weights=weights)
        np.testing.assert_allclose(got.updates[phone], expected - head, rtol=0, atol=2e-5)  # type: ignore[index]
        losses += loss
        rows = shards.rows[shards.offsets[phone] : shards.offsets[phone + 1]]
        each = -np.log(probabilities(head, shards.features[rows])[np.arange(len(rows)), own(shards, phone)])
        assert got.losses[phone] == pytest.approx((weights[own(shards, phone)] * each).mean())  # type: ignore[index]
    assert got.sum.loss == pytest.approx(losses, abs=1e-2)
    assert np.abs(got.updates - without.updates).max() > 1e-3  # type: ignore[operator]
    assert got.sum.views == without.sum.views


def test_equally_many_of_each_class_weigh_as_without_weights() -> None:
    shards = replace(make_shards([20]), labels=np.arange(60) % 5, rows=np.arange(20))
    work = LocalWork(new_head(CLASSES, WIDTH, seed=0), TrainConfig(lr=0.05, optimizer="sgd"), 2, 5, each=True)
    plain, weighted = (train_phones(replace(shards, weighted=w), np.arange(1), work) for w in (False, True))
    np.testing.assert_allclose(weighted.updates, plain.updates, atol=1e-6)


def test_the_same_through_transforms_and_by_the_labels_of_an_attack() -> None:
    shards = replace(make_shards([7, 33, 1, 20]), photos=np.array([2, 30, 1, 9]), weighted=True)
    work = LocalWork(new_head(CLASSES, WIDTH, seed=0), TrainConfig(lr=0.05, optimizer="sgd"), 1, 5)
    plain = train_phones(shards, np.arange(4), work)
    never = Transforms((ClipNorm(clip_norm=1e6),), 1, 0, 4, CLASSES)
    through = train_phones(shards, np.arange(4), replace(work, transforms=never))
    np.testing.assert_array_equal(through.sum.total, plain.sum.total)
    assert (through.sum.views, through.sum.photos) == (plain.sum.views, plain.sum.photos) == (42, 61)
    flipped = (shards.labels + 1) % CLASSES
    one = train_phones(Relabelled(shards, flipped), np.arange(4), work)
    other = train_phones(replace(shards, labels=flipped), np.arange(4), work)
    np.testing.assert_array_equal(one.sum.total, other.sum.total)
    assert one.sum.views == 42


def test_phones_that_sample_weigh_what_they_sample() -> None:
    pool = make_shards([60])
    drawn = PoolDraws.of_pool(
        pool.features, pool.labels, np.arange(60), phones=9, each=12, alpha=0.3, classes=CLASSES, seed=0
    )
    rows, firsts, lasts = drawn.of(np.arange(9))
    held = PhoneRows(pool.features, pool.labels, rows, np.append(firsts, lasts[-1]), weighted=True)
    work = LocalWork(new_head(CLASSES, WIDTH, seed=0), TrainConfig(), 1, 5)
    one, other = (train_phones(each, np.arange(9), work) for each in (replace(drawn, weighted=True), held))
    np.testing.assert_array_equal(one.sum.total, other.sum.total)


def test_a_baseline_weighs_by_all_its_views() -> None:
    shards = replace(make_shards([40]), weighted=True)
    start, train = (
        new_head(CLASSES, WIDTH, seed=0),
        TrainConfig(lr=0.3, batch=40, dropout=0.0, optimizer="sgd"),
    )
    trainer = CentralTrainer(shards, start, train, seed=0)
    labels, x = shards.labels[shards.rows], np.column_stack([shards.features[shards.rows], np.ones(40)])
    weights = of_classes(np.bincount(labels, minlength=CLASSES).tolist())[labels]
    chances = probabilities(start, x[:, :-1].astype(np.float32))
    assert trainer.epoch() / 40 == pytest.approx(cross_entropy(chances, labels, weights), rel=1e-5)
    gradient = (weights[:, None] * (chances - np.eye(CLASSES)[labels])).T @ x / 40
    np.testing.assert_allclose(trainer.head, start - 0.3 * gradient, atol=1e-5)


def test_networks_weigh_alike_on_phones_and_centrally() -> None:
    rng = np.random.default_rng(0)
    pool = PhoneRows(
        rows_for(CNN, 12), rng.integers(0, 3, 12) ** 2 % 3, np.arange(12), np.array([0, 12]), weighted=True
    )
    train = TrainConfig(lr=0.05, batch=12, dropout=0.0, optimizer="sgd")
    start = build(CNN, seed=3)
    weights = torch.from_numpy(of_classes(np.bincount(pool.labels, minlength=CNN.classes).tolist()))
    network = start.copy().network.train()
    losses = torch.nn.CrossEntropyLoss(reduction="none")(
        network(torch.from_numpy(pool.features)), torch.from_numpy(pool.labels)
    )
    (weights[pool.labels] * losses).mean().backward()
    stepped = [(p - 0.05 * p.grad).detach().reshape(-1).numpy() for p in network.parameters()]  # type: ignore[operator]
    expected = np.concatenate(stepped)[None]
    phones = NetworkPhones(start)
    work = LocalWork(phones.head, train, 1, round_key(0, 1), each=True, losses=True)
    got = phones.train(pool, np.arange(1), work)
    np.testing.assert_allclose(phones.head + got.updates[0], expected, atol=1e-5)  # type: ignore[index]
    loss = float((weights[pool.labels] * losses).mean().detach())
    assert got.losses[0] == pytest.approx(loss, rel=1e-5)  # type: ignore[index]
    gradient = phones.gradient(pool.features, pool.labels, phones.head, weights.numpy()[pool.labels])
    np.testing.assert_allclose(phones.head - 0.05 * gradient, expected, atol=1e-5)
    trainer = NetworkTrainer(pool, start, train, seed=0)
    assert trainer.epoch() / 12 == pytest.approx(loss, rel=1e-5)
    central = [p.detach().reshape(-1).numpy() for p in trainer.classifier.network.parameters()]
    np.testing.assert_allclose(np.concatenate(central)[None], expected, atol=1e-5)


def test_the_gradient_that_phones_report_is_that_of_the_weighted_loss() -> None:
    shards = replace(make_shards([30]), weighted=True)
    head, labels = new_head(CLASSES, WIDTH, seed=0), own(shards, 0)
    (got,) = measured(("gradient",), shards, np.arange(1), head, CLASSES)["gradient"]
    x = np.column_stack([shards.features[shards.rows], np.ones(30)])
    gap = probabilities(head, shards.features[shards.rows]) - np.eye(CLASSES)[labels]
    np.testing.assert_allclose(got, (view_weights(labels, CLASSES)[:, None] * gap).T @ x / 30, atol=1e-5)


def test_logistic_regression_weighs_as_scikit_learn_does() -> None:
    shards = replace(make_shards([50]), rows=np.arange(50), weighted=True)
    x, y = shards.features[:50].astype(np.float64), shards.labels[:50]
    validation = HeldOut(shards.features[50:], shards.labels[50:])
    head, said = logistic.fit(shards, validation, CLASSES, choices=(0.1,))
    model = LogisticRegression(C=said["C"], class_weight="balanced", max_iter=1000, tol=1e-8).fit(x, y)
    np.testing.assert_allclose(
        head.probabilities(shards.features), model.predict_proba(shards.features), atol=2e-3
    )
