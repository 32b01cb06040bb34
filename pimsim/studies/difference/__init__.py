"""`pimsim diff`: why two results of runs differ, in keys of the config, parts of the machine, ops and work."""
