"""All parameters of one drawn face: its identity, its expression, and how the photo was taken."""

from bisect import bisect
from dataclasses import dataclass

import numpy as np

from fer_models.sketch.expression import Expression
from fer_models.sketch.identity import Identity

OCCLUSIONS = ("none", "hand", "lock", "scarf", "edge")
_OCCLUSION_BOUNDS = (0.86, 0.90, 0.94, 0.97)  # cumulative shares of all but the last


@dataclass(frozen=True)
class Scene:
    """How one face was photographed; nothing here depends on the emotion.

    yaw, pitch, roll: turn of the head in degrees, positive to the picture's right, down and clockwise.
    scale: size of the face, 1 fills the picture. shift: of the middle of the face, pixels (x, y).
    gaze: shift of the iris, pixels (x, y). azimuth, elevation: position of the lamp, degrees from the
    viewer to the right and upwards. ambient: share of ambient light. shine: gloss of the skin.
    exposure, contrast: factors. blur: Gaussian sigma in pixels. noise: standard deviation, 1 is white.
    backdrop, cloth: brightness. slope: change of the backdrop across the picture (x, y). glasses: worn in
    this photo. reflection: on their lenses. occlusion: one of OCCLUSIONS.
    """

    yaw: float
    pitch: float
    roll: float
    scale: float
    shift: tuple[float, float]
    gaze: tuple[float, float]
    azimuth: float
    elevation: float
    ambient: float
    shine: float
    exposure: float
    contrast: float
    blur: float
    noise: float
    backdrop: float
    cloth: float
    slope: tuple[float, float]
    glasses: bool
    reflection: float
    occlusion: str


@dataclass(frozen=True)
class FaceParameters:
    """All parameters of one face: its subject's name and identity, its expression, its scene."""

    subject: str
    identity: Identity
    expression: Expression
    scene: Scene


def sample_scene(identity: Identity, rng: np.random.Generator) -> Scene:
    """The scene of one photo of that subject, sampled from `rng`."""
    normal = np.clip(rng.normal(size=9), -2.2, 2.2).tolist()
    even = rng.random(12).tolist()
    occlusion = OCCLUSIONS[bisect(_OCCLUSION_BOUNDS, even[11])]
    if occlusion == "lock" and identity.hair in ("bald", "cropped"):
        occlusion = "hand"
    return Scene(
        yaw=9.0 * normal[0],
        pitch=5.0 * normal[1],
        roll=6.0 * normal[2],
        scale=1.04 + 0.055 * normal[3],
        shift=(5.0 * normal[4], 5.0 * normal[5] + 3.0),
        gaze=(1.8 * normal[6], 0.8 * normal[7]),
        azimuth=90.0 * even[0] - 45.0,
        elevation=55.0 * even[1] - 5.0,
        ambient=0.32 + 0.35 * even[2],
        shine=0.08 * even[3],
        exposure=1.1 + 0.32 * even[4],
        contrast=0.75 + 0.4 * even[5],
        blur=0.4 + 1.3 * even[6] ** 2,
        noise=0.006 + 0.035 * even[7] ** 2,
        backdrop=0.08 + 0.8 * even[8],
        cloth=0.08 + 0.75 * even[9],
        slope=(0.15 * normal[8], 0.3 * even[10] - 0.15),
        glasses=bool(identity.spectacles and rng.random() < 0.85),
        reflection=float(rng.random() ** 3),
        occlusion=occlusion,
    )
