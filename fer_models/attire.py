"""What frames a drawn face: clothes, hair, beard, glasses, and things held in front of it.

Like portrait.py, each function adds marks in face coordinates; none of them looks at the expression.
"""

import math
from dataclasses import dataclass

import numpy as np

from fer_models.identity import Identity
from fer_models.sheet import Sheet, curve

SIDES = (-1, 1)
OCCLUSIONS = ("none", "hand", "lock", "scarf", "edge")

# How far hair falls at the sides, in face coordinates.
_FALL = {"bald": -80, "cropped": -48, "short": -28, "parted": -24, "fringe": -10, "bob": 62, "long": 135,
         "curly": 50, "tied": -34}  # fmt: skip


@dataclass(frozen=True)
class Hair:
    """Borders of the hair: `outer` round the head from left to right, `inner` the hairline from left to right."""

    outer: np.ndarray
    inner: np.ndarray
    fall: float


def _shape(who: Identity) -> Hair:
    """The hair of `who` over the forehead and round the head."""
    stand = who.volume * {"cropped": 0.3, "curly": 2.0, "tied": 0.4}.get(who.hair, 1.0)
    fall = _FALL[who.hair]
    angles = np.linspace(-1.02 * math.pi / 2, 1.02 * math.pi / 2, 25)
    outer = np.zeros((25, 3))
    outer[:, 0] = (who.width + 0.7 * stand) * np.sign(np.sin(angles)) * np.abs(np.sin(angles)) ** 0.9
    outer[:, 1] = -(who.crown + stand) * np.maximum(np.cos(angles), 0) ** 0.9 - 8
    w, line, part = who.width, who.hairline, who.part
    side = min(fall, -6)
    if who.hair in ("fringe", "bob") and who.part > 0:
        line = who.eye_line - who.brow_line - 9
        knots = [
            (-0.9 * w, line + 22),
            (-0.6 * w, line + 3),
            (0, line - 2),
            (0.6 * w, line + 3),
            (0.9 * w, line + 22),
        ]
    elif who.hair in ("parted", "long", "bob"):
        far = -math.copysign(1, part)
        knots = [(0.88 * w * -far, line + 26), (part * w + 6 * -far, line - 6), (part * w, line - 14),
                 (part * w + 0.5 * w * far, line + 6), (0.9 * w * far, line + 34)]  # fmt: skip
        knots = knots if far > 0 else knots[::-1]
        knots = sorted(knots)
    else:
        knots = [
            (-0.86 * w, line + 24),
            (-0.62 * w, line + 5),
            (0, line),
            (0.62 * w, line + 5),
            (0.86 * w, line + 24),
        ]
    inner = curve([(-w * 1.01, side), *knots, (w * 1.01, side)])
    return Hair(outer, inner, fall)


def add_back(sheet: Sheet, who: Identity, cloth: float) -> None:
    """Shoulders, and hair that hangs behind the neck; `cloth` is the brightness of the clothes."""
    shoulders = curve([(-150, 150), (-90, 118), (-45, 104), (0, 116), (45, 104), (90, 118), (150, 150)])
    if _FALL[who.hair] > 0:
        hair, w = _shape(who), who.width + 0.75 * who.volume
        low = who.eye_line + _FALL[who.hair]
        flare = 4 if who.hair == "bob" else 10
        left = curve([(-0.4 * w, low + 6), (-w - flare + 4, low), (-w - flare, 0.5 * low - 10), (-w, -45)])
        sheet.fill(left, hair.outer, left[::-1] * [-1, 1, 1], tone=0.7 * who.hair_tone, keep=True)
        for strand in range(-12, 13):
            x = strand / 12 * (w + flare)
            path = curve([(0.9 * x, -60), (x, 0), (x + 3 * math.sin(strand * 2.3), low)], 7)
            shade = who.hair_tone * (0.75 + 0.4 * math.sin(strand * 5.1))
            sheet.line(path, (2, 3.5, 1), max(0.02, shade), 0.5, soft=2.5, clip=True)
    sheet.fill(shoulders, np.array([(150, 220, 0), (-150, 220, 0)], float), tone=cloth, relief=6)


def add_hair(sheet: Sheet, who: Identity, rng: np.random.Generator) -> None:
    """Hair over the head, strand by strand."""
    if who.hair == "bald":
        return
    hair, tone = _shape(who), who.hair_tone
    thin = 0.7 if who.hair == "cropped" else 1.0
    sheet.fill(hair.outer, hair.inner[::-1], tone=tone, opacity=thin, relief=3, keep=True)
    strands = 60
    wave = {"curly": 7.0, "long": 2.0}.get(who.hair, 1.2)
    jitter = rng.normal(size=(strands, 4))
    for k in range(strands):
        f = (k + 0.5) / strands
        end = hair.inner[int(f * (len(hair.inner) - 1))]
        start = hair.outer[int(np.clip(f + 0.12 * (who.part - (2 * f - 1)) * 0.5, 0, 1) * 24)]
        bulge = 0.5 * (start + end) + [6 * (2 * f - 1) + wave * jitter[k, 0], -5 + wave * jitter[k, 1], 0]
        shade = float(np.clip(tone * (1 + 0.22 * jitter[k, 2]) + 0.03 * jitter[k, 3], 0.02, 1))
        sheet.line(curve([start, bulge, end + [0, 1.5 + jitter[k, 3], 0]], 6), (1.5, 3.5, 0.8), shade, 0.6 * thin, soft=2,
                   relief=0.9 * (jitter[k, 2] > 0), clip=abs(jitter[k, 0]) < 1.2)  # fmt: skip
    gloss = curve(
        [
            (-0.55 * who.width, -who.crown * 0.78),
            (0, -who.crown * 0.93),
            (0.55 * who.width, -who.crown * 0.78),
        ]
    )
    sheet.line(gloss, (2, 9, 2), min(1.0, tone + 0.25), 0.3, soft=9, clip=True)
    if who.hair == "curly":
        for k in range(30):
            at = hair.outer[int(rng.integers(2, 23))] + [*rng.normal(0, 3.5, 2), 0]
            sheet.spot(at, (9, 9), float(np.clip(tone * rng.uniform(0.6, 1.5), 0.02, 1)), 0.8, relief=4)


