"""Who holds which training photos: a page for each partition, which declares its options.

In: labels and subjects of the training photos, phones, a generator. Out: the phone of each photo (base.py).
A new partition is a page with a class and a line in registry.py; or a class of the user, named in the
settings as module:Class. It is apart from `world`, which imports the settings, which import this package.
"""
