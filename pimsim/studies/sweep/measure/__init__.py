"""Metrics that a sweep computes for each of its points."""
