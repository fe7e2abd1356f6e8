"""Centralized against federated: arms over the same folds, tuned alike, and what their differences are worth.

In: a suite (suite.py), one of suites/*.toml or the user's own. Out: a folder of runs (request.py, search.py,
cells.py), the numbers that can be defended (results.py, from simulations/inference), and benchmark.html,
.json, .csv and .tex. One more suite is one more TOML file.
"""
