"""What `pimsim warm-up` compiles is what runs call."""

from __future__ import annotations

from numba import typeof

from pimsim import load_config
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.shared.compiled.compiled_dram import CompiledDram
from pimsim.hardware.shared.compiled.compiled_period import CompiledPeriod
from pimsim.hardware.shared.compiled.contention_parts import PARTS
from pimsim.hardware.shared.dram import Dram
from tests.pimsim.hardware.shared.traffics import Case


def test_runs_call_the_kernels_with_these_types() -> None:
    """Numba compiles a function again for other types; then the ones of the parts would never be used."""
    CompiledPeriod(Case(1, 2, ()).network_parameters()).run(0)
    memory = CompiledDram(Dram(load_config("memory-lpddr5x-timing").machine.memory))
    memory.submit(0, MemoryShare(64), 0)
    memory.advance(1 << 60)
    calls = [call for part in PARTS for call in part.calls()]
    assert len(calls) == 2
    for kernel, arguments in calls:
        assert kernel.signatures == [tuple(map(typeof, arguments))]
