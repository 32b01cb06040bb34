"""A decode step between the arrays in loops that Numba compiles, with the bits of the pass in NumPy beside it."""

import crossbar.kernels  # noqa: F401 - makes Numba compile in any case, if it is imported before Numba
