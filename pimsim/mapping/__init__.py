"""Mapping of a trace onto a machine: which component executes which share of each op. Pure functions."""
