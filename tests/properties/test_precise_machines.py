"""Machines whose matrices have weights of any precision by role, and replicas: engine, closed form, and counts."""

from __future__ import annotations

from collections import Counter
from typing import Any, get_args

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crossbar.params import EncodingParams, WeightAlphabet
from pimsim import load_config
from pimsim.base.errors import CapacityError, ConfigError
from pimsim.config.schema import MATRIX_ROLES, Config, MatrixPrecisionConfig, ReplicasConfig
from pimsim.engine import run
from pimsim.hardware.machine import build_machine
from pimsim.hardware.matrix_tile import TilesShare
from pimsim.mapping.operations import map_trace
from pimsim.mapping.program import Program
from pimsim.mapping.tile_plan import MatrixPlan
from pimsim.mapping.weight_loading import load_program
from pimsim.steps.step_tree import action_counts, event_count
from tests.oracles import naive_mesh, naive_tiles
from tests.support import component_strategies, strategies, trace_strategies
from tests.support.counts import scaled
from tests.support.programs import program_of
from workloads.ops import Projection
from workloads.trace import Block, Trace


def changed(section: Any, **values: Any) -> Any:
    return section.model_copy(update=values)


@st.composite
def precise_runs(draw: st.DrawFn) -> tuple[Config, Trace]:
    """Any trace on crossbars of any encoding; each role with weights and a number of replicas of its own, or none."""
    trace = draw(trace_strategies.traces)
    config = draw(strategies.configs_for(trace, crossbars=True))
    crossbar = draw(component_strategies.crossbar_configs(banks=1 << 12, sliced=True))
    crossbar = changed(crossbar, tile_buffer=changed(crossbar.tile_buffer, capacity_bytes=1 << 20))
    mesh = changed(config.machine.mesh, rows=48, columns=48)
    pair = crossbar.pair
    fitting = [
        name
        for name in get_args(WeightAlphabet)
        if naive_tiles.slices(changed(pair.encoding, weights=name)) <= pair.array.columns
    ]
    precisions = st.none() | st.sampled_from(["systolic", *fitting])
    precision = MatrixPrecisionConfig(**{role: draw(precisions) for role in MATRIX_ROLES})
    numbers = {role: draw(st.none() | st.integers(1, 4)) for role in MATRIX_ROLES}
    replicas = ReplicasConfig(
        **numbers,
        each=draw(st.integers(1, 3)),
        search=draw(st.sampled_from(["none", "balanced"])),
        budget_tiles=draw(st.integers(1, 300)),
    )
    config = changed(
        config,
        machine=changed(config.machine, crossbar=crossbar, mesh=mesh),
        mapping=changed(config.mapping, matrix_precision=precision, replicas=replicas),
    )
    try:
        program = program_of(config, trace)
    except CapacityError:  # too many tiles or replicas
        assume(False)
        raise
    except ConfigError as error:  # a budget below what the stated numbers need; nothing else may be refused
        assume("mapping.replicas.budget_tiles" not in str(error))
        raise
    assume(sum(event_count(each.work()) for _, task in program.tasks() for each in task.assignments) < 3_000)
    return config, trace


def encoding_of(config: Config, plan: MatrixPlan) -> EncodingParams:
    assert config.machine.crossbar
    encoding = config.machine.crossbar.pair.encoding
    return changed(encoding, weights=plan.weights) if plan.weights else encoding


def latency_ps(program: Program) -> int:
    return sum(block.repeat * task.latency_ps() for block, task in program.tasks())


def counts_of(program: Program) -> Counter[str]:
    """Actions of the tiles, of their mesh and of their write drivers."""
    counts: Counter[str] = Counter()
    for block, task in program.tasks():
        for each in task.assignments:
            if each.component.name in ("tile", "mesh", "programming"):
                for action, count in action_counts(each.work()).items():
                    counts[action] += block.repeat * count
    return counts


@settings(max_examples=scaled(6, 1_000))
@given(case=precise_runs())
def test_engine_closed_form_and_schedules_agree(case: tuple[Config, Trace]) -> None:
    """The serial engine takes what the closed forms add up to; cutting ops for the others changes no time or count."""
    config, trace = case
    whole = program_of(config, trace)
    serial = run(whole, "serial")
    assert serial.latency_ps == latency_ps(whole)
    flowing = changed(config, schedule="dataflow")
    cut = program_of(flowing, trace)
    assert [task.latency_ps() for _, task in cut.tasks()] == [task.latency_ps() for _, task in whole.tasks()]
    contended = program_of(changed(config, schedule="contended"), trace)
    assert counts_of(cut) == counts_of(contended) == counts_of(whole)


