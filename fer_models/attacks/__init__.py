"""Attacks: what malicious phones do, so that robust strategies meet what they were made for.

In: a malicious phone's honest update, or the labels it trains on. Out: what it sends, or trains on, instead.
A seeded share of the phones is malicious, the same ones in every round; they do not work together and know
of nobody's update but their own. One more attack is a page with a class and a line in registry.py.
"""
