"""Compare two revisions: run the same commands with both, and compare everything that they print and write."""
