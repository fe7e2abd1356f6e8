"""Strategies x partitions x seeds, side by side on all cores, with a table of all.

In: what was asked (request.py). Out: a folder of runs, sweep.csv and table.md.
"""
