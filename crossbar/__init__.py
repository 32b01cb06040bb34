"""The analog ReRAM array as an object of its own: its electrical parameters and, later, the numbers it computes.

Knows nothing of scheduling, models or files.
"""

from crossbar.params import AdcParams, ArrayParams, CellParams, CrossbarParams, DacParams

__all__ = ["AdcParams", "ArrayParams", "CellParams", "CrossbarParams", "DacParams"]
