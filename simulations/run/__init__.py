"""One run from beginning to end: what was asked, what it began with, rounds, baselines, results.

In: a `Request`. Out: a run folder, and what there is to show at the end (runner.py).
"""
