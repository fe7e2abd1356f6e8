"""The networks against torchvision's own; how they start; their way to named arrays and back."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from support_slow import few_quick
from support_tiny_networks import (
    ALL,
    CLASSES,
    CNN,
    DEEP,
    SCRATCH,
    TUNED,
    cnn_arrays,
    floats,
    gray,
    plain_cnn,
    rows_for,
    spread,
    torchvisions,
    weights,
)
from torch import nn

from fer_models.encoders.weights import find
from fer_models.heads import Arrays, new_head
from fer_models.networks.build import Spec, all_cores, build, empty, restore
from fer_models.networks.layers import Dropout, Norm


def softmax(logits: torch.Tensor) -> np.ndarray:
    return logits.detach().double().softmax(1).numpy()


@pytest.mark.parametrize("spec", few_quick(ALL.values(), DEEP, CNN), ids=ALL)
def test_probabilities_are_such(spec: Spec) -> None:
    classifier = build(spec, seed=0, weights=weights())
    found = classifier.probabilities(rows_for(spec, 37))
    assert found.shape == (37, CLASSES)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(found[30:], classifier.probabilities(rows_for(spec, 37)[30:]), atol=1e-5)
    assert classifier.probabilities(rows_for(spec, 37)[:0]).shape == (0, CLASSES)


def test_rows_may_be_a_memory_map(tmp_path: Path) -> None:
    classifier, rows = build(CNN, seed=0), rows_for(CNN, 5)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    np.testing.assert_array_equal(classifier.probabilities(mapped), classifier.probabilities(rows))


def test_the_deep_head_is_torch_s() -> None:
    classifier, rows = build(DEEP, seed=0), rows_for(DEEP, 9)
    arrays = {name: torch.from_numpy(array) for name, array in classifier.arrays().items()}
    assert {name: tuple(array.shape) for name, array in arrays.items()} == {
        "hidden.weight": (256, 1280), "hidden.bias": (256,),
        "output.weight": (CLASSES, 256), "output.bias": (CLASSES,),
    }  # fmt: skip
    hidden = torch.relu(torch.from_numpy(rows) @ arrays["hidden.weight"].T + arrays["hidden.bias"])
    expected = softmax(hidden @ arrays["output.weight"].T + arrays["output.bias"])
    np.testing.assert_allclose(classifier.probabilities(rows), expected, atol=1e-6)


@pytest.mark.parametrize("size", [10, 16, 7])
def test_the_small_cnn_is_the_plain_one(size: int) -> None:
    spec, plain = replace(CNN, size=size), plain_cnn(size)
    classifier, rows = restore(spec, cnn_arrays(plain)), rows_for(spec, 6)
    np.testing.assert_allclose(classifier.probabilities(rows), softmax(plain(gray(rows))), atol=1e-6)


@pytest.mark.parametrize("training", few_quick([False, True], False))
def test_mobilenet_from_scratch_is_torchvision_s(training: bool) -> None:
    theirs, spec = (
        torchvisions(SCRATCH.options["width"]),
        replace(SCRATCH, size=64),
    )  # smaller maps amplify rounding
    ours, rows = restore(spec, floats(theirs)).network.train(training), rows_for(spec, 16)
    theirs.train(training)
    with torch.no_grad():
        expected, found = theirs(spread(rows)), ours(torch.from_numpy(rows))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
    statistics = {name: tensor for name, tensor in theirs.named_buffers() if tensor.is_floating_point()}
    for name, tensor in ours.named_buffers():  # in training they moved, alike
        torch.testing.assert_close(tensor, statistics[name], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("blocks", few_quick([1, 3, 17]))
def test_the_tuned_top_on_its_frozen_bottom_is_torchvision_s(blocks: int, tmp_path: Path) -> None:
    theirs = torchvisions()
    torch.save(theirs.state_dict(), tmp_path / "net.pth")
    spec = replace(TUNED, options={"trainable_blocks": blocks})
    ours = build(spec, seed=5, weights=find(str(tmp_path / "net.pth")))
    theirs.load_state_dict(theirs.state_dict() | {k: torch.from_numpy(v) for k, v in ours.arrays().items()})
    photos = spread(rows_for(Spec("cnn", CLASSES, 64), 4))
    with torch.no_grad():
        rows, expected = theirs.features[: 18 - blocks](photos), softmax(theirs(photos))
    np.testing.assert_allclose(ours.probabilities(rows.numpy()), expected, atol=1e-5)
    np.testing.assert_allclose(ours.probabilities(rows.half().numpy()), expected, atol=0.01)


@pytest.mark.slow
def test_tuned_holds_the_trained_part_alone_and_starts_where_mobilenet_does(tmp_path: Path) -> None:
    theirs = torchvisions()
    torch.save(theirs.state_dict(), tmp_path / "net.pth")
    spec = replace(TUNED, options={"trainable_blocks": 3})
    arrays = build(spec, seed=5, weights=find(str(tmp_path / "net.pth"))).arrays()
    top = {f"features.{name}": array for name, array in floats(theirs.features[15:]).items()}
    assert set(arrays) == set(top) | {"classifier.1.weight", "classifier.1.bias"}
    for name, array in top.items():
        np.testing.assert_array_equal(arrays[name], array)
    head = new_head(CLASSES, 1280, seed=5)
    np.testing.assert_array_equal(arrays["classifier.1.weight"], head[:, :-1])
    np.testing.assert_array_equal(arrays["classifier.1.bias"], head[:, -1])
    with pytest.raises(ValueError, match="starts from weights, got none"):
        build(TUNED, seed=0)


@pytest.mark.slow
def test_gradients_through_folded_normalisation_are_those_of_torch() -> None:
    theirs, names = torchvisions(), empty(TUNED).state_dict()
    network = restore(TUNED, {k: v for k, v in floats(theirs).items() if k in names}).network
    network.train()  # statistics stay frozen
    rows, labels = torch.from_numpy(rows_for(TUNED, 5).astype(np.float32)), torch.tensor([0, 1, 2, 0, 1])
    before = {name: tensor.clone() for name, tensor in network.named_buffers()}
    torch.nn.functional.cross_entropy(network(rows), labels).backward()
    top = theirs.features[17:](rows).mean((2, 3))
    torch.nn.functional.cross_entropy(theirs.classifier(top), labels).backward()
    expected = dict(theirs.named_parameters())
    parameters = dict(network.named_parameters())
    assert len(parameters) == 14  # 4 convolutions, as many weights and biases of norms, the last layer's two
    for name, parameter in parameters.items():
        ours, gradient = parameter.grad, expected[name].grad
        assert ours is not None
        assert gradient is not None
        assert gradient.abs().max() > 0
        torch.testing.assert_close(ours, gradient, rtol=1e-3, atol=1e-5 * gradient.abs().max().item())
    for name, tensor in network.named_buffers():
        assert torch.equal(tensor, before[name])


def test_scratch_arrays_load_into_torchvision() -> None:
    arrays = build(SCRATCH, seed=0).arrays()
    theirs = torchvisions(SCRATCH.options["width"])
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    assert all(array.flags.c_contiguous and array.dtype == np.float32 for array in arrays.values())


@pytest.mark.slow
def test_scratch_starts_as_torchvision_starts_it() -> None:
    spec = replace(SCRATCH, options={"width": 1.0})
    ours, theirs = build(spec, seed=1).arrays(), seeded_torchvision()
    for name, array in theirs.items():
        assert ours[name].shape == array.shape
        if array.ndim == 1:
            np.testing.assert_array_equal(ours[name], array)
        elif array.size > 2000:
            assert ours[name].std() == pytest.approx(array.std(), rel=0.1), name
            assert abs(ours[name].mean()) < 0.1 * array.std(), name
            assert np.abs(ours[name]).max() == pytest.approx(np.abs(array).max(), rel=0.4), name


def seeded_torchvision() -> Arrays:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return floats(torchvision.models.mobilenet_v2(num_classes=CLASSES))


@pytest.mark.parametrize(
    ("spec", "name", "inputs"),
    [
        (CNN, "conv1", 9),
        (CNN, "conv2", 288),
        (CNN, "hidden", 256),
        (DEEP, "hidden", 1280),
        (DEEP, "output", 256),
    ],
)
def test_plain_layers_start_as_torch_starts_them(spec: Spec, name: str, inputs: int) -> None:
    arrays, bound = build(spec, seed=1).arrays(), 1 / np.sqrt(inputs)
    for part in ("weight", "bias"):
        values = arrays[f"{name}.{part}"]
        assert np.abs(values).max() <= bound * (1 + 1e-6)
        if values.size > 30:
            assert np.abs(values).max() > 0.85 * bound
            assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.35)


@pytest.mark.parametrize("spec", few_quick(ALL.values(), DEEP, CNN), ids=ALL)
def test_a_seed_gives_its_network_and_leaves_the_global_generator_alone(spec: Spec) -> None:
    state = torch.get_rng_state()
    one, same, other = (build(spec, seed=seed, weights=weights()).arrays() for seed in (1, 1, 2))
    assert torch.equal(state, torch.get_rng_state())
    for name, array in one.items():
        np.testing.assert_array_equal(array, same[name])
    assert any(not np.array_equal(array, other[name]) for name, array in one.items())


@pytest.mark.parametrize("spec", few_quick(ALL.values(), DEEP, CNN), ids=ALL)
def test_arrays_and_back(spec: Spec) -> None:
    classifier, rows = build(spec, seed=0, weights=weights()), rows_for(spec, 5)
    arrays = classifier.arrays()
    back = restore(spec, dict(reversed(arrays.items())))
    np.testing.assert_array_equal(back.probabilities(rows), classifier.probabilities(rows))
    assert list(back.arrays()) == list(arrays)
    for array in arrays.values():  # they are copies: nothing reaches the network through them
        array[...] = 0
    np.testing.assert_array_equal(back.probabilities(rows), classifier.probabilities(rows))


def without(name: str) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {other: array for other, array in arrays.items() if other != name}


def changed(name: str, array: np.ndarray) -> Callable[[Arrays], Arrays]:
    return lambda arrays: arrays | {name: array}


MISFITS = {
    "missing": (without("output.bias"), "output.bias is missing"),
    "too many": (changed("weight", np.zeros(3, np.float32)), "weight is not part of cnn"),
    "classes": (
        changed("output.weight", np.zeros((5, 128), np.float32)),
        r"output.weight is \(5, 128\), expected \(3, 128\)",
    ),
    "nan": (changed("output.bias", np.full(3, np.nan, np.float32)), "output.bias holds values that are not"),
    "infinite": (changed("output.bias", np.full(3, np.inf, np.float32)), "output.bias holds values that are"),
    "not numbers": (
        changed("output.bias", np.array(["a", "b", "c"])),
        "output.bias holds values that are not",
    ),
    "integers": (changed("output.bias", np.zeros(3, np.int64)), "output.bias holds values that are not"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_arrays_that_do_not_fit_are_refused(case: str) -> None:
    change, reason = MISFITS[case]
    with pytest.raises(ValueError, match=reason):
        restore(CNN, change(build(CNN, seed=0).arrays()))


def test_arrays_of_another_image_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"hidden.weight is \(128, 256\), expected \(128, 576\)"):
        restore(replace(CNN, size=12), build(CNN, seed=0).arrays())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "mobilenet"}, "there is no network 'mobilenet'"),
        ({"classes": 1}, "classes is 1"),
        ({"size": 3}, "size is 3"),
        ({"name": "mobilenet-scratch", "options": {"width": -1.0}}, "width must be a number .*, got -1.0"),
        ({"name": "mobilenet-scratch", "options": {"width": float("nan")}}, "width must be .*, got nan"),
        (
            {"name": "mobilenet-tuned", "options": {"trainable_blocks": 18}},
            "trainable_blocks must be .* 17, got",
        ),
        ({"options": {"width": 1.0}}, "width is not an option of cnn"),
    ],
)
def test_what_no_network_can_be_made_of_is_refused(change: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        replace(CNN, **change)  # type: ignore[arg-type]


def test_a_lone_value_per_channel_is_normalised_by_what_was_gathered() -> None:
    norm, torchs = Norm(4), nn.BatchNorm2d(4)
    maps = torch.arange(4 * 6, dtype=torch.float32).view(1, 4, 2, 3)
    torch.testing.assert_close(norm(maps), torchs(maps))
    gathered = norm.running_mean.clone()
    torch.testing.assert_close(gathered, torchs.running_mean)
    lone = maps[:, :, :1, :1]
    torch.testing.assert_close(norm(lone), torchs.eval()(lone))
    assert torch.equal(norm.running_mean, gathered)


def test_dropout_is_its_generator_s() -> None:
    dropout, x = Dropout(0.3), torch.ones(200, 500)
    dropout.generator.manual_seed(1)
    one, two = dropout(x), dropout(x)
    dropout.generator.manual_seed(1)
    assert torch.equal(dropout(x), one)
    assert not torch.equal(one, two)
    assert one.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert (one == 0).double().mean().item() == pytest.approx(0.3, abs=0.01)
    assert dropout.eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_torch_s_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), all_cores():
        raise KeyError
    assert torch.get_num_threads() == before
