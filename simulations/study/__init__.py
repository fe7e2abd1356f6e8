"""The centralized study: every model at every balance over several seeds, with tables, figures, page.

In: what was asked (request.py). Out: a folder of runs and what they say together (study.py, results.py).
"""
