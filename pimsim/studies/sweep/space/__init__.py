"""The space of a sweep: its file, axes, constraints, and the points drawn from it."""
