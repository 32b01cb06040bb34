"""Time, energy, MACs and memory traffic of a run by op or by layer; the rows add up to the totals of the run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pimsim.base.units import ps_to_s
from pimsim.results.memory_traffic import op_traffic
from pimsim.steps.step_tree import PARTS

if TYPE_CHECKING:
    from pimsim.results.run_result import RunResult
    from pimsim.steps.records import OpRecord

LEAKAGE = "leakage"
"""Name of the row with the energy that belongs to no op."""


@dataclass(slots=True)
class _Sum:
    """Sum over executions of ops.

    Attributes:
        count: Number of executions.
        critical_ps: Time on the critical path, picoseconds.
        activity_ps: Time of all activities, picoseconds.
        energies_j: Dynamic energies, joules.
        macs: Multiply-accumulates.
        read_bits: Bits read from memory.
        write_bits: Bits written to memory.
    """

    count: int = 0
    critical_ps: int = 0
    activity_ps: int = 0
    energies_j: list[float] = field(default_factory=list)
    macs: int = 0
    read_bits: int = 0
    write_bits: int = 0

    def row(self, result: RunResult) -> dict[str, Any]:
        """Return the sum as columns of a table.

        Args:
            result: The run, for its totals.

        Returns:
            Values by column; suffixes are units.
        """
        time_s, energy_j = ps_to_s(self.critical_ps), math.fsum(self.energies_j)
        return {
            "time_s": time_s,
            "time_share": self.critical_ps / result.latency_ps if result.latency_ps else 0.0,
            "activity_s": ps_to_s(self.activity_ps),
            "energy_j": energy_j,
            "energy_share": energy_j / result.energy_j if result.energy_j else 0.0,
            "macs": self.macs,
            "memory_read_bytes": self.read_bits // 8,
            "memory_write_bytes": self.write_bits // 8,
        }


class _Times:
    """Times of the ops of a run, per repetition, in picoseconds."""

    def __init__(self, result: RunResult) -> None:
        """Sum the durations of the activities of each op.

        Args:
            result: The run.
        """
        self.result = result
        self.critical_ps: Counter[int] = Counter()
        self.activity_ps: Counter[int] = Counter()
        for activity in result.critical_path:
            self.critical_ps[activity.op] += activity.end_ps - activity.start_ps
        for activity in result.activities:
            self.activity_ps[activity.op] += activity.end_ps - activity.start_ps

    def add(self, total: _Sum, index: int, times: int) -> None:
        """Add executions of an op to a sum.

        Args:
            total: The sum, which is changed.
            index: Index of the op in the result.
            times: Number of executions.
        """
        op = self.result.ops[index]
        total.count += times
        total.critical_ps += times * self.critical_ps[index]
        total.activity_ps += times * self.activity_ps[index]
        total.energies_j.append(times * math.fsum(self.result.dynamic_energy_j(op.counts).values()))
        total.macs += times * op.macs
        total.read_bits += times * op.counts.get("memory.read_bit", 0)
        total.write_bits += times * op.counts.get("memory.write_bit", 0)


def op_rows(result: RunResult) -> Iterator[dict[str, Any]]:
    """Iterate over the ops as flat rows; the figures are those of one repetition.

    Args:
        result: The run.

    Yields:
        Block, repetitions, name, kind, start and latency in seconds, dynamic energy in joules, MACs, bytes read from
        memory and written to it, and seconds by kind of work. Leakage belongs to components and is not included.
    """
    for op in result.ops:
        read_bytes, write_bytes = op_traffic(op)
        yield {
            "block": op.block,
            "repeat": op.repeat,
            "op": op.name,
            "kind": op.kind,
            "start_s": ps_to_s(op.start_ps),
            "latency_s": ps_to_s(op.latency_ps),
            "energy_j": math.fsum(result.dynamic_energy_j(op.counts).values()),
            "macs": op.macs,
            "memory_read_bytes": read_bytes,
            "memory_write_bytes": write_bytes,
            **{f"{part}_s": ps_to_s(op.parts_ps.get(part, 0)) for part in PARTS},
        }


def by_op(result: RunResult) -> list[dict[str, Any]]:
    """Sum time, energy, MACs and memory traffic over all executions of each op.

    Args:
        result: The run.

    Returns:
        One row per name of an op, in program order, and a last row "leakage" if leakage is charged. `time_s` is the
        time on the critical path, which adds up to the latency of the run; `activity_s` is the time of all activities,
        which is larger where they overlap; `energy_j` is dynamic energy, with leakage in its own row.
    """
    times = _Times(result)
    sums: dict[tuple[str, str], _Sum] = {}
    for index, op in enumerate(result.ops):
        times.add(sums.setdefault((op.name, op.kind), _Sum()), index, op.repeat)
    rows = [
        {"op": name, "kind": kind, "count": total.count} | total.row(result) for (name, kind), total in sums.items()
    ]
    return [*rows, *_leakage(result, {"op": LEAKAGE, "kind": LEAKAGE, "count": 0})]


def by_layer(result: RunResult) -> list[dict[str, Any]]:
    """Sum time, energy, MACs and memory traffic over the ops of each layer, micro-batches included.

    Args:
        result: The run.

    Returns:
        One row per decoder layer, and per block before and after the layers, in the order of the trace, and a last row
        "leakage" if leakage is charged. `index` counts the layers from 0; the other columns are those of `by_op`.
    """
    times = _Times(result)
    numbers: Counter[str] = Counter()
    rows = []
    for block, layers, indices, each in layers_of(result):
        total = _Sum()
        for index in indices:
            times.add(total, index, each)
        columns = total.row(result)
        kind = block.partition(":")[0]
        for _ in range(layers):
            rows.append({"block": block, "index": numbers[kind]} | columns)
            numbers[kind] += 1
    return [*rows, *_leakage(result, {"block": LEAKAGE, "index": 0})]


def layers_of(result: RunResult) -> Iterator[tuple[str, int, list[int], int]]:
    """Divide the ops of a run into layers, and into blocks before and after the layers.

    Args:
        result: The run.

    Yields:
        Name of the block, number of equal layers, indices of the ops, and executions of each op per layer.
    """
    lanes = result.config.mapping.microbatches
    blocks = list(_blocks(result.ops))
    # One record stands for all layers and micro-batches under the serial schedule. Under the others, each has its own,
    # and the micro-batches of a layer follow one another.
    if result.config.schedule == "serial":
        for indices in blocks:
            first = result.ops[indices[0]]
            yield first.block, first.repeat // lanes, indices, lanes
        return
    for start in range(0, len(blocks), lanes):
        of_layer = blocks[start : start + lanes]
        indices = [index for block in of_layer for index in block]
        yield result.ops[indices[0]].block, 1, indices, 1


def _blocks(ops: Iterable[OpRecord]) -> Iterator[list[int]]:
    """Divide consecutive ops into executions of a block, in which the name of an op occurs once.

    Args:
        ops: Ops in program order.

    Yields:
        Indices of the ops of one execution, or of several that share their records.
    """
    names: set[str] = set()
    indices: list[int] = []
    block = ""
    for index, op in enumerate(ops):
        if indices and (op.block != block or op.name in names):
            yield indices
            names, indices = set(), []
        block = op.block
        names.add(op.name)
        indices.append(index)
    if indices:
        yield indices


def _leakage(result: RunResult, labels: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the row with the leakage energy, in a list that is empty if no leakage is charged."""
    if not result.leakage_j:
        return []
    return [labels | _Sum(energies_j=[result.leakage_j]).row(result)]


BREAKDOWNS: dict[str, Callable[[RunResult], list[dict[str, Any]]]] = {"op": by_op, "layer": by_layer}
"""Tables by the name that `pimsim run --by` takes."""
