"""Compare the figures of two revisions: run the same commands with both, and compare all that they print and write."""
