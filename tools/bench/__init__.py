"""All benchmarks in one run, on one page per machine: `python -m tools.bench`, or `make bench`."""
