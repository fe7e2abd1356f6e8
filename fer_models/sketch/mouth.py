"""The mouth of a drawn face: lips, opening, corners and chin.

One part of the anatomy (portrait.py); numbers are pixels in face coordinates (sheet.py).
"""

from dataclasses import dataclass

import numpy as np

from fer_models.sketch.portrait import SIDES, Face
from fer_models.sketch.sheet import Sheet, curve, moved


@dataclass(frozen=True)
class Lips:
    """Borders (25, 3) from the left corner to the right, and measures derived from them.

    upper_out, upper_in, lower_in, lower_out: from top to bottom. top, bottom: height of the inner borders in
    the middle, gap: between them. above, below: thickness of the upper and lower lip.
    """

    upper_out: np.ndarray
    upper_in: np.ndarray
    lower_in: np.ndarray
    lower_out: np.ndarray
    top: float
    bottom: float
    gap: float
    above: float
    below: float


def _corner(face: Face, side: int) -> tuple[float, float]:
    """Position (x, y) of the corner of the mouth on that side."""
    who, unit = face.who, face.units[side]
    out = who.mouth_width + 9 * unit["au12"] + 6 * unit["au20"] + 3 * unit["au14"] - unit["au15"]
    out -= 5 * unit["au26"] + 3 * unit["au23"]
    up = who.mouth_slope + 11 * unit["au12"] + 1.5 * unit["au14"] - 7.5 * unit["au15"] - 2.5 * unit["au20"]
    return side * out, who.mouth_line - up + 0.45 * face.drop


def _shape_lips(face: Face) -> Lips:
    """AU10 lifts the upper lip, AU16 lowers the lower, AU17 pushes both up, AU23 thins, AU25, AU26 open."""
    who = face.who
    a10, a12, a16, a17, a20, a23, a25 = (
        face.mean(unit) for unit in ("au10", "au12", "au16", "au17", "au20", "au23", "au25")
    )
    gap = ((5.5 + 4 * a12) * a25 + face.drop * (0.75 + 0.25 * a25)) * (1 - 0.8 * a23)
    top = who.mouth_line + 3.0 * a12 - 4.5 * a10 - 3 * a17 - 0.12 * gap
    bottom = top + gap + 1.5 * a16 * (gap > 1)
    thick = 1 - 0.6 * a23 - 0.25 * a12 - 0.25 * a20
    above = 6.5 * who.lip_full * max(thick, 0.2)
    below = 8.5 * who.lip_full * max(thick + 0.2 * a17, 0.25)
    (lx, ly), (rx, ry) = _corner(face, -1), _corner(face, 1)

    def border(y: float, bulge: float, dip: float) -> np.ndarray:
        """A border at height `y` in the middle; `bulge` lowers the flanks, `dip` lifts beside the middle."""
        return curve([(lx, ly), (0.55 * lx, 0.72 * y + 0.28 * ly + bulge), (0.16 * lx, y - dip), (0, y),
                      (0.16 * rx, y - dip), (0.55 * rx, 0.72 * y + 0.28 * ry + bulge), (rx, ry)])  # fmt: skip

    return Lips(
        upper_out=border(top - above + 1.4, -0.12 * above, 1.4),
        upper_in=border(top, -0.12 * gap, -0.4),
        lower_in=border(bottom, 0.12 * gap, -0.3),
        lower_out=border(bottom + below, 0.1 * below, 0.0),
        top=top,
        bottom=bottom,
        gap=gap,
        above=above,
        below=below,
    )


def _add_opening(sheet: Sheet, face: Face, lips: Lips) -> None:
    """The dark inside of the mouth, with teeth and tongue."""
    opacity = min(1.0, lips.gap / 1.5)
    sheet.fill(lips.upper_in, lips.lower_in[::-1], tone=0.07, opacity=opacity, relief=-2, keep=True)
    if lips.gap <= 1.5:
        return
    a10, a12, a16, a20 = (face.mean(unit) for unit in ("au10", "au12", "au16", "au20"))
    show = min(7.5, 2.0 + 5 * a12 + 4 * a10 + 3.5 * a20 + 1.5 * face.mean("au26"))
    edge = moved(lips.upper_in, y=show)
    sheet.fill(moved(lips.upper_in, y=-2), edge[::-1], tone=0.88, clip=True)
    for tooth in range(-4, 5):
        between = np.array([(5.2 * tooth, lips.top - 3, 0), (5.2 * tooth, lips.top + show + 2, 0)])
        sheet.line(between, 0.7, 0.5, 0.35, soft=1.5, clip=True)
    if a16 + a20 + 0.6 * a10 > 0.35:
        sheet.fill(moved(lips.lower_in, y=2), moved(lips.lower_in, y=-3.5)[::-1], tone=0.72, clip=True)
    sheet.line(moved(lips.upper_in, y=1), 2.5, 0.05, 0.45, soft=3, clip=True)
    tongue = (0.6 * float(lips.upper_in[-1, 0]), 0.4 * lips.gap)
    sheet.spot((0, lips.bottom + 1), tongue, 0.4, 0.6, clip=True)


def add_mouth(sheet: Sheet, face: Face) -> None:
    """Lips, opening, corners and chin."""
    skin, tone = face.who.skin, face.who.lip * face.who.skin
    lips = _shape_lips(face)
    above, below = lips.above, lips.below
    sheet.fill(lips.upper_out, lips.lower_out[::-1], tone=tone, opacity=0.85)
    sheet.fill(lips.upper_out, lips.upper_in[::-1], tone=0.75 * tone, opacity=0.5)
    ridge = (lips.lower_in + lips.lower_out) / 2
    sheet.line(ridge, (1, 0.7 * below, 1), min(1.0, 1.35 * tone), 0.4, soft=0.6 * below + 1, relief=2.5)
    ridge = (lips.upper_in + lips.upper_out) / 2
    sheet.line(ridge, (1, 0.6 * above, 1), tone, 0.1, soft=0.6 * above + 1, relief=1.8)
    _add_opening(sheet, face, lips)
    sheet.line(lips.upper_in, (1.5, 1.3, 1.5), 0.08, 0.75, soft=1.5, relief=-1)
    for side in SIDES:
        unit = face.units[side]
        x, y = _corner(face, side)
        pull = max(unit["au12"], unit["au14"], unit["au15"], 0.5 * unit["au20"])
        dent = curve([(x + side, y - 3), (x + side * 2.5, y), (x + side * 1.5, y + 3 + 4 * unit["au15"])])
        sheet.line(dent, (0.6, 2.4, 0.4), 0.2 * skin, 0.15 + 0.6 * pull, soft=2.5, relief=-1.5 * pull)
    a17, chin = face.mean("au17"), lips.bottom + below
    sheet.spot((0, chin + 4), (0.7 * face.who.mouth_width, 5), 0.3 * skin, 0.4 + 0.25 * a17, relief=-2)
    sheet.spot((0, chin + 15), (17, 13), skin, 0.1, relief=4 + 4 * a17)
    for dimple in range(5):
        at = (5.0 * (dimple - 2), chin + 12 + 3 * (dimple % 2))
        sheet.spot(at, (3.5, 3), 0.3 * skin, 0.35 * a17, relief=-0.7 * a17)
