"""Painting: lines, filled outlines, soft spots and a head on a canvas of tone and relief, and its lighting.

The last step of the embedded face set (portrait.py makes the marks, render.py draws a face). A mark changes
two layers: `tone`, the brightness of the surface, and `relief`, its height in pixels. Shading follows from
the slope of the relief, so a groove looks right under every lamp. Kernels run on one thread in a fixed order,
so the same marks give the same bits under any machine load.
"""

import math

import numpy as np
from numba import njit

SIZE = 224
FILL, LINE, SPOT, DOME = 0, 1, 2, 3
_kernel = njit(cache=True, nogil=True, error_model="numpy")


@_kernel
def _box(points: np.ndarray, margin: float) -> tuple[int, int, int, int]:
    """First and one-past-last row and column that points widened by `margin` can touch."""
    top = max(0, int(points[:, 1].min() - margin))
    bottom = min(SIZE, int(points[:, 1].max() + margin) + 2)
    left = max(0, int(points[:, 0].min() - margin))
    right = min(SIZE, int(points[:, 0].max() + margin) + 2)
    return top, bottom, left, right


@_kernel
def _cover_fill(cover: np.ndarray, points: np.ndarray) -> tuple[int, int, int, int]:
    """Coverage of a closed outline (even-odd): four scan lines a row, exact along the row."""
    top, bottom, left, right = _box(points, 0.0)
    crossings = np.empty((4 * max(0, bottom - top), 16))
    counts = np.zeros(len(crossings), np.int64)
    for a in range(len(points)):
        x0, y0 = points[a - 1]
        x1, y1 = points[a]
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        # Scan line k of the box is at y = top + (k + 0.5) / 4 - 0.5.
        first = max(0, math.ceil((y0 - top) * 4 + 1.5))
        for k in range(first, min(len(crossings), math.ceil((y1 - top) * 4 + 1.5))):
            place = counts[k]
            if place == 16:
                continue
            x = x0 + (top + (k + 0.5) / 4 - 0.5 - y0) * (x1 - x0) / (y1 - y0) + 0.5
            while place > 0 and crossings[k, place - 1] > x:
                crossings[k, place] = crossings[k, place - 1]
                place -= 1
            crossings[k, place] = x
            counts[k] += 1
    for k in range(len(crossings)):
        row = cover[top + k // 4]
        for pair in range(0, counts[k] - 1, 2):
            start, stop = max(crossings[k, pair], float(left)), min(crossings[k, pair + 1], float(right))
            if stop <= start:
                continue
            begin, end = int(start), int(stop)
            for x in range(begin, min(end, right)):
                row[x] += 0.25
            row[begin] -= 0.25 * (start - begin)
            if end < right:
                row[end] += 0.25 * (stop - end)
    return top, bottom, left, right


@_kernel
def _cover_line(
    cover: np.ndarray, points: np.ndarray, widths: np.ndarray, soft: float
) -> tuple[int, int, int, int]:
    """Coverage of a line whose width goes from widths[0] via widths[1] to widths[2], with soft borders."""
    last = len(points) - 1
    reach = (max(widths) + soft) / 2
    sharp = 1 / soft
    for a in range(last):
        x0, y0 = points[a]
        dx, dy = points[a + 1, 0] - x0, points[a + 1, 1] - y0
        top = max(0, int(y0 + min(0.0, dy) - reach))
        bottom = min(SIZE, int(y0 + max(0.0, dy) + reach) + 2)
        left = max(0, int(x0 + min(0.0, dx) - reach))
        right = min(SIZE, int(x0 + max(0.0, dx) + reach) + 2)
        inverse = 1 / max(dx * dx + dy * dy, 1e-9)
        for y in range(top, bottom):
            for x in range(left, right):
                along = min(1.0, max(0.0, ((x - x0) * dx + (y - y0) * dy) * inverse))
                far = (x0 + along * dx - x) ** 2 + (y0 + along * dy - y) ** 2
                if far >= reach * reach:
                    continue
                far = math.sqrt(far)
                t = (a + along) * 2 / last
                w = widths[0] + t * (widths[1] - widths[0])
                if t > 1:
                    w = widths[1] + (t - 1) * (widths[2] - widths[1])
                share = min(1.0, max(0.0, (w / 2 + soft / 2 - far) * sharp)) * min(1.0, w + 0.25)
                share = share * share * (3 - 2 * share)
                cover[y, x] = max(cover[y, x], share)
    box: tuple[int, int, int, int] = _box(points, reach)
    return box


@_kernel
def _cover_spot(cover: np.ndarray, points: np.ndarray) -> tuple[int, int, int, int]:
    """Coverage of a soft ellipse: centre, tip of the first half axis, tip of the second."""
    cx, cy = points[0]
    ax, ay = points[1, 0] - cx, points[1, 1] - cy
    bx, by = points[2, 0] - cx, points[2, 1] - cy
    reach = math.sqrt(max(ax * ax + bx * bx, ay * ay + by * by))
    top, bottom, left, right = _box(points[:1], reach)
    flat = ax * by - ay * bx
    if abs(flat) < 1e-6:
        return 0, 0, 0, 0
    ax, ay, bx, by = ax / flat, ay / flat, bx / flat, by / flat
    for y in range(top, bottom):
        for x in range(left, right):
            u = (x - cx) * by - (y - cy) * bx
            v = (y - cy) * ax - (x - cx) * ay
            rest = max(0.0, 1 - u * u - v * v)
            cover[y, x] = rest * rest
    return top, bottom, left, right


@_kernel
def _cover_dome(
    cover: np.ndarray, relief: np.ndarray, points: np.ndarray, depth: float
) -> tuple[int, int, int, int]:
    """Coverage and relief of a head: points hold its centre, its crown, then half-widths from crown to chin.

    points[2] is (length crown to chin, 0); every later row is (half-width, 0), at even steps downwards.
    """
    cx, cy = points[0]
    ux, uy = cx - points[1, 0], cy - points[1, 1]
    above = math.sqrt(ux * ux + uy * uy)
    ux, uy = ux / above, uy / above
    tall = points[2, 0]
    steps = len(points) - 4
    pace = steps / tall
    wide = points[3:, 0].max()
    top, bottom, left, right = _box(points[:1], tall)
    for y in range(top, bottom):
        middle = cx + (y - cy) * ux / uy
        reach = (wide + 1) / uy
        for x in range(max(left, int(middle - reach)), min(right, int(middle + reach) + 2)):
            down = (x - points[1, 0]) * ux + (y - points[1, 1]) * uy
            across = (x - cx) * uy - (y - cy) * ux
            place = down * pace
            if place <= 0 or place >= steps:
                continue
            k = int(place)
            half = points[3 + k, 0] + (place - k) * (points[4 + k, 0] - points[3 + k, 0])
            cover[y, x] = min(1.0, max(0.0, half - abs(across) + 0.5))
            if cover[y, x] > 0:
                side = min(1.0, (across / half) ** 2)
                rise = min(1.0, (2 * down / tall - 1) ** 2)
                relief[y, x] = depth * (1 - side * (0.6 + 0.4 * side)) * (1 - rise * (0.4 + 0.6 * rise))
    return top, bottom, left, right


@_kernel
def paint(
    points: np.ndarray, ends: np.ndarray, marks: np.ndarray, tone: np.ndarray, relief: np.ndarray
) -> None:
    """Put marks on the canvas, in order.

    points (p, 2): screen coordinates of all marks; ends (m,): where each mark's points end; tone and relief
    (224, 224) are changed in place. A row of marks (m, 10): kind, tone, opacity, relief, three widths, soft
    border, 1 to keep the coverage as the stencil, 1 to paint inside the stencil only.
    """
    cover = np.zeros((SIZE, SIZE), np.float32)
    stencil = np.zeros((SIZE, SIZE), np.float32)
    start = 0
    for m in range(len(marks)):
        own = points[start : ends[m]]
        start = ends[m]
        kind, value, opacity, height = int(marks[m, 0]), marks[m, 1], marks[m, 2], marks[m, 3]
        if kind == FILL:
            top, bottom, left, right = _cover_fill(cover, own)
        elif kind == LINE:
            top, bottom, left, right = _cover_line(cover, own, marks[m, 4:7], marks[m, 7])
        elif kind == SPOT:
            top, bottom, left, right = _cover_spot(cover, own)
        else:
            top, bottom, left, right = _cover_dome(cover, relief, own, height)
            height = 0.0
        keep, clip = marks[m, 8] > 0, marks[m, 9] > 0
        if keep:
            stencil[:] = 0
        for y in range(top, bottom):
            for x in range(left, right):
                share = cover[y, x]
                if share == 0:
                    continue
                cover[y, x] = 0
                if keep:
                    stencil[y, x] = share
                if clip:
                    share *= stencil[y, x]
                tone[y, x] += (value - tone[y, x]) * share * opacity
                relief[y, x] += height * share


@_kernel
def light(tone: np.ndarray, relief: np.ndarray, lamp: np.ndarray, ambient: float, shine: float) -> np.ndarray:
    """Brightness (224, 224) of the surface under a distant lamp.

    lamp (3,): unit vector to the lamp, x right, y down, z to the viewer; ambient: share of ambient light;
    shine: brightness of the gloss.
    """
    lit = np.empty((SIZE, SIZE), np.float32)
    for y in range(SIZE):
        for x in range(SIZE):
            dx = (relief[y, min(x + 1, SIZE - 1)] - relief[y, max(x - 1, 0)]) / 2
            dy = (relief[min(y + 1, SIZE - 1), x] - relief[max(y - 1, 0), x]) / 2
            facing = (lamp[2] - dx * lamp[0] - dy * lamp[1]) / math.sqrt(1 + dx * dx + dy * dy)
            facing = max(0.0, facing)
            lit[y, x] = tone[y, x] * (ambient + (1 - ambient) * facing) + shine * facing**12
    return lit


@_kernel
def expose(
    lit: np.ndarray, grain: np.ndarray, blur: float, gain: float, contrast: float, noise: float
) -> np.ndarray:
    """The photo, uint8 (224, 224): Gaussian blur (sigma in pixels), exposure, contrast, noise.

    grain, uint8 (2, 224, 224): two uniform samples per pixel; their sum, centred and divided by its standard
    deviation of 104, is the pixel's noise, scaled to the standard deviation `noise`, 1 being white.
    """
    reach = math.ceil(2.5 * blur)
    taps = np.empty(2 * reach + 1, np.float32)
    for k in range(-reach, reach + 1):
        taps[k + reach] = math.exp(-0.5 * (k / max(blur, 1e-3)) ** 2)
    taps /= taps.sum()
    rows = np.zeros((SIZE, SIZE), np.float32)
    photo = np.empty((SIZE, SIZE), np.uint8)
    for y in range(SIZE):
        for k in range(-reach, reach + 1):
            source = lit[min(SIZE - 1, max(0, y + k))]
            for x in range(SIZE):
                rows[y, x] += taps[k + reach] * source[x]
    wide = np.empty(SIZE + 2 * reach, np.float32)
    for y in range(SIZE):
        wide[:reach], wide[reach + SIZE :] = rows[y, 0], rows[y, SIZE - 1]
        wide[reach : reach + SIZE] = rows[y]
        for x in range(SIZE):
            value = np.float32(0.0)
            for k in range(2 * reach + 1):
                value += taps[k] * wide[x + k]
            speck = (np.float32(grain[0, y, x]) + np.float32(grain[1, y, x]) - 255) / 104
            bright = float(0.5 + contrast * (gain * value - 0.5) + noise * speck)
            photo[y, x] = int(255 * min(1.0, max(0.0, bright)) + 0.5)
    return photo
