"""Whole networks that torch trains: their parts, how they are built and restored, their training and costs.

In: a model's name and a seed. Out: a network whose arrays have names. One more network is a class in
layers.py and a line in build.py.
"""
