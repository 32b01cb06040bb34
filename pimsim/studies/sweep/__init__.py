"""Sweeps: many configs from one sweep file, run on all cores or on a cluster, with one result file.

`space` reads the sweep file (`sweep_spec`) and determines its points from axes, sampling and constraints (`axes`,
`sampling`, `expressions`, `plan`). `running` evaluates each point independently (`evaluate_point`), in processes of
this machine (`local_execution`) or of a Dask cluster (`dask_execution`). It appends finished points to a journal
(`journal`) and finally writes the result file (`sweep_run`). `table` stores the results in an HDF5 file
(`sweep_store`), reads them back as a table (`sweep_results`) and analyses them. `measure` defines the metrics.
"""
