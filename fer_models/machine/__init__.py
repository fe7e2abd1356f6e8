"""What surrounds the process: cores, cache folders, torch's device, digests of the code, network access.

One subject a file; nothing here knows what is learned.
"""
