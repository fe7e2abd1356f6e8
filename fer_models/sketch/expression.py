"""Facial action units: what each emotion does to a drawn face.

A face moves in action units (AU), each with an intensity from 0 to 1 on each side of the face. The
prototypes of the emotions follow EMFACS (Ekman, Friesen & Hager, Facial Action Coding System, 2002). As in
people, strength varies, units are missing, emotions blend and faces are never quite symmetric.
"""

from dataclasses import dataclass

import numpy as np

from fer_models.emotions import EMOTIONS

UNITS = {
    "au1": "inner brow raised",
    "au2": "outer brow raised",
    "au4": "brows lowered and drawn together",
    "au5": "upper lid raised",
    "au6": "cheek raised, lower lid pushed up",
    "au7": "lids tightened",
    "au9": "nose wrinkled",
    "au10": "upper lip raised",
    "au12": "lip corner pulled up",
    "au14": "lip corner tightened (dimple)",
    "au15": "lip corner pulled down",
    "au16": "lower lip pulled down",
    "au17": "chin boss pushed up",
    "au20": "lips stretched sideways",
    "au23": "lips tightened and pressed",
    "au25": "lips apart",
    "au26": "jaw dropped",
    "au43": "lids drooping",
}
CENTRAL = ("au16", "au17", "au23", "au25", "au26")

# Each emotion: variants as (weight, intensities at full strength).
_PROTOTYPES: dict[str, tuple[tuple[float, dict[str, float]], ...]] = {
    "anger": (
        (0.5, {"au4": 1.0, "au5": 0.5, "au7": 0.7, "au23": 0.9, "au17": 0.4}),
        (0.3, {"au4": 1.0, "au5": 0.4, "au7": 0.6, "au10": 0.5, "au25": 0.7, "au16": 0.5, "au9": 0.5}),
        (0.2, {"au4": 0.9, "au7": 0.9, "au10": 0.5, "au9": 0.3, "au17": 0.6, "au23": 0.5}),
    ),
    "contempt": (
        (0.7, {"au14": 0.9, "au12": 0.55}),
        (0.3, {"au14": 0.8, "au12": 0.4, "au43": 0.3, "au10": 0.3}),
    ),
    "disgust": (
        (0.4, {"au9": 0.9, "au4": 0.8, "au7": 0.5, "au10": 0.6, "au17": 0.4}),
        (0.35, {"au10": 1.0, "au9": 0.5, "au16": 0.5, "au25": 0.6, "au6": 0.3, "au7": 0.4}),
        (0.25, {"au9": 0.8, "au10": 0.6, "au15": 0.4, "au17": 0.7, "au4": 0.7}),
    ),
    "fear": (
        (0.6, {"au1": 1.0, "au2": 0.6, "au4": 0.7, "au5": 1.0, "au20": 0.9, "au25": 0.8, "au26": 0.2}),
        (0.4, {"au1": 1.0, "au2": 0.8, "au4": 0.4, "au5": 1.0, "au20": 0.4, "au25": 0.9, "au26": 0.5}),
    ),
    "happiness": (
        (0.55, {"au6": 0.9, "au12": 1.0, "au25": 0.9}),
        (0.3, {"au6": 0.7, "au12": 0.9}),
        (0.15, {"au6": 1.0, "au12": 1.0, "au25": 1.0, "au26": 0.45}),
    ),
    "neutrality": ((1.0, {}),),
    "sadness": (
        (0.5, {"au1": 1.0, "au4": 0.4, "au15": 0.9, "au17": 0.5, "au43": 0.3}),
        (0.3, {"au1": 0.8, "au4": 0.4, "au15": 0.6, "au43": 0.5}),
        (0.2, {"au1": 0.9, "au4": 0.5, "au15": 0.8, "au6": 0.4, "au25": 0.5, "au20": 0.3, "au7": 0.4}),
    ),
    "surprise": (
        (0.6, {"au1": 0.9, "au2": 1.0, "au5": 0.8, "au25": 1.0, "au26": 0.9}),
        (0.25, {"au1": 0.9, "au2": 0.9, "au5": 0.6, "au25": 0.8, "au26": 0.4}),
        (0.15, {"au1": 0.8, "au2": 1.0, "au5": 0.7}),
    ),
}
# The emotion that people confuse each with: a weak second emotion mixed in is this one.
_NEIGHBOURS = {
    "anger": "disgust",
    "contempt": "neutrality",
    "disgust": "anger",
    "fear": "surprise",
    "happiness": "surprise",
    "neutrality": "sadness",
    "sadness": "neutrality",
    "surprise": "fear",
}


@dataclass(frozen=True)
class Expression:
    """What a face does.

    emotion: its name. intensity: 0 (none) to 1 (full), the common strength of all its units.
    left, right: intensity 0 to 1 of every unit in the order of UNITS, on the picture's left and right.
    """

    emotion: str
    intensity: float
    left: tuple[float, ...]
    right: tuple[float, ...]


def _blend(emotion: str, rng: np.random.Generator) -> np.ndarray:
    """One variant of the emotion at full strength, as an array in the order of UNITS."""
    variants = _PROTOTYPES[emotion]
    place = int(np.searchsorted(np.cumsum([weight for weight, _ in variants]), rng.random()))
    chosen = variants[min(place, len(variants) - 1)][1]
    return np.array([chosen.get(unit, 0.0) for unit in UNITS])


def sample_expression(emotion: int, rng: np.random.Generator) -> Expression:
    """An expression of the emotion (index into emotions.EMOTIONS), sampled from `rng`."""
    name = EMOTIONS[emotion]
    intensity = 0.3 + 0.7 * float(rng.beta(2.0, 1.2))
    units = _blend(name, rng) * rng.uniform(0.65, 1.2, len(UNITS)) * (rng.random(len(UNITS)) > 0.1)
    second = _blend(_NEIGHBOURS[name], rng) * rng.uniform(0.0, 0.5) * (rng.random() < 0.35)
    stray = np.abs(rng.normal(0.0, 0.055, len(UNITS)))
    units = intensity * np.maximum(units, second) + stray
    if rng.random() < 0.15:  # people talk while being photographed, whatever they feel
        names = list(UNITS)
        units[names.index("au25")] += rng.uniform(0.1, 0.6)
        units[names.index("au26")] += rng.uniform(0.0, 0.25)
    tilt = rng.normal(0.0, 0.12, len(UNITS))
    if name == "contempt":  # the only one-sided emotion
        tilt[:] = rng.choice((-0.85, 0.85)) + 0.3 * tilt
    tilt[[unit in CENTRAL for unit in UNITS]] = 0.0
    left, right = np.clip(units * (1 + tilt), 0, 1), np.clip(units * (1 - tilt), 0, 1)
    return Expression(name, intensity, tuple(left.tolist()), tuple(right.tolist()))
