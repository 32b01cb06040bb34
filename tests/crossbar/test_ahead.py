"""What is compiled ahead is what a use calls: no other kernel, and no other types of arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import typeof

from crossbar import CrossbarParams, program_matrix, transfer_matrix
from crossbar.ahead import compiling, missing_parts
from crossbar.kernels import threads
from crossbar.kernels.array_parts import PARTS
from tests.crossbar.valid_params import PAIR
from tests.crossbar.valid_params import WIRES as VALID_WIRES

WIRES = VALID_WIRES | {"model": "approximate", "word_line_ohm": 1.0, "bit_line_ohm": 1.0}
NO_WIRES = WIRES | {"model": "none"}
NEAR = {"hrs_ohm": 1.001 * PAIR["cell"]["lrs_ohm"]}
CALIBRATED = PAIR | {"adc": PAIR["adc"] | {"range": "per_column"}}
CASES = {
    "arrays": CALIBRATED | {"wires": NO_WIRES},
    "wires": CALIBRATED | {"wires": WIRES},
    "wide": CALIBRATED | {"wires": NO_WIRES, "cell": PAIR["cell"] | NEAR},
}


def groups_of(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    monkeypatch.setattr("crossbar.ahead.is_compiled", lambda _: False)
    return {part.group for part in missing_parts(CrossbarParams.model_validate(case))}


def test_groups_follow_from_the_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    assert groups_of(CASES["arrays"], monkeypatch) == {"arrays"}
    assert groups_of(CASES["wires"], monkeypatch) == {"arrays", "wires"}
    assert groups_of(CASES["wide"], monkeypatch) == {"arrays", "wide"}
    refused = PAIR | {"encoding": PAIR["encoding"] | {"weights": "int8", "cell_bits": 2}, "wires": WIRES}
    assert groups_of(refused, monkeypatch) == set()


@pytest.mark.parametrize("case", CASES)
def test_a_use_compiles_nothing_else(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kernel of the groups is called with the types of its parts, and with these only.

    Wide cells are programmed with 16 bits first, and then only multiplied with 32.
    """
    params = CrossbarParams.model_validate(CASES[case])
    groups = groups_of(CASES[case], monkeypatch)
    if case == "wires":
        transfer_matrix(np.full((20, 20), 1e-4), 1.0, 1.0)
    parts = [part for part in PARTS if part.group in groups and not (case == "wide" and part.name == "products")]
    expected = {(kernel, tuple(map(typeof, arguments))) for part in parts for kernel, arguments in part.calls()}
    kernels = {kernel for kernel, _ in expected}
    before = {(kernel, types) for kernel in kernels for types in kernel.signatures}
    program_matrix(np.ones((40, 20), np.int8), params, 0).observe(np.ones((3, 40), np.int32))
    used = {(kernel, types) for kernel in kernels for types in kernel.signatures}
    assert used - before <= expected
    assert {kernel.py_func.__name__ for kernel, _ in expected - used} <= {"store_cells"}  # for wires only


def test_the_first_loop_waits_for_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossbar.kernels.warming._CHILD", "raise ValueError('in a child')")
    with compiling(PARTS[:1]):
        (wait,) = threads._awaited
        threads.run_in_ranges(lambda first, last: None, 1, 1)
    assert not threads._awaited
    assert wait.__self__.failure == "ValueError: in a child"  # type: ignore[attr-defined]
