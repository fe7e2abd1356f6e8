"""Secure aggregation: one sum of many phones' updates, and no single update.

SecAgg+ (Bell, Bonawitz, Gascón, Lepoint and Raykova 2020, ePrint 2020/704, algorithm 2: semi-honest).
In: exact sums as integers (ring.py). A phone's side of the four steps is a value and its transitions
(phone.py), from its keys (keys.py), masks (masks.py) and shares (shamir.py); the server's is a graph of who
masks with whom (graph.py), and the removal of the masks from a sum (unmasking.py). Out: the same integers.
It knows no Flower: clients/secure.py and server/secure.py carry it.
"""
