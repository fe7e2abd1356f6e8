"""The commands: what users type, thin over what does the work; and Flower's own command.

One more command is a function and a line in main.py.
"""
