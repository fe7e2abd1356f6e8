"""Whole networks trained with torch: their layers, how they are built and restored, their training and costs.

In: a model's name and a seed. Out: a network with named arrays. To add a network, write a page with its
layers, its input and its options (like cnn.py), and a line in registry.py.
"""