@settings(max_examples=scaled(6, 1_000))
@given(case=precise_runs())
def test_cells_are_read_and_written_slice_by_slice(case: tuple[Config, Trace]) -> None:
    """Each vector passes one replica, and each replica is programmed: by the ops of the trace, not by the program."""
    config, trace = case
    crossbar = config.machine.crossbar
    assert crossbar
    machine = build_machine(config.machine)
    mapped = map_trace(config, machine, trace)
    reads = writes = tiles = 0
    for block, layers in zip(trace.blocks, mapped.tiles.blocks, strict=True):
        for op in block.ops:
            plan = layers[0].matrices.get(op.name)
            if plan is None or not isinstance(op, Projection):
                continue
            encoding = encoding_of(config, plan)
            slices, arrays = naive_tiles.slices(encoding), 2 if encoding.cells == "differential" else 1
            planes = crossbar.pair.planes(op.activation_bits)
            cells = block.repeat * arrays * slices * op.in_features * op.out_features
            reads += cells * planes * op.vectors
            writes += cells * plan.replicas
            columns = crossbar.pair.array.usable_columns // slices
            held = naive_tiles.grid_tiles(
                op.in_features, op.out_features, crossbar.pair.array.rows, columns, crossbar.pes_per_tile
            )
            tiles += block.repeat * plan.replicas * len(held)
            assert plan.output_bits == (
                crossbar.output_bits or naive_tiles.sum_bits(encoding, op.activation_bits, op.in_features)
            )
    # Cells of an alphabet with another mean conductance have an action of their own.
    counted = counts_of(mapped.program).items()
    assert sum(number for action, number in counted if action.startswith("tile.cell_read")) == reads
    assert mapped.tiles.tiles_used == tiles
    loading = load_program(config, machine, trace, mapped.tiles)
    assert counts_of(loading)["programming.cell_write"] == writes


def test_replicas_take_vectors_in_turn_from_their_own_tiles() -> None:
    """Two sets of two tiles by hand, row by row from (0, 0): the port is at (2, 0).

    Each set adds its sums at the tile nearest to the port, its first, one hop from its second.
    """
    overrides = ["machine.mesh.rows=4", "machine.mesh.columns=4", "machine.mesh.placement=rows"]
    overrides += ["mapping.replicas.q=2", "machine.crossbar.pes_per_tile=1", "mapping.provisioning=whole_model"]
    config = load_config("pim-llm", overrides)
    op = Projection(
        "q_op",
        ("input",),
        role="q",
        in_features=512,
        out_features=256,
        vectors=5,
        weight_bits=1,
        activation_bits=8,
    )
    trace = Trace(
        model="m", phase="prefill", context_length=5, tokens=5, blocks=(Block(name="b", repeat=1, ops=(op,)),)
    )
    shares = {each.name: each.share for _, task in program_of(config, trace).tasks() for each in task.assignments}
    assert [shares[name].vectors for name in ("q_op.mesh[0]", "q_op.mesh[0].2")] == [3, 2]
    assert [shares[name].vectors for name in ("q_op.distribute[0]", "q_op.distribute[0].2")] == [3, 2]
    assert (shares["q_op.tiles[0]"].vectors, shares["q_op.tiles[0]"].replicas) == (5, 2)
    order = naive_mesh.order("rows", 4, 4)
    for name, held in (("q_op.mesh[0]", order[:2]), ("q_op.mesh[0].2", order[2:4])):
        messages = shares[name].messages
        assert list(messages.tiles) == held
        assert messages.aggregator == naive_mesh.aggregator(4, 4, held, [(2, 0)])
    # Three vectors follow one another on the first set: 3 / 5 of the time without replicas.
    one = program_of(load_config("pim-llm", [*overrides, "mapping.replicas.q=1"]), trace)
    alone = next(each for _, task in one.tasks() for each in task.assignments if each.name == "q_op.tiles[0]")
    tile = build_machine(config.machine).tile
    assert tile
    assert 5 * tile.latency_ps(shares["q_op.tiles[0]"]) == 3 * alone.latency_ps()


@pytest.mark.parametrize("budget", [5, 7, 12, 33])
def test_the_search_makes_the_slowest_matrix_as_fast_as_the_budget_allows(budget: int) -> None:
    """Of all numbers of replicas of two matrices whose tiles are in the budget: by trial."""

    def matrix(role: str, rows: int) -> Projection:
        return Projection(
            role, ("input",), role=role, in_features=rows, out_features=256, vectors=8, weight_bits=1, activation_bits=8
        )

    q, o = matrix("q", 64), matrix("o", 1024)  # one tile with a group of 64 rows; four tiles with four groups each
    block = Block(name="b", repeat=1, ops=(q, o))
    trace = Trace(model="m", phase="prefill", context_length=8, tokens=8, blocks=(block,))
    overrides = ["machine.crossbar.pes_per_tile=1", "machine.crossbar.pair.array.rows_at_once=64"]
    search = ["mapping.replicas.search=balanced", f"mapping.replicas.budget_tiles={budget}"]
    config = load_config("pim-llm", [*overrides, *search])
    machine = build_machine(config.machine)
    plan = map_trace(config, machine, trace).tiles
    assert machine.tile
    tile = machine.tile
    q_ps, o_ps = (tile.latency_ps(TilesShare(tile.grid(op.in_features, 256), 8)) for op in (q, o))
    assert q_ps < o_ps
    best_ps = min(max(q_ps / a, o_ps / b) for a in range(1, 40) for b in range(1, 40) if a + 4 * b <= budget)
    of_q, of_o = (plan.replicas["b", role] for role in ("q", "o"))
    assert plan.tiles_used == of_q + 4 * of_o <= budget
    assert max(q_ps / of_q, o_ps / of_o) == best_ps
