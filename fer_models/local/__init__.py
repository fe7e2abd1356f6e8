"""The local update: training on a phone's views, or the centralized baseline's, with one function for both.

In: a head, views (phone_rows.py) and loss terms (terms.py). Out: an update, summed exactly over phones, or
one per phone (training.py).
The arithmetic is one compiled loop (kernel.py); whole networks have their own in torch (networks/phones.py).
"""
