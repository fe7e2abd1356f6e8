"""The phones' end of the wire: an order in, a local update out."""
