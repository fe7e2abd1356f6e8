"""The drawn faces: parameters of a face in, its photo out; the same on every machine.

In: how many faces and people, and a seed. Out: `SketchSet` (faces.py). One more trait is a page that draws
it and a line in portrait.py.
"""
