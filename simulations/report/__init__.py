"""Run folders to pages and figures. It reads files, never live objects.

In: the folder of a finished run. Out: report.html (report.py). One more section is a function and a line in
report.py.
"""
