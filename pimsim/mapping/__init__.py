"""Mapping of a trace onto a machine: which component does which fraction of each op. Pure functions."""
