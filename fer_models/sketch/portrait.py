"""The anatomy of a drawn face: an identity and an expression become marks on a sheet.

Every function adds one part, from back to front; eyes.py and mouth.py have the parts that move most. Numbers
are pixels in face coordinates (sheet.py); `side` is -1 on the picture's left and 1 on its right. The effects
of the units follow the Facial Action Coding System (expression.py).
"""

from dataclasses import dataclass

import numpy as np

from fer_models.sketch.expression import UNITS, Expression
from fer_models.sketch.identity import Identity
from fer_models.sketch.sheet import Sheet, curve, moved

SIDES: tuple[int, int] = (-1, 1)


@dataclass(frozen=True)
class Face:
    """The input of all parts: the person, and the intensity of every unit on each side."""

    who: Identity
    units: dict[int, dict[str, float]]
    gaze: tuple[float, float]

    @classmethod
    def of(cls, who: Identity, expression: Expression, gaze: tuple[float, float]) -> "Face":
        """The face of `who` with that expression; gaze in pixels of iris shift."""
        sides = {-1: expression.left, 1: expression.right}
        return cls(who, {side: dict(zip(UNITS, sides[side], strict=True)) for side in SIDES}, gaze)

    def mean(self, unit: str) -> float:
        """The intensity of a unit over both sides."""
        return (self.units[-1][unit] + self.units[1][unit]) / 2

    @property
    def drop(self) -> float:
        """How far the jaw hangs, in pixels."""
        return 25.0 * self.mean("au26")


def _chin(face: Face) -> float:
    """Distance of the chin below the middle of the face, in pixels."""
    return face.who.chin + 0.75 * face.drop - 3 * face.mean("au17")


def add_neck(sheet: Sheet, face: Face) -> None:
    """Neck, its shadow under the chin, and ears."""
    who, skin = face.who, face.who.skin
    neck = 0.62 * who.width
    right = np.array([(1.3 * neck, 180, 0), (neck, 100, 0), (neck, 40, 0)], float)
    sheet.fill(moved(right[::-1], mirror=True), right, tone=0.86 * skin)
    for side in SIDES:
        sheet.spot((side * neck * 0.75, 130), (neck * 0.5, 60), 0.5 * skin, 0.4)
        ear = (side * (who.width + 1), who.eye_line + 18, -30)
        sheet.spot(ear, (14, 25), 0.95 * skin, 1.0, tilt=-8 * side, relief=6)
        sheet.spot(ear, (7, 15), 0.55 * skin, 0.6, tilt=-8 * side, relief=-4)
    sheet.spot((0, _chin(face) + 4), (1.5 * neck, 34), 0.25 * skin, 0.75)


def add_head(sheet: Sheet, face: Face) -> None:
    """The skin of the head."""
    who = face.who
    chin = _chin(face)
    t = np.linspace(0, 1, 21)
    upper = np.sqrt(1 - t**2.3)
    lower = (1 - t ** (2.3 + 1.1 * who.jaw)) ** (0.62 - 0.1 * who.jaw) * (1 - (0.10 - 0.05 * who.cheek) * t)
    y = np.linspace(-who.crown, chin, 41)
    widths = np.where(y < 0, np.interp(-y / who.crown, t, upper), np.interp(y / chin, t, lower))
    sheet.head(who.width * widths, who.crown, chin, who.skin, 46.0)


def add_cheeks(sheet: Sheet, face: Face) -> None:
    """Soft forms under the skin: sockets, cheeks, folds beside the nose."""
    who, skin = face.who, face.who.skin
    for side in SIDES:
        unit = face.units[side]
        raised = max(unit["au6"], 0.7 * unit["au12"])
        sheet.spot((side * who.eye_gap, who.eye_line - 6), (23, 17), 0.55 * skin, 0.32, relief=-3)
        sheet.spot((side * 38, 22 - 6 * raised), (24, 20), min(1.0, 1.1 * skin), 0.35, relief=3 + 6 * raised)
        sheet.spot((side * 50, 46), (16, 34), 0.6 * skin, 0.3 - 0.12 * who.cheek, tilt=14 * side)
        sheet.spot((side * who.width * 0.98, -20), (20, 70), 0.6 * skin, 0.35)
        x, y = who.eye_gap, who.eye_line
        bag = curve([(side * (x - 12), y + 9), (side * x, y + 13 - 2 * raised), (side * (x + 12), y + 9)])
        depth = 0.08 + 0.25 * who.age + 0.4 * unit["au6"]
        sheet.line(bag, (0.5, 2.0, 0.5), 0.35 * skin, depth, soft=3, relief=-0.8)
        _add_fold(sheet, face, side)


