"""Views: the plan that balances the training classes, and the pixels of each view.

View 0 of a photo is the photo itself; views 1, 2 ... are seeded variations of it (mirror, small rotation,
shift and scale, brightness and contrast), for training photos only. Pixels are made one view at a time; at
most one photo is in memory.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fer_models.config import SPLITS
from fer_models.data import cameras
from fer_models.data.images import ImageTable
from fer_models.photos.scan import read_photo
from fer_models.seeding import stream

DEGREES = 10.0
SHIFT = 0.06
SCALE = (0.9, 1.1)
TONE = 0.2  # brightness and contrast, each way
_ENOUGH = 2  # times the size: reading a photo larger would not improve the resized one
_MOST_VIEWS = 2**31  # of one photo
_MARGIN = 0.27  # of the size: how far a view may extend past the photo's edge, which is repeated there


@dataclass(frozen=True)
class ViewPlan:
    """The rows of the feature matrix, in order: training views (in table order of their photos, the views of
    a photo adjacent), then validation photos, then test photos.
    """

    photos: np.ndarray  # (m,) int64, row in the ImageTable
    views: np.ndarray  # (m,) int64, number of the view, 0 = the photo itself
    cameras: np.ndarray | None = None  # (m,) int64, number of the camera that took it; -1, or None: none
    camera_seed: int | None = None  # of the cameras' styles and noise; None: that of the views

    def __len__(self) -> int:
        return len(self.photos)

    def __add__(self, other: "ViewPlan") -> "ViewPlan":
        """The rows of both, those of `other` last."""
        both = ((self.photos, other.photos), (self.views, other.views), (self._taken_by, other._taken_by))
        photos, views, cameras = (np.concatenate(parts) for parts in both)
        seed = self.camera_seed if other.camera_seed is None else other.camera_seed
        return ViewPlan(photos, views, cameras, seed)

    @property
    def _taken_by(self) -> np.ndarray:
        return np.full(len(self), -1) if self.cameras is None else self.cameras

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, int, int]]:
        """Photo, view and camera (-1: none) of rows start..stop."""
        parts = (self.photos, self.views, self._taken_by)
        return zip(*(part[start:stop].tolist() for part in parts), strict=True)

    def rows_in(self, other: "ViewPlan") -> np.ndarray:
        """The index of each row of this plan in `other`, which has them all: (m,) int64."""
        theirs = _numbers(other.photos, other.views)
        order = np.argsort(theirs)
        rows: np.ndarray = order[np.searchsorted(theirs, _numbers(self.photos, self.views), sorter=order)]
        return rows


def plan_views(table: ImageTable, balance: int, *, seed: int) -> ViewPlan:
    """`balance` training views of each class, or for 0 every training photo unchanged.

    A class with fewer photos adds views of its photos in turn, in a seeded order; a class with more keeps
    the first of that order. So a plan contains every plan with a smaller balance (except 0).
    """
    photos, views = [], []
    for c, name in enumerate(table.classes):
        rows = np.flatnonzero((table.split == 0) & (table.labels == c))
        if balance and len(rows):
            order = stream(seed, "balance", name).permutation(rows)
            turn = np.arange(balance)
            photos.append(order[turn % len(rows)])
            views.append(turn // len(rows))
        else:
            photos.append(rows)
            views.append(np.zeros(len(rows), dtype=np.int64))
    return planned(table, np.concatenate(photos), np.concatenate(views))


def planned(table: ImageTable, photo: np.ndarray, view: np.ndarray) -> ViewPlan:
    """The plan of these training views, (n,) photos and numbers of the view in any order, and the held-out
    photos.
    """
    order = np.lexsort((view, photo))
    held_out = [np.flatnonzero(table.split == part) for part in (1, 2)]
    photo = np.concatenate([photo[order], *held_out]).astype(np.int64)
    view = np.concatenate([view[order], *(np.zeros_like(rows) for rows in held_out)]).astype(np.int64)
    return ViewPlan(photo, view)


def joined_plan(table: ImageTable, plans: Sequence[ViewPlan]) -> ViewPlan:
    """The union of `plans` of the table: one matrix serves them all. All have the same camera for a photo."""
    parts, cameras, seed = [], np.full(len(table), -1), None
    for plan in plans:
        if plan.cameras is not None:
            cameras[plan.photos], seed = plan.cameras, plan.camera_seed
    for part in range(len(SPLITS)):
        chosen = [table.split[plan.photos] == part for plan in plans]
        rows = [_numbers(p.photos[c], p.views[c]) for p, c in zip(plans, chosen, strict=True)]
        parts.append(np.unique(np.concatenate(rows)))
    photos, views = np.divmod(np.concatenate(parts), _MOST_VIEWS)
    return ViewPlan(photos, views, cameras[photos] if (cameras >= 0).any() else None, seed)


def union(plans: Sequence[ViewPlan]) -> ViewPlan:
    """Every view of `plans`, each once, by photo and view, whatever part of a split it is in."""
    rows = np.unique(np.concatenate([_numbers(plan.photos, plan.views) for plan in plans]))
    return ViewPlan(*np.divmod(rows, _MOST_VIEWS))


def _numbers(photos: np.ndarray, views: np.ndarray) -> np.ndarray:
    """One number for each view, in the order of rows."""
    return np.asarray(photos * _MOST_VIEWS + views)


def views(
    table: ImageTable, plan: ViewPlan, size: int, *, seed: int, start: int = 0, stop: int | None = None
) -> Iterator[np.ndarray]:
    """The pixels of rows start..stop of the plan, in order, uint8 (1 or 3, size, size) each.

    A photo is read once for its adjacent views. Any slicing of the rows gives the same pixels.
    """
    last, canvas = -1, None
    shot = seed if plan.camera_seed is None else plan.camera_seed
    for photo, view, camera in plan.rows(start, stop):
        if canvas is None or photo != last:
            last, canvas = photo, _Canvas(table.reader(photo, _ENOUGH * size), size)
        pixels = canvas.view(view, _rng(table, photo, view, seed))
        if camera >= 0:
            rng = stream(shot, "shot", camera, table.digests[photo], view)
            pixels = cameras.shoot(pixels, cameras.camera(camera, seed=shot), rng)
        yield pixels


def view_pixels(table: ImageTable, photo: int, view: int, size: int, *, seed: int) -> np.ndarray:
    """The pixels of one view, uint8 (1 or 3, size, size); the same as `views` gives."""
    return render(table.reader(photo, _ENOUGH * size), size, view, _rng(table, photo, view, seed))


def photo_pixels(path: str, size: int) -> np.ndarray:
    """View 0 of a photo file, uint8 (1 or 3, size, size): what a head is trained, evaluated and used on.

    Raises what `read_photo` raises.
    """
    return render(read_photo(path, _ENOUGH * size), size, 0, None)


def render(photo: Image.Image, size: int, view: int, rng: np.random.Generator | None) -> np.ndarray:
    """A view of a photo of mode "L" or "RGB", uint8 (1 or 3, size, size).

    The photo is resized to a square (antialiased, ignoring its aspect ratio); view 0 is just that and does
    not use `rng`, any other view samples its variation from it. Past the photo's edges its border pixels
    are repeated.
    """
    return _Canvas(photo, size).view(view, rng)


def _rng(table: ImageTable, photo: int, view: int, seed: int) -> np.random.Generator | None:
    return stream(seed, "augment", table.digests[photo], view) if view else None


class _Canvas:
    """A resized photo, with the padded copy from which its views are cut (made when first needed)."""

    def __init__(self, photo: Image.Image, size: int) -> None:
        if photo.size != (size, size):
            photo = photo.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=3.0)
        self.size = size
        self.photo = photo
        self.wide: Image.Image | None = None
        self.mean = 0.0

    def view(self, view: int, rng: np.random.Generator | None) -> np.ndarray:
        if view == 0:
            return _channels_first(self.photo)
        if rng is None:
            raise ValueError(f"view {view} is random: a generator is needed")
        if self.wide is None:
            self._widen()
        draws = rng.random(7)  # one call, in this order: mirror, angle, shifts, scale, brightness, contrast
        affine = self._affine(draws)
        assert self.wide is not None
        image = self.wide.transform(
            (self.size, self.size), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR
        )
        return _channels_first(image.point(self._tones(draws) * len(image.getbands())))

    def _widen(self) -> None:
        pixels = np.asarray(self.photo)
        margin = math.ceil(_MARGIN * self.size) + 1
        edges = ((margin, margin), (margin, margin), (0, 0))
        self.wide = Image.fromarray(np.pad(pixels, edges[: pixels.ndim], mode="edge"))
        self.mean = float(pixels.mean())

    def _affine(self, draws: np.ndarray) -> tuple[float, ...]:
        """The map from the view to the padded photo: mirror, rotate and scale about its centre, shift."""
        mirror = -1.0 if draws[0] < 0.5 else 1.0
        angle = math.radians(DEGREES) * (2 * draws[1] - 1)
        shift_x, shift_y = (SHIFT * self.size * (2 * draw - 1) for draw in draws[2:4])
        scale = SCALE[0] + (SCALE[1] - SCALE[0]) * draws[4]
        cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
        middle = self.size / 2
        wide = middle + math.ceil(_MARGIN * self.size) + 1
        a, b, d, e = mirror * cos, sin, -mirror * sin, cos
        return a, b, wide + shift_x - (a + b) * middle, d, e, wide + shift_y - (d + e) * middle

    def _tones(self, draws: np.ndarray) -> list[int]:
        """Brightness times contrast about the photo's mean, for each of the 256 values."""
        brightness, contrast = (1 + TONE * (2 * draws[5:7] - 1)).tolist()
        values = brightness * (self.mean + contrast * (np.arange(256) - self.mean))
        levels: list[int] = np.rint(values).clip(0, 255).astype(int).tolist()
        return levels


def _channels_first(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
