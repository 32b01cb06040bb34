"""Fits of constants for which stock values do not reproduce the published values.

Both fits are linear and have a unique solution. The rounded results are in
``configs/pim-llm-published.yaml`` (energies) and ``configs/pim-llm-fitted-links.yaml`` (links). `pimsim calibrate`
repeats the fits, and a test compares the configs with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pimsim.config.loading import load_config
from pimsim.config.schema import Config
from pimsim.results.run_result import RunResult
from pimsim.studies.paper import published_accounting as accounting
from pimsim.studies.paper.paper_runs import Study
from pimsim.studies.paper.published_values import calibration_tokens_per_s, published


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted constant.

    Attributes:
        key: Config key.
        value: Fitted value in SI units.
        stock: Stock or first-principles value in SI units, for comparison.
        fitted_to: Published values to which the constant is fitted.
    """

    key: str
    value: float
    stock: float
    fitted_to: str


CYCLE_KEY = "machine.systolic.cycle_energy_j"
CONVERSION_KEY = "machine.crossbar.pair.adc.conversion_energy_j"
HOP_KEY = "machine.mesh.hop_energy_j_per_bit"
BANDWIDTH_KEY = "machine.mesh.link_bandwidth_bps"
PE_BUFFER_KEY = "machine.crossbar.pe_buffer.cycle_s"
TILE_BUFFER_KEY = "machine.crossbar.tile_buffer.cycle_s"

ENERGY_DATA = "+12.49 %, +70.58 % (Fig. 7), 1134.14 GOPS/W (Table III)"


@dataclass(frozen=True, slots=True)
class _Energy:
    """Energy of a run under the published accounting, as a linear function of the three fitted constants.

    Attributes:
        cycles: Number of counted systolic cycles, coefficient of the energy per cycle.
        conversions: Number of ADC conversions, coefficient of the energy per conversion.
        bit_hops: Number of bit-hops of the mesh, coefficient of the energy per bit and hop.
        rest_j: Energy of all other actions, joules.
    """

    cycles: int
    conversions: int
    bit_hops: int
    rest_j: float

    def row(self, factor: float) -> tuple[float, float, float]:
        return factor * self.cycles, factor * self.conversions, factor * self.bit_hops


def _energy_form(result: RunResult) -> _Energy:
    """Split `accounting.energy_j` into the counts of the fitted actions and the energy of all other actions.

    Args:
        result: Result of a run.

    Returns:
        Coefficients of the fitted constants, and the remaining energy.
    """
    once = result.tiles.tiles_used > 0
    cycles = sum((1 if once else op.repeat) * op.counts.get("systolic.cycle", 0) for op in result.ops)
    conversions = result.counts.get("tile.adc_conversion", 0)
    bit_hops = result.counts.get("mesh.bit_hop", 0)
    each = result.action_energies_j
    fitted_j = cycles * each["systolic.cycle"]
    if once:
        fitted_j += conversions * each["tile.adc_conversion"] + bit_hops * each["mesh.bit_hop"]
    return _Energy(cycles, conversions, bit_hops, accounting.energy_j(result) - fitted_j)


