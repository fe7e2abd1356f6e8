"""The embedded face set: faces drawn by parameters, without a download and without a model.

It stands where a folder of photos stands: images.py turns either into a table. A face is a pure function of
the seed, its number, its emotion and its subject: identity.py says who, expression.py what the face does,
this file how it was photographed; studio.py draws it. These are drawings: they try the machinery out and say
nothing about people (docs/sketch.md).
"""

import hashlib
from bisect import bisect
from dataclasses import dataclass

import numpy as np

from fer_models.seeding import stream
from fer_models.sketch.expression import Expression, sample_expression
from fer_models.sketch.identity import Identity, sample_identity

# Part of every digest: a new number when the same parameters give other pixels.
DRAWING_VERSION = 1
# Shares of the emotions in the order of emotions.EMOTIONS: uneven like photos, none too rare to learn.
SHARES = (0.11, 0.04, 0.07, 0.08, 0.23, 0.25, 0.12, 0.10)
OCCLUSIONS = ("none", "hand", "lock", "scarf", "edge")
_OCCLUSION_BOUNDS = (0.86, 0.90, 0.94, 0.97)  # cumulated shares of all but the last


@dataclass(frozen=True)
class Scene:
    """How one face was photographed; nothing here depends on the emotion.

    yaw, pitch, roll: turn of the head in degrees, positive to the picture's right, down and clockwise.
    scale: size of the face, 1 fills the picture. shift: of the middle of the face, pixels (x, y).
    gaze: of the iris, pixels (x, y). azimuth, elevation: where the lamp stands, degrees from the
    viewer to the right and upwards. ambient: share of light without direction. shine: gloss of the skin.
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
    """Everything that shapes one face: its subject's name and identity, its expression, its scene."""

    subject: str
    identity: Identity
    expression: Expression
    scene: Scene


def _sample_scene(identity: Identity, rng: np.random.Generator) -> Scene:
    """How a photo of that subject was taken."""
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


class SketchSet:
    """A set of drawn faces; the same arguments give the same pixels, whatever is drawn in whatever order.

    emotions (faces,) int64: indices into emotions.EMOTIONS, in the shares SHARES. subject_ids (faces,) str:
    "p0007"; subjects have uneven numbers of faces, each at least one.
    """

    def __init__(self, faces: int, subjects: int, seed: int) -> None:
        """A set of `faces` photos (at least `subjects`) of `subjects` people (at least 1)."""
        self.faces, self.subjects, self.seed = faces, subjects, seed
        rng = stream(seed, "sketch")
        quota = np.floor(np.cumsum(SHARES) * faces + 0.5).astype(np.int64)
        self.emotions = rng.permutation(np.searchsorted(quota, np.arange(faces), side="right").clip(max=7))
        weights = rng.lognormal(0.0, 0.7, subjects)
        photos = 1 + rng.multinomial(faces - subjects, weights / weights.sum())
        self._owners = rng.permutation(np.repeat(np.arange(subjects), photos))
        digits = max(4, len(str(subjects - 1)))
        self.subject_ids = np.array([f"p{k:0{digits}d}" for k in range(subjects)])[self._owners]

    def parameters(self, face: int) -> FaceParameters:
        """What shapes face number `face`."""
        identity = sample_identity(stream(self.seed, "sketch", "subject", int(self._owners[face])))
        expression = sample_expression(
            int(self.emotions[face]), stream(self.seed, "sketch", "expression", int(face))
        )
        scene = _sample_scene(identity, stream(self.seed, "sketch", "scene", int(face)))
        return FaceParameters(str(self.subject_ids[face]), identity, expression, scene)

    def draw(self, face: int) -> np.ndarray:
        """The photo of face number `face`, uint8 (224, 224)."""
        from fer_models.sketch.studio import photograph  # compiles kernels: only where pixels are wanted

        return photograph(self.parameters(face), stream(self.seed, "sketch", "grain", int(face)))

    def digest(self, face: int) -> str:
        """A SHA-256 that identifies the pixels of face number `face` without drawing it."""
        shaped_by = (DRAWING_VERSION, self.seed, int(face), int(self.emotions[face]), int(self._owners[face]))
        return hashlib.sha256(f"sketch {shaped_by}".encode()).hexdigest()
