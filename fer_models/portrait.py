"""The anatomy of a drawn face: an identity and an expression become marks on a sheet.

Every function adds one part, from the back to the front. Numbers are pixels in face coordinates (sheet.py); `side`
is -1 on the picture's left and 1 on its right. How units move the features follows the Facial Action
Coding System (expression.py).
"""

from dataclasses import dataclass

import numpy as np

from fer_models.expression import UNITS, Expression
from fer_models.identity import Identity
from fer_models.sheet import Sheet, curve

SIDES = (-1, 1)


@dataclass(frozen=True)
class Face:
    """What the parts read: who, and what every unit does on either side."""

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


def add_head(sheet: Sheet, face: Face) -> None:
    """Neck, ears and the skin of the head."""
    who, skin = face.who, face.who.skin
    neck = 0.62 * who.width
    chin = who.chin + 0.75 * face.drop - 3 * face.mean("au17")
    sheet.fill(
        np.array([(-neck, 40, 0), (-neck, 100, 0), (-1.3 * neck, 180, 0)], float),
        np.array([(1.3 * neck, 180, 0), (neck, 100, 0), (neck, 40, 0)], float),
        tone=0.86 * skin,
    )
    for side in SIDES:
        sheet.spot((side * neck * 0.75, 130), (neck * 0.5, 60), 0.5 * skin, 0.4)
        ear = (side * (who.width + 1), who.eye_line + 18, -30)
        sheet.spot(ear, (14, 25), 0.95 * skin, 1.0, tilt=-8 * side, relief=6)
        sheet.spot(ear, (7, 15), 0.55 * skin, 0.6, tilt=-8 * side, relief=-4)
    sheet.spot((0, chin + 4), (1.5 * neck, 34), 0.25 * skin, 0.75)
    t = np.linspace(-1, 1, 41)
    upper = np.sqrt(np.maximum(0, 1 - np.abs(t) ** 2.3))
    power = 2.3 + 1.1 * who.jaw
    lower = np.maximum(0, 1 - np.abs(t) ** power) ** (0.62 - 0.1 * who.jaw)
    lower *= 1 - (0.10 - 0.05 * who.cheek) * np.clip(t, 0, 1)
    middle = (np.linspace(0, 1, 41) * (who.crown + chin) - who.crown) / np.where(t < 0, who.crown, chin)
    widths = who.width * np.where(middle < 0, np.interp(middle, t, upper), np.interp(middle, t, lower))
    sheet.head(widths, who.crown, chin, skin, 46.0)


def add_cheeks(sheet: Sheet, face: Face) -> None:
    """Soft forms under the skin: sockets, cheeks, folds beside the nose, chin."""
    who, skin = face.who, face.who.skin
    for side in SIDES:
        unit = face.units[side]
        raised = max(unit["au6"], 0.7 * unit["au12"])
        sheet.spot((side * who.eye_gap, who.eye_line - 6), (23, 17), 0.55 * skin, 0.32, relief=-3)
        sheet.spot((side * 38, 22 - 6 * raised), (24, 20), min(1.0, 1.1 * skin), 0.35, relief=3 + 6 * raised)
        sheet.spot((side * 50, 46), (16, 34), 0.6 * skin, 0.3 - 0.12 * who.cheek, tilt=14 * side)
        sheet.spot((side * who.width * 0.98, -20), (20, 70), 0.6 * skin, 0.35)
        bag = curve([(side * (who.eye_gap - 12), who.eye_line + 9), (side * who.eye_gap, who.eye_line + 13 - 2 * raised),
                     (side * (who.eye_gap + 12), who.eye_line + 9)])  # fmt: skip
        sheet.line(
            bag, (0.5, 2.0, 0.5), 0.35 * skin, 0.12 + 0.25 * who.age + 0.4 * unit["au6"], soft=3, relief=-0.8
        )
        fold = max(unit["au12"], 0.9 * unit["au9"], 0.8 * unit["au10"], 0.5 * unit["au6"], 0.4 * unit["au20"])
        depth = 0.12 + 0.25 * who.age + 0.5 * fold
        start = who.eye_line + who.nose_length - 7 - 4 * unit["au9"]
        out = who.mouth_width + 8 + 6 * unit["au12"] + 3 * unit["au20"]
        path = curve([(side * (who.nose_width + 2), start), (side * (out - 4), who.mouth_line - 13 - 4 * unit["au12"]),
                      (side * (out + 1), who.mouth_line + 2 - 3 * unit["au12"] + 4 * unit["au15"])])  # fmt: skip
        sheet.line(path, (1.0, 3.2, 0.6), 0.3 * skin, min(0.8, depth), soft=3.5, relief=-1.6 * depth)
        sheet.line(path + [side * 4.0, -2.0, 0], (1.0, 4.0, 1.0), 1.0, 0.15 * fold, soft=5, relief=1.5 * fold)


