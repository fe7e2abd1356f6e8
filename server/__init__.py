"""The server's end of the wire: selection, orders, folding, evaluation, checkpoints."""
