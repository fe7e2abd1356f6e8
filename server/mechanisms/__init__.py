"""Mechanisms: what happens on the server to the sum of a round's updates, before the strategy uses it.

In: the exact sum over phones (fer_models.local.training.Update). Out: a sum, and numbers for the round's
record. To add a mechanism, write a page with a class that implements `base.Mechanism`.
"""
