"""What a number of noisy rounds guarantees to a phone, and how much noise a guarantee takes.

In: how phones take part (participation.py), a noise multiplier or an epsilon, a delta. Out: a guarantee with
its assumptions (guarantee.py), and epsilon after each round (curve.py). Pure NumPy and SciPy on Google's
dp-accounting, which is imported only where it is used (backend.py).

To add a way of sampling phones, write a class in sampling.py and a line in its table.
"""