def add_forehead(sheet: Sheet, face: Face) -> None:
    """Wrinkles: across the forehead (AU1, AU2), between the brows (AU4), on the bridge (AU9)."""
    who, skin = face.who, face.who.skin
    brow = who.eye_line - who.brow_line
    for row in range(3):
        y = brow - 11 - 9 * row
        raised = [max(face.units[s]["au2"], 0.5 * face.units[s]["au1"]) for s in SIDES]
        inner = face.mean("au1")
        depth = 0.08 * who.age + (0.15 + 0.4 * who.age) * max(*raised, inner) * (1 - 0.2 * row)
        reach = 20 + 18 * max(raised) - 3 * row
        path = curve([(-reach, y + 2 - 4 * raised[0]), (-reach / 2, y - 2 * raised[0]), (0, y + 2 - 4 * inner),
                      (reach / 2, y - 2 * raised[1]), (reach, y + 2 - 4 * raised[1])])  # fmt: skip
        sheet.line(path, (0.3, 1.6, 0.3), 0.3 * skin, min(0.7, depth), soft=2.5, relief=-1.2 * depth)
    for side in SIDES:
        depth = 0.05 + 0.1 * who.age + 0.65 * face.units[side]["au4"]
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
    sheet.line(bridge, (9, 8, 13), skin, 0.0, soft=14, relief=11)
    sheet.line(bridge, (3, 2.5, 4), 1.0, 0.1, soft=6)
    sheet.spot((0, base - 7, 14), (14, 12), skin, 0.2, relief=7)
    for side in SIDES:
        lift = 5 * face.units[side]["au9"] + 2.5 * face.units[side]["au10"]
        wide = who.nose_width + 2.5 * face.mean("au12") + 1.5 * face.units[side]["au9"]
        flank = curve([(side * 7, top - 6), (side * 8, top + 14), (side * (wide - 2), base - 12 - lift)])
        sheet.line(flank, (5, 3, 3), 0.45 * skin, 0.22, soft=8)
        wing = (side * (wide - 4), base - 6 - lift, 5)
        sheet.spot(wing, (8.5, 8.5), skin, 0.15, relief=6)
        crease = curve([(side * (wide - 2), base - 14 - lift, 4), (side * (wide + 1), base - 6 - lift, 3),
                        (side * (wide - 3), base - lift, 4)])  # fmt: skip
        sheet.line(crease, (0.5, 2.2, 1.0), 0.3 * skin, 0.5, soft=2, relief=-0.8)
        sheet.spot(
            (side * (wide - 8), base - 1 - 0.7 * lift, 7), (5.5, 3.4), 0.08, 0.85, tilt=-18 * side, relief=-1
        )
    sheet.spot((0, base + 4, 4), (18, 7), 0.3 * skin, 0.4)
    sheet.spot((0, base + 9), (4, 9), 0.5 * skin, 0.25, relief=-1.2)


