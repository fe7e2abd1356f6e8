"""Turns run folders into pages and figures. Reads files, never live objects.

In: the folder of a finished run. Out: report.html (report.py). To add a section: a function and a line in
report.py.
"""
