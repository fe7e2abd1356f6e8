"""The embedded face set: faces drawn from parameters, without a download and without a model.

It replaces a folder of photos: images.py turns either into a table. A face is a pure function of the seed,
its number, its emotion and its subject: identity.py defines the person, expression.py the expression,
scene.py how the photo was taken; render.py draws it. These are drawings: they exercise the machinery and say
nothing about people (docs/sketch.md).
"""

import hashlib

import numpy as np

from fer_models.seeding import stream
from fer_models.sketch.expression import sample_expression
from fer_models.sketch.identity import sample_identity
from fer_models.sketch.scene import FaceParameters, sample_scene

# Part of every digest: increased when the same parameters give other pixels.
DRAWING_VERSION = 1
# Shares of the emotions in the order of emotions.EMOTIONS: uneven as in real sets, none too rare to learn.
SHARES = (0.11, 0.04, 0.07, 0.08, 0.23, 0.25, 0.12, 0.10)


class SketchSet:
    """A set of drawn faces; the same arguments give the same pixels, in any order of drawing.

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
        """The parameters of face number `face`."""
        identity = sample_identity(stream(self.seed, "sketch", "subject", int(self._owners[face])))
        expression = sample_expression(
            int(self.emotions[face]), stream(self.seed, "sketch", "expression", int(face))
        )
        scene = sample_scene(identity, stream(self.seed, "sketch", "scene", int(face)))
        return FaceParameters(str(self.subject_ids[face]), identity, expression, scene)

    def draw(self, face: int) -> np.ndarray:
        """The photo of face number `face`, uint8 (224, 224)."""
        from fer_models.sketch.render import photograph  # compiles kernels: only if pixels are needed

        return photograph(self.parameters(face), stream(self.seed, "sketch", "grain", int(face)))

    def digest(self, face: int) -> str:
        """A SHA-256 that identifies the pixels of face number `face` without drawing it."""
        shaped_by = (DRAWING_VERSION, self.seed, int(face), int(self.emotions[face]), int(self._owners[face]))
        return hashlib.sha256(f"sketch {shaped_by}".encode()).hexdigest()