def add_eyes(sheet: Sheet, face: Face) -> None:
    """Eyeball, iris, lids and lashes; AU5 opens, AU6, AU7 and AU43 close."""
    who, skin = face.who, face.who.skin
    for side in SIDES:
        unit = face.units[side]
        x, y, w = side * who.eye_gap, who.eye_line, who.eye_width
        upper = 0.56 * who.eye_open * (1 + 0.75 * unit["au5"] - 0.28 * unit["au7"] - 0.9 * unit["au43"] - 0.3 * unit["au9"]
                                       - 0.15 * unit["au4"] - 0.15 * unit["au12"])  # fmt: skip
        lower = (
            0.44
            * who.eye_open
            * (1 + 0.3 * unit["au5"] - 0.75 * max(unit["au6"], 0.9 * unit["au7"]) - 0.5 * unit["au9"])
        )
        upper, lower = max(upper, 0.3), max(lower, 0.2)
        slant = who.eye_slant - unit["au1"]
        inner, outer = (x - side * w, y + 1.5), (x + side * w, y - slant)
        lid = curve([inner, (x - side * 0.6 * w, y - 0.72 * upper), (x - side * 0.05 * w, y - upper),
                     (x + side * 0.6 * w, y - 0.7 * upper - 0.4 * slant), outer])  # fmt: skip
        floor = curve([outer, (x + side * 0.5 * w, y + 0.8 * lower - 0.3 * slant), (x, y + lower),
                       (x - side * 0.6 * w, y + 0.7 * lower + 0.6), inner])  # fmt: skip
        sheet.fill(lid, floor, tone=0.55 + 0.35 * skin**0.5, keep=True)
        sheet.spot((x, y), (w * 1.25, 11), 0.95, 0.3, clip=True)
        at = (x + face.gaze[0], y - 0.6 + face.gaze[1])
        sheet.line(curve([at, (at[0] + 0.01, at[1])], 2), 11.6, 0.6 * who.iris, soft=1.2, clip=True)
        sheet.line(curve([at, (at[0] + 0.01, at[1] + 0.8)], 2), 8.6, who.iris, soft=2.5, clip=True)
        sheet.line(curve([at, (at[0] + 0.01, at[1])], 2), 4.6, 0.02, soft=1.0, clip=True)
        sheet.line(lid + [0, 1.2, 0], 3.0, 0.1, 0.55, soft=3.0, clip=True)
        sheet.spot((at[0] - 2.2, at[1] - 2.4), (2.0, 2.0), 1.0, 0.95, clip=True)
        sheet.line(lid, (0.9, 2.0, 2.2), 0.06, 0.9, relief=0.6)
        sheet.line(floor, (1.0, 0.9, 0.6), 0.3 * skin, 0.6, soft=1.5)
        droop = 3.6 - 1.3 * unit["au5"] + 1.5 * unit["au43"]
        crease = lid[1:] - [0, droop, 0]
        sheet.line(crease, (0.5, 1.4, 0.8), 0.3 * skin, 0.55, soft=2, relief=-1)
        for ray in range(3):  # crow's feet
            start = (outer[0] + side * 4, outer[1] + 5 * (ray - 1) + 1)
            path = curve([start, (start[0] + side * 8, start[1] + 3.5 * (ray - 0.6))], 3)
            depth = 0.6 * unit["au6"] * (0.4 + 0.6 * who.age) + 0.1 * who.age
            sheet.line(path, (1.2, 0.9, 0.2), 0.3 * skin, depth, soft=2, relief=-depth)


def add_brows(sheet: Sheet, face: Face) -> None:
    """Brows: AU1 lifts the inner end, AU2 the outer, AU4 lowers both and draws them together."""
    who = face.who
    tone = 0.6 * who.hair_tone + 0.03
    for side in SIDES:
        unit = face.units[side]
        y = who.eye_line - who.brow_line - 1.5 * unit["au5"] + 2 * unit["au9"]
        a1, a2, a4 = unit["au1"], unit["au2"], unit["au4"]
        x = who.eye_gap
        path = curve([
            (side * (x - 17 - 3.5 * a4), y + 1 - 9 * a1 + 7 * a4 - 1.5 * a2, 3),
            (side * (x - 8 - 2 * a4), y - 5 * a1 + 6 * a4 - 4.5 * a2, 3),
            (side * (x + 7 - a4), y - 2 - 0.6 * who.brow_slope - 1.0 * a1 + 4 * a4 - 8 * a2, 3),
            (side * (x + 20), y + 4 - who.brow_slope + 1.0 * a1 + 2 * a4 - 7 * a2 + unit["au43"], 0),
        ])  # fmt: skip
        thick = who.brow_width
        sheet.line(path, (thick * 0.9, thick, 0.8), tone, 0.75, soft=2.5, relief=1.5)
        for hair in range(9):
            at = path[1 + hair]
            tip = at + [side * (2.5 + 0.3 * hair), -2.6 + 0.45 * hair, 0]
            sheet.line(np.array([at + [-side, 1.5, 0], tip]), (1.2, 1.0, 0.3), 0.6 * tone, 0.6)


