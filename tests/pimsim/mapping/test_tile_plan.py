"""Plans of weight matrices over tiles: banks are filled tile by tile, and an oracle routes every message."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.base.errors import CapacityError, ConfigError
from pimsim.config.loading import load_config
from pimsim.config.schema import Config, CrossbarConfig, MeshConfig
from pimsim.mapping.tile_plan import MatrixPlan, TilePlan, plan_tiles
from pimsim.simulation import make_trace
from tests.oracles import naive_mesh, naive_tiles
from tests.pimsim.mapping.tiny_tiles import projection, tiny, trace_of
from tests.support import strategies
from tests.support.counts import MACHINES
from workloads.ops import Projection
from workloads.trace import Block, Trace


def parts(config: Config) -> tuple[CrossbarConfig, MeshConfig]:
    assert config.machine.crossbar
    assert config.machine.mesh
    return config.machine.crossbar, config.machine.mesh


def groups_of(config: Config, block: Block) -> list[list[Projection]]:
    """1-bit projections by placement group in the order in which they run; others (an LM head) alone."""
    ops = [op for op in block.ops if isinstance(op, Projection) and op.weight_bits == 1]
    groups = [[op for op in ops if op.role in roles] for roles in config.mapping.placement_groups]
    groups += [[op] for op in ops if not any(op in group for group in groups)]
    return [group for group in groups if group]


def check_matrix(
    config: Config,
    plan: MatrixPlan,
    op: Projection,
    tiles: list[naive_mesh.Position],
    after: Projection | None,
    next_tiles: list[naive_mesh.Position],
) -> None:
    """Every message of one matrix: who sends what how far."""
    crossbar, mesh = parts(config)
    array = crossbar.pair.array

    def width(rows: int) -> int:
        needed = naive_tiles.sum_bits(crossbar.pair.encoding, op.activation_bits, rows)
        return needed if crossbar.output_bits is None else crossbar.output_bits

    def cut(matrix: Projection) -> list[list[naive_tiles.Pair]]:
        return naive_tiles.grid_tiles(
            matrix.in_features, matrix.out_features, array.rows, array.columns, crossbar.pes_per_tile
        )

    held = cut(op)
    assert len(held) == len(tiles)
    to_port = mesh.last_output == "port" and after is None
    port = (mesh.rows // 2, 0)
    destinations = [port] if to_port else next_tiles
    origin = naive_mesh.aggregator(mesh.rows, mesh.columns, tiles, destinations)
    hops = naive_mesh.distances(mesh.rows, mesh.columns, origin)
    merged = []
    for tile in held:
        joined = len(set().union(*(pair.columns for pair in tile)))
        values = joined if crossbar.tile_outputs == "merged" else sum(len(pair.columns) for pair in tile)
        merged.append(width(naive_tiles.added_rows(tile)) * values)
        assert crossbar.tile_outputs == "concatenated" or values <= op.out_features
    traced = mesh.routes == "trace"
    bits = after.activation_bits if traced and after else width(op.in_features)
    if after:
        sent = [bits * len(set().union(*(pair.rows for pair in tile))) for tile in cut(after)]
    else:
        sent = [bits * op.out_features] * len(destinations)
    share = plan.mesh
    assert share.vectors == 1
    assert list(share.merge.moving_bits) == naive_mesh.moving_bits([hops[tile] for tile in tiles], merged)
    # By the trace, a vector that passes no link still takes the time of one, in which no bit takes a hop.
    local = [0] if traced and destinations else []
    moving = naive_mesh.moving_bits([hops[tile] for tile in destinations], sent)
    assert list(share.transfer.moving_bits) == (moving or local)
    assert sum(share.merge.moving_bits) == naive_mesh.bit_hops([hops[tile] for tile in tiles], merged)
    assert sum(share.transfer.moving_bits) == naive_mesh.bit_hops([hops[tile] for tile in destinations], sent)
    assert share.merge.farthest_bits == max(merged)
    assert share.transfer.farthest_bits == bits * op.out_features
    assert share.additions == naive_tiles.additions(held, op.out_features).across_tiles
    assert plan.output_bits == width(op.in_features)
    assert plan.receiver == (after.name if traced and after else "")
    if not traced or plan.sender:
        assert plan.distribution is None
        return
    assert plan.distribution
    hops = naive_mesh.distances(mesh.rows, mesh.columns, port)
    needed = [op.activation_bits * len(set().union(*(pair.rows for pair in tile))) for tile in held]
    lengths = [hops[tile] for tile in tiles]
    assert list(plan.distribution.traffic.moving_bits) == (naive_mesh.moving_bits(lengths, needed) or [0])
    assert plan.distribution.traffic.farthest_bits == op.activation_bits * op.in_features


def only_reader(block: Block, group: list[Projection], op: Projection) -> int | None:
    """The matrix of the group that needs nothing but the output of `op`, which nothing else needs."""
    readers = [each for each in block.ops if op.name in each.inputs]
    if op is block.ops[-1] or len(readers) != 1 or set(readers[0].inputs) != {op.name}:
        return None
    (reader,) = readers
    if not isinstance(reader, Projection) or (reader.in_features, reader.vectors) != (op.out_features, op.vectors):
        return None
    return next((index for index, each in enumerate(group) if each is reader), None)


def check_plan(config: Config, trace: Trace, plan: TilePlan) -> None:
    crossbar, mesh = parts(config)
    groups = [groups_of(config, block) for block in trace.blocks]
    layers = [
        [sum(strategies.tiles_of(op, crossbar) for op in group) for group in in_block]
        for block, in_block in zip(trace.blocks, groups, strict=True)
        for _ in range(block.repeat)
    ]
    starts, banks = naive_mesh.first_positions(layers, mesh.rows * mesh.columns)
    if config.mapping.provisioning == "per_layer":
        starts = [[0] * len(sizes) for sizes in layers]
        available = sum(map(sum, layers))
    else:
        assert banks <= crossbar.banks
        available = crossbar.banks * mesh.rows * mesh.columns
    order = naive_mesh.order(mesh.placement, mesh.rows, mesh.columns)
    layer = 0
    for block, in_block, planned in zip(trace.blocks, groups, plan.blocks, strict=True):
        assert sum(each.repeat for each in planned) == block.repeat
        for each in planned:
            assert set(each.matrices) == {op.name for group in in_block for op in group}
            for _ in range(each.repeat):
                for group, start in zip(in_block, starts[layer], strict=True):
                    walk = order[start:]
                    tiles = []
                    for op in group:
                        size = strategies.tiles_of(op, crossbar)
                        tiles.append(walk[:size])
                        walk = walk[size:]
                    for index, (op, held) in enumerate(zip(group, tiles, strict=True)):
                        next_index = index + 1 if mesh.routes == "chain" else only_reader(block, group, op)
                        known = next_index is not None and next_index < len(group)
                        after = group[next_index] if known and next_index is not None else None
                        next_tiles = tiles[next_index] if known and next_index is not None else []
                        check_matrix(config, each.matrices[op.name], op, held, after, next_tiles)
                layer += 1
    assert plan.tiles_used == sum(map(sum, layers))
    assert plan.tiles_available == available
    assert plan.pairs_available == available * crossbar.pes_per_tile
    assert plan.pairs_used == sum(
        block.repeat * len(tile)
        for block, in_block in zip(trace.blocks, groups, strict=True)
        for group in in_block
        for op in group
        for tile in naive_tiles.grid_tiles(
            op.in_features,
            op.out_features,
            crossbar.pair.array.rows,
            crossbar.pair.array.columns,
            crossbar.pes_per_tile,
        )
    )


@settings(max_examples=MACHINES)
@given(run=strategies.runs(crossbars=True))
def test_plan_is_the_oracle_s(run: tuple[Config, Trace]) -> None:
    config, trace = run
    check_plan(config, trace, plan_tiles(config, trace))


@settings(max_examples=MACHINES)
@given(run=strategies.runs(crossbars=False))
def test_without_crossbars_nothing_is_placed(run: tuple[Config, Trace]) -> None:
    config, trace = run
    plan = plan_tiles(config, trace)
    assert (plan.tiles_used, plan.tiles_available, plan.pairs_used, plan.pairs_available) == (0, 0, 0, 0)
    assert [sum(layer.repeat for layer in layers) for layers in plan.blocks] == [block.repeat for block in trace.blocks]
    assert not any(layer.matrices for layers in plan.blocks for layer in layers)


@settings(max_examples=MACHINES)
@given(run=strategies.runs(crossbars=True), data=st.data())
def test_one_bank_too_few_is_an_error_that_says_how_many(run: tuple[Config, Trace], data: st.DataObject) -> None:
    config, trace = run
    crossbar, mesh = parts(config)
    layers = [
        [sum(strategies.tiles_of(op, crossbar) for op in group) for group in groups_of(config, block)]
        for block in trace.blocks
        for _ in range(block.repeat)
    ]
    needed = naive_mesh.first_positions(layers, mesh.rows * mesh.columns)[1]
    mapping = config.mapping.model_copy(update={"provisioning": "whole_model"})

    def with_banks(banks: int) -> Config:
        machine = config.machine.model_copy(update={"crossbar": crossbar.model_copy(update={"banks": banks})})
        return config.model_copy(update={"machine": machine, "mapping": mapping})

    check_plan(with_banks(needed), trace, plan_tiles(with_banks(needed), trace))
    if needed > 1:
        with pytest.raises(CapacityError) as raised:
            plan_tiles(with_banks(data.draw(st.integers(1, needed - 1))), trace)
        text = str(raised.value)
        assert f"needs {sum(map(sum, layers)):,} tiles in {needed:,} banks" in text
        assert f"machine.crossbar.banks={needed}," in text
        assert "mapping.provisioning=per_layer" in text


def test_exact_text_of_too_few_banks() -> None:
    """Layers of three tiles do not share a mesh of four: five layers take five banks, one tile of each idle."""
    trace = trace_of((5, [projection("q"), projection("ffn_up", outputs=4)]))
    with pytest.raises(CapacityError) as raised:
        plan_tiles(tiny("machine.crossbar.banks=4"), trace)
    assert str(raised.value) == (
        "a-model needs 15 tiles in 5 banks; the machine has 4 of 4 tiles. Set machine.crossbar.banks=5, "
        "machine.chips.count=2, mapping.provisioning=swap to program layers before each use, or "
        "mapping.provisioning=per_layer to give each layer its own tiles, as PIM-LLM counts"
    )
    plan = plan_tiles(tiny("machine.crossbar.banks=5"), trace)
    assert (plan.tiles_used, plan.tiles_available) == (15, 20)


def test_per_layer_has_exactly_what_it_needs() -> None:
    trace = trace_of((5, [projection("q"), projection("ffn_up", outputs=4)]))
    plan = plan_tiles(tiny("mapping.provisioning=per_layer"), trace)
    assert (plan.tiles_used, plan.tiles_available, plan.pairs_used, plan.pairs_available) == (15, 15, 15, 15)
    assert [[layer.repeat for layer in layers] for layers in plan.blocks] == [[5]]


@pytest.mark.parametrize("provisioning", ["per_layer", "whole_model"])
def test_exact_text_of_a_group_that_no_mesh_holds(provisioning: str) -> None:
    trace = trace_of((1, [projection("q", 4, 4), projection("o")]))
    with pytest.raises(CapacityError) as raised:
        plan_tiles(tiny(f"mapping.provisioning={provisioning}", "machine.crossbar.banks=100"), trace)
    assert str(raised.value) == (
        "q_op, o_op of block 'b0' need 5 tiles on one mesh, which has 4 (machine.mesh.rows x machine.mesh.columns); "
        "enlarge the mesh or split mapping.placement_groups"
    )
    split = "mapping.placement_groups=[[q, k, v], [o], [ffn_gate, ffn_up, ffn_down]]"
    plan = plan_tiles(tiny(f"mapping.provisioning={provisioning}", "machine.crossbar.banks=2", split), trace)
    assert plan.tiles_used == 5


def test_groups_share_a_bank_until_it_is_full() -> None:
    """Groups of 3, 1 and 2 tiles on meshes of 4: the first two share the first bank, the third begins another."""
    groups = "mapping.placement_groups=[[q], [k], [v], [o, ffn_gate, ffn_up, ffn_down]]"
    trace = trace_of((1, [projection("q", outputs=6), projection("k"), projection("v", outputs=4)]))
    with pytest.raises(CapacityError, match="6 tiles in 2 banks"):
        plan_tiles(tiny(groups), trace)
    matrices = (
        plan_tiles(tiny(groups, "machine.crossbar.banks=2", "machine.mesh.placement=rows"), trace).blocks[0][0].matrices
    )
    # The port is at (1, 0). K lies at (1, 1), a hop away; V begins again at (0, 0) and goes there from (0, 0).
    assert matrices["k_op"].mesh.transfer.hops == 1
    assert (matrices["v_op"].mesh.merge.hops, matrices["v_op"].mesh.transfer.hops) == (1, 1)


def test_matrices_of_more_bits_and_an_lm_head() -> None:
    """8-bit matrices stay off the crossbars; a 1-bit LM head belongs to no group and has one of its own."""
    config = tiny("machine.crossbar.banks=9")
    trace = trace_of((1, [projection("q", weight_bits=8), projection("lm_head"), projection("lm_head", name="other")]))
    plan = plan_tiles(config, trace)
    assert set(plan.blocks[0][0].matrices) == {"lm_head_op", "other"}
    check_plan(config, trace, plan)


@pytest.mark.parametrize(
    ("weights", "cells", "cell_bits", "columns", "bits"),
    [("int4", "differential", 1, 3, "3"), ("int16", "offset", 2, 8, "16"), ("ternary", "reference_column", 1, 2, "2")],
)
def test_a_weight_takes_a_column_per_slice(weights: str, cells: str, cell_bits: int, columns: int, bits: str) -> None:
    """Arrays with as many more columns hold the same matrix in the same tiles; too narrow ones are refused."""
    encoding, width = "machine.crossbar.pair.encoding", "machine.crossbar.pair.array.columns"
    overrides = [f"{encoding}.weights={weights}", f"{encoding}.cells={cells}", f"{encoding}.cell_bits={cell_bits}"]
    trace = trace_of((1, [projection(inputs=3, outputs=3)]))
    found, plain = (
        plan_tiles(config, trace).blocks[0][0].matrices["q_op"]
        for config in (tiny(*overrides, f"{width}={2 * columns + 1}"), tiny())
    )
    assert (found.grid, plain.grid.tile_count) == (plain.grid, 4)
    message = (
        f"{encoding}.weights: '{weights}' needs {columns} columns per weight ({bits} bits in cells of {cell_bits})"
    )
    with pytest.raises(ConfigError, match=re.escape(f"{message}, but an array has {columns - 1}")):
        plan_tiles(tiny(*overrides, f"{width}={columns - 1}", "machine.crossbar.pair.array.adcs=1"), trace)


@pytest.mark.parametrize(
    ("weights", "cells"), [("int2", "differential"), ("binary", "offset"), ("unit", "differential")]
)
def test_weights_of_one_cell_or_pair_are_mapped_alike(weights: str, cells: str) -> None:
    encoding = "machine.crossbar.pair.encoding"
    config, trace = tiny(f"{encoding}.weights={weights}", f"{encoding}.cells={cells}"), trace_of((1, [projection()]))
    assert plan_tiles(config, trace) == plan_tiles(tiny(), trace)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("provisioning", ["per_layer", "whole_model"])
def test_a_monstrous_matrix_is_refused(provisioning: str) -> None:
    config = load_config({}, [f"mapping.provisioning={provisioning}"])
    with pytest.raises(CapacityError, match=re.escape(f"{2**62:,} tiles on one mesh, which has 4,096")):
        plan_tiles(config, trace_of((10_000, [projection("q", 2**40, 2**40)])))


# Pairs (d_in, d_out) and totals of docs/model.md.
def test_opt_6_7b_s_hops_are_mnsim_s() -> None:
    """On MNSIM's chip, where each matrix sends its output to the next one."""
    config = load_config("pim-llm-published", ["machine.mesh.last_output=stays"])
    plan = plan_tiles(config, make_trace(config))
    hops = [(each.mesh.merge.hops, each.mesh.transfer.hops) for each in plan.blocks[0][0].matrices.values()]
    assert hops == [(8, 12), (11, 13), (13, 15), (15, 22), (22, 27), (27, 0)]
    assert list(plan.blocks[0][0].matrices) == ["q_proj", "k_proj", "v_proj", "o_proj", "ffn_up", "ffn_down"]
    assert (plan.tiles_used, plan.pairs_used) == (24_576, 32 * 3072)  # pim-llm.md: a whole OPT-6.7B needs 24,576 tiles
