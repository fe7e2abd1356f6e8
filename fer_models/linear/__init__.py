"""Linear heads that are solved instead of trained, and the sums over photos that they are solved from.

In: features and labels, or sums of them (statistics.py). Out: a head. To add a model, write a page like
linear_models.py and a line in fer_models/models.py.
"""
