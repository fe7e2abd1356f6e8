"""Strategies that tell the output layer of a network from the others: by hand, and against a plain loop."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support_tiny_networks import ALL, CNN, DEEP, network, shards

from fer_models.config import TrainConfig
from fer_models.errors import InputError
from fer_models.local import kernel
from fer_models.local.terms import LocalTerms
from fer_models.local.training import LocalWork, train_phones
from server.strategies import personal_heads
from server.strategies.base import RoundUpdates
from server.strategies.fedbabu import FedBABU
from server.strategies.fedrep import FedRep
from simulations.experiment import load
from simulations.run.checks import check_federated

SGD = TrainConfig(lr=0.05, batch=4, dropout=0.0, optimizer="sgd")


@pytest.mark.parametrize("name", ["cnn", "mobilenet-deep", "mobilenet-tuned"])
def test_the_output_layer_is_the_last_of_the_row(name: str) -> None:
    phones, held = network(ALL[name]), shards(ALL[name])
    silent = phones.head.copy()
    silent[0, -phones.output :] = 0
    chances = phones.classifier(silent).probabilities(held.features)
    np.testing.assert_allclose(chances, 1 / phones.start.spec.classes, atol=1e-6)
    assert phones.output < phones.head.size


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_first_the_output_layer_is_trained_then_all_others(optimizer: str) -> None:
    phones, held = network(CNN), shards(CNN)
    train = replace_optimizer(optimizer)
    work = LocalWork(phones.head, train, 3, 7, LocalTerms(output_epochs=2), each=True)
    got = phones.train(held, np.array([2]), work).updates
    assert got is not None
    model = phones.classifier(phones.head).network.train()
    parameters = list(model.parameters())
    make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
    above, below = make(parameters[-2:], lr=train.lr), make(parameters[:-2], lr=train.lr)
    own = held.rows[held.offsets[2] : held.offsets[3]]
    phone_key = kernel.sub_key(np.uint64(7), np.uint64(2))
    for epoch, turn in enumerate((above, above, below)):
        epoch_key = kernel.sub_key(np.uint64(phone_key), np.uint64(epoch))
        order = kernel.shuffled(np.uint64(kernel.sub_key(np.uint64(epoch_key), np.uint64(0))), len(own))
        for first in range(0, len(own), 4):
            rows = own[order[first : first + 4]]
            model.zero_grad()
            logits = model(torch.from_numpy(held.features[rows]))
            torch.nn.functional.cross_entropy(logits, torch.from_numpy(held.labels[rows])).backward()
            turn.step()
    expected = np.concatenate([p.detach().reshape(-1).numpy() for p in parameters]) - phones.head[0]
    np.testing.assert_allclose(got[0, 0], expected, atol=1e-6)


def replace_optimizer(optimizer: str) -> TrainConfig:
    return SGD.model_copy(update={"optimizer": optimizer, "lr": 0.05 if optimizer == "sgd" else 0.001})


def test_fedbabu_trains_all_but_the_output_layer_and_at_the_end_nothing_else() -> None:
    phones, held, babu = network(DEEP), shards(DEEP), FedBABU(adapt_epochs=2)
    cut = phones.head.size - phones.output
    for terms, epochs, moves in (
        (babu.local, 1, slice(0, cut)),
        (babu.local_after, babu.epochs_after, slice(cut, None)),
    ):
        work = LocalWork(phones.head, SGD, epochs, 3, terms, each=True)
        updates = phones.train(held, np.arange(4), work).updates
        assert updates is not None
        moved = np.zeros(phones.head.size, np.bool_)
        moved[moves] = True
        assert np.abs(updates[:, 0, moved]).max(axis=1).min() > 0
        np.testing.assert_array_equal(updates[:, 0, ~moved], 0)


def test_fedrep_by_hand() -> None:
    """Two shared values and one of the output layer; phones 1 and 4 of 1 and 3 views, half of all."""
    strategy, head = FedRep(), np.array([[0.0, 10.0, 5.0]], np.float32)
    own = np.array([[[1, 10, 6]], [[0, 14, 9]]], np.float32)
    mean = np.average(own - head, axis=0, weights=[1, 3])
    back = RoundUpdates(np.array([1, 4]), np.array([1, 3]), mean, output=1, share=0.5, own=own)
    after, state = strategy.step(head, back, strategy.begin(head))
    # shared: 0 + 1/4, 10 + 3; output layers 6, 9 and 5 of the other half: (1 * 6 + 3 * 9 + 4 * 5) / 8
    np.testing.assert_allclose(after, [[0.25, 13, 6.625]])
    asked = strategy.ask(after, np.array([1, 2, 4]), np.ones(3), np.ones(3), state).starts
    np.testing.assert_allclose(asked, [[[0.25, 13, 6]], [[0.25, 13, 6.625]], [[0.25, 13, 9]]])  # type: ignore[arg-type]
    # a round of another phone: all have the new shared layers, and keep their own
    more = RoundUpdates(
        np.array([2]), np.array([4]), np.array([[1.0, 0, 2]]), output=1, share=0.5, own=asked[1:2] + 1
    )  # type: ignore[index]
    after, state = strategy.step(after, more, state)
    found = personal_heads.of(state)
    assert found is not None
    assert found.phones.tolist() == [1, 2, 4]
    np.testing.assert_allclose(found.heads[:, 0], [[1.25, 13, 6], [1.25, 13, 7.625], [1.25, 13, 9]])
    assert strategy.extra_epochs == strategy.local.output_epochs == 5


@pytest.mark.parametrize("name", ["fedrep", "fedbabu", "moon"])
def test_a_linear_head_is_refused(name: str) -> None:
    _, config = load("quickstart", settings=[f"strategy.name={name}"])
    with pytest.raises(
        InputError, match=r"networks only: model\.name must be one of mobilenet-deep, mobilenet-tuned, cnn"
    ):
        check_federated(config)
    _, config = load("quickstart", settings=[f"strategy.name={name}", "model.name=cnn"])
    check_federated(config)
    held = shards(DEEP)
    work = replace(LocalWork(np.zeros((3, 1281), np.float32), SGD, 1, 0), local=LocalTerms(output_epochs=0))
    with pytest.raises(ValueError, match="nothing but an output layer"):
        train_phones(held, np.arange(2), work)
