"""Photos listed in tables: one reader for every kind of text table, and what its columns mean.

In: a table of files or of pixels. Out: its photos, for fer_models/photos/sources.py, and what was set aside.
"""
