"""From what phones sent to the next head: a page for each algorithm, that cites its paper.

In: the head of a round and the updates (base.py). Out: the next head and what the algorithm keeps. One more
algorithm is a page with a class, which declares its options, and a line in registry.py; or a class of the
user's own, which settings name as module:Class.
"""
