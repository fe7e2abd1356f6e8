"""The traits of a subject, which stay the same from photo to photo.

Lengths are pixels of a 224x224 picture with a frontal face at scale 1.
"""

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

HAIR_STYLES = ("bald", "cropped", "short", "parted", "fringe", "bob", "long", "curly", "tied")
_HAIR_BOUNDS = (0.05, 0.18, 0.37, 0.52, 0.62, 0.73, 0.86, 0.94)  # cumulative shares of all but the last
_SKINS = ((0.62, 0.82), (0.45, 0.66), (0.3, 0.46))


@dataclass(frozen=True)
class Identity:
    """One subject.

    skin, hair_tone, iris, lip: brightness under full light, 0 black to 1 white (lip: as a share of skin).
    age: 0 (twenty) to 1 (eighty), deepens folds. width, crown, chin: half-width of the head, height above
    and below the middle of the face. jaw: 0 pointed to 1 square. cheek: fullness, -1 to 1.
    eye_gap, eye_line, eye_width, eye_open: half the distance of the pupils, height, half-width, opening.
    eye_slant, brow_slope: pixels by which the outer end is higher. brow_line: gap from eye to brow.
    brow_width: thickness. nose_length, nose_width: from eye line to base, half-width. mouth_line:
    height; mouth_width: half-width; mouth_slope: pixels by which resting corners are higher; lip_full:
    thickness, 0.5 to 1.5.
    hair: one of HAIR_STYLES; hairline: height of the top of the forehead; volume: how far hair stands off;
    part: -1 to 1 across the head. beard: 0 none to 1 dark. spectacles: 0 none, 1 thin, 2 dark frames;
    frame_round: 0 angular to 1 round.
    """

    skin: float
    hair_tone: float
    iris: float
    lip: float
    age: float
    width: float
    crown: float
    chin: float
    jaw: float
    cheek: float
    eye_gap: float
    eye_line: float
    eye_width: float
    eye_open: float
    eye_slant: float
    brow_slope: float
    brow_line: float
    brow_width: float
    nose_length: float
    nose_width: float
    mouth_line: float
    mouth_width: float
    mouth_slope: float
    lip_full: float
    hair: str
    hairline: float
    volume: float
    part: float
    beard: float
    spectacles: int
    frame_round: float


def sample_identity(rng: np.random.Generator) -> Identity:
    """A subject sampled from `rng`."""
    normal: Iterator[float] = iter(np.clip(rng.normal(size=20), -2.0, 2.0).tolist())
    even: Iterator[float] = iter(rng.random(20).tolist())

    def about(mean: float, spread: float) -> float:
        return mean + spread * next(normal)

    def within(low: float, high: float) -> float:
        return low + (high - low) * next(even)

    skin = within(*_SKINS[int(3 * next(even))])
    age = float(rng.beta(1.2, 2.4))
    fair, grey = skin > 0.5 and next(even) < 0.3, next(even) < age * age
    hair_tone = within(0.45, 0.85) if grey else within(0.2, 0.6) if fair else within(0.04, 0.2)
    hair = HAIR_STYLES[bisect(_HAIR_BOUNDS, next(even))]
    bearded = hair not in ("bob", "long", "tied") and next(even) < 0.22
    light_eyes = skin > 0.5 and next(even) < 0.5
    return Identity(
        skin=skin,
        hair_tone=hair_tone,
        iris=within(0.25, 0.5) if light_eyes else within(0.08, 0.22),
        lip=about(0.74, 0.06),
        age=age,
        width=about(65.0, 3.0),
        crown=about(101.0, 3.0),
        chin=about(88.0, 4.0),
        jaw=within(0.0, 1.0),
        cheek=about(0.0, 0.4),
        eye_gap=about(29.5, 1.6),
        eye_line=about(-15.0, 2.0),
        eye_width=about(15.5, 1.0),
        eye_open=about(11.5, 1.1),
        eye_slant=about(1.0, 1.2),
        brow_slope=about(1.0, 1.8),
        brow_line=about(18.0, 1.9),
        brow_width=about(5.0, 1.1),
        nose_length=about(43.0, 3.0),
        nose_width=about(14.5, 1.8),
        mouth_line=about(52.0, 2.2),
        mouth_width=about(24.0, 2.2),
        mouth_slope=about(1.5, 1.3),
        lip_full=about(1.0, 0.22),
        hair=hair,
        hairline=about(-69.0 - 8.0 * age, 4.0),
        volume=within(4.0, 11.0),
        part=within(0.1, 0.6) * (1.0 if next(even) < 0.5 else -1.0),
        beard=within(0.3, 1.0) if bearded else 0.0,
        spectacles=bisect((0.7, 0.85), next(even)),
        frame_round=within(0.0, 1.0),
    )
