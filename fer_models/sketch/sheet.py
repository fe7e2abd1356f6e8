"""A sheet of marks in face coordinates, and its projection onto a canvas.

Face coordinates are pixels of a frontal 224x224 face at scale 1: x right, y down, z out of the picture,
zero at the middle of the face. The head is an ellipsoid; a point (x, y, z) is z above its surface, so that
features turn with the head. portrait.py writes marks, drawing.py paints them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fer_models.sketch.drawing import DOME, FILL, LINE, SIZE, SPOT, paint

Point = Sequence[float]
_DEPTH = 62.0  # half depth of the head


@dataclass(frozen=True)
class Pose:
    """The pose of the head, and its half-width and half-height in pixels.

    yaw, pitch, roll: degrees, positive to the right, down and clockwise. scale: 1 fills the picture.
    shift: (x, y) in pixels.
    """

    yaw: float
    pitch: float
    roll: float
    scale: float
    shift: tuple[float, float]
    half_width: float
    half_height: float

    def project(self, points: np.ndarray) -> np.ndarray:
        """Screen coordinates (p, 2) of face points (p, 3)."""
        x, y = points[:, 0], points[:, 1]
        inside = 1 - (x / self.half_width) ** 2 - (y / self.half_height) ** 2
        z = _DEPTH * np.sqrt(np.maximum(inside, 0.0)) + points[:, 2]
        yaw, pitch, roll = math.radians(self.yaw), math.radians(self.pitch), math.radians(self.roll)
        x = x * (1 - 0.5 * (1 - math.cos(yaw))) + z * math.sin(yaw)
        y = y + z * math.sin(pitch)
        across = self.scale * (x * math.cos(roll) - y * math.sin(roll))
        down = self.scale * (x * math.sin(roll) + y * math.cos(roll))
        middle = SIZE / 2
        return np.stack([across + middle + self.shift[0], down + middle + self.shift[1]], axis=1)


@lru_cache
def _spline(knots: int, samples: int) -> np.ndarray:
    """Weights (samples, knots) of a Catmull-Rom curve through `knots` points."""
    weights = np.zeros((samples, knots))
    for row, place in enumerate(np.linspace(0, knots - 1, samples)):
        k = min(int(place), knots - 2)
        t = place - k
        around = [max(k - 1, 0), k, k + 1, min(k + 2, knots - 1)]
        shares = [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]
        for knot, share in zip(around, shares, strict=True):
            weights[row, knot] += share / 2
    return weights


def curve(points: Sequence[Point], samples: int = 0) -> np.ndarray:
    """A smooth curve (samples, 3) through points of two or three coordinates; 4 samples per span if 0."""
    knots = np.zeros((len(points), 3))
    knots[:, : len(points[0])] = points
    return _spline(len(points), samples or 4 * (len(points) - 1) + 1) @ knots


def curves(knots: np.ndarray, samples: int) -> np.ndarray:
    """Smooth curves (m, samples, 3) through knots (m, k, 3)."""
    return np.asarray(_spline(knots.shape[1], samples) @ knots)


def moved(
    path: np.ndarray, *, x: float = 0.0, y: float = 0.0, z: float = 0.0, mirror: bool = False
) -> np.ndarray:
    """The path (p, 3) shifted, or mirrored left to right first."""
    return path * (-1.0 if mirror else 1.0, 1.0, 1.0) + (x, y, z)


class Sheet:
    """Marks in the order of painting."""

    def __init__(self) -> None:
        self._points: list[np.ndarray] = []
        self._marks: list[tuple[float, ...]] = []

    def fill(
        self,
        *borders: np.ndarray,
        tone: float,
        opacity: float = 1.0,
        relief: float = 0.0,
        keep: bool = False,
        clip: bool = False,
    ) -> None:
        """Fill the outline made of the borders in sequence; keep it as stencil, or clip to the stencil."""
        self._points.append(np.concatenate(borders))
        self._marks.append((FILL, tone, opacity, relief, 0, 0, 0, 0, keep, clip))

    def line(
        self,
        path: np.ndarray,
        width: float | tuple[float, float, float],
        tone: float,
        opacity: float = 1.0,
        *,
        relief: float = 0.0,
        soft: float = 1.0,
        clip: bool = False,
    ) -> None:
        """Draw along the path; width at start, middle and end; `soft`: border in pixels."""
        widths = width if isinstance(width, tuple) else (width, width, width)
        self._points.append(path)
        self._marks.append((LINE, tone, opacity, relief, *widths, soft, False, clip))

    def spot(
        self,
        at: Point,
        half: tuple[float, float],
        tone: float,
        opacity: float = 1.0,
        *,
        tilt: float = 0.0,
        relief: float = 0.0,
        clip: bool = False,
    ) -> None:
        """A soft ellipse with the half-axes `half`, rotated by `tilt` degrees."""
        x, y, z = at if len(at) == 3 else (*at, 0.0)
        c, s = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
        tips = ((x, y, z), (x + half[0] * c, y + half[0] * s, z), (x - half[1] * s, y + half[1] * c, z))
        self._points.append(np.array(tips))
        self._marks.append((SPOT, tone, opacity, relief, 0, 0, 0, 0, False, clip))

    def head(self, widths: np.ndarray, crown: float, chin: float, tone: float, depth: float) -> None:
        """The head: half-widths at even steps from `crown` above the middle to `chin` below it."""
        body = np.zeros((3 + len(widths), 3))
        body[1, 1], body[2, 0], body[3:, 0] = -crown, crown + chin, widths
        self._points.append(body)
        self._marks.append((DOME, tone, 1.0, depth, 0, 0, 0, 0, False, False))

    def paint(self, pose: Pose, tone: np.ndarray) -> np.ndarray:
        """Paint all marks over the background `tone` (224, 224), in place; returns relief (224, 224)."""
        ends = np.cumsum([len(own) for own in self._points])
        marks = np.array(self._marks, dtype=np.float64)
        points = np.concatenate(self._points)
        screen = pose.project(points)
        for dome in np.flatnonzero(marks[:, 0] == DOME):
            start = ends[dome - 1] if dome else 0
            flat = points[start : start + 2] * pose.scale  # the outline does not turn with the features
            c, s = math.cos(math.radians(pose.roll)), math.sin(math.radians(pose.roll))
            screen[start : start + 2, 0] = flat[:, 0] * c - flat[:, 1] * s
            screen[start : start + 2, 1] = flat[:, 0] * s + flat[:, 1] * c
            screen[start : start + 2] += SIZE / 2 + np.array(pose.shift)
            screen[start + 2 : ends[dome]] = points[start + 2 : ends[dome], :2] * pose.scale
        marks[:, 3:8] *= pose.scale
        relief = np.zeros((SIZE, SIZE), np.float32)
        paint(screen, ends, marks, tone, relief)
        return relief
