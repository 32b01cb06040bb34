"""Compiled loops over arrays: the only place that knows Numba. They check nothing; their callers do."""
