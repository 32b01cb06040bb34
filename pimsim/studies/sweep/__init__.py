"""Sweeps: many configs from one file, run on all cores or a cluster, kept in one result file.

A sweep file (`spec`) becomes a plan: axes (`axes`), sampling (`sampling`) and constraints (`expressions`) say which
points there are (`plan`). Each point is evaluated on its own (`evaluate`), on processes of this machine (`execute`) or
of a Dask cluster (`dask_execution`); finished points go to a journal (`journal`), and at the end to an HDF5 file
(`store`) that is read back as a table (`results`). `run` puts these together.
"""
