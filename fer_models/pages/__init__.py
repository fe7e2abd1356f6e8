"""Variants by name: strategies, partitions, networks, transforms and attacks, each a page (a class).

In: a name from the settings. Out: its page, with the options checked. registry.py maps names to pages,
options.py reads the options that a page declares, extensions.py imports classes of the user's own.
"""
