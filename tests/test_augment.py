from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fer_models.data.augment import ViewPlan, joined_plan, plan_views, render, view_pixels, views
from fer_models.data.images import ImageTable
from fer_models.seeding import stream


def picture(photo: int, side: int = 48, colour: bool = False) -> Image.Image:
    """Smooth blobs, different for each photo."""
    rng = np.random.default_rng(photo)
    small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return small.resize((side, side), Image.Resampling.BICUBIC).convert("RGB" if colour else "L")


def drawn_table(split_of: list[list[int]]) -> ImageTable:
    """A table with `split_of[c]` = the parts of the photos of class c; every third photo is in colour."""
    labels = np.repeat(np.arange(len(split_of)), [len(parts) for parts in split_of])
    order = np.random.default_rng(0).permutation(len(labels))  # classes lie mixed in a table
    return ImageTable(
        source="drawn",
        classes=tuple(f"class {c}" for c in range(len(split_of))),
        paths=tuple(f"drawn/{i}" for i in range(len(labels))),
        labels=labels[order],
        subjects=None,
        split=np.concatenate([np.array(parts, dtype=np.int8) for parts in split_of])[order],
        digests=tuple(f"digest {i}" for i in range(len(labels))),
        unreadable=(),
        reader=lambda i, least=0: picture(i, colour=i % 3 == 0),
    )


def pairs(plan: ViewPlan) -> list[tuple[int, int]]:
    return list(zip(plan.photos.tolist(), plan.views.tolist(), strict=True))


TABLE = drawn_table([[0] * 3 + [1, 2], [0] * 7 + [1, 1, 2], [0] * 5 + [1, 2, 2]])


# The plan


def test_a_plan_by_hand() -> None:
    plan = plan_views(TABLE, 5, seed=0)
    assert plan.photos.dtype == plan.views.dtype == np.int64
    trained = pairs(plan)[:15]
    by_class = [[pair for pair in trained if TABLE.labels[pair[0]] == c] for c in range(3)]
    assert sorted(v for _, v in by_class[0]) == [0, 0, 0, 1, 1]  # three photos: two get a second view
    assert [v for _, v in by_class[1]] == [0] * 5  # seven photos: five stay
    assert [v for _, v in by_class[2]] == [0] * 5
    assert trained == sorted(trained)  # table order, a photo's views side by side
    held_out = [*np.flatnonzero(TABLE.split == 1).tolist(), *np.flatnonzero(TABLE.split == 2).tolist()]
    assert pairs(plan)[15:] == [(i, 0) for i in held_out]
    assert len(plan) == 15 + 8


def test_balance_0_leaves_the_training_photos_as_they_are() -> None:
    plan = plan_views(TABLE, 0, seed=3)
    train = np.flatnonzero(TABLE.split == 0).tolist()
    assert pairs(plan)[: len(train)] == [(i, 0) for i in train]
    assert not plan.views.any()


@given(
    st.lists(st.integers(1, 12), min_size=2, max_size=4),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(),
)
def test_plans_are_balanced_and_nested(sizes: list[int], a: int, b: int, seed: int) -> None:
    table = drawn_table([[0] * n + [1, 2] for n in sizes])
    small, large = (plan_views(table, balance, seed=seed) for balance in sorted((a, b)))
    assert set(pairs(small)) <= set(pairs(large))
    for plan, balance in ((small, min(a, b)), (large, max(a, b))):
        trained = table.split[plan.photos] == 0
        assert np.bincount(table.labels[plan.photos[trained]]).tolist() == [balance] * len(sizes)
        assert len(set(pairs(plan))) == len(plan)
        assert not plan.views[~trained].any()
        assert np.count_nonzero(~trained) == 2 * len(sizes)
        for photo in set(plan.photos[trained].tolist()):  # view 1 only beside view 0, and so on
            of_photo = plan.views[plan.photos == photo]
            assert of_photo.tolist() == list(range(len(of_photo)))


