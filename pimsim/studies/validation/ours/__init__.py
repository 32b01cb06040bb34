"""Computation of our value of each row; one module per subject."""
