"""Attacks: what malicious phones do, to test robust strategies.

In: a malicious phone's honest update, or the labels it trains on. Out: what it sends, or trains on, instead.
A seeded fraction of the phones is malicious, the same ones in every round; they do not collude and know only
their own update. To add an attack, write a page with a class, and a line in registry.py.
"""
