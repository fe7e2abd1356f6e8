"""MOON: its contrastive term, and phones that train with it, by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support_tiny_networks import ALL, CNN, DEEP, network, shards

from fer_models.config import TrainConfig
from fer_models.local.phone_rows import PhoneData
from fer_models.local.terms import LocalTerms, PhoneInputs
from fer_models.local.training import LocalWork
from fer_models.local.transforms import Context, Groups, Transform, Transforms
from fer_models.networks.contrast import contrasting
from fer_models.networks.phones import NetworkPhones
from server.strategies.base import RoundUpdates
from server.strategies.moon import Moon

SGD = TrainConfig(lr=0.05, batch=4, dropout=0.0, optimizer="sgd")


def moved(phones: NetworkPhones, seed: int) -> np.ndarray:
    """The network with noise on its parameters, (1, P)."""
    noise = np.random.default_rng(seed).normal(0, 0.05, phones.head.shape)
    return (phones.head + noise).astype(np.float32)


def seen(phones: NetworkPhones, head: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """What the output layer of `mobilenet-deep` sees, computed from its arrays."""
    arrays = phones.classifier(head).arrays()
    return np.maximum(rows @ arrays["hidden.weight"].T + arrays["hidden.bias"], 0)


def term(z: np.ndarray, shared: np.ndarray, previous: np.ndarray, temperature: float) -> float:
    """Equation 3 of the paper, averaged over the photos."""

    def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)

    s, p = (np.exp(cosine(z, other) / temperature) for other in (shared, previous))
    return float(-np.log(s / (s + p)).mean())


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_term_is_that_of_the_paper(dropout: float) -> None:
    phones, held = network(DEEP), shards(DEEP)
    heads = [moved(phones, seed) for seed in range(3)]
    learner, shared, previous = (phones.classifier(head) for head in heads)
    for module in learner.network.train().modules():
        if hasattr(module, "share"):
            module.share = dropout  # what the output layer would see without it counts
    extra, x = contrasting(learner, shared, previous, 2.0, 0.25), torch.from_numpy(held.features[:6])
    learner.network(x)
    expected = 2 * term(*(seen(phones, head, held.features[:6]) for head in heads), 0.25)
    assert extra(x).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["cnn", "mobilenet-deep", "mobilenet-tuned"])
def test_a_phone_descends_the_sum_of_both_losses(name: str) -> None:
    """What the term adds to its one step is against the gradient of the term, by finite differences."""
    phones, held = network(ALL[name]), shards(ALL[name])
    head, previous = phones.head, moved(phones, 1)
    own = held.rows[held.offsets[2] : held.offsets[3]]
    one_step = TrainConfig(lr=0.05, batch=len(own), dropout=0.0, optimizer="sgd")
    terms, before = LocalTerms(contrast=3.0, temperature=0.5), PhoneInputs(previous=previous[None])
    both, plain = (
        phones.train(held, np.array([2]), LocalWork(head, one_step, 1, 7, t, before, each=True))
        for t in (terms, LocalTerms())
    )
    assert both.updates is not None
    assert plain.updates is not None
    way = (both.updates - plain.updates)[0, 0].astype(np.float64)
    assert np.abs(way).max() > 0
    rows = torch.from_numpy(held.features[own])

    def loss(by: float) -> float:
        learner = phones.classifier((head + by * way / np.linalg.norm(way)).astype(np.float32))
        extra = contrasting(learner, phones.classifier(head), phones.classifier(previous), 3.0, 0.5)
        with torch.no_grad():
            learner.network(rows)
            return extra(rows).item()

    if (
        name == "mobilenet-tuned"
    ):  # its layers below the new one have a lower rate: only the direction is sure
        assert loss(1e-2) < loss(-1e-2)
    else:
        slope = (loss(1e-2) - loss(-1e-2)) / 2e-2
        assert slope == pytest.approx(-np.linalg.norm(way) / one_step.lr, rel=0.05)


def test_without_a_network_of_before_or_a_strength_it_is_fedavg() -> None:
    phones, held = network(CNN), shards(CNN)
    every, start = np.arange(4), phones.head

    def trained(terms: LocalTerms, previous: np.ndarray | None) -> bytes:
        work = LocalWork(start, SGD, 2, 3, terms, PhoneInputs(previous=previous))
        return phones.train(held, every, work).sum.total.tobytes()

    plain, other = trained(LocalTerms(), None), np.stack([moved(phones, seed) for seed in range(4)])
    assert trained(Moon().local, np.repeat(start[None], 4, axis=0)) == plain
    assert trained(Moon(mu=0.0).local, other) == plain
    assert trained(Moon().local, other) != plain


def test_equal_networks_add_no_gradient() -> None:
    """What a phone of its first round leaves out is nothing but zeros."""
    phones, held = network(DEEP), shards(DEEP)
    learner = phones.classifier(moved(phones, 0))
    same = [phones.classifier(phones.head) for _ in range(2)]
    extra, x = contrasting(learner, *same, 1.0, 0.5), torch.from_numpy(held.features[:5])
    learner.network(x)
    for gradient in torch.autograd.grad(extra(x), list(learner.network.parameters()), allow_unused=True):
        assert gradient is None or float(gradient.abs().max()) < 1e-8


def test_phones_get_their_own_network_of_before() -> None:
    strategy, head = Moon(), np.array([[1.0, 2.0]], np.float32)
    first = strategy.ask(head, np.array([1, 4]), np.ones(2), np.ones(2), strategy.begin(head))
    np.testing.assert_array_equal(first.previous, [[[1, 2]], [[1, 2]]])  # type: ignore[arg-type]
    updates = np.array([[[1, 0]], [[0, 4]]], np.float32)
    mean = np.average(updates, axis=0, weights=[1, 3])
    received = RoundUpdates(np.array([1, 4]), np.array([1, 3]), mean, updates=updates)
    after, state = strategy.step(head, received, strategy.begin(head))
    np.testing.assert_array_equal(after, [[1.25, 5]])
    then = strategy.ask(after, np.array([1, 2, 4]), np.ones(3), np.ones(3), state)
    np.testing.assert_array_equal(then.previous, [[[2, 2]], [[1.25, 5]], [[1, 6]]])  # type: ignore[arg-type]


class Halves(Transform):
    """Trains the phones in two groups, and changes nothing."""

    def groups(self, held: PhoneData, context: Context) -> Groups:
        """Even ids and odd ones."""
        return [(np.flatnonzero(context.phones % 2 == odd), held) for odd in (0, 1)]


def test_transforms_leave_each_phone_its_own_network_of_before() -> None:
    phones, held = network(CNN), shards(CNN)
    before = np.stack([moved(phones, seed) for seed in range(4)])
    work = LocalWork(phones.head, SGD, 1, 3, Moon().local, PhoneInputs(previous=before))
    plain = phones.train(held, np.arange(4), work)
    steps = Transforms((Halves(),), 1, 0, 4, phones.start.spec.classes)
    changed = phones.train(held, np.arange(4), replace(work, transforms=steps))
    assert changed.sum.total.tobytes() == plain.sum.total.tobytes()
