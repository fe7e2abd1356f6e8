"""Who is drawn: the traits that stay with a subject from photo to photo.

Lengths are pixels of a 224x224 picture in which the face is seen from the front at scale 1.
"""

from dataclasses import dataclass

import numpy as np

HAIR_STYLES = ("bald", "cropped", "short", "parted", "fringe", "bob", "long", "curly", "tied")
_HAIR_SHARES = (0.05, 0.13, 0.19, 0.15, 0.10, 0.11, 0.13, 0.08, 0.06)


@dataclass(frozen=True)
class Identity:
    """One subject.

    skin, hair_tone, iris, lip: brightness under full light, 0 black to 1 white (lip: as a share of skin).
    age: 0 (twenty) to 1 (eighty), deepens folds. width, crown, chin: half-width of the head, height over and
    under the middle of the face. jaw: 0 pointed to 1 square. cheek: fullness, -1 to 1.
    eye_gap, eye_line, eye_width, eye_open: half distance of the pupils, height, half-width, opening.
    eye_slant, brow_slope: pixels by which the outer end stands higher. brow_line: gap from eye to brow.
    brow_width: thickness. nose_length, nose_width: from eye line to base, half-width. mouth_line:
    height; mouth_width: half-width; mouth_slope: pixels by which resting corners stand higher; lip_full: 0.5 to 1.5.
    hair: one of HAIR_STYLES; hairline: height of the forehead's upper end; volume: how far hair stands off;
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
    """A subject drawn from `rng`."""

    def about(mean: float, spread: float, reach: float = 2.0) -> float:
        return mean + spread * float(np.clip(rng.normal(), -reach, reach))

    skin = float(rng.choice((rng.uniform(0.62, 0.86), rng.uniform(0.45, 0.66), rng.uniform(0.3, 0.46))))
    age = float(rng.beta(1.2, 1.8))
    dark = rng.uniform(0.04, 0.2) if rng.random() < 0.7 or skin < 0.5 else rng.uniform(0.2, 0.6)
    hair_tone = float(dark if rng.random() > age * age else rng.uniform(0.45, 0.85))
    hair = HAIR_STYLES[int(np.searchsorted(np.cumsum(_HAIR_SHARES)[:-1], rng.random(), side="right"))]
    bearded = rng.random() < 0.22 and hair not in ("bob", "long", "tied")
    return Identity(
        skin=skin,
        hair_tone=hair_tone,
        iris=float(rng.uniform(0.08, 0.22) if skin < 0.5 or rng.random() < 0.5 else rng.uniform(0.25, 0.5)),
        lip=about(0.74, 0.06),
        age=age,
        width=about(65.0, 3.0),
        crown=about(101.0, 3.0),
        chin=about(88.0, 4.0),
        jaw=float(rng.uniform(0.0, 1.0)),
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
        mouth_slope=about(-0.5, 1.3),
        lip_full=about(1.0, 0.22),
        hair=hair,
        hairline=about(-66.0 - 8.0 * age, 4.0),
        volume=float(rng.uniform(4.0, 11.0)),
        part=float(rng.choice((-1.0, 1.0)) * rng.uniform(0.1, 0.6)),
        beard=float(rng.uniform(0.3, 1.0)) if bearded else 0.0,
        spectacles=int(rng.choice((0, 1, 2), p=(0.7, 0.15, 0.15))),
        frame_round=float(rng.uniform(0.0, 1.0)),
    )
