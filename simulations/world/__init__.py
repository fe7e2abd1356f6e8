"""From a configuration to who holds which photos: photos, partition, held-out parts, skew.

In: a configuration. Out: `World`, and what `World.prepare` makes of it: arrays and counts (prepare.py). The
partitions themselves are in simulations/partitions.
"""
