"""The centralized study: every model at every balance over several seeds, with tables, figures and a page.

In: a request (request.py). Out: a folder of runs and their joint results (study.py, results.py).
"""