@given(
    balances=st.lists(st.integers(0, 12), min_size=1, max_size=4),
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=3),
)
def test_a_joined_plan_has_the_rows_of_each_and_no_others(balances: list[int], sizes: list[int]) -> None:
    table = drawn_table([[0] * n + [1, 2] for n in sizes])
    plans = [plan_views(table, balance, seed=1) for balance in balances]
    whole = joined_plan(table, plans)
    every = pairs(whole)
    assert set(every) == {pair for plan in plans for pair in pairs(plan)}
    assert len(set(every)) == len(every)
    for plan in plans:
        assert [every[row] for row in plan.rows_in(whole)] == pairs(plan)
    assert pairs(joined_plan(table, plans[:1])) == pairs(plans[0])  # the same order as that of a single plan


def test_which_photos_stay_and_which_get_more_views_is_seeded() -> None:
    assert pairs(plan_views(TABLE, 4, seed=0)) == pairs(plan_views(TABLE, 4, seed=0))
    assert len({tuple(pairs(plan_views(TABLE, 4, seed=seed))) for seed in range(6)}) > 1


# The pixels


@pytest.mark.parametrize("colour", [False, True])
def test_view_0_is_the_photo_and_asks_nothing_of_the_generator(colour: bool) -> None:
    photo = picture(1, colour=colour)
    got = render(photo, 48, 0, None)
    assert got.dtype == np.uint8
    assert got.shape == ((3 if colour else 1), 48, 48)
    pixels = np.asarray(photo)
    assert np.array_equal(got, pixels.transpose(2, 0, 1) if colour else pixels[None])
    with pytest.raises(ValueError, match="a generator is needed"):
        render(photo, 48, 1, None)


def test_resizing_is_antialiased_and_stretches_to_a_square() -> None:
    stripes = np.zeros((300, 400), dtype=np.uint8)
    stripes[:, ::2] = 255  # finer than the result can show
    got = render(Image.fromarray(stripes), 32, 0, None)
    assert got.shape == (1, 32, 32)
    assert np.abs(got.astype(int) - 127).max() <= 3


class _Fixed:
    """Stands in for a generator: gives chosen draws."""

    def __init__(self, *draws: float) -> None:
        self.draws = np.array(draws)

    def random(self, count: int) -> np.ndarray:
        assert count == len(self.draws)
        return self.draws


MIDDLE = [0.5] * 7  # no mirror, no turn, no shift, no scale, no change of tone


def fixed(photo: Image.Image, **changed: float) -> np.ndarray:
    names = ("mirror", "angle", "shift_x", "shift_y", "scale", "brightness", "contrast")
    draws = [changed.get(name, middle) for name, middle in zip(names, MIDDLE, strict=True)]
    return render(photo, photo.size[0], 1, _Fixed(*draws)).astype(int)  # type: ignore[arg-type]


@pytest.mark.parametrize("colour", [False, True])
def test_each_variation_by_hand(colour: bool) -> None:
    photo = picture(2, side=50, colour=colour)
    plain = render(photo, 50, 0, None).astype(int)
    assert np.array_equal(fixed(photo), plain)
    assert np.array_equal(fixed(photo, mirror=0.0), plain[..., ::-1])
    shifted = fixed(photo, shift_x=1.0, shift_y=0.0)  # 6% of 50 pixels: three to the right, three up
    assert np.array_equal(shifted[:, 3:, :-3], plain[:, :-3, 3:])
    assert np.array_equal(shifted[:, 3:, -3:], np.repeat(plain[:, :-3, -1:], 3, axis=2))  # edges go on
    assert np.array_equal(fixed(photo, brightness=1.0), np.rint(1.2 * plain).clip(0, 255))
    mean = np.asarray(photo).mean()
    assert np.array_equal(fixed(photo, contrast=0.0), np.rint(mean + 0.8 * (plain - mean)).clip(0, 255))


