"""From listed photos to views: the table and its split, the plan that balances training, the leakage check.

In: a source of photos. Out: `ImageTable` and `ViewPlan`, in a fixed order that all later stages share.
"""
