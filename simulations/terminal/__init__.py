"""What one sees in the terminal: stages while a run goes, its result at the end. Nothing is computed here."""
