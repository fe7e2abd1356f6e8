"""Run folders side by side: a list of those below a folder, and one page that compares several.

In: run folders, finished, stopped or damaged. Out: records of what was found (listing.py), a table of them
for the terminal (table.py), comparison.html (page.py, from the runs that compared.py reads). To add a section
to the page: a function and a line in page.py.
"""
