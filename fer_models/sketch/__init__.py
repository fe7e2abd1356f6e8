"""The drawn faces: parameters of a face in, its photo out; the same on every machine.

In: the numbers of faces and people, and a seed. Out: `SketchSet` (faces.py). To add a trait, write a page
that draws it and add a line to portrait.py.
"""