def add_mouth(sheet: Sheet, face: Face) -> None:
    """Lips, opening, teeth and chin."""
    who, skin = face.who, face.who.skin
    left, right = face.units[-1], face.units[1]
    a10, a12, a15, a17 = (face.mean(u) for u in ("au10", "au12", "au15", "au17"))
    a20, a23, a25, a16 = (face.mean(u) for u in ("au20", "au23", "au25", "au16"))
    narrow = 5 * face.mean("au26") + 3 * a23
    corners = {}
    for side, unit in ((-1, left), (1, right)):
        out = who.mouth_width + 9 * unit["au12"] + 6 * unit["au20"] + 3 * unit["au14"] - narrow - unit["au15"]
        up = (
            who.mouth_slope + 11 * unit["au12"] + 1.5 * unit["au14"] - 7.5 * unit["au15"] - 2.5 * unit["au20"]
        )
        corners[side] = (side * out, who.mouth_line - up + 0.45 * face.drop)
    gap = (5.5 + 4 * a12) * a25 + face.drop * (0.75 + 0.25 * a25)
    gap *= 1 - 0.8 * a23
    top = who.mouth_line + 3.0 * a12 - 4.5 * a10 - 3 * a17 - 0.12 * gap
    bottom = top + gap + 1.5 * a16 * (gap > 1)
    (lx, ly), (rx, ry) = corners[-1], corners[1]
    thin = 1 - 0.6 * a23 - 0.25 * a12 - 0.25 * a20
    above, below = 6.5 * who.lip_full * max(thin, 0.2), 8.5 * who.lip_full * max(thin + 0.2 * a17, 0.25)

    def border(y: float, bulge: float, dip: float) -> np.ndarray:
        """From the left corner to the right, `y` in the middle; `bulge` widens, `dip` bends the very middle."""
        return curve([(lx, ly), (0.55 * lx, 0.72 * y + 0.28 * ly + bulge), (0.16 * lx, y - dip), (0, y),
                      (0.16 * rx, y - dip), (0.55 * rx, 0.72 * y + 0.28 * ry + bulge), (rx, ry)])  # fmt: skip

    upper_out = border(top - above + 1.4, -0.12 * above, 1.4)
    upper_in = border(top, -0.12 * gap, -0.4)
    lower_in = border(bottom, 0.12 * gap, -0.3)
    lower_out = border(bottom + below, 0.1 * below, 0.0)
    lip = who.lip * skin
    sheet.fill(upper_out, lower_out[::-1], tone=lip, opacity=0.85, keep=True)
    sheet.fill(upper_out, upper_in[::-1], tone=0.75 * lip, opacity=0.5)
    sheet.line(
        (lower_in + lower_out) / 2,
        (1, 0.7 * below, 1),
        min(1.0, 1.35 * lip),
        0.4,
        soft=0.6 * below + 1,
        relief=2.5,
    )
    sheet.line((upper_in + upper_out) / 2, (1, 0.6 * above, 1), lip, 0.1, soft=0.6 * above + 1, relief=1.8)
    sheet.fill(upper_in, lower_in[::-1], tone=0.07, opacity=min(1.0, gap / 1.5), relief=-2, keep=True)
    if gap > 1.5:
        show = min(7.5, 2.0 + 5 * a12 + 4 * a10 + 3.5 * a20 + 1.5 * face.mean("au26"))
        teeth = upper_in + [0, show, 0]
        sheet.fill(upper_in - [0, 2, 0], teeth[::-1], tone=0.88, clip=True)
        for tooth in range(-4, 5):
            x = 5.2 * tooth
            sheet.line(
                np.array([(x, top - 3, 0), (x, top + show + 2, 0)]), 0.7, 0.5, 0.35, soft=1.5, clip=True
            )
        if a16 + a20 + 0.6 * a10 > 0.35:
            sheet.fill(lower_in + [0, 2, 0], (lower_in - [0, 3.5, 0])[::-1], tone=0.72, clip=True)
        sheet.line(upper_in + [0, 1, 0], 2.5, 0.05, 0.45, soft=3, clip=True)
        sheet.spot((0, bottom + 1), (0.6 * rx, 0.4 * gap), 0.4, 0.6, clip=True)
    sheet.line(upper_in, (1.5, 1.3, 1.5), 0.08, 0.75, soft=1.5, relief=-1)
    for side, unit in ((-1, left), (1, right)):
        x, y = corners[side]
        pull = max(unit["au12"], unit["au14"], unit["au15"], 0.5 * unit["au20"])
        path = curve([(x + side * 1, y - 3), (x + side * 2.5, y), (x + side * 1.5, y + 3 + 4 * unit["au15"])])
        sheet.line(path, (0.6, 2.4, 0.4), 0.2 * skin, 0.3 + 0.5 * pull, soft=2.5, relief=-1.5 * pull)
    chin = bottom + below
    sheet.spot((0, chin + 4), (0.7 * who.mouth_width, 5), 0.3 * skin, 0.4 + 0.25 * a17, relief=-2)
    sheet.spot((0, chin + 15), (17, 13), skin, 0.1, relief=4 + 4 * a17)
    for k in range(5):
        at = (5.0 * (k - 2), chin + 12 + 3 * (k % 2))
        sheet.spot(at, (3, 2.5), 0.25 * skin, 0.55 * a17, relief=-2 * a17)
