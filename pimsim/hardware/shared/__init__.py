"""Hardware with resource contention inside: the network between tiles and the DRAM channels."""
