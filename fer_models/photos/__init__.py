"""Finding photos: from what a user names to a list of (path, label, person, part), each checked.

In: `data.source`, a folder, a table of files, a table of pixels or a data set. Out: a `Source` (sources.py)
that lists its photos, checks them and reads them one by one, with a ledger of everything found. To add a
kind of source, write one page with a class like `PixelTable` and add a line to `open_source`.
"""
