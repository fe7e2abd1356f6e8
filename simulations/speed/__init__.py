"""How fast, side by side in one run: ours, and Flower as its own tutorials use it.

In: nothing but this machine. Out: speed.json and its table (benchmark.py). One more contender is a class in
contenders.py.
"""
