"""Paint, light and exposure by numbers that can be done by hand."""

import math

import numpy as np
import pytest

from fer_models.sketch.drawing import SIZE, expose, light
from fer_models.sketch.sheet import Pose, Sheet, curve, moved

FRONT = Pose(0.0, 0.0, 0.0, 1.0, (0.0, 0.0), 65.0, 100.0)
GRAIN = np.zeros((2, SIZE, SIZE), np.uint8)


def _canvas(sheet: Sheet, pose: Pose = FRONT) -> tuple[np.ndarray, np.ndarray]:
    tone = np.zeros((SIZE, SIZE), np.float32)
    return tone, sheet.paint(pose, tone)


def _box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top, 0), (right, top, 0), (right, bottom, 0), (left, bottom, 0)], float)


def test_a_fill_covers_its_area_and_half_of_the_pixels_it_halves() -> None:
    sheet = Sheet()
    sheet.fill(_box(-10.0, -20.0, 10.25, 20.0), tone=1.0)
    tone, _ = _canvas(sheet)
    assert tone.sum() == pytest.approx(20.25 * 40, rel=1e-5)
    assert tone[112, 112] == 1  # the middle of the face is the middle of pixel 112
    assert tone[112, 102] == pytest.approx(0.5)  # the outline runs through the middle of that pixel
    assert tone[112, 122] == pytest.approx(0.75)


def test_a_fill_that_leaves_the_canvas_is_cut_off() -> None:
    sheet = Sheet()
    sheet.fill(_box(-500, -500, 500, 500), tone=0.5, relief=2.0)
    tone, relief = _canvas(sheet)
    assert np.all(tone == 0.5)
    assert np.all(relief == 2)
    outside = Sheet()
    outside.fill(_box(300, 300, 400, 400), tone=0.5)
    outside.line(_box(-400, -400, -300, -300), 5.0, 0.5)
    outside.spot((400, 0), (20, 20), 0.5)
    assert not _canvas(outside)[0].any()


def test_opacity_mixes_and_marks_lie_over_one_another() -> None:
    sheet = Sheet()
    sheet.fill(_box(-30, -30, 30, 30), tone=0.8)
    sheet.fill(_box(-10, -10, 10, 10), tone=0.4, opacity=0.25)
    tone, _ = _canvas(sheet)
    assert tone[112 + 20, 112] == pytest.approx(0.8)
    assert tone[112, 112] == pytest.approx(0.75 * 0.8 + 0.25 * 0.4)


def test_a_clipped_mark_stays_inside_the_stencil() -> None:
    sheet = Sheet()
    sheet.fill(_box(-5, -5, 5, 5), tone=0.2, keep=True)
    sheet.line(np.array([(-50, 0, 0), (50, 0, 0)], float), 4.0, 1.0, clip=True)
    tone, _ = _canvas(sheet)
    assert tone[112, 112] == pytest.approx(1.0)
    assert tone[112, 125] == 0


def test_a_line_is_as_wide_as_it_says() -> None:
    sheet = Sheet()
    sheet.line(np.array([(-40, 0, 0), (0, 0, 0), (40, 0, 0)], float), (2.0, 8.0, 2.0), 1.0)
    tone, _ = _canvas(sheet)
    assert tone[:, 112].sum() == pytest.approx(8, abs=0.5)
    assert tone[:, 92].sum() == pytest.approx(5, abs=0.5)
    assert tone[:, 112 + 44].sum() == 0


def test_a_spot_fades_from_its_middle() -> None:
    sheet = Sheet()
    sheet.spot((0, 0), (20, 10), 1.0, tilt=90)
    tone, _ = _canvas(sheet)
    assert tone[112, 112] == 1
    assert tone[112 + 10, 112] == pytest.approx((1 - 0.25) ** 2, abs=0.03)  # the long axis points down
    assert tone[112, 112 + 10] == pytest.approx(0, abs=0.01)


