"""Differential privacy of a phone: what a private run adds, and what it says of it.

In: section `privacy` of the settings (config.py) and the exact sum of a round's clipped updates. Out: the
plan of a run with epsilon after each round (plan.py), the noisy sum (central.py), the guarantee with its
assumptions (statement.py). Noise is drawn on the lattice of exact sums (discrete_gaussian.py, from the coins
of coins.py), and what that costs is accounted (lattice.py). Pure NumPy: it knows no Flower.
"""
