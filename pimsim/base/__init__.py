"""Modules that every other folder may import: errors, units, files, short representations, optional dependencies."""
