"""Metrics that a sweep can compute for each of its points."""
