"""Cameras: each part of a style does what it says; pixels depend on photo, view and camera alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_models import features
from fer_models.config import DataConfig, SketchConfig
from fer_models.data import cameras
from fer_models.data.augment import ViewPlan, views
from fer_models.data.cameras import Camera, camera, shoot
from fer_models.data.images import ImageTable, load_table
from fer_models.encoders.encoder import GrayPixels
from fer_models.seeding import stream

PLAIN = Camera(gain=1.0, blur=0.0, noise=0.0)


@pytest.fixture
def table(folder: Path) -> ImageTable:
    return load_table(DataConfig(source=str(folder), classes=("anger", "fear")), SketchConfig(), seed=0)


def picture(side: int = 64, channels: int = 1) -> np.ndarray:
    """A gray image, 100 on the left and 180 on the right."""
    pixels = np.full((channels, side, side), 100, np.uint8)
    pixels[:, :, side // 2 :] = 180
    return pixels


def test_a_plain_camera_changes_nothing() -> None:
    for channels in (1, 3):
        pixels = picture(channels=channels)
        np.testing.assert_array_equal(shoot(pixels, PLAIN, stream(0, "x")), pixels)


def test_gain_multiplies_brightness_up_to_white() -> None:
    bright = shoot(picture(), replace(PLAIN, gain=1.5), stream(0, "x"))
    assert set(np.unique(bright)) == {150, 255}


@pytest.mark.parametrize("side", [64, 224])
def test_blur_spreads_edges_by_a_share_of_the_side(side: int) -> None:
    soft = shoot(picture(side), replace(PLAIN, blur=0.02), stream(0, "x"))[0].astype(float)
    edge = np.diff(soft[side // 2]) / 80  # a Gaussian, about the middle
    at = np.arange(side - 1) - (side / 2 - 1)
    assert edge.sum() == pytest.approx(1)
    assert np.sqrt((edge * at**2).sum()) == pytest.approx(0.02 * side, rel=0.15)


def test_noise_has_the_spread_that_it_says_and_less_in_a_smaller_image() -> None:
    for side, expected in [(224, 0.05 * 255), (112, 0.025 * 255)]:
        noisy = shoot(picture(side), replace(PLAIN, noise=0.05), stream(0, "x"))
        assert (noisy - picture(side).astype(float)).std() == pytest.approx(expected, rel=0.03)
        assert (noisy - picture(side).astype(float)).mean() == pytest.approx(0, abs=0.2)


def test_styles_fill_their_ranges_and_hang_on_seed_and_number() -> None:
    styles = [camera(number, seed=0) for number in range(300)]
    gains = np.log2([style.gain for style in styles])
    assert gains.min() == pytest.approx(-cameras.STOPS, abs=0.02)
    assert gains.max() == pytest.approx(cameras.STOPS, abs=0.02)
    assert max(style.blur for style in styles) == pytest.approx(cameras.BLUR, rel=0.02)
    assert max(style.noise for style in styles) == pytest.approx(cameras.NOISE, rel=0.02)
    assert camera(3, seed=0) == styles[3] != camera(3, seed=1)


def test_any_cut_of_the_rows_gives_the_same_pixels(table: ImageTable) -> None:
    plan = ViewPlan(np.array([0, 0, 1, 2, 2]), np.array([0, 1, 0, 0, 2]), np.array([4, 4, -1, 9, 8]))
    whole = list(views(table, plan, 32, seed=0))
    for row in range(len(plan)):
        (alone,) = views(table, plan, 32, seed=0, start=row, stop=row + 1)
        np.testing.assert_array_equal(alone, whole[row])
    plain = list(views(table, ViewPlan(plan.photos, plan.views), 32, seed=0))
    same = [np.array_equal(one, two) for one, two in zip(whole, plain, strict=True)]
    assert same == [False, False, True, False, False]


def test_the_cache_knows_cameras_and_nothing_of_them_where_there_are_none(table: ImageTable) -> None:
    def key(taken: np.ndarray | None, seed: int = 0) -> str:
        plan = ViewPlan(np.arange(4), np.zeros(4, int), taken)
        return features.key(table, plan, GrayPixels(), 32, seed=seed)

    none = np.full(4, -1)
    assert key(None) == key(none) == key(None, seed=1)
    some = [
        key(np.array(taken), seed) for taken in ([0, 0, 0, 0], [0, 0, 0, 1], [-1, 0, 0, 0]) for seed in (0, 1)
    ]
    assert len({key(None), *some}) == 7


def test_plans_are_joined_with_their_cameras() -> None:
    one, two = ViewPlan(np.array([5]), np.array([1])), ViewPlan(np.array([6]), np.array([0]), np.array([3]))
    assert list((one + two).rows()) == [(5, 1, -1), (6, 0, 3)]
