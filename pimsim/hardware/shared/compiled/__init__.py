"""The packet network and the DRAM in loops that Numba compiles, with the results of those in Python beside it."""
