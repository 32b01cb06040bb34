"""Feasibility of the chip of a run: area in reticles, cost of loading the weights, and lifetime of the cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pimsim.base.units import ps_to_s
from pimsim.config.schema import CrossbarConfig
from pimsim.results.feasibility import AreaItem, Feasibility
from pimsim.results.upkeep_figures import Upkeep

if TYPE_CHECKING:
    from pimsim.results.run_result import RunResult


def run_feasibility(result: RunResult) -> Feasibility:
    """Compute whether the chip of a run can be made, loaded and used.

    Args:
        result: The run.

    Returns:
        Its areas, the cost of loading its weights, and the lifetime of its cells.

    Reference:
        docs/model.md, eq. (40) to (42).
    """
    machine, provision = result.config.machine, result.provision
    areas = [AreaItem(c.name, item, area_m2) for c in result.components for item, area_m2 in c.area_m2.items()]
    endurance = machine.crossbar_tile.pair.cell.endurance_writes if machine.crossbar_tile else None
    pulses = _pulses_per_write(machine.crossbar_tile)
    runs = endurance / (provision.writes_per_run * pulses) if endurance and provision.writes_per_run else None
    loading_j = result.dynamic_energy_j(provision.load_counts)
    return Feasibility(
        chips=provision.chips,
        chips_used=provision.chips_used,
        chip_area_m2=result.area_m2 / provision.chips,
        reticle_area_m2=machine.chips.reticle_area_m2,
        areas=tuple(sorted(areas, key=lambda each: -each.area_m2)),
        layers=provision.layers,
        layers_swapped=provision.layers_swapped,
        weight_load_s=ps_to_s(result.weight_load_ps),
        weight_load_energy_j=math.fsum(loading_j.values()),
        writes_per_token=provision.writes_per_run * pulses / max(result.tokens, 1),
        endurance_writes=endurance,
        lifetime_tokens=None if runs is None else runs * result.tokens,
        lifetime_s=None if runs is None else runs * result.latency_s,
        pulses_per_write=pulses,
        test_s=ps_to_s(provision.test_ps),
        test_energy_j=_sum_of(loading_j, "programming.test_"),
        calibration_s=ps_to_s(provision.calibration_ps),
        calibration_energy_j=_sum_of(loading_j, "tile."),
        upkeep=_upkeep(result, math.fsum(loading_j.values()), pulses),
    )


def _upkeep(result: RunResult, loading_j: float, pulses: float) -> Upkeep | None:
    """Return what rewriting the weights and checking the cells costs over time.

    Args:
        result: The run.
        loading_j: Energy of loading all weights once, joules.
        pulses: Mean number of pulses per write.

    Returns:
        The figures; None if weights are written once and never checked.

    Reference:
        docs/lifetime.md, eq. (4) to (7).
    """
    crossbar, provision = result.config.machine.crossbar_tile, result.provision
    stay = provision.layers > provision.layers_swapped
    if crossbar is None or not stay or (crossbar.rewrite_interval_s is None and not provision.checks):
        return None
    check = provision.checks[0] if provision.checks else None
    return Upkeep(
        rewrite_interval_s=crossbar.rewrite_interval_s,
        rewrite_s=ps_to_s(result.weight_load_ps),
        rewrite_energy_j=loading_j,
        check_interval_s=None if check is None else crossbar.pair.upkeep.interval_s,
        check_s=0.0 if check is None else ps_to_s(check.latency_ps),
        check_energy_j=0.0 if check is None else check.energy_j,
        tokens_per_s=result.tokens / result.latency_s,
        energy_per_token_j=result.energy_j / max(result.tokens, 1),
        writes_per_rewrite=pulses,
        endurance_writes=crossbar.pair.cell.endurance_writes,
    )


def _pulses_per_write(crossbar: CrossbarConfig | None) -> float:
    if crossbar is None or crossbar.pair.noise.write_verify.tolerance is None:
        return 1.0
    # Imported here, because it needs NumPy and few machines verify.
    from crossbar.verification import expected_write_pulses

    return expected_write_pulses(crossbar.pair)


def _sum_of(energies_j: Mapping[str, float], prefix: str) -> float:
    """Return the sum of the energies of the actions whose names start with a prefix, in joules."""
    return math.fsum(each for action, each in energies_j.items() if action.startswith(prefix))
