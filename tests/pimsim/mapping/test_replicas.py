"""What the search of replicas refuses, and which keys of roles a run says it does not use."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pimsim.base.errors import CapacityError, ConfigError
from pimsim.config.loading import load_config
from pimsim.mapping import replicas as module
from pimsim.mapping.replicas import check_replicas, part_vectors, replica_notes, role_notes
from pimsim.mapping.tile_plan import plan_tiles
from pimsim.simulation import simulate
from pimsim.steps.step_tree import action_counts
from tests.support.programs import program_of
from workloads.ops import BLOCK_INPUT, Projection
from workloads.trace import Block, Trace

REPLICAS, PRECISION = "mapping.replicas", "mapping.matrix_precision"

OFF_CROSSBARS = f"lm_head is not on crossbars; with an alphabet for {PRECISION}.lm_head, for example int8, it is"
ALL_STATED = "no role on crossbars, but for lm_head, is without a stated number"


def matrix(role: str, weight_bits: int = 1) -> Projection:
    sizes = {"in_features": 256, "out_features": 256, "vectors": 4}
    return Projection(role, (BLOCK_INPUT,), role=role, weight_bits=weight_bits, activation_bits=8, **sizes)


def trace_of(*ops: Projection, repeat: int = 1) -> Trace:
    block = Block(name="b", repeat=repeat, ops=ops)
    return Trace(model="m", phase="decode", context_length=1, tokens=1, blocks=(block,))


def test_a_budget_below_the_stated_replicas_is_refused_with_the_tiles_that_they_need() -> None:
    """Three layers of two matrices of one tile, of which one has two replicas: 3 x (2 + 1) = 9 tiles."""
    trace, keys = trace_of(matrix("q"), matrix("o"), repeat=3), [f"{REPLICAS}.search=balanced", f"{REPLICAS}.q=2"]
    assert plan_tiles(load_config("pim-llm", [*keys, f"{REPLICAS}.budget_tiles=9"]), trace).tiles_used == 9
    message = f"{REPLICAS}.budget_tiles: 8 is too small: the matrices need 9 tiles before the search"
    with pytest.raises(ConfigError, match=re.escape(message)):
        plan_tiles(load_config("pim-llm", [*keys, f"{REPLICAS}.budget_tiles=8"]), trace)
    # Without the search the budget has no effect.
    assert plan_tiles(load_config("pim-llm", [f"{REPLICAS}.budget_tiles=1"]), trace).tiles_used == 6


def test_matrices_that_are_equally_slow_get_replicas_together() -> None:
    """Q and K take one tile each: of five tiles, four are used, since a fifth would leave one of them as slow."""
    keys = [f"{REPLICAS}.search=balanced", f"{REPLICAS}.budget_tiles=5"]
    plan = plan_tiles(load_config("pim-llm", keys), trace_of(matrix("q"), matrix("k")))
    assert plan.replicas == {("b", "q"): 2, ("b", "k"): 2}
    assert plan.tiles_used == 4


def test_a_search_without_a_limit_says_what_its_key_must_be() -> None:
    with pytest.raises(ConfigError, match=r"budget_tiles: null must be a number of tiles: mapping\.provisioning=per_l"):
        plan_tiles(load_config("pim-llm", [f"{REPLICAS}.search=balanced"]), trace_of(matrix("q")))


@pytest.mark.parametrize(
    ("roles", "need"), [(("q",), "q of block 'b' needs 2"), (("q", "o"), "q, o of block 'b' need 4")]
)
def test_replicas_that_do_not_fit_a_mesh_are_refused(roles: tuple[str, ...], need: str) -> None:
    small = ["machine.mesh.rows=1", "machine.mesh.columns=1", f"{REPLICAS}.each=2"]
    with pytest.raises(CapacityError, match=f"{need} tiles on one mesh, which has 1 .* or have fewer mapping.replicas"):
        plan_tiles(load_config("pim-llm", small), trace_of(*map(matrix, roles)))


@pytest.mark.parametrize(
    ("keys", "note"),
    [
        ([f"{REPLICAS}.q=2", f"{PRECISION}.q=int4", f"{PRECISION}.lm_head=systolic"], ""),
        ([f"{REPLICAS}.each=2"], ""),
        ([f"{REPLICAS}.ffn_gate=2"], f"{REPLICAS}.ffn_gate=2 has no effect: m has no ffn_gate here; it has q, lm_head"),
        ([f"{PRECISION}.v=int4"], f"{PRECISION}.v=int4 has no effect: m has no v here; it has q, lm_head"),
        (
            [f"{REPLICAS}.lm_head=3"],
            f"{REPLICAS}.lm_head=3 has no effect: {OFF_CROSSBARS}",
        ),
        ([f"{REPLICAS}.lm_head=3", f"{PRECISION}.lm_head=int8"], ""),
        (
            [f"{REPLICAS}.each=2", f"{PRECISION}.q=systolic"],
            f"{REPLICAS}.each=2 has no effect: no matrix is on crossbars",
        ),
        (
            [f"{REPLICAS}.search=balanced", f"{REPLICAS}.q=2"],
            f"{REPLICAS}.search=balanced has no effect: {ALL_STATED}",
        ),
        ([f"{REPLICAS}.search=balanced", f"{REPLICAS}.lm_head=1", f"{PRECISION}.lm_head=int8"], ""),
        ([f"{REPLICAS}.v=2", "mapping.projections=systolic"], ""),  # a rule of ineffective keys names it
    ],
)
def test_keys_of_roles_without_a_matrix_on_crossbars_are_named(keys: list[str], note: str) -> None:
    trace = trace_of(matrix("q"), matrix("lm_head", 8))
    assert list(role_notes(load_config("pim-llm", keys), trace)) == ([note] if note else [])


@pytest.mark.parametrize(("key", "has_effect"), [("q", True), ("k", True), ("v", True), ("ffn_gate", False)])
def test_matrices_of_latent_attention_have_the_keys_of_their_roles(key: str, has_effect: bool) -> None:
    trace = trace_of(*map(matrix, ("q_a", "q_b", "kv_a", "kv_b", "o")))
    notes = list(role_notes(load_config("pim-llm", [f"{REPLICAS}.{key}=2", f"{REPLICAS}.search=balanced"]), trace))
    unused = f"{REPLICAS}.ffn_gate=2 has no effect: m has no ffn_gate here; it has q, k, v, o"
    assert notes == ([] if has_effect else [unused])


def test_a_run_has_the_note() -> None:
    result = simulate(load_config("pim-llm", ["workload.model=gpt2-small", f"{REPLICAS}.ffn_gate=2"]))
    (note,) = (note for note in result.notes if note.startswith(f"{REPLICAS}.ffn_gate=2 has no effect: "))
    assert note.endswith("it has q, k, v, o, ffn_up, ffn_down, lm_head")


def test_latent_attention_has_replicas_by_the_keys_of_its_matrices() -> None:
    """Its matrices have roles of their own, such as q_a, to which the keys of q, k and v apply."""
    trace = trace_of(matrix("q_a"), matrix("kv_a"))
    stated = [f"{REPLICAS}.search=balanced", f"{REPLICAS}.q=1", f"{REPLICAS}.k=1"]
    why = "no role on crossbars, but for lm_head, is without a stated number"
    notes = list(role_notes(load_config("pim-llm", stated), trace))
    assert notes == [f"{REPLICAS}.search=balanced has no effect: {why}"]
    assert not list(role_notes(load_config("pim-llm", stated[:2]), trace))


# --- the search, and what a run says of it ----------------------------------------------------------------------------


def test_the_slowest_matrices_get_replicas_one_by_one() -> None:
    """Q has twice the vectors of K. From 1 and 1: 2 and 1, then both as slow: 3 and 2, then 4 and 2; 5 and 3 are 8."""
    keys = [f"{REPLICAS}.search=balanced", f"{REPLICAS}.budget_tiles=7"]
    ops = (replace(matrix("q"), vectors=8), matrix("k"), matrix("lm_head"))
    found = plan_tiles(load_config("pim-llm", keys), trace_of(*ops)).replicas
    assert found == {("b", "q"): 4, ("b", "k"): 2, ("b", "lm_head"): 1}
    stated = plan_tiles(load_config("pim-llm", [*keys, f"{REPLICAS}.q=1"]), trace_of(*ops, matrix("v", 8))).replicas
    assert stated == {("b", "q"): 1, ("b", "k"): 5, ("b", "lm_head"): 1}


def test_a_matrix_gets_no_more_replicas_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REPLICAS", 3)
    keys = [f"{REPLICAS}.search=balanced", f"{REPLICAS}.budget_tiles=999", "mapping.provisioning=per_layer"]
    assert plan_tiles(load_config("pim-llm", keys), trace_of(matrix("q"))).replicas == {("b", "q"): 3}


@pytest.mark.parametrize(
    ("vectors", "parts", "expected"),
    [(5, 2, [(0, 3), (1, 2)]), (4, 2, [(0, 2), (1, 2)]), (2, 3, [(0, 1), (1, 1)]), (7, 3, [(0, 3), (1, 2), (2, 2)])],
)
def test_vectors_are_dealt_out_in_turn(vectors: int, parts: int, expected: list[tuple[int, int]]) -> None:
    assert list(part_vectors(vectors, parts)) == expected


@pytest.mark.parametrize("schedule", ["serial", "dataflow", "contended"])
def test_a_chunk_ends_with_a_turn_of_the_routes(schedule: str) -> None:
    """In a chain, the vectors of V go to the replicas of O in turn, though attention is between them.

    Four vectors cut into four: each chunk must go on where the one before it ended. V is on tile 0, and the replicas of
    O on tiles 1 and 2, so that two vectors take one hop and two take two: 6 x 256 outputs x 8 bits.
    """
    keys = [f"schedule={schedule}", f"{REPLICAS}.o=2", "mapping.vector_chunks=4"]
    mapped = program_of(load_config("pim-llm-published", keys), trace_of(matrix("v"), matrix("o")))
    hops = [action_counts(each.work()) for _, task in mapped.tasks() for each in task.assignments if "v" in each.name]
    assert sum(each.get("mesh.bit_hop", 0) for each in hops) == 6 * 256 * 8


def test_tiles_of_a_registered_kind_have_no_replicas() -> None:
    config, tile = load_config("pim-llm"), SimpleNamespace()
    of_outside: Any = tile
    check_replicas(config, of_outside, {("b", "q"): 1})
    check_replicas(config, of_outside, {})
    with pytest.raises(ConfigError, match=r"mapping\.replicas: 2 cannot be more than 1: the tiles are of a registered"):
        check_replicas(config, of_outside, {("b", "q"): 1, ("b", "k"): 2})


def notes(names: int, vectors: int, each: int, *keys: str) -> list[str]:
    ops = [replace(matrix("q"), name=f"q{index}", vectors=vectors) for index in range(names)]
    off = matrix("lm_head", 8)
    found = {("b", op.name): each for op in ops}
    return list(replica_notes(load_config("pim-llm", keys), trace_of(*ops, off), found))


@pytest.mark.parametrize(
    ("names", "end"), [(1, "q0 2"), (12, "q11 2"), (13, "q11 2, and 1 others"), (14, "q11 2, and 2 others")]
)
def test_the_replicas_that_were_found_are_said(names: int, end: str) -> None:
    (note,) = notes(names, 2, 2, f"{REPLICAS}.search=balanced")
    assert note.startswith("replicas that balance the pipeline: q0 2")
    assert note.endswith(f"{end} (mapping.replicas)")
    assert notes(names, 2, 2) == []
    assert notes(0, 2, 2, f"{REPLICAS}.search=balanced") == []


@pytest.mark.parametrize(
    ("names", "vectors", "start"),
    [
        (1, 1, "q0: more replicas than vectors (1 vector at a time); "),
        (2, 2, "q0, q1: more replicas than vectors (2 vectors at a time); "),
        (6, 1, "q0, q1, q2, q3, q4, q5: more"),
        (7, 1, "q0, q1, q2, q3, q4, q5, ...: more"),
    ],
)
def test_replicas_without_vectors_are_said(names: int, vectors: int, start: str) -> None:
    (note,) = notes(names, vectors, 3)
    assert note.startswith(start)
    assert notes(names, 3, 3) == []
