"""The version of pimsim, and of everything it writes that says which code wrote it."""

__version__ = "0.2.0"
