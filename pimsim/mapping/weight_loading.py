"""Initial loading of the weights into the chips as a program: fault test, transfer and programming, calibration.

The write drivers of all tiles work in parallel, and so do the chips, each of which has its own memory. A chip programs
its cells while its memory streams the packed weights through the global buffer. With column remapping the cells are
tested before. With calibrated ADC ranges or gains a sample of vectors passes through the arrays afterwards, matrix by
matrix, because the inputs of a layer depend on the ranges of the layers before it.

Under the serial schedule the three phases follow one another for all chips together. Under the others, each chip begins
its next phase as soon as it can. The program leaves out the access latency of memory, since no write is late before the
first row has arrived, the mesh between its port and the tiles, and the data movement between the matrices that are
calibrated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from pimsim.config.schema import Config, CrossbarConfig
from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.machine import Machine
from pimsim.hardware.matrix_tile import TilesShare
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.weight_grid import WeightGrid
from pimsim.hardware.weight_programming import FaultTestShare, ProgrammingShare
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.matrix_precision import crossbar_weights, on_crossbars
from pimsim.mapping.occupancy import capacities
from pimsim.mapping.op_sizes import packed_bytes, stored_bytes
from pimsim.mapping.program import Assignment, Constraints, Program, ProgramBlock, Resource, Task
from pimsim.mapping.registered_components import check_registered
from pimsim.mapping.tile_plan import LayerPlan, TilePlan
from workloads.ops import BLOCK_INPUT, Projection
from workloads.trace import Block, Trace

LOADING = "loading"
"""Name of the block that tests and programs the tiles of a chip."""

TEST, LOAD, READY, CALIBRATE = "test cells", "load weights", "chips in turn", "calibrate"
"""Names of the tasks; that of a calibration is followed by the name of the matrix."""

FAULT_TEST, WEIGHT_LOAD, CALIBRATION = "fault_test", "weight_load", "calibration"
"""Kinds of the tasks."""


@dataclass(frozen=True, slots=True)
class WeightLoading:
    """Initial loading of the weights that stay on the chips, one phase after another.

    Attributes:
        size_bytes: Size in memory of the weights of all projections, those that every pass streams included, bytes.
        load_ps: Latency of loading, including the test and the calibration, picoseconds.
        counts: Action counts by "component.action".
        test_ps: Latency of the fault test before loading, picoseconds.
        calibration_ps: Latency of the calibration of ADC ranges and gains after loading, picoseconds.
    """

    size_bytes: int
    load_ps: int
    counts: Mapping[str, int]
    test_ps: int = 0
    calibration_ps: int = 0


def weight_bytes(config: Config, trace: Trace) -> int:
    """Return the size in memory of the weights of all projections.

    Args:
        config: Machine and mapping.
        trace: Its blocks with the projections.

    Returns:
        Bytes; those of weights on crossbars are packed together.
    """
    streamed_bytes = sum(
        repeat * stored_bytes(config, op) for repeat, op in _projections(trace) if not on_crossbars(config, op)
    )
    return streamed_bytes + packed_bytes(config, _kept_weights(config, trace))


def load_program(config: Config, machine: Machine, trace: Trace, plan: TilePlan) -> Program:
    """Map the initial loading of the weights of a trace.

    Weights that are swapped are not loaded, and a machine without crossbars keeps no weights on the chip; both are part
    of the run. Of the swapped layers of a chip, which share tiles in turn, the cells of the largest are tested.

    Args:
        config: Machine, mapping and schedule.
        machine: The machine built from it.
        trace: Its blocks with the projections.
        plan: Tiles of the matrices.

    Returns:
        The program; without blocks if nothing is loaded, tested or calibrated before a run.

    Raises:
        ConfigError: If a registered component contradicts itself.
        PluginError: If a method of a registered component raises an exception.

    Reference:
        docs/model.md, eq. (40).
    """
    crossbar = config.machine.crossbar
    if crossbar is None or machine.programming is None or not _kept_weights(config, trace):
        return Program(())
    layer = LayerMapping(config, machine, LayerPlan(1, {}), capacities(config.mapping, machine))
    chips = _matrices_by_chip(machine, crossbar, plan)
    calibrations = tuple(_calibrations(crossbar, machine, trace, plan))
    blocks: list[ProgramBlock] = []
    if not layer.overlapping:
        blocks += (*_loading_block(layer, chips), *calibrations)
    else:
        for chip in sorted(chips.keys() | {block.chip for block in calibrations}):
            of_chip = [block for block in calibrations if block.chip == chip]
            of_tiles = {chip: chips[chip]} if chip in chips else {}
            blocks += _loading_block(layer, of_tiles, chip, in_turn=bool(blocks and of_chip))
            blocks += of_chip
    program = Program(tuple(blocks), layer.capacities if layer.overlapping else {})
    check_registered(config, machine, program)
    return program


def _projections(trace: Trace) -> Iterator[tuple[int, Projection]]:
    return ((block.repeat, op) for block, op in trace.ops() if isinstance(op, Projection))


def _kept_weights(config: Config, trace: Trace) -> Counter[str]:
    """Return the number of weights on crossbars by alphabet, those of swapped layers included."""
    kept: Counter[str] = Counter()
    for repeat, op in _projections(trace):
        weights = crossbar_weights(config, op)
        if weights is not None:
            kept[weights] += repeat * op.weights
    return kept


@dataclass(slots=True)
class _ChipMatrices:
    """Matrices of a chip, each replica counted, whose cells are tested, and those that are loaded.

    Attributes:
        tested: Number whose cells are tested, of each shape and alphabet.
        loaded: Number that are loaded, of each shape and alphabet.
        matrices: Weights that are loaded, of each alphabet; the replicas of a matrix have the same.
    """

    tested: Counter[tuple[WeightGrid, str]] = field(default_factory=Counter)
    loaded: Counter[tuple[WeightGrid, str]] = field(default_factory=Counter)
    matrices: Counter[str] = field(default_factory=Counter)


def _has_pair(machine: Machine) -> bool:
    """Return whether the tiles have the analog arrays of `machine.crossbar.pair`, which are tested and calibrated."""
    return machine.tile is not None and machine.tile.has_pair


def _matrices_by_chip(machine: Machine, crossbar: CrossbarConfig, plan: TilePlan) -> dict[int, _ChipMatrices]:
    """Collect the matrices that are tested and loaded.

    Args:
        machine: The machine.
        crossbar: Crossbars; without column remapping no cell is tested.
        plan: Tiles of the matrices.

    Returns:
        The matrices of each chip that has any.
    """
    tests = _has_pair(machine) and crossbar.pair.array.remapping != "none"
    chips: dict[int, _ChipMatrices] = {}
    largest_swapped: dict[int, LayerPlan] = {}
    for layer in plan.layers:
        if not layer.swapped:
            of_chip = chips.setdefault(layer.chip, _ChipMatrices())
            for matrix in layer.matrices.values():
                held, grid = layer.repeat * matrix.sets, matrix.grid
                of_chip.loaded[matrix.grid, matrix.weights] += held
                of_chip.matrices[matrix.weights] += (
                    layer.repeat * matrix.matrices * grid.in_features * grid.out_features
                )
                of_chip.tested[matrix.grid, matrix.weights] += held if tests else 0
        elif tests and _pairs(layer) > _pairs(largest_swapped.get(layer.chip)):
            largest_swapped[layer.chip] = layer
    for chip, layer in largest_swapped.items():
        for matrix in layer.matrices.values():
            chips.setdefault(chip, _ChipMatrices()).tested[matrix.grid, matrix.weights] += matrix.sets
    return chips


def _pairs(layer: LayerPlan | None) -> int:
    return 0 if layer is None else sum(matrix.pairs for matrix in layer.matrices.values())


def _loading_block(
    layer: LayerMapping, chips: Mapping[int, _ChipMatrices], chip: int = 0, *, in_turn: bool = False
) -> tuple[ProgramBlock, ...]:
    """Map the fault test and the programming of chips that start together.

    Args:
        layer: Machine and schedule.
        chips: Matrices by chip.
        chip: Chip of the block.
        in_turn: Whether a calibration follows that waits also for that of the chip before.

    Returns:
        One block; none if nothing is tested or loaded.
    """
    tests = tuple(test for each, matrices in chips.items() for test in _tests(layer, each, matrices))
    after = (TEST,) if tests else ()
    loads = tuple(load for each, matrices in chips.items() for load in _loads(layer, each, matrices, after))
    tasks = [Task(TEST, FAULT_TEST, (), 0, tests, parallel=True)] if tests else []
    if loads:
        tasks.append(Task(LOAD, WEIGHT_LOAD, after, 0, loads, parallel=True))
    if tasks and in_turn:
        before = tasks[-1].name
        join = Assignment(READY, layer.machine.sram, BufferShare(), Constraints((before, BLOCK_INPUT)))
        tasks.append(Task(READY, CALIBRATION, (before,), 0, (join,)))
    return (ProgramBlock(LOADING, 1, tuple(tasks), chip),) if tasks else ()


def _tests(layer: LayerMapping, chip: int, matrices: _ChipMatrices) -> Iterator[Assignment]:
    programming = layer.machine.programming
    assert programming is not None  # only a machine with tiles has matrices
    for (grid, weights), count in matrices.tested.items():
        if count:
            name = f"{TEST} of {_shape(grid, weights, chip)}"
            yield Assignment(name, programming, FaultTestShare(grid, count))


def _loads(layer: LayerMapping, chip: int, matrices: _ChipMatrices, after: tuple[str, ...]) -> Iterator[Assignment]:
    """Stream the weights of a chip from memory, and program them meanwhile.

    The stream crosses the port of the global buffer twice: it is written there and read from there.

    Args:
        layer: Machine and schedule.
        chip: Index of the chip.
        matrices: Its matrices.
        after: The fault test, if there is one.

    Yields:
        The stream, one assignment per shape of the matrices, and the buffer accesses.

    Reference:
        docs/model.md, eq. (40) and (46).
    """
    machine, loaded = layer.machine, matrices.loaded
    assert machine.programming is not None
    if not loaded:
        return
    size_bytes = packed_bytes(layer.config, matrices.matrices)
    request = MemoryShare(size_bytes, prefetched=True)
    reading = layer.memory_request(f"{LOAD}.stream[{chip}]", request, after, buffered=False)
    yield replace(reading, stream=layer.stream(size_bytes, size_bytes))
    for (grid, weights), count in loaded.items():
        share = ProgrammingShare(grid, count, weights)
        name = f"{LOAD}.program {_shape(grid, weights, chip)}"
        yield Assignment(name, machine.programming, share, Constraints(after))
    passing = BufferShare(size_bytes, size_bytes, streamed=True)
    yield Assignment(f"{LOAD}.streamed[{chip}]", machine.sram, passing, Constraints(after))


def _shape(grid: WeightGrid, weights: str, chip: int) -> str:
    of_weights = f" of {weights}" if weights else ""
    return f"{grid.in_features} x {grid.out_features}{of_weights}[{chip}]"


def _calibrations(crossbar: CrossbarConfig, machine: Machine, trace: Trace, plan: TilePlan) -> Iterator[ProgramBlock]:
    """Map the calibration of ADC ranges and gains: a sample of vectors passes through all matrices in turn.

    Args:
        crossbar: Crossbars with the number of calibration vectors.
        machine: The machine.
        trace: Its blocks with the projections.
        plan: Tiles of the matrices.

    Yields:
        One block per layer with matrices; nothing without calibration.
    """
    vectors = crossbar.calibration_vectors if crossbar.pair.needs_sample else 0
    if not _has_pair(machine) or not vectors:
        return
    for block, layers in zip(trace.blocks, plan.blocks, strict=True):
        for layer in layers:
            if layer.matrices:
                tasks = _calibrated_layer(machine, block, layer, vectors)
                yield ProgramBlock(block.name, layer.repeat, tuple(tasks), layer.chip)


def _calibrated_layer(machine: Machine, block: Block, layer: LayerPlan, vectors: int) -> Iterable[Task]:
    assert machine.tile is not None
    bits = {op.name: op.activation_bits for op in block.ops if isinstance(op, Projection)}
    before = BLOCK_INPUT
    for name, matrix in layer.matrices.items():
        share = TilesShare(matrix.grid, bits[name], vectors * matrix.sets, matrix.weights, matrix.sets)
        constraints = Constraints((before,), Resource(f"tile:{name}", private=True))
        task = f"{CALIBRATE} {name}"
        yield Task(task, CALIBRATION, (before,), 0, (Assignment(f"{task}[0]", machine.tile, share, constraints),))
        before = task
