"""The studio: parameters of one face in, its photo out.

The last step behind SketchSet.draw: marks in order, back to front, then paint, light and exposure.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from fer_models import attire, drawing, portrait
from fer_models.sheet import Pose, Sheet

if TYPE_CHECKING:
    from fer_models.sketch import FaceParameters, Scene


def _backdrop(scene: "Scene", rng: np.random.Generator) -> np.ndarray:
    """The background, float32 (224, 224): a slope of grey with soft clouds."""
    across = np.linspace(-1, 1, drawing.SIZE, dtype=np.float32)
    clouds = rng.normal(0.0, 0.07, (2, 6))
    waves = np.cos(np.outer(np.arange(1, 7) * 0.8, across) + rng.uniform(0, 6.3, (6, 1)))
    tone = scene.backdrop + scene.slope[0] * across[None] + scene.slope[1] * across[:, None]
    tone = tone + (clouds[0] @ waves)[None] * (clouds[1] @ waves)[:, None] * 4
    return np.clip(tone, 0.02, 1).astype(np.float32)


def photograph(parameters: "FaceParameters", rng: np.random.Generator) -> np.ndarray:
    """The photo, uint8 (224, 224), of a face with these parameters; `rng` gives strands, clouds and grain."""
    who, scene = parameters.identity, parameters.scene
    face = portrait.Face.of(who, parameters.expression, scene.gaze)
    pose = Pose(scene.yaw, scene.pitch, scene.roll, scene.scale, scene.shift, who.width, who.crown)
    tone = _backdrop(scene, rng)
    sheet = Sheet()
    attire.add_back(sheet, who, scene.cloth)
    portrait.add_head(sheet, face)
    portrait.add_cheeks(sheet, face)
    portrait.add_forehead(sheet, face)
    attire.add_beard(sheet, who, face.drop)
    portrait.add_nose(sheet, face)
    portrait.add_mouth(sheet, face)
    portrait.add_eyes(sheet, face)
    portrait.add_brows(sheet, face)
    attire.add_hair(sheet, who, rng)
    if scene.glasses:
        attire.add_glasses(sheet, who, scene.reflection)
    attire.add_occlusion(sheet, who, scene.occlusion, rng)
    relief = sheet.paint(pose, tone)
    azimuth, elevation = math.radians(scene.azimuth), math.radians(scene.elevation)
    flat = math.cos(elevation)
    lamp = np.array([flat * math.sin(azimuth), -math.sin(elevation), flat * math.cos(azimuth)])
    lit = drawing.light(tone, relief, lamp, scene.ambient, scene.shine)
    grain = rng.standard_normal(lit.shape, dtype=np.float32)
    return drawing.expose(lit, grain, scene.blur, scene.exposure, scene.contrast, scene.noise)
