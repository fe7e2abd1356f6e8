"""The sections of benchmark.html: each function takes the record alone, and returns markup, or "".

To add one: write it here, in the file of its subject, and name it in page.py, in the order of the page.
"""
