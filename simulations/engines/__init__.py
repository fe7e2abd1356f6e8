"""What nodes live on: Ray, Flower's own runtime or this process; begun and ended cleanly.

In: how many nodes, and where their logs go. Out: what runs a job on them (launcher.py). Ray is imported in
this room alone.
"""
