"""The command line: thin commands over the packages that do the work, and the app for Flower's own command.

To add a command: a function and a line in main.py.
"""
