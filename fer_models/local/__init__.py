"""The local update: what a phone, or the centralized baseline, does with its views, one function for all.

In: a head, views and terms of the loss. Out: an update, summed exactly over phones, or one for each
(training.py). The arithmetic is one compiled loop (kernel.py); whole networks have theirs in torch
(networks/phones.py).
"""
