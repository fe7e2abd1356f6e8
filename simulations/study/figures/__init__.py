"""The figures of a study, each drawn from its results; files.py lists them and writes them.

To add a figure, write a page with a function that draws it, and a line in files.py.
"""
