"""Strategies: from the updates of a round to the next head. One page per algorithm, which cites its paper.

In: the head of a round and the updates (base.py). Out: the next head and the algorithm's state. To add an
algorithm, write a page with a class that declares its options, and a line in registry.py; or write a
user-defined class, which the settings name as module:Class.
"""
