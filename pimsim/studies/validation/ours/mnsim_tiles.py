"""Rows about tiles and their mesh, by MNSIM's rules."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from pimsim.config.loading import load_config
from pimsim.results.run_result import RunResult
from pimsim.simulation import make_trace, simulate
from pimsim.studies.validation.workbench import Makers, from_labels

TILE_AND_MESH = ("crossbar", "dac", "adc", "digital", "tile_buffer", "communication")
"""Parts of the latency that MNSIM counts."""
NETWORKS = {
    "1": "[[q, k, v, o, ffn_gate, ffn_up, ffn_down]]",
    "2": "[[q, k, v, o], [ffn_gate, ffn_up, ffn_down]]",
}
STOCK = (
    "machine.crossbar.pair.adc.conversion_energy_j=10.08 pJ",
    "machine.mesh.hop_energy_j_per_bit=0.48 pJ/bit",
    "machine.mesh.last_output=stays",
)
"""MNSIM's stock values of fitted constants of `pim-llm-published`, and its destination of the last output."""
BUFFERS = ("tile.pe_buffer_read", "tile.pe_buffer_write", "tile.tile_buffer_read", "tile.tile_buffer_write")
ACTIONS = {
    "ADCs": ("tile.adc_conversion",),
    "crossbars": ("tile.cell_read",),
    "buffers": BUFFERS,
    "total": ("tile.adc_conversion", "tile.cell_read", "tile.dac_conversion", "tile.register", *BUFFERS),
}
"""Actions that MNSIM counts in the energy of a layer."""


@cache
def _layer(model: str, networks: str) -> RunResult:
    """Simulate the six projections of one layer.

    Args:
        model: Name of the model; the FFN of GPT-2 is as wide as the model, as in the paper's time.
        networks: "1" or "2", the number of networks.

    Returns:
        Result of one decoder layer.
    """
    overrides = [f"workload.model={model}", f"mapping.placement_groups={NETWORKS[networks]}", *STOCK]
    if model.startswith("gpt2"):
        overrides.append("workload.d_ff=1024")
    config = load_config("pim-llm-published", overrides)
    trace = make_trace(config)
    return simulate(config, replace(trace, blocks=tuple(replace(block, repeat=1) for block in trace.blocks)))


def _latency_us(label: str) -> float:
    parts = _layer(*label.split()).parts_ps
    return sum(parts[part] for part in TILE_AND_MESH) / 1e6


def _energy_uj(label: str) -> float:
    energies_j = _layer("opt-6.7b", "1").energies_j
    return sum(energies_j[action] for action in ACTIONS[label]) * 1e6


MAKERS: Makers = {
    "mnsim-latency": from_labels(_latency_us),
    "mnsim-energy-arrays": from_labels(_energy_uj),
    "mnsim-energy-total": from_labels(_energy_uj),
}
