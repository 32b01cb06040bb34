"""Bringing the weights onto the chips once: the time it takes, and what is done for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pimsim.activity import action_counts
from pimsim.components.base import ceil_div
from pimsim.components.buffer import BufferShare
from pimsim.components.memory import MemoryShare
from pimsim.components.programming import Programming, ProgrammingShare
from pimsim.components.weight_grid import WeightGrid
from pimsim.machine import Machine
from pimsim.mapping import stored_bytes
from pimsim.schema import Config
from pimsim.tile_plan import TilePlan, on_crossbars
from workloads.ops import Projection
from workloads.trace import Trace


@dataclass(frozen=True, slots=True)
class WeightLoading:
    """The weights of all layers in memory, and the time and the actions that bring those onto the chips that stay."""

    size_bytes: int
    load_ps: int
    counts: Mapping[str, int]


def weight_loading(config: Config, machine: Machine, trace: Trace, plan: TilePlan) -> WeightLoading:
    """How the weights of a trace get into the cells that `plan` gives them.

    Every chip has its own memory, all chips load at once, and a chip's cells are programmed while its memory streams
    one bit per weight: the slower of the two counts. Weights that are swapped are not loaded beforehand; a machine
    without crossbars keeps none at all, and that time is in its run.
    """
    projections = [(block.repeat, op) for block, op in trace.ops() if isinstance(op, Projection)]
    size_bits = sum(repeat * op.weights for repeat, op in projections if on_crossbars(config, op))
    if machine.programming is None or not size_bits:
        return WeightLoading(sum(repeat * stored_bytes(config, op) for repeat, op in projections), 0, {})
    chips: dict[int, Counter[WeightGrid]] = {}
    for layer in plan.layers:
        if not layer.swapped:
            grids = chips.setdefault(layer.chip, Counter())
            for matrix in layer.matrices.values():
                grids[matrix.grid] += layer.repeat
    loads = [_chip_loading(machine, machine.programming, grids) for grids in chips.values()]
    counts = sum((Counter(load.counts) for load in loads), Counter[str]())
    return WeightLoading(ceil_div(size_bits, 8), max((load.load_ps for load in loads), default=0), dict(counts))


def _chip_loading(machine: Machine, programming: Programming, grids: Mapping[WeightGrid, int]) -> WeightLoading:
    """Loading one chip with so many matrices of each shape."""
    size_bytes = ceil_div(sum(n * grid.in_features * grid.out_features for grid, n in grids.items()), 8)
    stream, passing = MemoryShare(size_bytes), BufferShare(size_bytes, size_bytes, streamed=True)
    counts = action_counts(machine.memory.work(stream)) + action_counts(machine.sram.work(passing))
    for grid, times in grids.items():
        for action, count in _programming_counts(programming, grid).items():
            counts[action] += times * count
    # The first latency is left out: before the first row is there, nothing is behind schedule.
    streaming_ps = machine.memory.latency_ps(stream) - machine.memory.latency_ps(MemoryShare(0))
    programming_ps = max(programming.latency_ps(ProgrammingShare(grid)) for grid in grids)
    return WeightLoading(size_bytes, max(streaming_ps, programming_ps), counts)


@lru_cache(maxsize=1024)
def _programming_counts(programming: Programming, grid: WeightGrid) -> Mapping[str, int]:
    """What programming a matrix takes; the runs of a sweep have many matrices in common."""
    return action_counts(programming.work(ProgrammingShare(grid)))
