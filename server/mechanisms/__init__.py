"""What happens to the sum of a round's updates on the server, before the strategy makes the next head of it.

In: the exact sum over phones (fer_models.local.training.Update). Out: a sum, and numbers for the round's
record. One more mechanism is a page with a class that does what `base.Mechanism` says.
"""
