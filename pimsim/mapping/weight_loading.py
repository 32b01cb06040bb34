"""Bringing the weights onto the chips once: the time it takes, and what is done for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pimsim.config.schema import Config
from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.component import ceil_div
from pimsim.hardware.crossbar_tile import CrossbarTile, TilesShare
from pimsim.hardware.machine import Machine
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.weight_grid import WeightGrid
from pimsim.hardware.weight_programming import FaultTestShare, Programming, ProgrammingShare
from pimsim.mapping.op_sizes import stored_bytes
from pimsim.mapping.tile_plan import LayerPlan, TilePlan, on_crossbars
from pimsim.steps.step_tree import action_counts
from workloads.ops import Projection
from workloads.trace import Trace


@dataclass(frozen=True, slots=True)
class WeightLoading:
    """The weights of all layers in memory, and the time and the actions that bring those onto the chips that stay.

    Of `load_ps`, `test_ps` go to a test of the cells beforehand, `calibration_ps` to setting ranges of ADCs afterwards.
    """

    size_bytes: int
    load_ps: int
    counts: Mapping[str, int]
    test_ps: int = 0
    calibration_ps: int = 0


def weight_loading(config: Config, machine: Machine, trace: Trace, plan: TilePlan) -> WeightLoading:
    """How the weights of a trace get into the cells that `plan` gives them.

    Every chip has its own memory, all chips load at once, and a chip's cells are programmed while its memory streams
    one bit per weight: the slower of the two counts. Weights that are swapped are not loaded beforehand; a machine
    without crossbars keeps none at all, and that time is in its run. Where columns are remapped, the cells are tested
    first; where ranges of ADCs are calibrated, a sample passes through the arrays of all layers last.
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
    test_ps, test_counts = _test(config, machine.programming, plan)
    calibration_ps, calibration_counts = _calibration(config, machine, trace, plan)
    counts.update(test_counts)
    counts.update(calibration_counts)
    load_ps = test_ps + max((load.load_ps for load in loads), default=0) + calibration_ps
    return WeightLoading(ceil_div(size_bits, 8), load_ps, dict(counts), test_ps, calibration_ps)


def _test(config: Config, programming: Programming, plan: TilePlan) -> tuple[int, Counter[str]]:
    """Testing the arrays that are used, all tiles at once. Layers that take turns are tested as the largest of them."""
    crossbar, counts = config.machine.crossbar, Counter[str]()
    if crossbar is None or crossbar.pair.array.remapping == "none":
        return 0, counts
    tested = [(layer.repeat, layer) for layer in plan.layers if not layer.swapped]
    in_turn: dict[int, LayerPlan] = {}
    for layer in plan.layers:
        if layer.swapped and (layer.chip not in in_turn or _pairs(layer) > _pairs(in_turn[layer.chip])):
            in_turn[layer.chip] = layer
    longest_ps = 0
    for repeat, layer in (*tested, *((1, layer) for layer in in_turn.values())):
        for matrix in layer.matrices.values():
            share = FaultTestShare(matrix.grid)
            longest_ps = max(longest_ps, programming.latency_ps(share))
            for action, count in _test_counts(programming, matrix.grid).items():
                counts[action] += repeat * count
    return longest_ps, counts


def _pairs(layer: LayerPlan) -> int:
    return sum(matrix.grid.pairs for matrix in layer.matrices.values())


def _calibration(config: Config, machine: Machine, trace: Trace, plan: TilePlan) -> tuple[int, Counter[str]]:
    """A sample of vectors through the arrays of all layers, one matrix after another: what a layer is given depends on
    the ranges of those before it. Only the arrays are counted, not what lies between them.
    """
    crossbar, counts, total_ps = config.machine.crossbar, Counter[str](), 0
    vectors = crossbar.calibration_vectors if crossbar and crossbar.pair.adc.range != "full" else 0
    if machine.tile is None or not vectors:
        return 0, counts
    for block, layers in zip(trace.blocks, plan.blocks, strict=True):
        bits = {op.name: op.activation_bits for op in block.ops if isinstance(op, Projection)}
        for layer in layers:
            for name, matrix in layer.matrices.items():
                times = layer.repeat * vectors
                share = TilesShare(matrix.grid, bits[name])
                total_ps += times * machine.tile.latency_ps(share)
                for action, count in _multiplication_counts(machine.tile, share).items():
                    counts[action] += times * count
    return total_ps, counts


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


@lru_cache(maxsize=1024)
def _test_counts(programming: Programming, grid: WeightGrid) -> Mapping[str, int]:
    return action_counts(programming.work(FaultTestShare(grid)))


@lru_cache(maxsize=1024)
def _multiplication_counts(tile: CrossbarTile, share: TilesShare) -> Mapping[str, int]:
    return action_counts(tile.work(share))
