"""Conversion of configs of other simulators into configs of pimsim; each line names the key that it comes from."""
