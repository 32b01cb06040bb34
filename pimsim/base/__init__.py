"""Foundations that every other folder may use: errors, units, files, optional dependencies."""
