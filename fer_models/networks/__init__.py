"""Whole networks that torch trains: their parts, how they are built and restored, their training and costs.

In: a model's name and a seed. Out: a network whose arrays have names. One more network is a page
with its layers, what it reads and its options (as cnn.py), and a line in registry.py.
"""
