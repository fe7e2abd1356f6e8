"""One run from start to end: request, provenance, rounds, baselines, results.

In: a `Request`. Out: a run folder, and a `Result` to show at the end (runner.py).
"""
