"""Phones that train whole networks: against a plain loop of torch, and the exactness of their sums."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support_local_grid import LocalGrid, serve
from support_slow import few_quick
from support_tiny_networks import ALL, CLASSES, CNN, DEEP, SIZES, TUNED, network, shards

from fer_models.config import TrainConfig
from fer_models.evaluation import HeldOut, Selection
from fer_models.local import kernel
from fer_models.local.phone_rows import PhoneRows
from fer_models.local.terms import LocalTerms, PhoneInputs
from fer_models.local.training import LocalWork, round_key
from fer_models.networks.build import Spec
from fer_models.networks.phones import NetworkPhones
from server.app import make_app
from server.checkpoint import Checkpoint, load
from server.config import EvaluationConfig, StrategyConfig
from server.job import Job, Plan
from server.strategies.registry import make

FEDERATED = ["mobilenet-deep", "mobilenet-tuned", "cnn"]
SGD = TrainConfig(lr=0.05, batch=4, dropout=0.0, optimizer="sgd")


def plain(
    phones: NetworkPhones,
    held: PhoneRows,
    phone: int,
    work: LocalWork,
    added: Callable[[list], torch.Tensor] | None = None,
    offsets: np.ndarray | None = None,
    start: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """What one phone's training is, as everybody writes it; `added` goes to the loss."""
    model = phones.classifier(work.head if start is None else start).network.train()
    parameters = list(model.parameters())
    optimizer = torch.optim.SGD(parameters, lr=work.train.lr)
    own = held.rows[held.offsets[phone] : held.offsets[phone + 1]]
    phone_key = np.uint64(kernel.sub_key(np.uint64(work.key), np.uint64(phone)))
    for epoch in range(work.epochs):
        epoch_key = np.uint64(kernel.sub_key(phone_key, np.uint64(epoch)))
        order = kernel.shuffled(np.uint64(kernel.sub_key(epoch_key, np.uint64(0))), len(own))
        for first in range(0, len(own), work.train.batch):
            chosen = own[order[first : first + work.train.batch]]
            logits = model(torch.from_numpy(held.features[chosen]))
            if offsets is not None:
                logits = logits + torch.from_numpy(offsets)
            loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(held.labels[chosen]))
            if weights is not None:
                losses = torch.nn.CrossEntropyLoss(reduction="none")(
                    logits, torch.from_numpy(held.labels[chosen])
                )
                loss = (torch.from_numpy(weights)[held.labels[chosen]] * losses).mean()
            if added is not None:
                loss = loss + added(parameters)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return np.concatenate([p.detach().reshape(-1).numpy() for p in parameters])[None]


@pytest.mark.parametrize("spec", few_quick([DEEP, CNN], CNN), ids=lambda spec: spec.name)
def test_equals_a_plain_loop_and_what_strategies_add_equals_it_in_the_loss(spec: Spec) -> None:
    phones, held = network(spec), shards(spec)
    head, rng = phones.head, np.random.default_rng(1)
    starts = np.stack([head + rng.normal(0, 0.01, head.shape).astype(np.float32) for _ in SIZES])
    corrections = rng.normal(0, 0.05, starts.shape).astype(np.float32)
    work = LocalWork(head, SGD, 2, round_key(0, 1), each=True)
    anchor = torch.from_numpy(head[0])

    def flat(parameters: list) -> torch.Tensor:
        return torch.cat([p.reshape(-1) for p in parameters])

    def pulled(parameters: list) -> torch.Tensor:
        return 0.7 / 2 * ((flat(parameters) - anchor) ** 2).sum()

    without = phones.train(held, np.arange(4), work).updates
    for changed, added, offset in [
        (work, None, False),
        (replace(work, local=LocalTerms(pull=0.7), inputs=PhoneInputs(starts=starts)), pulled, False),
        (replace(work, inputs=PhoneInputs(corrections=corrections)), None, False),
        (replace(work, local=LocalTerms(margin=0.5)), None, True),
    ]:
        got = phones.train(held, np.arange(4), changed).updates
        assert got is not None
        for phone in range(4):
            term = added
            if changed.inputs.corrections is not None:
                own = torch.from_numpy(corrections[phone][0])
                term = lambda parameters, own=own: (own * flat(parameters)).sum()  # noqa: E731
            labels = held.labels[held.rows[held.offsets[phone] : held.offsets[phone + 1]]]
            counts = np.bincount(labels, minlength=CLASSES)
            offsets = np.where(counts, -0.5 * np.maximum(counts, 1) ** -0.25, -np.inf).astype(np.float32)
            start = starts[phone] if changed.inputs.starts is not None else head
            expected = plain(phones, held, phone, changed, term, offsets if offset else None, start)
            np.testing.assert_allclose(got[phone], expected - start, rtol=0, atol=2e-5)
        if changed is not work:
            assert np.abs(got - without).max() > 1e-4


