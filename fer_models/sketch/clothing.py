"""What a drawn face wears and what covers it: clothes, glasses, hands, scarves.

As in portrait.py, each function adds marks in face coordinates (sheet.py); none depends on the expression.
"""

import math

import numpy as np

from fer_models.sketch.identity import Identity
from fer_models.sketch.sheet import Sheet, curve, moved

SIDES = (-1, 1)


def add_clothes(sheet: Sheet, cloth: float) -> None:
    """Shoulders in clothes of brightness `cloth`."""
    collar = curve([(-150, 150), (-90, 122), (-45, 106), (0, 122), (45, 106), (90, 122), (150, 150)])
    sheet.fill(collar, np.array([(150, 220, 0), (-150, 220, 0)], float), tone=cloth, relief=3)
    sheet.line(moved(collar, y=3), 3.0, 0.6 * cloth, 0.5, soft=4)


def add_glasses(sheet: Sheet, who: Identity, shine: float) -> None:
    """Frames, bridge, temples and a reflection (0 to 1) on the lenses."""
    dark, width = (0.06, 3.4) if who.spectacles == 2 else (0.3, 1.6)
    angles = np.linspace(0, 2 * math.pi, 25)
    power = 0.55 + 0.45 * who.frame_round
    across = 22 * np.sign(np.cos(angles)) * np.abs(np.cos(angles)) ** power
    down = 16 * np.sign(np.sin(angles)) * np.abs(np.sin(angles)) ** power
    for side in SIDES:
        x, y = side * (who.eye_gap + 1), who.eye_line + 3
        rim = np.stack([x + across, y + down, np.full(25, 5.0)], axis=1)
        sheet.fill(rim, tone=0.9, opacity=0.05, keep=True)
        glint = np.array([(x - 16, y + 12, 5), (x + 8, y - 16, 5)], float)
        sheet.line(glint, 6.0, 1.0, 0.5 * shine, soft=4, clip=True)
        sheet.line(moved(rim, x=0.5, y=2.5, z=-4), width, 0.1, 0.15, soft=3)
        sheet.line(rim, width, dark, 0.92, relief=0.8)
        temple = np.array([(x + side * 22, y - 5, 4), (side * (who.width + 2), y - 8, -20)], float)
        sheet.line(temple, width, dark, 0.9)
    bridge = curve([(-8, who.eye_line, 10), (0, who.eye_line - 3, 12), (8, who.eye_line, 10)])
    sheet.line(bridge, width, dark, 0.92)


def _add_hand(sheet: Sheet, who: Identity, side: float, rng: np.random.Generator) -> None:
    """Four fingers on a cheek."""
    x, y = side * rng.uniform(34, 54), rng.uniform(42, 60)
    for finger in range(4):
        tip = (x - side * (10 - 11 * finger), y - 14 + 9 * abs(finger - 1), 10)
        root = (x + side * (8 + 13 * finger), y + 80, 0)
        path = curve([tip, ((tip[0] + root[0]) / 2 - side * 4, (tip[1] + root[1]) / 2, 6), root])
        sheet.line(moved(path, x=1, y=2), (16, 18, 22), 0.15 * who.skin, 0.4, soft=5)
        sheet.line(path, (12, 15, 19), 0.97 * who.skin, soft=3, relief=3)
        nail = (tip[0], tip[1] + 1, 12)
        sheet.spot(nail, (4, 5), min(1.0, 1.25 * who.skin), 0.5)


def _add_lock(sheet: Sheet, who: Identity, side: float) -> None:
    """A lock of hair over one eye."""
    for strand in range(16):
        x = side * (2 + 2.2 * strand)
        end = (x + side * 18, 6 + 6 * math.sin(2.0 * strand))
        path = curve(
            [
                (0.6 * x - side * 6, who.hairline - 24),
                (x - side * 4, who.hairline + 8),
                (x + side * 6, -30),
                end,
            ]
        )
        shade = who.hair_tone * (0.9 + 0.25 * math.sin(3.0 * strand))
        sheet.line(path, (4, 3.8, 0.6), max(0.03, shade), 0.95, soft=1.5, relief=0.3)


def add_occlusion(sheet: Sheet, who: Identity, kind: str, rng: np.random.Generator) -> None:
    """One of scene.OCCLUSIONS in front of the face."""
    side = float(rng.choice((-1.0, 1.0)))
    if kind == "hand":
        _add_hand(sheet, who, side, rng)
    elif kind == "lock":
        _add_lock(sheet, who, side)
    elif kind == "scarf":
        tone, y = rng.uniform(0.1, 0.9), rng.uniform(64, 76)
        top = curve([(-100, y - 14), (-50, y + 6), (0, y + 12), (50, y + 6), (100, y - 14)])
        sheet.fill(top, np.array([(110, 180, 0), (-110, 180, 0)], float), tone=tone, relief=4, keep=True)
        for fold in range(4):
            sheet.line(moved(top, y=9 + 11 * fold), (2, 4, 2), 0.5 * tone, 0.5, soft=5, relief=-3, clip=True)
    elif kind == "edge":
        x, lean = side * rng.uniform(44, 74), rng.uniform(-30, 30)
        path = np.array([(x + side * 40 + lean, -160, 0), (x + side * 40 - lean, 160, 0)], float)
        sheet.line(path, 64.0, rng.uniform(0.05, 0.7), 0.95, soft=14)
