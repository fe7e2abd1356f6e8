"""The studio: parameters of one face in, its photo out.

The last step of SketchSet.draw: marks from back to front, then paint, light and exposure.
"""

import math

import numpy as np

from fer_models.sketch.clothing import add_clothes, add_glasses, add_occlusion
from fer_models.sketch.drawing import SIZE, expose, light
from fer_models.sketch.eyes import add_brows, add_eyes
from fer_models.sketch.hair import add_beard, add_hair, add_hanging_hair, lay_hair
from fer_models.sketch.mouth import add_mouth
from fer_models.sketch.portrait import Face, add_cheeks, add_forehead, add_head, add_neck, add_nose
from fer_models.sketch.scene import FaceParameters, Scene
from fer_models.sketch.sheet import Pose, Sheet


def _backdrop(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """The background, float32 (224, 224): a grey gradient with soft clouds."""
    across = np.linspace(-1, 1, SIZE, dtype=np.float32)
    clouds = rng.normal(0.0, 0.14, (2, 6)).astype(np.float32)
    phases = rng.uniform(0, 6.3, (6, 1)).astype(np.float32)
    waves = np.cos(np.arange(1, 7, dtype=np.float32)[:, None] * 0.8 * across + phases)
    tone = scene.backdrop + scene.slope[0] * across[None] + scene.slope[1] * across[:, None]
    tone += np.outer(clouds[1] @ waves, clouds[0] @ waves)
    return np.clip(tone, 0.02, 1)


def photograph(parameters: FaceParameters, rng: np.random.Generator) -> np.ndarray:
    """The photo, uint8 (224, 224), of a face with these parameters; `rng`: for strands, clouds and grain."""
    who, scene = parameters.identity, parameters.scene
    face = Face.of(who, parameters.expression, scene.gaze)
    pose = Pose(scene.yaw, scene.pitch, scene.roll, scene.scale, scene.shift, who.width, who.crown)
    tone = _backdrop(scene, rng)
    sheet = Sheet()
    laid = lay_hair(who, rng)
    add_hanging_hair(sheet, who, laid, rng)
    add_neck(sheet, face)
    add_clothes(sheet, scene.cloth)
    add_head(sheet, face)
    add_cheeks(sheet, face)
    add_forehead(sheet, face)
    add_beard(sheet, who, face.drop)
    add_nose(sheet, face)
    add_mouth(sheet, face)
    add_eyes(sheet, face)
    add_brows(sheet, face)
    add_hair(sheet, who, laid, rng)
    if scene.glasses:
        add_glasses(sheet, who, scene.reflection)
    add_occlusion(sheet, who, scene.occlusion, rng)
    relief = sheet.paint(pose, tone)
    azimuth, elevation = math.radians(scene.azimuth), math.radians(scene.elevation)
    flat = math.cos(elevation)
    lamp = np.array([flat * math.sin(azimuth), -math.sin(elevation), flat * math.cos(azimuth)])
    lit = light(tone, relief, lamp, scene.ambient, scene.shine)
    grain = rng.integers(0, 256, (2, SIZE, SIZE), dtype=np.uint8)
    return np.asarray(expose(lit, grain, scene.blur, scene.exposure, scene.contrast, scene.noise))
