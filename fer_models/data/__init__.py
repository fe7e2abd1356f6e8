"""From listed photos to views: the table and its split, the plan that balances the training part, what leaks.

In: a source of photos. Out: `ImageTable` and `ViewPlan`, in a fixed order that everything after them
shares.
"""
