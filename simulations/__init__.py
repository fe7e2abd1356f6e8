"""Makes the simulated world, runs it and reports on it."""