def add_beard(sheet: Sheet, who: Identity, drop: float) -> None:
    """Stubble or beard round the mouth, which hangs `drop` pixels with the jaw."""
    if not who.beard:
        return
    tone = 0.75 * who.hair_tone + 0.1 * who.skin
    w, chin = who.width, who.chin + 0.75 * drop
    outer = curve([(-0.97 * w, 4), (-0.9 * w, 40), (-0.6 * w, 74 + 0.6 * drop), (0, chin - 1), (0.6 * w, 74 + 0.6 * drop),
                   (0.9 * w, 40), (0.97 * w, 4)])  # fmt: skip
    inner = curve(
        [
            (0.86 * w, 8),
            (0.72 * w, 36),
            (0.4 * w, 42),
            (0, 33),
            (-0.4 * w, 42),
            (-0.72 * w, 36),
            (-0.86 * w, 8),
        ]
    )
    sheet.fill(outer, inner, tone=tone, opacity=0.2 + 0.6 * who.beard)


def add_glasses(sheet: Sheet, who: Identity, shine: float) -> None:
    """Frames, bridge, temples and a reflection (0 to 1) on the lenses."""
    dark, width = (0.06, 3.4) if who.spectacles == 2 else (0.3, 1.6)
    angles = np.linspace(0, 2 * math.pi, 25)
    power = 0.55 + 0.45 * who.frame_round
    for side in SIDES:
        x, y = side * (who.eye_gap + 1), who.eye_line + 3
        c, s = np.cos(angles), np.sin(angles)
        rim = np.stack(
            [x + 22 * np.sign(c) * np.abs(c) ** power, y + 16 * np.sign(s) * np.abs(s) ** power, 5 + 0 * c], 1
        )
        sheet.fill(rim, tone=0.9, opacity=0.06, keep=True)
        sheet.line(
            np.array([(x - 16, y + 12, 5.0), (x + 8, y - 16, 5.0)]), 6.0, 1.0, 0.5 * shine, soft=4, clip=True
        )
        sheet.line(rim, width, dark, 0.92, relief=1.5)
        sheet.line(rim + [0.5, 2.5, -4], width, 0.1, 0.15, soft=3)
        sheet.line(
            np.array([(x + side * 22, y - 5, 4.0), (side * (who.width + 2), y - 8, -20.0)]), width, dark, 0.9
        )
    sheet.line(
        curve([(-8, who.eye_line, 10), (0, who.eye_line - 3, 12), (8, who.eye_line, 10)]), width, dark, 0.92
    )


def add_occlusion(sheet: Sheet, who: Identity, kind: str, rng: np.random.Generator) -> None:
    """One of OCCLUSIONS in front of the face."""
    side = float(rng.choice((-1.0, 1.0)))
    if kind == "hand":
        x, y = side * rng.uniform(26, 48), rng.uniform(48, 66)
        for finger in range(4):
            tip = (x - side * (4 - 1.5 * finger), y - 22 + 8 * abs(finger - 1), 12)
            root = (x + side * (16 + 9 * finger), y + 70, 0)
            middle = ((tip[0] + root[0]) / 2 - side * 3, (tip[1] + root[1]) / 2, 8)
            path = curve([tip, middle, root])
            sheet.line(path + [2, 3, 0], (12, 16, 20), 0.1 * who.skin, 0.35, soft=6)
            sheet.line(path, (10, 13, 17), 0.97 * who.skin, soft=2, relief=7)
    elif kind == "lock":
        for strand in range(14):
            x = side * (6 + 2.6 * strand)
            path = curve(
                [
                    (x - side * 14, who.hairline - 22),
                    (x, -30),
                    (x + side * 16, 8 + 5 * math.sin(2.0 * strand)),
                ]
            )
            sheet.line(
                path,
                (3, 3.4, 1),
                max(0.03, who.hair_tone * (0.8 + 0.4 * math.sin(3.0 * strand))),
                0.9,
                relief=1,
            )
    elif kind == "scarf":
        tone, y = rng.uniform(0.1, 0.9), rng.uniform(62, 74)
        top = curve([(-100, y - 14), (-50, y + 6), (0, y + 12), (50, y + 6), (100, y - 14)])
        sheet.fill(top, np.array([(110, 180, 0), (-110, 180, 0)], float), tone=tone, relief=9, keep=True)
        for fold in range(4):
            sheet.line(top + [0, 9 + 11 * fold, 0], (2, 4, 2), 0.5 * tone, 0.5, soft=5, relief=-3, clip=True)
    elif kind == "edge":
        x, lean = side * rng.uniform(44, 74), rng.uniform(-30, 30)
        path = np.array([(x + side * 40 + lean, -160, 0), (x + side * 40 - lean, 160, 0)], float)
        sheet.line(path, 64.0, rng.uniform(0.05, 0.7), 0.95, soft=14)