def _add_fold(sheet: Sheet, face: Face, side: int) -> None:
    """The fold from the nose to the mouth; smiles, AU9 and AU10 deepen it."""
    who, unit = face.who, face.units[side]
    a9, a12 = unit["au9"], unit["au12"]
    pull = max(a12, 0.9 * a9, 0.8 * unit["au10"], 0.5 * unit["au6"], 0.4 * unit["au20"])
    depth = 0.06 + 0.25 * who.age + 0.55 * pull
    out = who.mouth_width + 8 + 6 * a12 + 3 * unit["au20"]
    path = curve([
        (side * (who.nose_width + 2), who.eye_line + who.nose_length - 7 - 4 * a9),
        (side * (out - 4), who.mouth_line - 13 - 4 * a12),
        (side * (out + 1), who.mouth_line + 2 - 3 * a12 + 4 * unit["au15"]),
    ])  # fmt: skip
    sheet.line(path, (1.0, 3.2, 0.6), 0.3 * who.skin, min(0.8, depth), soft=3.5, relief=-1.6 * depth)
    cheek = moved(path, x=4.0 * side, y=-2.0)
    sheet.line(cheek, (1.0, 4.0, 1.0), 1.0, 0.15 * pull, soft=5, relief=1.5 * pull)


def add_forehead(sheet: Sheet, face: Face) -> None:
    """Wrinkles: across the forehead (AU1, AU2), between the brows (AU4), on the bridge (AU9)."""
    who, skin = face.who, face.who.skin
    brow = who.eye_line - who.brow_line
    left, right = (max(face.units[side]["au2"], 0.5 * face.units[side]["au1"]) for side in SIDES)
    inner = face.mean("au1")
    for row in range(3):
        y = brow - 11 - 9 * row
        depth = 0.08 * who.age + (0.15 + 0.4 * who.age) * max(left, right, inner) * (1 - 0.2 * row)
        reach = 20 + 18 * max(left, right) - 3 * row
        path = curve([(-reach, y + 2 - 4 * left), (-reach / 2, y - 2 * left), (0, y + 2 - 4 * inner),
                      (reach / 2, y - 2 * right), (reach, y + 2 - 4 * right)])  # fmt: skip
        sheet.line(path, (0.3, 1.6, 0.3), 0.3 * skin, min(0.7, depth), soft=2.5, relief=-1.2 * depth)
    for side in SIDES:
        depth = 0.02 + 0.1 * who.age + 0.65 * face.units[side]["au4"]
        x = side * (5.5 - 1.5 * face.units[side]["au4"])
        path = curve([(x + side, brow - 7), (x, brow + 2), (x + side * 1.5, brow + 10)])
        sheet.line(path, (0.4, 2.0, 0.4), 0.25 * skin, min(0.8, depth), soft=2.5, relief=-1.8 * depth)
    wrinkled = face.mean("au9")
    for row in range(3):
        y = who.eye_line - 2 + 5 * row
        path = curve([(-9, y - 3, 6), (0, y + 1, 10), (9, y - 3, 6)])
        sheet.line(path, (0.4, 1.8, 0.4), 0.25 * skin, 0.65 * wrinkled, soft=2.5, relief=-1.6 * wrinkled)


def add_nose(sheet: Sheet, face: Face) -> None:
    """Bridge, tip, wings and nostrils; AU9 and AU10 pull the wings up."""
    who, skin = face.who, face.who.skin
    top, base = who.eye_line, who.eye_line + who.nose_length
    bridge = curve([(0, top - 8, 2), (0, top + 10, 7), (0, base - 10, 14), (0, base - 6, 15)])
    sheet.line(bridge, (0.1, 0.5, 9), skin, 0.0, soft=19, relief=9)
    sheet.line(bridge, (3, 2.5, 4), 1.0, 0.1, soft=6)
    sheet.spot((0, base - 7, 14), (14, 12), skin, 0.2, relief=7)
    for side in SIDES:
        lift = 5 * face.units[side]["au9"] + 2.5 * face.units[side]["au10"]
        wide = who.nose_width + 2.5 * face.mean("au12") + 1.5 * face.units[side]["au9"]
        flank = curve([(side * 7, top - 6), (side * 8, top + 14), (side * (wide - 2), base - 12 - lift)])
        sheet.line(flank, (5, 3, 3), 0.45 * skin, 0.16, soft=10)
        wing = (side * (wide - 4), base - 6 - lift, 5)
        sheet.spot(wing, (8.5, 8.5), skin, 0.15, relief=6)
        crease = curve([(side * (wide - 2), base - 14 - lift, 4), (side * (wide + 1), base - 6 - lift, 3),
                        (side * (wide - 3), base - lift, 4)])  # fmt: skip
        sheet.line(crease, (0.5, 2.2, 1.0), 0.3 * skin, 0.5, soft=2, relief=-0.8)
        nostril = (side * (wide - 8), base - 1 - 0.7 * lift, 7)
        sheet.spot(nostril, (5.5, 3.4), 0.08, 0.85, tilt=-18 * side, relief=-1)
    sheet.spot((0, base + 4, 4), (18, 7), 0.3 * skin, 0.4)
    sheet.spot((0, base + 9), (4, 9), 0.5 * skin, 0.25, relief=-1.2)