@pytest.mark.parametrize("name", few_quick(FEDERATED, "mobilenet-deep", "cnn"))
def test_sums_have_the_same_bits_in_any_grouping_and_dropout_is_the_phones_own(name: str) -> None:
    phones, held = network(replace(ALL[name], dropout=0.3)), shards(ALL[name])
    work = LocalWork(phones.head, TrainConfig(lr=0.01, batch=4), 1, round_key(0, 2), each=True, losses=True)
    whole = phones.train(held, np.arange(4), work)
    parts = [phones.train(held, np.array(ids), work) for ids in ([3, 0], [2], [1])]
    both = parts[0].sum + parts[1].sum + parts[2].sum
    assert both.total.tobytes() == whole.sum.total.tobytes()
    assert (both.views, both.loss) == (whole.sum.views, whole.sum.loss)
    assert whole.updates is not None
    assert whole.losses is not None
    np.testing.assert_array_equal(parts[1].updates[0], whole.updates[2])  # type: ignore[index]
    expected = np.einsum("i,icd->cd", SIZES, whole.updates.astype(np.float64))
    np.testing.assert_allclose(whole.sum.total, expected, atol=1e-5)
    # the loss of the start is that of the network before training, without dropout
    own = held.rows[held.offsets[2] : held.offsets[3]]
    chances = phones.start.probabilities(held.features[own])
    assert whole.losses[2] == pytest.approx(-np.log(chances[np.arange(len(own)), held.labels[own]]).mean())


@pytest.mark.slow
def test_statistics_of_batch_normalisation_stay_and_its_scales_and_shifts_are_trained() -> None:
    phones, held = network(TUNED), shards(TUNED)
    trained = phones.train(
        held,
        np.arange(4),
        LocalWork(phones.head, TrainConfig(lr=0.01, batch=4, dropout=0.0), 2, round_key(0, 1)),
    )
    before = phones.start.arrays()
    after = phones.classifier(
        (phones.head + trained.sum.total / trained.sum.views).astype(np.float32)
    ).arrays()
    assert after.keys() == before.keys()
    for name in before:
        same = np.array_equal(before[name], after[name])
        assert same == name.endswith(("running_mean", "running_var")), name
    names = [name for name, _ in phones.start.network.named_parameters()]
    assert not [name for name in names if "running" in name]
    assert phones.head.shape == (1, sum(before[name].size for name in names))


