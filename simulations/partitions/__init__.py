"""Who holds which training photos: a page for each partition, that declares its options.

In: labels and subjects of the training photos, phones, a generator. Out: the phone of each photo (base.py).
One more partition is a page with a class and a line in registry.py; or a class of the user's own, which
settings name as module:Class. The room stands beside `world`, which reads the settings, as these read it.
"""
