"""Ways to balance the classes of training photos: `data.balance_on`.

In: the table of photos, and which phone holds which. Out: the plan of training views, and whether phones
weigh their losses. To add one, write a page like on_phone.py and a line in registry.py.
"""
