"""The head's named arrays, its file, and its start."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_models.errors import InputError
from fer_models.heads import (
    LinearHead,
    as_arrays,
    cross_entropy,
    from_arrays,
    load_head,
    new_head,
    payload,
    probabilities,
    save_head,
)


def test_starts_within_the_bounds_of_a_linear_layer() -> None:
    head = new_head(5, 1280, seed=0)
    bound = 1 / np.sqrt(1280)
    assert head.shape == (5, 1281)
    assert head.dtype == np.float32
    assert np.abs(head).max() <= bound
    reference = torch.nn.Linear(1280, 5)
    assert head.std() == pytest.approx(reference.weight.std().item(), rel=0.05)
    assert not np.array_equal(head, new_head(5, 1280, seed=1))


def test_names_and_back() -> None:
    head = new_head(3, 4, seed=0)
    arrays = as_arrays(head)
    assert {name: a.shape for name, a in arrays.items()} == {"weight": (3, 4), "bias": (3,)}
    np.testing.assert_array_equal(from_arrays(arrays), head)
    assert payload(head) == 4 * (3 * 4 + 3)


def test_probabilities_are_the_softmax_of_the_layer() -> None:
    head, x = new_head(3, 4, seed=0), np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    layer = torch.nn.functional.linear(torch.from_numpy(x), *map(torch.from_numpy, as_arrays(head).values()))
    np.testing.assert_allclose(probabilities(head, x), torch.softmax(layer, 1).numpy(), atol=1e-6)


def test_the_file_comes_back_and_its_bytes_do_not_depend_on_the_process(tmp_path: Path) -> None:
    head, metadata = new_head(3, 4, seed=0), {"classes": ["a", "b", "c"], "weights": "f" * 64, "size": 224}
    save_head(tmp_path / "head.safetensors", as_arrays(head), metadata)
    back, read = load_head(tmp_path / "head.safetensors")
    np.testing.assert_array_equal(from_arrays(back), head)
    assert read == metadata
    code = (
        "import sys; from pathlib import Path; from fer_models.heads import *; "
        f"save_head(Path(sys.argv[1]), as_arrays(new_head(3, 4, seed=0)), {metadata!r})"
    )
    for hash_seed in ("1", "2"):
        other = tmp_path / f"{hash_seed}.safetensors"
        subprocess.run(
            [sys.executable, "-c", code, str(other)],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        assert other.read_bytes() == (tmp_path / "head.safetensors").read_bytes()


def test_many_rows_in_parts_get_the_same_probabilities() -> None:
    head, rows = (
        new_head(3, 2, seed=0),
        np.random.default_rng(0).standard_normal((9000, 2)).astype(np.float32),
    )
    classifier = LinearHead(head)
    np.testing.assert_allclose(classifier.probabilities(rows), probabilities(head, rows), rtol=1e-12)
    assert classifier.probabilities(rows[:0]).shape == (0, 3)
    assert set(classifier.arrays()) == {"weight", "bias"}


def test_cross_entropy_by_hand() -> None:
    chances = np.array([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]])
    assert cross_entropy(chances[:2], np.array([0, 0])) == pytest.approx(np.log(2) * 1.5)
    assert 500 < cross_entropy(chances[2:], np.array([1])) < 1000  # a certain mistake, and still a number
    assert cross_entropy(chances[:0], np.array([], int)) == 0


@pytest.mark.parametrize("content", [b"", b"not a head", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_what_is_not_a_head_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "head.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"head\.safetensors of a run folder"):
        load_head(path)
    with pytest.raises(InputError):
        load_head(tmp_path / "missing")
