"""The local update against an ordinary PyTorch loop, and the exactness of its sums."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_reference import CLASSES, WIDTH, dropout_masks, make_shards, sub_key, torch_phone

from fer_models.config import TrainConfig
from fer_models.heads import new_head
from fer_models.local import kernel
from fer_models.local.phone_rows import PhoneRows
from fer_models.local.terms import LocalTerms, PhoneInputs
from fer_models.local.training import CentralTrainer, LocalWork, round_key, train_phones


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize(("batch", "epochs"), [(16, 1), (4, 3)])
def test_equals_the_ordinary_loop(optimizer: str, dropout: float, batch: int, epochs: int) -> None:
    # uneven sizes, a short last batch, full batches only, and phones with one view
    shards = make_shards([1, 7, 16, 33, 1, 50, 4])
    train = TrainConfig(lr=0.01, batch=batch, dropout=dropout, optimizer=optimizer)  # type: ignore[arg-type]
    start, key = new_head(CLASSES, WIDTH, seed=3), round_key(0, 1)
    for phone in range(shards.phones):
        update = train_phones(shards, np.array([phone]), LocalWork(start, train, epochs, key)).sum
        head, loss = torch_phone(shards, phone, start, train, epochs, key)
        assert update.views == shards.sizes[phone]
        assert update.photos == shards.sizes[phone] * epochs
        np.testing.assert_allclose(start + update.total / update.views, head, rtol=0, atol=1e-5)
        assert update.loss == pytest.approx(loss, abs=1e-3)
        assert np.abs(head - start).max() > 1e-3


def test_equals_the_ordinary_loop_at_full_width() -> None:
    shards = make_shards([40, 1, 17], width=1280)
    train, start, key = TrainConfig(dropout=0.0), new_head(CLASSES, 1280, seed=0), round_key(7, 2)
    for phone in range(3):
        update = train_phones(shards, np.array([phone]), LocalWork(start, train, 1, key)).sum
        head, _ = torch_phone(shards, phone, start, train, 1, key)
        np.testing.assert_allclose(start + update.total / update.views, head, rtol=0, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_what_strategies_add_equals_the_ordinary_loop_with_it_in_the_loss(optimizer: str) -> None:
    shards, key = make_shards([7, 33, 1, 20]), round_key(0, 1)
    train = TrainConfig(lr=0.02, optimizer=optimizer)  # type: ignore[arg-type]
    rng, head = np.random.default_rng(0), new_head(CLASSES, WIDTH, seed=0)
    starts = np.stack([new_head(CLASSES, WIDTH, seed=s) for s in range(1, 5)])
    corrections = (0.1 * rng.standard_normal(starts.shape)).astype(np.float32)
    added, own = PhoneInputs(corrections=corrections), PhoneInputs(starts=starts)
    plain = LocalWork(head, train, 2, key, each=True)
    cases = [
        (replace(plain, local=LocalTerms(pull=7.0)), {"pull": 7.0, "anchor": head}),
        (replace(plain, inputs=added), {}),
        (
            replace(plain, local=LocalTerms(pull=7.0), inputs=own),
            {"pull": 7.0, "anchor": head},
        ),
        (
            replace(plain, inputs=added, local=LocalTerms(pull=0.3)),
            {"pull": 0.3, "anchor": head},
        ),
        (replace(plain, local=LocalTerms(margin=1.5)), {}),
        (replace(plain, local=LocalTerms(prior=1.0)), {}),
    ]
    without = train_phones(shards, np.arange(4), plain).updates
    for work, more in cases:
        got = train_phones(shards, np.arange(4), work)
        assert got.updates is not None
        for phone in range(4):
            more["correction"] = None if work.inputs.corrections is None else corrections[phone]
            more["offsets"] = _offsets(shards, phone, work.local)
            start = starts[phone] if work.inputs.starts is not None else head
            expected, _ = torch_phone(shards, phone, start, train, 2, key, **more)  # type: ignore[arg-type]
            np.testing.assert_allclose(got.updates[phone], expected - start, rtol=0, atol=2e-5)
        assert np.abs(got.updates - without).max() > 1e-3, work.local


def _offsets(shards: PhoneRows, phone: int, local: LocalTerms) -> np.ndarray | None:
    """What margin and prior do to the logits, written out."""
    own = shards.labels[shards.rows[shards.offsets[phone] : shards.offsets[phone + 1]]]
    if local.margin == local.prior == 0:
        return None
    offsets = np.full(CLASSES, -np.inf)
    for label, n in zip(*np.unique(own, return_counts=True), strict=True):
        offsets[label] = local.prior * np.log(n) - local.margin / n**0.25
    return offsets.astype(np.float32)


def test_a_class_that_a_phone_does_not_have_keeps_its_row_when_it_is_out_of_the_softmax() -> None:
    # two views of classes 0 and 1, three classes
    shards = PhoneRows(np.eye(2, dtype=np.float32), np.array([0, 1]), np.arange(2), np.array([0, 2]))
    head, train = np.zeros((3, 3), np.float32), TrainConfig(lr=0.1, dropout=0.0, optimizer="sgd")
    work = LocalWork(head, train, 1, 1, LocalTerms(prior=1.0), each=True)
    (update,) = train_phones(shards, np.array([0]), work).updates  # type: ignore[misc]
    assert (update[2] == 0).all()
    # softmax (1/2, 1/2) of the two it has: gradient of the first row (-1/4, 1/4, 0)
    np.testing.assert_allclose(update[:2], [[0.025, -0.025, 0], [-0.025, 0.025, 0]], atol=1e-8)


def test_weights_replace_views_in_the_sum_alone() -> None:
    shards, phones = make_shards([3, 5]), np.arange(2)
    work = LocalWork(new_head(CLASSES, WIDTH, seed=0), TrainConfig(), 1, 4, each=True)
    weighted = train_phones(shards, phones, replace(work, inputs=PhoneInputs(weights=np.array([0.5, 2.0]))))
    assert weighted.updates is not None
    expected = 0.5 * weighted.updates[0].astype(np.float64) + 2.0 * weighted.updates[1]
    np.testing.assert_allclose(weighted.sum.total, expected, rtol=0, atol=1e-7)
    assert weighted.sum.views == 8
    assert (weighted.updates == train_phones(shards, phones, work).updates).all()


def test_one_step_by_hand() -> None:
    # One view of class 0, head of zeros, two classes: softmax (1/2, 1/2), gradient (-1/2, 1/2) x.
    shards = PhoneRows(np.array([[2.0]], np.float32), np.array([0]), np.array([0]), np.array([0, 1]))
    train = TrainConfig(lr=0.1, dropout=0.0, optimizer="sgd")
    update = train_phones(shards, np.array([0]), LocalWork(np.zeros((2, 2), np.float32), train, 1, 1)).sum
    np.testing.assert_allclose(update.total, [[0.1, 0.05], [-0.1, -0.05]], atol=1e-8)
    assert update.loss == pytest.approx(np.log(2), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_sums_are_exact_in_any_grouping(sizes: list[int], random: object) -> None:
    shards = make_shards(sizes)
    train, start = TrainConfig(lr=0.05), new_head(CLASSES, WIDTH, seed=0)
    phones = np.arange(len(sizes))
    whole = train_phones(shards, phones, LocalWork(start, train, 1, 5)).sum
    order = list(range(len(sizes)))
    random.shuffle(order)  # type: ignore[attr-defined]
    cut = random.randint(1, len(sizes) - 1)  # type: ignore[attr-defined]
    parts = [
        train_phones(shards, np.array(part), LocalWork(start, train, 1, 5)).sum
        for part in (order[:cut], order[cut:])
    ]
    added = parts[1] + parts[0]
    assert added.total.tobytes() == whole.total.tobytes()
    assert (added.views, added.photos, added.phones) == (whole.views, whole.photos, whole.phones)
    assert added.loss == whole.loss
    assert 0 < whole.reach < kernel.EXACT_BELOW
    assert np.abs(whole.total).max() <= whole.reach * 1.001


def test_a_key_gives_every_phone_and_epoch_an_order_of_its_own() -> None:
    keys = {int(sub_key(sub_key(9, p), e)) for p in range(50) for e in range(50)}
    assert len(keys) == 2500
    order = kernel.shuffled(np.uint64(4), 1000)
    assert sorted(order) == list(range(1000))
    assert not np.array_equal(order, kernel.shuffled(np.uint64(5), 1000))


def test_shuffling_is_fair() -> None:
    first = np.bincount([kernel.shuffled(np.uint64(k), 5)[0] for k in range(5000)], minlength=5)
    assert (np.abs(first - 1000) < 150).all()  # five standard deviations


@pytest.mark.parametrize("dropout", [0.1, 0.2, 0.5])
def test_dropout_keeps_its_share_and_the_mean(dropout: float) -> None:
    masks = dropout_masks(np.uint64(11), 200, 1280, dropout)
    assert (masks == 0).mean() == pytest.approx(dropout, abs=0.005)
    assert masks.mean() == pytest.approx(1, abs=0.01)
    assert abs(np.corrcoef(masks[0], masks[1])[0, 1]) < 0.15


def test_a_head_that_diverges_is_seen() -> None:
    shards = make_shards([10, 10])
    train = TrainConfig(lr=100.0, optimizer="sgd", dropout=0.0)
    np.multiply(shards.features, np.float32(1e9), out=shards.features)
    start = new_head(CLASSES, WIDTH, seed=0)
    got = train_phones(shards, np.arange(2), LocalWork(start, train, 1, 1))
    assert (got.phones.tolist(), got.large.tolist()) == ([], [0, 1])
    assert (got.sum.phones, got.sum.views, got.sum.reach, got.sum.loss) == (0, 0, 0, 0)
    assert not got.sum.total.any()


def test_central_training_is_one_phone_with_everything_and_a_lasting_optimiser() -> None:
    shards = make_shards([50], seed=2)
    train, start = TrainConfig(lr=0.01), new_head(CLASSES, WIDTH, seed=1)
    trainer = CentralTrainer(shards, start, train, seed=0)
    losses = [trainer.epoch() / 50 for _ in range(30)]
    assert losses[-1] < losses[0] * 0.8
    # Two epochs in a row are torch's two epochs with one optimiser: the moments are kept.
    again = CentralTrainer(shards, start, train, seed=0)
    assert [again.epoch() / 50, again.epoch() / 50] == losses[:2]
    assert again.head.dtype == np.float32


def test_a_part_of_an_epoch_is_its_beginning() -> None:
    shards = make_shards([50], seed=2)
    train, start = TrainConfig(dropout=0.0), new_head(CLASSES, WIDTH, seed=1)
    part, half = CentralTrainer(shards, start, train, seed=0), CentralTrainer(shards, start, train, seed=0)
    loss = part.epoch(16)
    assert 0 < loss < half.epoch()
    assert not np.array_equal(part.head, half.head)


def test_shards_are_read_back_as_written(tmp_path) -> None:  # type: ignore[no-untyped-def]
    shards = make_shards([3, 4, 5])
    np.save(tmp_path / "f.npy", shards.features)
    shards.save(tmp_path / "prepared", tmp_path / "f.npy")
    back = PhoneRows.load(tmp_path / "prepared")
    start = new_head(CLASSES, WIDTH, seed=0)
    one, two = (
        train_phones(s, np.arange(3), LocalWork(start, TrainConfig(), 2, 3)).sum for s in (shards, back)
    )
    assert one.total.tobytes() == two.total.tobytes()


def test_nothing_is_left_of_what_was_saved_in_the_folder_before(tmp_path: Path) -> None:
    shards = make_shards([3, 4, 5])
    np.save(tmp_path / "f.npy", shards.features)
    for held in (replace(shards, photos=np.array([1, 2, 3]), weighted=True), shards):
        held.save(tmp_path / "prepared", tmp_path / "f.npy")
        back = PhoneRows.load(tmp_path / "prepared")
        assert back.weighted == held.weighted
        np.testing.assert_array_equal(back.photos_of(np.arange(3)), held.photos_of(np.arange(3)))


def test_the_kernel_is_compiled_once_for_arrays_in_memory_and_in_files(tmp_path: Path) -> None:
    held = make_shards([5, 9])
    np.save(tmp_path / "features.npy", held.features)
    held.save(tmp_path / "phones", tmp_path / "features.npy")
    start, train = new_head(CLASSES, WIDTH, seed=0), TrainConfig()
    for shards in (held, PhoneRows.load(tmp_path / "phones")):
        for head in (start, np.frombuffer(start.tobytes(), np.float32).reshape(start.shape)):  # not writable
            train_phones(shards, np.arange(2), LocalWork(head, train, 2, 1))
        CentralTrainer(shards, start, train, seed=0).epoch()
    assert len(kernel.train_epoch.signatures) == 1
    assert len(kernel.train_phones.signatures) <= 2  # by the precision of updates
