"""Loading the weights as a program: the engine against eq. (40) written out here, by hand, and as a run of its own."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pimsim import load_config, load_weights, read_result, simulate, write_result
from pimsim.base.errors import CapacityError, ConfigError, WorkloadInputError
from pimsim.base.units import to_ps
from pimsim.config.schema import Config
from pimsim.config.schema.quantities import Section
from pimsim.engine import run
from pimsim.hardware.machine import build_machine
from pimsim.hardware.matrix_tile import TilesShare
from pimsim.hardware.technology import at_technology
from pimsim.hardware.tile_kinds import register_tile
from pimsim.mapping.program import Program
from pimsim.mapping.tile_plan import LayerPlan, MatrixPlan, TilePlan, plan_tiles
from pimsim.mapping.weight_loading import READY, load_program
from pimsim.steps.step_tree import action_counts
from pimsim.weight_load_run import weight_loading
from tests.oracles import naive_tiles
from tests.support import strategies
from tests.support.closeness import near
from tests.support.counts import scaled
from tests.support.outside_kinds import restored_kinds, sram_config
from tests.support.outside_tile import Tile
from workloads.ops import BLOCK_INPUT, Projection
from workloads.trace import Block, Trace

SMALL = ("workload.model=gpt2-small",)
TESTED = "machine.crossbar.pair.array.remapping=columns"
CALIBRATED = "machine.crossbar.calibration_vectors=4"


def changed(section: Any, **values: Any) -> Any:
    return section.model_copy(update=values)


@st.composite
def loads(draw: st.DrawFn) -> tuple[Config, Trace, TilePlan]:
    """A trace on up to three chips; with and without swapped layers, fault tests, calibration, replicas and slices."""
    config, trace = draw(strategies.runs(crossbars=True))
    crossbar, machine = config.machine.crossbar, config.machine
    assert crossbar is not None
    provisioning = draw(st.sampled_from(["per_layer", "whole_model", "swap"]))
    array = changed(crossbar.pair.array, remapping=draw(st.sampled_from(["none", "columns"])))
    adc = changed(crossbar.pair.adc, range=draw(st.sampled_from(["full", "calibrated"])))
    banks = crossbar.banks if provisioning == "per_layer" else draw(st.integers(1, 8))
    crossbar = changed(
        crossbar,
        pair=changed(crossbar.pair, array=array, adc=adc),
        calibration_vectors=draw(st.integers(0, 3)),
        banks=banks,
    )
    each = draw(st.sampled_from([1, 1, 2]))
    mesh = machine.mesh
    assert mesh is not None
    alphabet = draw(st.sampled_from([None, None, "binary", "ternary", "int3", "int4"]))
    chips = changed(machine.chips, count=1 if provisioning == "per_layer" else draw(st.integers(1, 3)))
    config = changed(
        config,
        machine=changed(machine, crossbar=crossbar, chips=chips, mesh=changed(mesh, rows=min(256, 2 * mesh.rows))),
        mapping=changed(
            config.mapping,
            provisioning=provisioning,
            replicas=changed(config.mapping.replicas, each=each),
            matrix_precision=changed(config.mapping.matrix_precision, o=alphabet, ffn_up=alphabet),
        ),
    )
    try:
        return config, trace, plan_tiles(config, trace)
    except (CapacityError, ConfigError):  # too few tiles, or columns for the slices of a weight
        assume(False)
        raise


# --- eq. (35) to (40) and (46), written out -------------------------------------------------------------------------


def tiles_of(config: Config, matrix: MatrixPlan) -> list[list[Any]]:
    crossbar, grid = config.machine.crossbar, matrix.grid
    assert crossbar is not None
    array = crossbar.pair.array
    shape = (grid.in_features, grid.out_features)
    columns = array.usable_columns // slices_of(config, matrix)
    return naive_tiles.grid_tiles(*shape, array.rows, columns, crossbar.pes_per_tile)


def alphabet_of(config: Config, matrix: MatrixPlan) -> str:
    crossbar = config.machine.crossbar
    assert crossbar is not None
    return matrix.weights or crossbar.pair.encoding.weights


def slices_of(config: Config, matrix: MatrixPlan) -> int:
    """Cells, or pairs of cells, of a weight."""
    crossbar = config.machine.crossbar
    assert crossbar is not None
    return naive_tiles.slices(changed(crossbar.pair.encoding, weights=alphabet_of(config, matrix)))


def packed_bits(config: Config, alphabet: str) -> Fraction:
    """Bits of a weight in memory; eq. (48): those of the file for ternary weights, B for intB, else 1."""
    if alphabet == "ternary":
        return Fraction(config.mapping.ternary_storage_bits).limit_denominator(1_000_000)
    return Fraction(alphabet[3:] if alphabet.startswith("int") else 1)


def stream_ps(config: Config, size_bytes: int) -> int:
    """The bytes through memory, block by block, and twice through the port; eq. (29), (46), (47)."""
    memory, sram = config.machine.memory, config.machine.sram
    rate = (
        memory.channels * memory.channel_bandwidth_bytes_per_s * (memory.dram.stream_efficiency if memory.dram else 1)
    )
    rate = memory.interfaces.weights_bytes_per_s if memory.interfaces else rate
    blocks, rest = divmod(size_bytes, memory.block_bytes)
    from_memory_ps = blocks * to_ps(memory.block_bytes / rate) + to_ps(rest / rate)
    if sram.ports is None:
        return from_memory_ps
    in_a_cycle = Fraction(sram.ports)
    if sram.banks is not None:
        in_a_cycle = sram.banks * (1 - (1 - Fraction(1, sram.banks)) ** sram.ports)
    cycles = -(-2 * -(-8 * size_bytes // sram.width_bits) // in_a_cycle)
    return max(from_memory_ps, int(cycles) * to_ps(1 / sram.clock_hz))


def wanted(config: Config, trace: Trace, plan: TilePlan) -> tuple[int, int, int, Counter[str]]:
    """Latency, that of test and calibration, and the counts of the write drivers and of memory."""
    tile = build_machine(config.machine).tile
    config = changed(config, machine=at_technology(config.machine))
    crossbar = config.machine.crossbar
    assert crossbar is not None
    assert tile is not None
    pair, digital = crossbar.pair, crossbar.digital
    arrays, array, pulse_ps = pair.encoding.arrays, pair.array, to_ps(pair.cell.write_pulse_s)
    counts: Counter[str] = Counter()
    kept = [layer for layer in plan.layers if not layer.swapped]
    swapped: dict[int, LayerPlan] = {}
    for layer in (each for each in plan.layers if each.swapped):
        known = swapped.get(layer.chip)
        if known is None or pairs_of(config, layer) > pairs_of(config, known):
            swapped[layer.chip] = layer
    test_ps = 0
    if array.remapping != "none":
        columns = array.columns + naive_tiles.references_of(pair, array.columns)
        groups = -(-columns // array.adc_count)
        conversions_s = groups * (groups * digital.column_mux_s + pair.adc.conversion_s)
        row_ps = 2 * (pulse_ps + to_ps(pair.dac.conversion_s + pair.read_pulse_s + conversions_s))
        for repeat, layer in [*((each.repeat, each) for each in kept), *((1, each) for each in swapped.values())]:
            for matrix in layer.matrices.values():
                tiles = tiles_of(config, matrix)
                test_ps = max(test_ps, max(map(len, tiles)) * arrays * array.rows * row_ps)
                cells = matrix.replicas * arrays * array.rows * columns * sum(map(len, tiles))
                for action in ("test_write", "test_read", "test_conversion"):
                    counts[f"programming.{action}"] += repeat * 2 * cells
    loading_ps = 0
    for chip in {layer.chip for layer in kept}:
        matrices = [(each.repeat, m) for each in kept if each.chip == chip for m in each.matrices.values()]
        weights = [(repeat * m.grid.in_features * m.grid.out_features, m) for repeat, m in matrices]
        bits = sum(number * packed_bits(config, alphabet_of(config, m)) for number, m in weights)
        cells = sum(number * m.replicas * arrays * slices_of(config, m) for number, m in weights)
        size_bytes = -(-bits // 8)
        rows = (arrays * sum(len(p.rows) for p in tile) for _, m in matrices for tile in tiles_of(config, m))
        loading_ps = max(loading_ps, stream_ps(config, int(size_bytes)), 2 * pulse_ps * max(rows))
        accesses = -(-8 * int(size_bytes) // config.machine.sram.width_bits)
        counts.update({"programming.cell_write": cells, "memory.read_bit": 8 * int(size_bytes)})
        for repeat, m in matrices:
            references = naive_tiles.reference_cells(pair, tiles_of(config, m), slices_of(config, m))
            counts["programming.reference_write"] += repeat * m.replicas * references
        counts.update({"sram.read": accesses, "sram.write": accesses})
    calibration_ps, vectors = 0, 0
    if pair.adc.range != "full" or pair.correction.gains != "none":
        vectors += crossbar.calibration_vectors
    if pair.upkeep.drift_compensation != "none":
        vectors += pair.upkeep.test_vectors
    for block, layers in zip(trace.blocks, plan.blocks, strict=True):
        bits_of = {op.name: op.activation_bits for op in block.ops if isinstance(op, Projection)}
        for layer in layers:
            for name, matrix in layer.matrices.items():
                # Each replica has these vectors, all replicas at the same time.
                share = TilesShare(matrix.grid, bits_of[name], 1, matrix.weights)
                times = layer.repeat * vectors
                calibration_ps += times * tile.latency_ps(share)
                for action, number in action_counts(tile.work(share)).items():
                    counts[action] += times * matrix.replicas * number
    return test_ps + loading_ps + calibration_ps, test_ps, calibration_ps, +counts


def pairs_of(config: Config, layer: LayerPlan) -> int:
    return sum(m.replicas * len(tile) for m in layer.matrices.values() for tile in tiles_of(config, m))


@settings(max_examples=scaled(8, 2_000))
@given(case=loads())
def test_the_serial_run_is_the_closed_form_and_the_others_only_overlap(case: tuple[Config, Trace, TilePlan]) -> None:
    config, trace, plan = case
    machine = build_machine(config.machine)
    loading = weight_loading(config, machine, trace, plan)
    load_ps, test_ps, calibration_ps, counts = wanted(config, trace, plan)
    if any(layer.matrices for layer in plan.layers):
        assert (loading.load_ps, loading.test_ps, loading.calibration_ps) == (load_ps, test_ps, calibration_ps)
        assert {name: n for name, n in loading.counts.items() if name != "memory.activate"} == counts
    serial = load_program(config, machine, trace, plan)
    assert serial.serial_latency_ps() == loading.load_ps
    ends_ps = []
    for schedule in ("dataflow", "contended"):
        program = load_program(changed(config, schedule=schedule), machine, trace, plan)
        outcome = run(program, schedule)
        ends_ps.append(outcome.latency_ps)
        assert +task_counts(outcome) == Counter(loading.counts)
    assert ends_ps[0] <= loading.load_ps
    assert ends_ps[0] == loading.load_ps or config.machine.chips.count > 1
    if config.machine.memory.dram is None:
        assert ends_ps[1] == ends_ps[0]


WHERE = ("machine.mesh.rows=2", "machine.mesh.columns=2", "machine.crossbar.banks=1")
PAIR = "machine.crossbar.pair"
ARRAY = f"{PAIR}.array"
SMALL_ARRAYS = [f"{ARRAY}.{key}" for key in ("rows=32", "columns=32", "rows_at_once=32", "adcs=4")]
TURNS = (*WHERE, "mapping.provisioning=swap")


@pytest.mark.parametrize(
    "keys",
    [
        (TESTED, CALIBRATED, "mapping.provisioning=per_layer", "mapping.replicas.each=2"),
        (TESTED, CALIBRATED, "mapping.matrix_precision.q=int4", "mapping.replicas.q=3"),
        (TESTED, CALIBRATED, *WHERE, "mapping.provisioning=whole_model", "machine.chips.count=3"),
        (TESTED, CALIBRATED, *TURNS),  # of the layers that take turns, the largest is tested
        (CALIBRATED, "machine.crossbar.pair.adc.range=full", f"{PAIR}.correction.gains=column"),
        (CALIBRATED, f"{PAIR}.noise.drift.age_s=10", f"{PAIR}.upkeep.drift_compensation=global"),
        (CALIBRATED, "machine.crossbar.pair.adc.range=full", "mapping.ternary_storage_bits=1.6"),
    ],
)
def test_known_machines_load_as_long_as_the_closed_form(keys: tuple[str, ...]) -> None:
    """Matrices of 1, 9 and 4 pairs, in 1, 3 and 1 tiles, of which the small machines have four on a chip."""
    config = load_config("pim-llm", [*SMALL_ARRAYS, *keys])
    trace = trace_of(matrix("small", 20), matrix("large", 90), matrix("middle", 50))
    machine, plan = build_machine(config.machine), plan_tiles(config, trace)
    loading = weight_loading(config, machine, trace, plan)
    load_ps, test_ps, calibration_ps, counts = wanted(config, trace, plan)
    assert (loading.load_ps, loading.test_ps, loading.calibration_ps) == (load_ps, test_ps, calibration_ps)
    assert {name: n for name, n in loading.counts.items() if name != "memory.activate"} == counts


def task_counts(outcome: Any) -> Counter[str]:
    counts: Counter[str] = Counter()
    for activity in outcome.activities:
        for action, count in outcome.profiles[activity.profile].counts.items():
            counts[action] += outcome.tasks[activity.op][0].repeat * count
    return counts


def test_tiles_of_a_registered_kind_are_neither_tested_nor_calibrated() -> None:
    """They have no analog arrays, whatever the keys of these say."""
    with restored_kinds():
        register_tile("own", Section, lambda *_: Tile({}))  # type: ignore[arg-type]
        config = load_config(sram_config({}, kind="own"), [TESTED, CALIBRATED])
        trace = trace_of(matrix("only", 64))
        program = load_program(config, build_machine(config.machine), trace, plan_tiles(config, trace))
    assert [(block.chip, task.name) for block, task in program.tasks()] == [(0, "load weights")]


# --- schedules ------------------------------------------------------------------------------------------------------


def test_rows_blocks_and_vectors_one_by_one_take_as_long() -> None:
    """Every row of 2 x 2 pairs, every block of memory and every vector simulated, against one for all."""
    config = load_config("pim-llm", [TESTED, CALIBRATED, "machine.memory.block_bytes=1 KiB"])
    trace = trace_of(matrix("only", 300))
    program = load_program(config, build_machine(config.machine), trace, plan_tiles(config, trace))
    grouped, expanded = run(program), run(program, expand=True)
    assert grouped.activities == expanded.activities
    assert task_counts(grouped) == task_counts(expanded)


def trace_and_plan(config: Config) -> tuple[Trace, TilePlan]:
    from pimsim.simulation import make_trace

    trace = make_trace(config)
    return trace, plan_tiles(config, trace)


def matrix(name: str, size: int) -> Block:
    shape = {"in_features": size, "out_features": size, "vectors": 1}
    op = Projection(name=name, inputs=(BLOCK_INPUT,), role="q", weight_bits=1, activation_bits=8, **shape)
    return Block(name=name, repeat=1, ops=(op,))


def trace_of(*blocks: Block) -> Trace:
    return Trace(model="any", phase="decode", context_length=1, tokens=1, blocks=blocks)


def test_under_dataflow_a_chip_does_not_wait_for_the_others_by_hand() -> None:
    """Sixteen tiles a chip, 2 bits a weight, and 512 bits per cycle of 10 ns through the port. The first chip has one
    pair of arrays: 512 cycles, but 2 arrays x 256 rows x 2 pulses of 10 ns. The second has 64 pairs: 32,768 cycles.
    """
    keys = [
        "mapping.provisioning=whole_model",
        "machine.chips.count=2",
        "machine.mesh.rows=4",
        "machine.mesh.columns=4",
    ]
    trace = trace_of(matrix("small", 256), matrix("large", 2048))
    config = load_config("pim-llm", [*keys, CALIBRATED])
    tile = build_machine(config.machine).tile
    assert tile is not None
    small_ps, large_ps = (
        4 * tile.latency_ps(TilesShare(layer.matrices[name].grid, 8))
        for layer, name in zip(plan_tiles(config, trace).layers, ("small", "large"), strict=True)
    )
    serial = load_weights(config, trace)
    assert serial.latency_ps == 327_680_000 + small_ps + large_ps
    flow = load_weights(changed(config, schedule="dataflow"), trace)
    assert [(op.name, op.start_ps, op.start_ps + op.latency_ps) for op in flow.ops if op.name != READY] == [
        ("load weights", 0, 10_240_000),
        ("calibrate small", 10_240_000, 10_240_000 + small_ps),
        ("load weights", 0, 327_680_000),
        ("calibrate large", 327_680_000, 327_680_000 + large_ps),
    ]
    assert flow.latency_ps == 327_680_000 + large_ps
    assert dict(flow.counts) == dict(serial.counts)
    assert flow.component("sram").busy_ps == serial.component("sram").busy_ps == 332_800_000


def test_banks_of_memory_time_the_stream_and_nothing_else() -> None:
    """The closed form of a stream has the refreshes on average; the banks have those of its own time."""
    flow, contended = (
        load_weights(load_config("memory-lpddr5-timing", [*SMALL, "machine.sram.ports=null", f"schedule={schedule}"]))
        for schedule in ("dataflow", "contended")
    )
    for alone, in_banks in zip(flow.activities, contended.activities, strict=True):
        if alone.component == "memory":
            assert in_banks.end_ps == near(alone.end_ps, rel=1e-3)
        else:
            assert in_banks[4:7] == alone[4:7]
    assert [medium.component for medium in contended.media] == ["memory"]
    assert contended.counts["programming.cell_write"] == flow.counts["programming.cell_write"]


def test_two_loads_on_one_chip_wait_for_its_memory() -> None:
    config = load_config("pim-llm", [*SMALL, "schedule=contended"])
    program = load_program(config, build_machine(config.machine), *trace_and_plan(config))
    one, two = (run(Program(program.blocks * n, program.capacities), "contended") for n in (1, 2))
    streams = [each for each in two.activities if each.component == "memory"]
    assert [(each.ready_ps, each.start_ps, each.waited_for) for each in streams] == [
        (0, 0, ""),
        (0, one.latency_ps, "memory"),
    ]
    assert two.latency_ps == 2 * one.latency_ps


# --- as a run of its own --------------------------------------------------------------------------------------------


def test_a_load_agrees_with_the_run_that_uses_the_weights(tmp_path: Path) -> None:
    keys = [*SMALL, TESTED, CALIBRATED]
    used, load = (
        simulate(load_config("pim-llm", keys)),
        simulate(load_config("pim-llm", [*keys, "workload.phase=load"])),
    )
    assert (load.phase, load.tokens, load.latency_ps) == ("load", 0, used.weight_load_ps)
    assert (load.provision.test_ps, load.provision.calibration_ps) == (
        used.provision.test_ps,
        used.provision.calibration_ps,
    )
    assert load.counts == used.provision.load_counts
    assert sum(load.parts_ps.values()) == load.latency_ps
    assert sum(row["time_s"] for row in load.by_op()) == near(load.latency_s)
    assert sum(item.latency_ps for item in load.accounting.counted) == load.latency_ps
    assert sum(item.energy_j for item in load.accounting.counted) == near(load.energy_j)
    write_result(load, tmp_path / "load.h5")
    assert read_result(tmp_path / "load.h5").summary() == load.summary()
    rates = ("tokens_per_s", "tokens_per_j", "gops", "gops_per_w", "tops_per_w", "tops_per_mm2")
    assert [load.summary()[rate] for rate in rates] == [None] * 6
    assert "tokens/s" not in repr(load)
    assert all(used.summary()[rate] > 0 for rate in rates)
    assert simulate(read_result(tmp_path / "load.h5").config).ops == load.ops


@pytest.mark.parametrize(
    ("name", "keys", "why"),
    [
        ("tpu-llm", (), r"tpu-llm keeps no weights on the chip"),
        ("pim-llm", ("workload.trace=none.json",), r"none\.json"),
    ],
)
def test_what_cannot_be_loaded_says_why(name: str, keys: tuple[str, ...], why: str) -> None:
    with pytest.raises(WorkloadInputError, match=why):
        simulate(load_config(name, [*SMALL, *keys, "workload.phase=load"]))
