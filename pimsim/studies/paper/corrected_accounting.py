"""The `corrected` accounting: functions of run results, like the `published` accounting.

A switch selects the run (its shapes, or the bits of a stored weight), or the contributions of a run that count. The
simulated machine does not depend on the switches. Without switches, every figure is equal to that of the published
accounting to the last bit. With all switches on, every figure is that of the run under the serial schedule, except for
projections that run in parallel (see `latency_ps`). All sums are serial as in the paper: memory traffic does not
overlap with computation.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pimsim.base.units import PS_PER_S, ps_to_s
from pimsim.results.run_result import RunResult
from pimsim.steps.records import OpRecord
from pimsim.studies.paper import published_accounting as accounting
from pimsim.studies.paper.paper_runs import Machine, Shapes, Study, Variation
from pimsim.studies.paper.switches import NONE, Switches

DIGITAL = ("vector", "sram", "controller")
"""Components, and latency categories of the same names, that the published accounting leaves out."""

MEMORY = ("memory",)

LM_HEAD_BLOCK = "lm_head"
"""Name of the block with the final norm and the LM head in traces from `workloads`."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one token under some switches.

    Attributes:
        latency_ps: Latency, ps.
        systolic_ps: Latency of the systolic array, ps.
        analog_ps: Latency of crossbars, DACs and ADCs, ps.
        energy_j: Energy with the counted leakage, joules.
        time_macs: Number of MACs in the run for time.
        energy_macs: Number of MACs in the run for energy; it differs for GPT-2 in the published accounting.
        operations_per_mac: Number of operations per MAC, 1 or 2.
        tokens: Number of tokens.
    """

    latency_ps: int
    systolic_ps: int
    analog_ps: int
    energy_j: float
    time_macs: int
    energy_macs: int
    operations_per_mac: int
    tokens: int

    @property
    def tokens_per_s(self) -> float:
        """Throughput, tokens/s."""
        return self.tokens * PS_PER_S / self.latency_ps

    @property
    def tokens_per_j(self) -> float:
        """Energy efficiency, tokens/J."""
        return self.tokens / self.energy_j

    @property
    def gops(self) -> float:
        """Throughput, 10^9 operations/s."""
        return self.operations_per_mac * self.time_macs / ps_to_s(self.latency_ps) / 1e9

    @property
    def gops_per_w(self) -> float:
        """Energy efficiency, 10^9 operations/J."""
        return self.operations_per_mac * self.energy_macs / self.energy_j / 1e9

    @property
    def words_per_charge(self) -> float:
        """Number of words per battery charge."""
        return accounting.words_per_charge(self.energy_j / self.tokens)

    @property
    def systolic_share(self) -> float:
        """Fraction of the latency in the systolic array, 0 to 1."""
        return self.systolic_ps / self.latency_ps

    @property
    def analog_share(self) -> float:
        """Fraction of the latency in crossbars, DACs and ADCs, 0 to 1."""
        return self.analog_ps / self.latency_ps


class Corrected:
    """Figures of both machines under any switches, with a cache.

    Args:
        study: Simulations of both machines.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self._figures: dict[tuple[Machine, str, int, Switches], Figures] = {}

    def figures(self, machine: Machine, model: str, context_length: int, switches: Switches = NONE) -> Figures:
        """Return the figures of one decode step.

        Args:
            machine: "tpu-llm" or "pim-llm".
            model: Name of the model.
            context_length: Context length, tokens.
            switches: Switches that are on.

        Returns:
            Figures of the token.
        """
        key = machine, model, context_length, switches
        if key not in self._figures:
            # The published energy of the baseline is its time multiplied by a constant power: same shapes as its time.
            energy_shapes: Shapes = "energy" if machine == "pim-llm" else "time"
            variation = _variation(machine, switches)
            time_run = self.study.run(machine, model, context_length, "time", variation)
            energy_run = self.study.run(machine, model, context_length, energy_shapes, variation)
            self._figures[key] = figures(time_run, energy_run, switches)
        return self._figures[key]


def _variation(machine: Machine, switches: Switches) -> Variation:
    return Variation(
        real_ffn=switches.real_ffn,
        gated_ffn=switches.gated_ffn,
        embedding_lm_head=switches.embedding_lm_head,
        weight_storage_bits=switches.tpu_weight_storage if machine == "tpu-llm" else None,
        leakage_gating="ungated",  # this run contains all leakage; `leakage_energy_j` selects the counted fraction
    )


