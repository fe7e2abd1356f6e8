"""Strategies x partitions x seeds, in parallel on all cores, with one table of the results.

In: the request (request.py). Out: a folder of runs, sweep.csv and table.md.
"""
