"""Execution of a sweep: worker processes, Dask clusters and the journal of finished points."""
