"""The terminal display: stages during a run, its result at the end. Nothing is computed here."""
