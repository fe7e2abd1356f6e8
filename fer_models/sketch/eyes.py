"""The eyes and brows of a drawn face.

One part of the anatomy (portrait.py); numbers are pixels in face coordinates (sheet.py).
"""

import numpy as np

from fer_models.sketch.portrait import SIDES, Face
from fer_models.sketch.sheet import Sheet, curve, moved


def _add_iris(sheet: Sheet, face: Face, side: int) -> None:
    """Iris, pupil and glint, inside the stencil."""
    iris = face.who.iris
    x, y = side * face.who.eye_gap + face.gaze[0], face.who.eye_line - 0.6 + face.gaze[1]
    point = np.array([(x, y, 0), (x + 0.01, y, 0)])
    sheet.line(point, 11.6, 0.6 * iris, soft=1.2, clip=True)
    sheet.line(moved(point, y=0.4), 8.6, iris, soft=2.5, clip=True)
    sheet.line(point, 4.6, 0.02, soft=1.0, clip=True)
    sheet.spot((x - 2.2, y - 2.4), (2.0, 2.0), 1.0, 0.95, clip=True)


def _add_eye(sheet: Sheet, face: Face, side: int) -> None:
    """Eyeball, iris, lids, lashes and crow's feet on one side."""
    who, unit, skin = face.who, face.units[side], face.who.skin
    x, y, w = side * who.eye_gap, who.eye_line, who.eye_width
    a5, a6, a7, a9, a43 = (unit[name] for name in ("au5", "au6", "au7", "au9", "au43"))
    closed = 0.28 * a7 + 0.9 * a43 + 0.3 * a9 + 0.15 * unit["au4"] + 0.15 * unit["au12"]
    upper = max(0.3, 0.56 * who.eye_open * (1 + 0.75 * a5 - closed))
    lower = max(0.2, 0.44 * who.eye_open * (1 + 0.3 * a5 - 0.75 * max(a6, 0.9 * a7) - 0.5 * a9))
    slant = who.eye_slant - unit["au1"]
    inner, outer = (x - side * w, y + 1.5), (x + side * w, y - slant)
    lid = curve([inner, (x - side * 0.6 * w, y - 0.72 * upper), (x - side * 0.05 * w, y - upper),
                 (x + side * 0.6 * w, y - 0.7 * upper - 0.4 * slant), outer])  # fmt: skip
    floor = curve([outer, (x + side * 0.5 * w, y + 0.8 * lower - 0.3 * slant), (x, y + lower),
                   (x - side * 0.6 * w, y + 0.7 * lower + 0.6), inner])  # fmt: skip
    sheet.fill(lid, floor, tone=0.55 + 0.35 * skin**0.5, keep=True)
    sheet.spot((x, y), (w * 1.25, 11), 0.95, 0.3, clip=True)
    _add_iris(sheet, face, side)
    sheet.line(moved(lid, y=1.2), 3.0, 0.1, 0.55, soft=3.0, clip=True)
    sheet.line(lid, (0.9, 2.0, 2.2), 0.06, 0.9, relief=0.6)
    sheet.line(floor, (1.0, 0.9, 0.6), 0.3 * skin, 0.6, soft=1.5)
    crease = moved(lid[1:], y=-3.6 + 1.3 * a5 - 1.5 * a43)
    sheet.line(crease, (0.5, 1.4, 0.8), 0.3 * skin, 0.55, soft=2, relief=-1)
    depth = 0.6 * a6 * (0.4 + 0.6 * who.age) + 0.1 * who.age
    for ray in range(3):
        start = (outer[0] + side * 4, outer[1] + 5 * (ray - 1) + 1)
        path = curve([start, (start[0] + side * 8, start[1] + 3.5 * (ray - 0.6))], 3)
        sheet.line(path, (1.2, 0.9, 0.2), 0.3 * skin, depth, soft=2, relief=-depth)


def add_eyes(sheet: Sheet, face: Face) -> None:
    """Both eyes: AU5 opens them, AU6, AU7, AU9 and AU43 close them."""
    for side in SIDES:
        _add_eye(sheet, face, side)


def add_brows(sheet: Sheet, face: Face) -> None:
    """Brows: AU1 lifts the inner end, AU2 the outer, AU4 lowers both and pulls them together."""
    who = face.who
    tone, thick = 0.6 * who.hair_tone + 0.03, who.brow_width
    for side in SIDES:
        unit = face.units[side]
        a1, a2, a4 = unit["au1"], unit["au2"], unit["au4"]
        x, y = who.eye_gap, who.eye_line - who.brow_line - 1.5 * unit["au5"] + 2 * unit["au9"]
        path = curve([
            (side * (x - 17 - 3.5 * a4), y - 0.5 - 9 * a1 + 7 * a4 - 1.5 * a2, 3),
            (side * (x - 8 - 2 * a4), y - 5 * a1 + 6 * a4 - 4.5 * a2, 3),
            (side * (x + 7 - a4), y - 2 - 0.6 * who.brow_slope - a1 + 4 * a4 - 8 * a2, 3),
            (side * (x + 20), y + 4 - who.brow_slope + a1 + 2 * a4 - 7 * a2 + unit["au43"], 0),
        ])  # fmt: skip
        sheet.line(path, (thick * 0.9, thick, 0.8), tone, 0.75, soft=2.5, relief=1.5)
        for k, (x, y, z) in enumerate(path[1:10].tolist()):
            hair = [(x - side, y + 1.5, z), (x + side * (2.5 + 0.3 * k), y - 2.6 + 0.45 * k, z)]
            sheet.line(np.array(hair), (1.2, 1.0, 0.3), 0.6 * tone, 0.6)
