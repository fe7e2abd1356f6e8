"""The speed of fedfer, and of Flower as its own tutorials use it, measured side by side in one run.

In: nothing but this machine. Out: speed.json and its table (benchmark.py). A new contender is a function in
contenders.py.
"""
