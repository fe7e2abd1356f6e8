"""Differential privacy of a phone: what a number of noisy rounds guarantees, and how much noise that takes.

In: how phones take part (participation.py), a noise multiplier or an epsilon, a delta. Out: a guarantee with
its assumptions (guarantee.py), and epsilon after each round (curve.py). Pure NumPy and SciPy on Google's
dp-accounting, which is imported only where it is used (backend.py). The
parts of a mechanism stand beside them, and are used by no run yet: noise on the lattice of exact sums
(discrete_gaussian.py), and updates on it whose norm is surely within the clip (clipping.py).

To add a way of sampling phones, write a class in sampling.py and a line in its table.
"""
