"""The hair of a drawn face: how it falls around the head, strand by strand, and beards.

As in portrait.py, each function adds marks in face coordinates (sheet.py); none depends on the expression.
"""

import math
from dataclasses import dataclass

import numpy as np

from fer_models.sketch.identity import Identity
from fer_models.sketch.sheet import Sheet, curve, curves, moved

# How far below the eyes hair hangs behind the neck, in pixels; other styles: it does not.
_HANGS = {"bob": 66, "long": 140, "curly": 48}
# Factors of the subject's volume, for styles that stand off more or less.
_STANDS = {"cropped": 0.25, "curly": 1.9, "tied": 0.4}
_PARTED = ("parted", "long", "bob")


@dataclass(frozen=True)
class Hair:
    """Hair in one photo.

    outer (25, 3): its border around the head from left to right; inner (m, 3): the hairline from left to
    right; crown: the points (front, back) between which parted strands start.
    """

    outer: np.ndarray
    inner: np.ndarray
    crown: tuple[np.ndarray, np.ndarray]


def lay_hair(who: Identity, rng: np.random.Generator) -> Hair:
    """How the hair of `who` falls in one photo."""
    stand = who.volume * _STANDS.get(who.hair, 1.0)
    w, line, part = who.width, who.hairline, who.part
    angles = np.linspace(-1.57, 1.57, 25)
    sine, cosine = np.sin(angles), np.cos(angles)
    loose = rng.normal(0.0, {"tied": 0.0, "cropped": 0.3, "curly": 2.6}.get(who.hair, 1.1), 25)
    outer = np.zeros((25, 3))
    sides = 0.75 * stand * (1.0 if who.hair in _HANGS else 0.25 + 0.75 * cosine)
    outer[:, 0] = (w + sides + loose) * np.sign(sine) * np.abs(sine) ** 0.85
    outer[:, 1] = -(who.crown + stand + loose) * cosine**0.85 - 6
    burn = 6 if who.hair in _HANGS else -10
    if who.hair == "fringe" or (who.hair == "bob" and part > 0):
        low = who.eye_line - who.brow_line - 9
        knots = [
            (-0.9 * w, low + 26),
            (-0.66 * w, low + 4),
            (0, low - 2),
            (0.66 * w, low + 4),
            (0.9 * w, low + 26),
        ]
    elif who.hair in _PARTED:
        far = -math.copysign(1, part)
        knots = [(-0.93 * w * far, line + 34), (part * w - 12 * far, line - 4), (part * w, line - 15),
                 (part * w + 0.55 * w * far, line + 7), (0.93 * w * far, line + 40)]  # fmt: skip
        knots.sort()
    else:
        peak = 3 + 6 * abs(part)
        knots = [
            (-0.9 * w, line + 34),
            (-0.62 * w, line + 4),
            (0, line + peak),
            (0.62 * w, line + 4),
            (0.9 * w, line + 34),
        ]
    inner = curve([(-w, burn), *knots, (w, burn)])
    front = np.array([part * w, line - 13, 0.0])
    back = np.array([0.7 * part * w, -who.crown - stand + 3, 0.0])
    return Hair(outer, inner, (front, back))


def add_hanging_hair(sheet: Sheet, who: Identity, hair: Hair, rng: np.random.Generator) -> None:
    """Hair that hangs behind the head and the neck."""
    hangs = _HANGS.get(who.hair, 0)
    if not hangs:
        return
    low, w, flare = who.eye_line + hangs, float(hair.outer[-1, 0]), 8 if who.hair == "long" else 3
    left = curve([(-0.35 * w, low + 4), (-0.9 * w, low + 2), (-w - flare, 0.6 * low), (-w - 1, -30)])
    sheet.fill(left, hair.outer, moved(left[::-1], mirror=True), tone=0.75 * who.hair_tone, keep=True)
    x = np.linspace(-1.02, 1.02, 30) + rng.normal(0, 0.02, 30)
    knots = np.zeros((30, 4, 3))
    wave = (7.0 if who.hair == "curly" else 2.0) * rng.normal(size=(30, 4))
    knots[..., 0] = x[:, None] * np.array([0.92 * w, w, w + flare, 0.95 * w]) + wave
    knots[..., 1] = np.linspace(-60, low + 4, 4)
    for path, shade in zip(curves(knots, 8), rng.normal(0.8, 0.22, 30).tolist(), strict=True):
        sheet.line(path, (2.0, 3.5, 1.0), max(0.02, who.hair_tone * shade), 0.55, soft=2.5, clip=True)