def test_a_head_spans_crown_to_chin_and_rises_in_the_middle() -> None:
    sheet = Sheet()
    sheet.head(np.array([0.0, 40.0, 40.0, 40.0, 0.0]), 60.0, 40.0, 0.5, 30.0)
    tone, relief = _canvas(sheet)
    rows = np.flatnonzero(tone.any(axis=1))
    assert (rows[0], rows[-1]) == (112 - 59, 112 + 39)
    assert tone[102].sum() == pytest.approx(0.5 * 80, rel=0.01)
    assert relief[102, 112] == pytest.approx(30)
    assert relief[102, 112] > relief[102, 140] > relief[102, 151] >= 0


def test_flat_ground_reflects_what_faces_the_lamp() -> None:
    tone = np.full((SIZE, SIZE), 0.5, np.float32)
    lamp = np.array([0.6, 0.0, 0.8])
    lit = light(tone, np.zeros_like(tone), lamp, 0.25, 0.0)
    np.testing.assert_allclose(lit, 0.5 * (0.25 + 0.75 * 0.8), rtol=1e-6)


def test_a_slope_towards_the_lamp_is_brighter() -> None:
    tone = np.full((SIZE, SIZE), 0.5, np.float32)
    falling_to_the_right = np.tile(-0.75 * np.arange(SIZE, dtype=np.float32), (SIZE, 1))
    lit = light(tone, falling_to_the_right, np.array([0.6, 0.0, 0.8]), 0.0, 0.0)
    np.testing.assert_allclose(lit[:, 1:-1], 0.5, rtol=1e-5)  # its normal is the lamp's own direction


def test_exposure_by_hand() -> None:
    lit = np.full((SIZE, SIZE), 0.4, np.float32)
    grain = GRAIN.copy()
    grain[:, 7, 9] = 255
    photo = expose(lit, grain, 1.0, 1.5, 0.5, 0.0)
    assert np.all(photo == round(255 * 0.55))  # blur leaves an even picture alone; 0.5 + 0.5 (0.6 - 0.5)
    noisy = expose(lit, grain, 0.0, 1.0, 1.0, 0.104)
    assert noisy[7, 9] == round(255 * (0.4 + 0.255))  # the highest speck is 255/104 deviations
    assert noisy[0, 0] == round(255 * (0.4 - 0.255))


def test_blur_keeps_the_light_and_has_the_asked_width() -> None:
    lit = np.zeros((SIZE, SIZE), np.float32)
    lit[112, 112] = 8.0
    photo = expose(lit, GRAIN, 1.5, 1.0, 1.0, 0.0).astype(float) / 255
    assert photo.sum() == pytest.approx(8, rel=0.05)
    place = np.arange(SIZE) - 112
    width = math.sqrt((photo.sum(axis=0) * place**2).sum() / photo.sum())
    assert width == pytest.approx(1.5, rel=0.1)


def test_a_curve_passes_through_its_knots() -> None:
    knots = [(0.0, 0.0), (10.0, 5.0), (20.0, -5.0), (40.0, 0.0)]
    path = curve(knots)
    assert path.shape == (13, 3)
    np.testing.assert_allclose(path[::4, :2], knots, atol=1e-12)
    np.testing.assert_allclose(moved(path, x=1, y=2, mirror=True)[0], [1, 2, 0])


def test_a_turned_head_carries_its_nose_further_than_its_ears() -> None:
    points = np.array([(0, 0, 15), (65, 0, 0), (0, 0, 0)], float)
    front, turned = FRONT.project(points), Pose(20, 0, 0, 1.0, (0, 0), 65, 100).project(points)
    np.testing.assert_allclose(front[0], [112, 112])
    nose, ear, skin = (turned - front)[:, 0]
    assert nose == pytest.approx(77 * math.sin(math.radians(20)))
    assert nose > skin > abs(ear)
    rolled = Pose(0, 0, 90, 2.0, (3, 4), 65, 100).project(points)
    np.testing.assert_allclose(rolled[1], [112 + 3, 112 + 130 + 4])  # clockwise: the right goes down
