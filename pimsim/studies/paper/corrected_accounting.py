"""The `corrected` accounting: functions over run results, as the `published` accounting is.

A switch chooses which run is asked for (its shapes, the bits of a stored weight), or what of a run counts; the machine
knows of none. With no switch on, every figure is the published accounting's, to the last bit. With all of them on, it
is that of the machine's own run under the serial schedule, but for the projections that run side by side (see
`latency_ps`). All sums are serial, as the paper's: no memory traffic hides behind computation.
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
"""Parts of the latency, and components of the same names, that the published accounting leaves out."""

MEMORY = ("memory",)

LM_HEAD_BLOCK = "lm_head"
"""What `workloads.decoder_ops` calls the block of final norm and LM head."""


@dataclass(frozen=True, slots=True)
class Figures:
    """A token's figures. `time_macs` go with the latency, `energy_macs` with the energy: GPT-2's differ as published.

    `analog_ps` is the time of crossbars with their DACs and ADCs.
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
        """Tokens per second."""
        return self.tokens * PS_PER_S / self.latency_ps

    @property
    def tokens_per_j(self) -> float:
        """Tokens per joule."""
        return self.tokens / self.energy_j

    @property
    def gops(self) -> float:
        """Billions of operations per second."""
        return self.operations_per_mac * self.time_macs / ps_to_s(self.latency_ps) / 1e9

    @property
    def gops_per_w(self) -> float:
        """Billions of operations per joule."""
        return self.operations_per_mac * self.energy_macs / self.energy_j / 1e9

    @property
    def words_per_charge(self) -> float:
        """Words per battery charge."""
        return accounting.words_per_charge(self.energy_j / self.tokens)

    @property
    def systolic_share(self) -> float:
        """Share of the latency in the systolic array, 0 to 1."""
        return self.systolic_ps / self.latency_ps

    @property
    def analog_share(self) -> float:
        """Share of the latency in crossbars, DACs and ADCs, 0 to 1."""
        return self.analog_ps / self.latency_ps


class Corrected:
    """A study's figures under any switches, each worked out once."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._figures: dict[tuple[Machine, str, int, Switches], Figures] = {}

    def figures(self, machine: Machine, model: str, context_length: int, switches: Switches = NONE) -> Figures:
        """A decode step of a model on one of the machines."""
        key = machine, model, context_length, switches
        if key not in self._figures:
            # The baseline's published energy is its time at constant power, so that it has the shapes of its time.
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
        leakage_gating="off",  # such a run has every leakage power; without the switch, none of it counts
    )


def figures(time_run: RunResult, energy_run: RunResult, switches: Switches) -> Figures:
    """The figures of a token from the run with the time's shapes and the one with the energy's (often the same)."""
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
    """Picoseconds of a run as `switches` count them.

    Each switch adds the time of its parts, of every op that it is about. Projections that share their input run side
    by side on tiles and meshes of their own, as in the published accounting; the port of the global buffer and the
    controller serve one after another, so that their time counts for each projection. With all switches on, a run's
    own serial latency is therefore longer by exactly what the published accounting gains by running them side by side:
    `accounting.latency_ps(run, at_once=False) - accounting.latency_ps(run)`.
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
    """Joules of a run as `switches` count them, without leakage."""
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


def leakage_energy_j(result: RunResult, token_ps: int, gating: Literal["off", "idle"] | None) -> float:
    """Joules that a run without gating leaks: `off` over a token of `token_ps`, `idle` while each part is busy.

    A part is busy as long as the run has it so, whether or not that time is counted elsewhere. None: nothing counts.
    """
    assert gating is None or result.config.leakage_gating == "off"
    match gating:
        case None:
            return 0.0
        case "off":
            return math.fsum(each.leakage_j for each in result.components) * (token_ps / result.latency_ps)
        case "idle":
            return math.fsum(each.leakage_j * each.utilisation(result.latency_ps) for each in result.components)


def streams_layer_weights(op: OpRecord) -> bool:
    """Whether what an op reads from memory is a layer's 1-bit weights; weights in crossbars are not read from there."""
    return op.kind == "projection" and op.block != LM_HEAD_BLOCK


def moves_state(op: OpRecord) -> bool:
    """Whether what an op moves is anything else: K and V, an embedding, the LM head's weights."""
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
