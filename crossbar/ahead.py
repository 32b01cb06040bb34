"""Kernels that the arrays of given parameters need, so that they can be compiled ahead of their use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from crossbar.array_errors import CrossbarError
from crossbar.cells import choose_storage
from crossbar.conductances import Draw, has_wires
from crossbar.encoding import weight_code
from crossbar.input_checks import check_computed
from crossbar.kernels.array_parts import PARTS
from crossbar.kernels.threads import before_next_loop
from crossbar.kernels.warming import Compilation, Part, is_compiled
from crossbar.params import CrossbarParams

_DEVIATIONS = 5
"""Standard deviations by which the largest of some thousand cells is above nominal."""


def missing_parts(params: CrossbarParams) -> tuple[Part, ...]:
    """Return the kernels that these arrays need and that Numba's cache does not have.

    Args:
        params: Parameters of the arrays.

    Returns:
        Parts of `crossbar.kernels.array_parts`; none for parameters that the arrays refuse to compute.
    """
    try:
        check_computed(params)
        groups = {"arrays", *(["wide"] if _are_wide(params) else []), *(["wires"] if has_wires(params) else [])}
    except CrossbarError:
        return ()
    return tuple(part for part in PARTS if part.group in groups and not is_compiled(part))


def _are_wide(params: CrossbarParams) -> bool:
    statistics, code = Draw(params, 0).cell_statistics(), weight_code(params.encoding)
    lrs, hrs = float(statistics.lrs), float(statistics.hrs)
    subtracts = all(channel.subtracts != "nothing" for channel in code.channels)
    spread = _DEVIATIONS * max(lrs * float(statistics.lrs_sigma), hrs * float(statistics.hrs_sigma))
    return choose_storage((1.0 if subtracts else max(lrs, hrs)) + spread, params)[1] == np.int32


@contextmanager
def compiling(parts: Sequence[Part]) -> Iterator[None]:
    """Compile kernels in other processes while this context runs; the first loop over arrays waits for them.

    Args:
        parts: Parts from `missing_parts`.

    Yields:
        None.
    """
    if not parts:
        yield
        return
    with Compilation(parts) as compilation:
        before_next_loop(compilation.wait)
        yield
