"""Initial loading of the weights into the chips: latency and action counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pimsim.config.schema import Config
from pimsim.hardware.buffer import BufferShare, Sram
from pimsim.hardware.machine import Machine
from pimsim.hardware.matrix_tile import TilesShare
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.weight_grid import WeightGrid
from pimsim.hardware.weight_programming import FaultTestShare, ProgrammingShare
from pimsim.mapping.op_sizes import packed_bytes, stored_bytes
from pimsim.mapping.tile_plan import LayerPlan, TilePlan, on_crossbars
from pimsim.steps.step_tree import action_counts
from workloads.ops import Projection
from workloads.trace import Trace


@dataclass(frozen=True, slots=True)
class WeightLoading:
    """Initial loading of the weights that stay on the chips.

    Attributes:
        size_bytes: Size in memory of the weights of all projections, those that every pass streams included, bytes.
        load_ps: Latency of loading, including the test and the calibration, picoseconds.
        counts: Action counts by "component.action".
        test_ps: Latency of the fault test before loading, picoseconds.
        calibration_ps: Latency of the calibration of ADC ranges after loading, picoseconds.
    """

    size_bytes: int
    load_ps: int
    counts: Mapping[str, int]
    test_ps: int = 0
    calibration_ps: int = 0


def weight_loading(config: Config, machine: Machine, trace: Trace, plan: TilePlan) -> WeightLoading:
    """Compute latency and action counts of the initial loading of the weights of a trace.

    Each chip has its own memory, and all chips load in parallel. A chip programs its cells while its memory streams
    the packed weights, and the slower of the two sets the latency. Swapped weights are not loaded initially, and a
    machine without crossbars keeps no weights on the chip; both are part of the run. With column remapping the
    cells are tested before, and with calibrated ADC ranges a sample of vectors passes through the arrays of all layers
    afterwards.

    Args:
        config: Machine and mapping.
        machine: The machine built from it.
        trace: Its blocks with the projections.
        plan: Tiles of the matrices.

    Returns:
        Size, latency and action counts.

    Reference:
        docs/model.md, eq. (40).
    """
    projections = [(block.repeat, op) for block, op in trace.ops() if isinstance(op, Projection)]
    weights = sum(repeat * op.weights for repeat, op in projections if on_crossbars(config, op))
    streamed_bytes = sum(
        repeat * stored_bytes(config, op) for repeat, op in projections if not on_crossbars(config, op)
    )
    if machine.programming is None or not weights:
        return WeightLoading(streamed_bytes, 0, {})
    chips: dict[int, Counter[WeightGrid]] = {}
    for layer in plan.layers:
        if not layer.swapped:
            grids = chips.setdefault(layer.chip, Counter())
            for matrix in layer.matrices.values():
                grids[matrix.grid] += layer.repeat
    loads = [_chip_loading(config, machine, machine.programming, grids) for grids in chips.values()]
    counts = sum((Counter(load.counts) for load in loads), Counter[str]())
    test_ps, test_counts = _test(config, machine, machine.programming, plan)
    calibration_ps, calibration_counts = _calibration(config, machine, trace, plan)
    counts.update(test_counts)
    counts.update(calibration_counts)
    load_ps = test_ps + max((load.load_ps for load in loads), default=0) + calibration_ps
    size_bytes = packed_bytes(config, weights) + streamed_bytes
    return WeightLoading(size_bytes, load_ps, dict(counts), test_ps, calibration_ps)


def _test(config: Config, machine: Machine, programming: Any, plan: TilePlan) -> tuple[int, Counter[str]]:
    """Compute the fault test of the arrays in use, all tiles in parallel.

    Of the swapped layers of a chip, which share tiles in turn, the largest is tested.

    Args:
        config: Machine.
        machine: The machine built from it.
        programming: Write drivers.
        plan: Tiles of the matrices.

    Returns:
        Latency in picoseconds and action counts; 0 and empty without column remapping.
    """
    crossbar, counts = config.machine.crossbar, Counter[str]()
    if not _has_pair(machine) or crossbar is None or crossbar.pair.array.remapping == "none":
        return 0, counts
    tested = [(layer.repeat, layer) for layer in plan.layers if not layer.swapped]
    largest_swapped: dict[int, LayerPlan] = {}
    for layer in plan.layers:
        if layer.swapped and (layer.chip not in largest_swapped or _pairs(layer) > _pairs(largest_swapped[layer.chip])):
            largest_swapped[layer.chip] = layer
    longest_ps = 0
    for repeat, layer in (*tested, *((1, layer) for layer in largest_swapped.values())):
        for matrix in layer.matrices.values():
            share = FaultTestShare(matrix.grid)
            longest_ps = max(longest_ps, programming.latency_ps(share))
            for action, count in _test_counts(programming, matrix.grid).items():
                counts[action] += repeat * count
    return longest_ps, counts


def _has_pair(machine: Machine) -> bool:
    """Return whether the tiles have the analog arrays of `machine.crossbar.pair`, which are tested and calibrated."""
    return machine.tile is not None and machine.tile.has_pair


def _pairs(layer: LayerPlan) -> int:
    return sum(matrix.grid.pairs for matrix in layer.matrices.values())


def _calibration(config: Config, machine: Machine, trace: Trace, plan: TilePlan) -> tuple[int, Counter[str]]:
    """Compute the calibration of ADC ranges: a sample of vectors passes through all matrices, one after another.

    The matrices are sequential because the inputs of a layer depend on the ranges of the layers before it. Only the
    crossbar tiles are counted, not the data movement between them.

    Args:
        config: Machine with the number of calibration vectors.
        machine: The machine built from it.
        trace: Its blocks with the projections.
        plan: Tiles of the matrices.

    Returns:
        Latency in picoseconds and action counts; 0 and empty without calibration.
    """
    crossbar, counts, total_ps = config.machine.crossbar, Counter[str](), 0
    vectors = crossbar.calibration_vectors if crossbar and crossbar.pair.adc.range != "full" else 0
    tile: Any = machine.tile
    if not _has_pair(machine) or not vectors:
        return 0, counts
    for block, layers in zip(trace.blocks, plan.blocks, strict=True):
        bits = {op.name: op.activation_bits for op in block.ops if isinstance(op, Projection)}
        for layer in layers:
            for name, matrix in layer.matrices.items():
                times = layer.repeat * vectors
                share = TilesShare(matrix.grid, bits[name])
                total_ps += times * tile.latency_ps(share)
                for action, count in _multiplication_counts(tile, share).items():
                    counts[action] += times * count
    return total_ps, counts


def _chip_loading(config: Config, machine: Machine, programming: Any, grids: Mapping[WeightGrid, int]) -> WeightLoading:
    """Compute the loading of one chip.

    Args:
        config: Machine and mapping.
        machine: The machine built from it.
        programming: Write drivers.
        grids: Number of matrices of each shape on the chip.

    Returns:
        Size, latency and action counts of the chip.

    Reference:
        docs/model.md, eq. (40) and (46).
    """
    size_bytes = packed_bytes(config, sum(n * grid.in_features * grid.out_features for grid, n in grids.items()))
    stream, passing = MemoryShare(size_bytes), BufferShare(size_bytes, size_bytes, streamed=True)
    counts = action_counts(machine.memory.work(stream)) + action_counts(machine.sram.work(passing))
    for grid, times in grids.items():
        for action, count in _programming_counts(programming, grid).items():
            counts[action] += times * count
    # The access latency is left out: no write is late before the first row has arrived.
    streaming_ps = machine.memory.latency_ps(stream) - machine.memory.latency_ps(MemoryShare(0))
    through = machine.sram.stream(size_bytes, size_bytes) if isinstance(machine.sram, Sram) else None
    streaming_ps = max(streaming_ps, through.port_ps if through else 0)
    programming_ps = max(programming.latency_ps(ProgrammingShare(grid)) for grid in grids)
    return WeightLoading(size_bytes, max(streaming_ps, programming_ps), counts)


@lru_cache(maxsize=1024)
def _programming_counts(programming: Any, grid: WeightGrid) -> Mapping[str, int]:
    """Count the actions of programming one matrix; cached, since the runs of a sweep have many matrices in common.

    Args:
        programming: Write drivers.
        grid: Tiles of the matrix.

    Returns:
        Number of each action.
    """
    return action_counts(programming.work(ProgrammingShare(grid)))


@lru_cache(maxsize=1024)
def _test_counts(programming: Any, grid: WeightGrid) -> Mapping[str, int]:
    return action_counts(programming.work(FaultTestShare(grid)))


@lru_cache(maxsize=1024)
def _multiplication_counts(tile: Any, share: TilesShare) -> Mapping[str, int]:
    return action_counts(tile.work(share))
