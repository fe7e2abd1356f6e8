"""What nodes run on: Ray, Flower's own runtime or this process; started and stopped cleanly.

In: how many nodes, and where their logs go. Out: what runs a job on them (launcher.py). Only this package
imports Ray.
"""
