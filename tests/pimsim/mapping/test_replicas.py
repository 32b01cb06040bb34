"""What the search of replicas refuses, and which keys of roles a run says it does not use."""

from __future__ import annotations

import re

import pytest

from pimsim.base.errors import CapacityError, ConfigError
from pimsim.config.loading import load_config
from pimsim.mapping.replicas import role_notes
from pimsim.mapping.tile_plan import plan_tiles
from pimsim.simulation import simulate
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


def test_a_run_has_the_note() -> None:
    result = simulate(load_config("pim-llm", ["workload.model=gpt2-small", f"{REPLICAS}.ffn_gate=2"]))
    (note,) = (note for note in result.notes if note.startswith(f"{REPLICAS}.ffn_gate=2 has no effect: "))
    assert note.endswith("it has q, k, v, o, ffn_up, ffn_down, lm_head")
