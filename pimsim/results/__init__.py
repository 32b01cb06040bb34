"""Results of runs: the frozen record of a run, analyses of it, and its files."""
