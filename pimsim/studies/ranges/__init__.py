"""Ranges of the constants of a config, and the intervals of its figures that follow from them (docs/ranges.md)."""
