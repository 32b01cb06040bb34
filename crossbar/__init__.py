"""Analog ReRAM arrays as a library of its own: their electrical parameters, and the products that they compute.

    >>> from crossbar import program_matrix
    >>> from pimsim import load_config
    >>> pair = load_config("pim-llm").machine.crossbar.pair  # a CrossbarParams
    >>> product = program_matrix([[1], [-1], [1]], pair, seed=1).multiply([3, 1, 2])

The package contains no scheduling, no models and no file formats. Programming and multiplication are compiled by Numba.
Every name below is imported when it is first used, so code that needs only the parameters does not load Numba.
"""

import lazy_loader

TYPE_CHECKING = False  # as typing.TYPE_CHECKING, whose module takes 10 ms to import
if TYPE_CHECKING:
    from crossbar.array_activity import Activity as Activity
    from crossbar.array_activity import ErrorStatistics as ErrorStatistics
    from crossbar.array_activity import Observation as Observation
    from crossbar.array_errors import CrossbarError as CrossbarError
    from crossbar.error_analysis import Analysis as Analysis
    from crossbar.error_analysis import analyse as analyse
    from crossbar.params import AdcParams as AdcParams
    from crossbar.params import ArrayParams as ArrayParams
    from crossbar.params import CellParams as CellParams
    from crossbar.params import CrossbarParams as CrossbarParams
    from crossbar.params import DacParams as DacParams
    from crossbar.parasitics import approximate_transfer_matrix as approximate_transfer_matrix
    from crossbar.parasitics import solve_currents as solve_currents
    from crossbar.parasitics import transfer_matrix as transfer_matrix
    from crossbar.programmed_matrix import ProgrammedMatrix as ProgrammedMatrix
    from crossbar.programmed_matrix import program_matrix as program_matrix
    from crossbar.samples import random_activations as random_activations
    from crossbar.samples import random_weights as random_weights
    from crossbar.verification import expected_write_pulses as expected_write_pulses

_PUBLIC = {  # module: {name: what `help(crossbar)` says of it}; the imports above repeat it for type checkers
    "array_activity": {
        "Activity": "Drive and conversion counts of a multiplication, for the energy model.",
        "ErrorStatistics": "Mean, RMS and histogram of the errors of a product.",
        "Observation": "Product of `ProgrammedMatrix.observe` with its errors and activity.",
    },
    "array_errors": {
        "CrossbarError": "Wrong parameters, weights or activations.",
    },
    "error_analysis": {
        "Analysis": "Result of `analyse`: errors over chips, by source and by column.",
        "analyse": "Compute the errors of a matrix product over chips and by error source.",
    },
    "params": {
        "AdcParams": "Parameters of the ADCs.",
        "ArrayParams": "Size of an array and how its rows and columns are used.",
        "CellParams": "Resistances and endurance of a cell.",
        "CrossbarParams": "All electrical parameters of a crossbar pair.",
        "DacParams": "Parameters of the DACs.",
    },
    "parasitics": {
        "approximate_transfer_matrix": "Approximate the transfer matrix of an array with resistive lines.",
        "solve_currents": "Solve the bit-line currents of an array with resistive lines.",
        "transfer_matrix": "Compute the exact transfer matrix of an array with resistive lines.",
    },
    "programmed_matrix": {
        "ProgrammedMatrix": "A weight matrix in programmed arrays.",
        "program_matrix": "Program a weight matrix into arrays.",
    },
    "samples": {
        "random_activations": "Draw random activations.",
        "random_weights": "Draw random weights.",
    },
    "verification": {
        "expected_write_pulses": "Compute the mean number of write pulses per cell with write-verify.",
    },
}

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs=_PUBLIC)
__doc__ = f"{__doc__ or ''}\nPublic names:\n" + "".join(  # no docstring under python -OO
    f"    {name:28} {line}\n" for name, line in sorted(line for lines in _PUBLIC.values() for line in lines.items())
)
