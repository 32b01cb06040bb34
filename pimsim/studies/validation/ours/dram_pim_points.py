"""Rows about a DRAM whose banks compute, configs/cent.yaml."""

from __future__ import annotations

from functools import cache
from typing import Any

from pimsim.config.loading import load_config
from pimsim.hardware.shared.row_commands import RowCommands
from pimsim.results.run_result import RunResult
from pimsim.simulation import simulate
from pimsim.studies.validation.workbench import Makers, from_labels

DEVICE = "cent"
QUARTER = 4
RATES = ("vector_elements_per_s", "softmax_elements_per_s", "rotary_elements_per_s", "exchange_bytes_per_s")


def _round_ns(columns: str) -> float:
    machine = load_config(DEVICE).machine
    dram, units = machine.memory.dram, machine.dram_pim
    assert dram is not None  # of the config
    assert units is not None
    opened = dram.model_copy(update={"trcd_s": units.row_to_column_s})
    banks = dram.banks
    commands = RowCommands(opened, all_banks=units.activation == "all_banks")
    return commands.round_s(banks, int(columns), units.column_s or dram.tccd_long_s) * 1e9


@cache
def _run(label: str, *more: tuple[str, Any]) -> RunResult:
    # "llama-7b 512": model and context. CENT's pipeline has a device for each block, so that every model fits.
    model, context = label.split()
    keys = {"workload.model": model, "workload.context_length": int(context), "machine.memory.capacity_bytes": None}
    return simulate(load_config(DEVICE, keys | dict(more)))


def _unscaled_ms(label: str) -> float:
    return _run(label, ("machine.dram_pim.score_transfers", 0)).latency_s * 1e3


def _one_channel_mj(label: str) -> float:
    memory = load_config(DEVICE).machine.memory
    return _run(label, ("machine.memory.background_w", memory.background_w / memory.channels)).energy_j * 1e3


def _quarter_ms(context: str) -> float:
    whole = load_config(DEVICE).machine
    assert whole.dram_pim is not None
    keys: dict[str, Any] = {
        "workload.context_length": int(context),
        "machine.memory.channels": whole.memory.channels // QUARTER,
        "machine.memory.capacity_bytes": None,
    }
    keys |= {f"machine.dram_pim.{rate}": getattr(whole.dram_pim, rate) / QUARTER for rate in RATES}
    return simulate(load_config(DEVICE, keys)).latency_s * 1e3


MAKERS: Makers = {
    "dram-pim-round": from_labels(_round_ns),
    "dram-pim-token-time": from_labels(lambda label: _run(label).latency_s * 1e3),
    "dram-pim-unscaled-time": from_labels(_unscaled_ms),
    "dram-pim-quarter-time": from_labels(_quarter_ms),
    "dram-pim-token-energy": from_labels(lambda label: _run(label).energy_j * 1e3),
    "dram-pim-energy-one-channel": from_labels(_one_channel_mj),
}
