"""From a configuration to who holds which photos: photos, partition, held-out parts, skew.

In: a configuration. Out: `World`, and what `World.prepare` makes of it: arrays and counts (prepare.py). One
more partition is a function and a line in partition.py.
"""