def test_turn_and_scale_by_hand() -> None:
    dot = np.zeros((100, 100), dtype=np.uint8)
    dot[48:52, 88:92] = 255  # its middle 40 pixels to the right of the photo's

    def middle_of(pixels: np.ndarray) -> tuple[float, float]:
        y, x = np.indices(pixels[0].shape)
        return tuple(float((pixels[0] * (axis + 0.5)).sum() / pixels.sum() - 50) for axis in (x, y))  # type: ignore[return-value]

    photo = Image.fromarray(dot)
    assert middle_of(fixed(photo)) == pytest.approx((40, 0), abs=0.01)
    assert middle_of(fixed(photo, scale=1.0)) == pytest.approx((44, 0), abs=0.1)
    assert middle_of(fixed(photo, scale=0.0)) == pytest.approx((36, 0), abs=0.1)
    x, y = middle_of(fixed(photo, angle=1.0))
    assert (x, abs(y)) == pytest.approx((40 * np.cos(np.pi / 18), 40 * np.sin(np.pi / 18)), abs=0.1)
    assert middle_of(fixed(photo, angle=0.0))[1] == pytest.approx(-y, abs=0.1)


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=5, max_size=5), st.integers(32, 300))
def test_no_view_looks_past_the_repeated_edges(draws: list[float], size: int) -> None:
    white = Image.new("L", (size, size), 200)
    assert (
        fixed(white, **dict(zip(("mirror", "angle", "shift_x", "shift_y", "scale"), draws, strict=True)))
        == 200
    ).all()


def test_views_come_in_plan_order_and_any_cut_gives_the_same_pixels() -> None:
    plan = plan_views(TABLE, 9, seed=0)
    whole = list(views(TABLE, plan, 40, seed=5))
    assert len(whole) == len(plan)
    for (photo, view), pixels in zip(pairs(plan), whole, strict=True):
        assert pixels.shape == ((3 if photo % 3 == 0 else 1), 40, 40)
        assert np.array_equal(pixels, view_pixels(TABLE, photo, view, 40, seed=5))
    cut = [*views(TABLE, plan, 40, seed=5, stop=7), *views(TABLE, plan, 40, seed=5, start=7)]
    assert all(np.array_equal(a, b) for a, b in zip(whole, cut, strict=True))


def test_views_differ_by_photo_view_and_seed_and_hang_on_the_digest() -> None:
    base = view_pixels(TABLE, 1, 1, 48, seed=0)
    assert not np.array_equal(base, view_pixels(TABLE, 1, 2, 48, seed=0))
    assert not np.array_equal(base, view_pixels(TABLE, 1, 1, 48, seed=1))
    by_hand = render(picture(1), 48, 1, stream(0, "augment", "digest 1", 1))
    assert np.array_equal(base, by_hand)


def test_a_photo_is_read_once_for_its_views_and_one_at_a_time() -> None:
    read: list[int] = []

    def reader(i: int, least: int = 0, /) -> Image.Image:
        read.append(i)
        return picture(i)

    watched = ImageTable(**{**vars(TABLE), "reader": reader})
    plan = plan_views(TABLE, 9, seed=0)
    stream_of_views = views(watched, plan, 48, seed=0)
    next(stream_of_views)
    assert len(read) == 1
    assert len(list(stream_of_views)) == len(plan) - 1
    assert len(read) == len(set(plan.photos.tolist()))


def test_views_of_real_faces_stay_faces(real_faces: Path) -> None:
    """A view is much nearer to its own photo, or that one's mirror image, than to other people's."""
    photos = [Image.open(path).convert("L") for path in sorted((real_faces / "surprise").iterdir())[::8]]
    plain = [render(photo, 48, 0, None) for photo in photos]
    own, other = [], []
    for i, photo in enumerate(photos):
        view = render(photo, 48, 1, stream(0, "augment", str(i), 1)).ravel()
        near = [
            max(np.corrcoef(view, p.ravel())[0, 1], np.corrcoef(view, p[..., ::-1].ravel())[0, 1])
            for p in plain
        ]
        own.append(near.pop(i))
        other.append(np.mean(near))
    assert min(own) > 0.5
    assert np.mean(own) > 0.75
    assert np.mean(other) < 0.4
