"""Another device of torch's: the same code, checked on the processor against the reference."""

import numpy as np
import pytest
import torch
from support_commands import Here
from support_slow import few_quick
from support_tiny_networks import CNN, TUNED, rows_for, weights

from fer_models.config import TrainConfig
from fer_models.encoders import backbone
from fer_models.encoders.torch_encoder import TorchEncoder
from fer_models.errors import InputError
from fer_models.local.phone_rows import PhoneRows
from fer_models.machine import torch_device as device
from fer_models.networks.build import build
from fer_models.networks.training import NetworkTrainer


@pytest.mark.parametrize(("blocks", "channels"), few_quick([(0, 1), (0, 3), (2, 3)]))
def test_the_encoder_of_torch_agrees_with_the_reference(blocks: int, channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, channels, 64, 64), dtype=np.uint8)
    ours = TorchEncoder(weights(), "cpu", blocks=blocks)
    reference = backbone.load(weights(), blocks=blocks)
    got, expected = ours(images), reference(images)
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    scale = np.abs(expected.astype(np.float32)).max()
    np.testing.assert_allclose(
        got, expected, rtol=0, atol=(2e-3 if blocks else 1e-4) * scale
    )  # float16 there
    assert ours.key != reference.key
    assert ours(images[:0]).shape == reference(images[:0]).shape


def test_a_network_is_where_it_is_put_and_copies_stay_there() -> None:
    network = build(CNN, seed=0)
    other = network.on(torch.device("meta"))
    assert {p.device.type for p in other.copy().network.parameters()} == {"meta"}
    assert {p.device.type for p in network.network.parameters()} == {"cpu"}


@pytest.mark.slow
def test_training_names_the_device() -> None:
    held = PhoneRows(rows_for(TUNED, 6), np.arange(6) % 3, np.arange(6), np.array([0, 6]))
    start, train = build(TUNED, seed=0, weights=weights()), TrainConfig(batch=3)
    heads = []
    for more in ({}, {"device": "cpu"}):
        trainer = NetworkTrainer(held, start, train, seed=0, **more)
        trainer.epoch()
        heads.append(trainer.classifier.arrays())
    for name, array in heads[0].items():
        np.testing.assert_array_equal(array, heads[1][name])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_device_that_is_not_there_is_refused_before_anything_is_computed(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    device.check_available("cpu")
    with pytest.raises(InputError):
        device.check_available("cuda")
    here = Here(tmp_path, monkeypatch, capsys)
    words = r'^fedfer: run\.device is "cuda", but torch finds no GPU here; set it to "cpu"$'
    for command in ("run", "baseline"):
        here.refused(command, "--set", "run.device=cuda", "--out", "new", words=words)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_gives_what_the_processor_gives() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 64, 64), dtype=np.uint8)
    one, two = (TorchEncoder(weights(), where)(images) for where in ("cpu", "cuda"))
    np.testing.assert_allclose(two, one, rtol=0, atol=1e-4 * np.abs(one).max())