def fit_energies(study: Study) -> tuple[Fitted, Fitted, Fitted]:
    """Fit the energies per systolic cycle, per ADC conversion and per bit-hop to three published values.

    Args:
        study: Simulations of both machines.

    Returns:
        The three fitted constants, joules and J/bit.

    Reference:
        docs/accounting.md, eqs. (9) and (10).
    """
    equations = []
    for model, context_length in (("opt-6.7b", 128), ("gpt2-350m", 4096)):
        factor = 1 + published("fig7", "fraction")[model, context_length, "gain"]
        tpu = _energy_form(study.run("tpu-llm", model, context_length))
        pim = _energy_form(study.run("pim-llm", model, context_length, "energy"))
        row = [a - b for a, b in zip(tpu.row(1), pim.row(factor), strict=True)]
        equations.append((row, factor * pim.rest_j - tpu.rest_j))
    run = study.run("pim-llm", "opt-6.7b", 1024, "energy")
    pim = _energy_form(run)
    printed = published("table3", "gops_per_w")["opt-6.7b", 1024, "PIM-LLM"] * 1e9
    equations.append((list(pim.row(1)), run.macs / printed - pim.rest_j))
    matrix, right = np.array([row for row, _ in equations]), np.array([right for _, right in equations])
    cycle_j, conversion_j, hop_j = (float(each) for each in np.linalg.solve(matrix, right))
    stock = load_config("defaults").machine
    assert stock.crossbar is not None
    assert stock.mesh is not None
    # First-principles energy of a cycle: a matrix-vector product uses the MACs of one column only.
    stock_cycle_j = stock.systolic.rows * stock.systolic.mac_energy_j
    return (
        Fitted(CYCLE_KEY, cycle_j, stock_cycle_j, ENERGY_DATA),
        Fitted(CONVERSION_KEY, conversion_j, stock.crossbar.pair.adc.conversion_energy_j, ENERGY_DATA),
        Fitted(HOP_KEY, hop_j, stock.mesh.hop_energy_j_per_bit, ENERGY_DATA),
    )


def fit_links(study: Study) -> tuple[Fitted, Fitted, Fitted]:
    """Fit link bandwidth and buffer cycle time to the calibration values of PIM-LLM in Fig. 5, by linear least squares.

    The latency of a token is linear in the inverse bandwidth and in the cycle time. Three runs per model give the
    coefficients.

    Args:
        study: Simulations of both machines.

    Returns:
        Link bandwidth in bit/s, and the cycle times of PE and tile buffers in seconds, which are equal.

    Reference:
        docs/accounting.md, eq. (11).
    """
    config = study.config("pim-llm")
    crossbar, mesh = config.machine.crossbar, config.machine.mesh
    assert crossbar is not None
    assert mesh is not None
    stock_time_per_bit, stock_cycle_s = 1 / mesh.link_bandwidth_bps, crossbar.pe_buffer.cycle_s
    slower_links = Study(_with(config, bandwidth_bps=mesh.link_bandwidth_bps / 2))
    slower_buffers = Study(_with(config, cycle_s=2 * stock_cycle_s))
    rows, rights = [], []
    for (model, context_length, machine), printed in calibration_tokens_per_s().items():
        if machine != "pim-llm":
            continue
        base, links, buffers = (
            1 / accounting.tokens_per_s(each.run("pim-llm", model, context_length))
            for each in (study, slower_links, slower_buffers)
        )
        rows.append([(links - base) * printed, (buffers - base) * printed])
        rights.append(1 - base * printed)
    (link_change, cycle_change), *_ = np.linalg.lstsq(np.array(rows), np.array(rights), rcond=None)
    data = "the nine PIM-LLM values not withheld in paper/data/fig5.csv, least squares"
    bandwidth = float(1 / (stock_time_per_bit * (1 + link_change)))
    return (
        Fitted(BANDWIDTH_KEY, bandwidth, mesh.link_bandwidth_bps, data),
        Fitted(PE_BUFFER_KEY, float(stock_cycle_s * (1 + cycle_change)), stock_cycle_s, data),
        Fitted(TILE_BUFFER_KEY, float(stock_cycle_s * (1 + cycle_change)), stock_cycle_s, "the same constant"),
    )


def _with(config: Config, *, bandwidth_bps: float | None = None, cycle_s: float | None = None) -> Config:
    changes: Mapping[str, float | None] = {
        BANDWIDTH_KEY: bandwidth_bps,
        PE_BUFFER_KEY: cycle_s,
        TILE_BUFFER_KEY: cycle_s,
    }
    overrides = [f"{key}={value!r}" for key, value in changes.items() if value is not None]
    return load_config(config.model_dump(mode="json"), overrides)
