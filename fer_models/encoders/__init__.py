"""The frozen part of a model: uint8 images in, one row of features each out. Nothing here is trained.

In: a file of weights, found and verified. Out: an `Encoder` (encoder.py), on a CPU or a GPU.
"""