def add_hair(sheet: Sheet, who: Identity, hair: Hair, rng: np.random.Generator) -> None:
    """Hair over the head."""
    if who.hair == "bald":
        return
    tone, dense = who.hair_tone, 0.75 if who.hair == "cropped" else 1.0
    sheet.fill(hair.outer, hair.inner[::-1], tone=0.9 * tone, opacity=dense, relief=2, keep=True)
    strands = 64
    f = (np.arange(strands) + 0.5) / strands
    jitter = rng.normal(size=(strands, 4))
    end = hair.inner[(f * len(hair.inner)).astype(int)]
    edge = hair.outer[(f * 25).astype(int)]
    if who.hair in _PARTED:
        near = np.abs(f - np.argmin(np.abs(hair.inner[:, 0] - hair.crown[0][0])) / len(hair.inner))[:, None]
        start = hair.crown[0] + np.minimum(1, 2.2 * near) * (hair.crown[1] - hair.crown[0])
        middle = 0.5 * edge + 0.25 * (start + end)
    else:
        start = hair.outer[np.clip((0.5 + 0.8 * (f - 0.5) + 0.1 * who.part) * 25, 0, 24).astype(int)]
        middle = 0.15 * edge + 0.425 * (start + end)
    wave = 6.0 if who.hair == "curly" else 1.3
    middle = middle + wave * jitter[:, :1] * [1, 0, 0] + wave * jitter[:, 1:2] * [0, 1, 0]
    end = end + (1.0 + 1.6 * jitter[:, 3:]) * [0.3, 1, 0]
    shades = np.clip(tone * (1 + 0.2 * jitter[:, 2]) + 0.03 * jitter[:, 3], 0.02, 1).tolist()
    for path, shade in zip(curves(np.stack([start, middle, end], axis=1), 6), shades, strict=True):
        sheet.line(path, (1.5, 2.8, 0.8), shade, 0.6 * dense, soft=2, relief=0.5)
    gloss = curve(
        [(-0.5 * who.width, -who.crown * 0.8), (0, -who.crown * 0.92), (0.5 * who.width, -who.crown * 0.8)]
    )
    sheet.line(gloss, (2, 8, 2), min(1.0, tone + 0.25), 0.25, soft=10, clip=True)
    if who.hair == "curly":
        for place, (x, y, shade) in zip(
            rng.integers(2, 23, 40), rng.normal(size=(40, 3)).tolist(), strict=True
        ):
            at = hair.outer[place]
            curl = min(1.0, max(0.02, tone * (1 + 0.3 * shade)))
            sheet.spot((at[0] * 0.95 + 3 * x, at[1] * 0.95 + 3 * y), (8, 8), curl, 0.8, relief=3)


def add_beard(sheet: Sheet, who: Identity, drop: float) -> None:
    """Stubble or beard around the mouth, lowered with the jaw by `drop` pixels."""
    if not who.beard:
        return
    tone = 0.75 * who.hair_tone + 0.1 * who.skin
    w, chin, low = who.width, who.chin + 0.75 * drop, 74 + 0.6 * drop
    right = [(0.6 * w, low), (0.9 * w, 40), (0.97 * w, 4)]
    outer = curve([*[(-x, y) for x, y in right[::-1]], (0, chin - 1), *right])
    left = [(-0.4 * w, 42), (-0.72 * w, 36), (-0.86 * w, 8)]
    inner = curve([*[(-x, y) for x, y in left[::-1]], (0, 33), *left])
    for shrink in (1.0, 0.96, 0.92):  # three layers give a soft border
        sheet.fill(outer * [shrink, 1, 1], moved(inner, y=2.5 * (1 - shrink) * 25), tone=tone,
                   opacity=0.1 + 0.32 * who.beard)  # fmt: skip
