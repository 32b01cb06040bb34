"""Compile what most tests of arrays and the tests of networks need, in a process of its own while the other tests run.

Otherwise each of pytest-xdist's workers would compile all of it. Only Numba's cache is written; what fails here will
fail in a test, where it can be seen.
"""

from __future__ import annotations

import numpy as np

from crossbar import CrossbarParams, program_matrix
from crossbar.parasitics import solve_node_voltages, transfer_matrix
from pimsim import load_config
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.shared.compiled.compiled_dram import CompiledDram
from pimsim.hardware.shared.compiled.compiled_period import CompiledPeriod
from pimsim.hardware.shared.dram import Dram
from pimsim.inference import Decoder, ExactProjector
from tests.pimsim.hardware.shared.traffics import Case
from tests.support.networks import random_network


def main() -> None:
    CompiledPeriod(Case(1, 2, ()).network_parameters()).run(0)
    config = load_config("pim-llm")
    assert config.machine.crossbar is not None
    pair = config.machine.crossbar.pair.model_dump()
    weights = np.ones((40, 20), np.int8)
    ideal_wires = pair | {"wires": pair["wires"] | {"model": "none"}}
    near_states = ideal_wires | {"cell": pair["cell"] | {"hrs_ohm": 1.001 * pair["cell"]["lrs_ohm"]}}
    for params in (ideal_wires, near_states, pair):  # 16-bit cells, 32-bit ones, wires
        program_matrix(weights, CrossbarParams.model_validate(params), 0).observe(np.ones((3, 40), np.int32))
    cells = np.full((20, 20), 1e-4)
    solve_node_voltages(cells, np.ones((1, 20)), 1.0, 1.0)
    transfer_matrix(cells, 1.0, 1.0)
    memory = CompiledDram(Dram(load_config("memory-lpddr5x-timing").machine.memory))
    memory.submit(0, MemoryShare(64), 0)
    memory.advance(1 << 60)
    network = random_network("llama")
    Decoder(network, ExactProjector(network), compiled=True).logits([0])


if __name__ == "__main__":
    main()
