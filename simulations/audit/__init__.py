"""Attacks on a finished run, as a curious server or a reader of its head would make them.

In: a run folder. Out: audit.json (fer_models/run_folder/audit.py), and its section of the page. The run is
prepared again from its settings; nothing in its folder is used but these and the photos. An attack is a page
with one function, and a line in audit.py.
"""
