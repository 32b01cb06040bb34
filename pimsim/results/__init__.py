"""Results of runs: the frozen result, what is derived from it, and its files."""