@pytest.mark.slow
def test_below_the_last_layer_pretrained_parameters_learn_at_a_tenth_of_the_rate() -> None:
    phones, held = network(TUNED), shards(TUNED)
    train = TrainConfig(lr=1e-3, batch=64, dropout=0.0, optimizer="sgd")
    update = phones.train(held, np.array([2]), LocalWork(phones.head, train, 1, 5)).sum
    got = phones.head + update.total / update.views
    model = phones.classifier(phones.head).network.train()
    own = held.rows[held.offsets[2] : held.offsets[3]]
    loss = torch.nn.functional.cross_entropy(
        model(torch.from_numpy(held.features[own])), torch.from_numpy(held.labels[own])
    )
    loss.backward()
    parts = []
    for name, parameter in model.named_parameters():
        rate = 1e-4 if name.startswith("features.") else 1e-3
        assert parameter.grad is not None
        parts.append((parameter - rate * parameter.grad).detach().reshape(-1).numpy())
    np.testing.assert_allclose(got[0], np.concatenate(parts), rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", few_quick(FEDERATED, "mobilenet-deep", "cnn"))
def test_a_node_opens_what_was_prepared(tmp_path: Path, name: str) -> None:
    phones = network(ALL[name])
    phones.save(tmp_path)
    again = NetworkPhones.load(tmp_path)
    np.testing.assert_array_equal(again.head, phones.head)
    assert again.start.spec == phones.start.spec


@pytest.mark.parametrize(
    "strategy",
    few_quick(
        [
            "fedavg",
            "median",
            "scaffold",
            "ditto",
            "fine-tune",
            "local",
            "mime-lite",
            "own-prior",
            "fedrep",
            "fedbabu",
            "moon",
        ],
        "fedavg",
    ),
)
def test_a_federation_trains_a_network_to_the_same_bits_on_any_nodes_and_resumed(
    tmp_path: Path, strategy: str
) -> None:
    phones, held = network(CNN), shards(CNN)
    np.save(tmp_path / "features.npy", held.features)
    held.save(tmp_path, tmp_path / "features.npy")
    phones.save(tmp_path)

    train, chosen = TrainConfig(lr=0.01, batch=4), StrategyConfig.model_validate({"name": strategy})

    def run(nodes: int, start: Checkpoint | None = None) -> list[Checkpoint]:
        states: list[Checkpoint] = []
        adapts = np.arange(4) if make(chosen).epochs_after else np.empty(0, np.int64)
        adapted: list[np.ndarray] = []
        job = Job(
            plan=Plan(
                str(tmp_path), held.sizes, 0, 1, 2, train, 0, chosen, classes=CLASSES, output=phones.output
            ),
            start=start or Checkpoint(0, phones.head, Selection("last", phones.head)),
            rounds=3,
            nodes=nodes,
            evaluation=EvaluationConfig(),
            validation=HeldOut(held.features, held.labels),
            on_round=lambda record, state: states.append(state),
            classifier=phones.classifier,
            adapting=adapts,
            on_adapted=adapted.append,
        )  # fmt: skip
        serve(make_app(job), LocalGrid(nodes, seed=nodes))
        assert [heads.shape for heads in adapted] == [(4, *phones.head.shape)] * bool(len(adapts))
        return states

    whole = run(1)
    for nodes in (2, 4):
        assert run(nodes)[-1].head.tobytes() == whole[-1].head.tobytes()
    whole[0].save(tmp_path)
    start = load(tmp_path, "last")
    assert run(2, start)[-1].head.tobytes() == whole[-1].head.tobytes()
    assert not np.array_equal(whole[-1].head, phones.head)


def test_a_phone_whose_numbers_are_not_finite_is_left_out_of_everything() -> None:
    phones, held = network(DEEP), shards(DEEP)
    corrections = np.zeros((4, *phones.head.shape), np.float32)
    corrections[2, 0, 7] = np.inf
    inputs = PhoneInputs(corrections=corrections)
    work = LocalWork(phones.head, SGD, 1, round_key(0, 1), inputs=inputs, each=True, losses=True)
    got = phones.train(held, np.arange(4), work)
    others = np.array([0, 1, 3])
    expected = phones.train(held, others, replace(work, inputs=inputs.of(others)))
    assert got.phones.tolist() == others.tolist()
    assert got.updates is not None
    assert got.losses is not None
    assert (got.sum.total == expected.sum.total).all()
    assert (got.updates == expected.updates).all()
    assert (got.losses == expected.losses).all()
    assert replace(got.sum, total=None) == replace(expected.sum, total=None)  # type: ignore[arg-type]