def figures(time_run: RunResult, energy_run: RunResult, switches: Switches) -> Figures:
    """Compute the figures of a token.

    Args:
        time_run: Run with the shapes for time.
        energy_run: Run with the shapes for energy; often the same run.
        switches: Switches that are on.

    Returns:
        Figures of the token.
    """
    parts_ps = accounting.parts_ps(time_run)
    token_ps = latency_ps(time_run, switches)
    return Figures(
        latency_ps=token_ps,
        systolic_ps=parts_ps["systolic"],
        analog_ps=parts_ps["crossbar"] + parts_ps["dac"] + parts_ps["adc"],
        energy_j=dynamic_energy_j(energy_run, switches) + leakage_energy_j(energy_run, token_ps, switches.leakage),
        time_macs=time_run.macs,
        energy_macs=energy_run.macs,
        operations_per_mac=2 if switches.mac_is_two else 1,
        tokens=time_run.tokens,
    )


def latency_ps(result: RunResult, switches: Switches) -> int:
    """Compute the latency of a run under some switches.

    Each switch adds the latency of its components, for all ops that it concerns. Projections with the same input run in
    parallel on separate tiles and meshes, as in the published accounting. The port of the global buffer and the
    controller serve one op at a time, so their latency counts for each projection. With all switches on, the serial
    latency of the run is therefore longer by exactly the gain of the parallel projections:
    `accounting.latency_ps(run, at_once=False) - accounting.latency_ps(run)`.

    Args:
        result: Result of a run under the serial schedule.
        switches: Switches that are on.

    Returns:
        Latency, ps.
    """
    total_ps = accounting.latency_ps(result)
    if switches.kv_traffic:
        total_ps += _time_ps(result, MEMORY, moves_state)
    if switches.tpu_weight_storage:
        total_ps += _time_ps(result, MEMORY, streams_layer_weights)
    if switches.digital_units:
        total_ps += _time_ps(result, DIGITAL, lambda _: True)
    return total_ps


def dynamic_energy_j(result: RunResult, switches: Switches) -> float:
    """Compute the dynamic energy of a run under some switches.

    Args:
        result: Result of a run.
        switches: Switches that are on.

    Returns:
        Energy without leakage, joules.
    """
    has_crossbars = result.tiles.tiles_used > 0
    one_layer = has_crossbars and not switches.attention_all_layers
    energy_j = accounting.crossbar_energy_j(result) if has_crossbars else 0.0
    energy_j += accounting.systolic_energy_j(result, layers_counted_once=one_layer)
    if switches.kv_traffic:
        energy_j += _energy_j(result, MEMORY, moves_state)
    if switches.tpu_weight_storage:
        energy_j += _energy_j(result, MEMORY, streams_layer_weights)
    if switches.digital_units:
        energy_j += _energy_j(result, DIGITAL, lambda _: True)
    return energy_j


def leakage_energy_j(result: RunResult, token_ps: int, gating: Literal["ungated", "idle_gated"] | None) -> float:
    """Compute the leakage energy of a token from a run without power gating.

    Args:
        result: Result of a run with `leakage_gating: ungated`.
        token_ps: Latency of the token under the switches, ps.
        gating: "ungated" counts the leakage of all components over `token_ps`; "idle_gated" counts it only while each
            component is busy in the run, whether or not its latency is counted; None counts no leakage.

    Returns:
        Leakage energy, joules.
    """
    assert gating is None or result.config.leakage_gating == "ungated"
    match gating:
        case None:
            return 0.0
        case "ungated":
            return math.fsum(each.leakage_j for each in result.components) * (token_ps / result.latency_ps)
        case "idle_gated":
            return math.fsum(each.leakage_j * each.utilisation(result.latency_ps) for each in result.components)


def streams_layer_weights(op: OpRecord) -> bool:
    """Return whether the memory traffic of an op is 1-bit weights of a layer; weights in crossbars cause none.

    Args:
        op: Op of a run.

    Returns:
        True for projections of layers, False for all other ops, the LM head included.
    """
    return op.kind == "projection" and op.block != LM_HEAD_BLOCK


def moves_state(op: OpRecord) -> bool:
    """Return whether the memory traffic of an op is anything else: K and V, embeddings or weights of the LM head.

    Args:
        op: Op of a run.

    Returns:
        The opposite of `streams_layer_weights`.
    """
    return not streams_layer_weights(op)


def _time_ps(result: RunResult, parts: tuple[str, ...], counts: Callable[[OpRecord], bool]) -> int:
    return sum(op.repeat * op.parts_ps.get(part, 0) for op in result.ops if counts(op) for part in parts)


def _energy_j(result: RunResult, components: tuple[str, ...], counts: Callable[[OpRecord], bool]) -> float:
    total: Counter[str] = Counter()
    for op in result.ops:
        if counts(op):
            for action, count in op.counts.items():
                if action.partition(".")[0] in components:
                    total[action] += op.repeat * count
    return math.fsum(result.dynamic_energy_j(total).values())
