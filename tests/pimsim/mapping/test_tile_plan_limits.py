"""Machines with too few tiles: the settings that would help, layers that take turns, and where a search ends."""

from __future__ import annotations

import pytest

from pimsim.base.errors import CapacityError
from pimsim.mapping.tile_plan import plan_tiles
from tests.pimsim.mapping.tiny_tiles import projection, tiny, trace_of

SWAP = "mapping.provisioning=swap to program layers before each use"
PER_LAYER = "mapping.provisioning=per_layer to give each layer its own tiles, as PIM-LLM counts"
APART = "mapping.placement_groups=[[q], [k, v, o, ffn_gate, ffn_up, ffn_down]]"
UP_TO_2 = " (a layer, which never spans two chips, needs up to 2)"


@pytest.mark.parametrize(
    ("repeat", "settings", "message"),
    [
        # Layers of two groups of three tiles, each of which takes a mesh of four.
        (2, ["banks=1"], f"12 tiles in 4 banks{UP_TO_2}; the machine has 1 of 4 tiles. Set BANKS=4, or {PER_LAYER}"),
        (1, ["banks=1"], f"6 tiles in 2 banks; the machine has 1 of 4 tiles. Set BANKS=2, or {PER_LAYER}"),
        (
            2,
            ["banks=1", "chips.count=2"],
            f"12 tiles in 4 banks{UP_TO_2}; the machine has 1 of 4 tiles on each of 2 chips. Set BANKS=2",
        ),
        (
            2,
            ["banks=1", "provisioning=swap"],
            f"12 tiles in 4 banks{UP_TO_2}; the machine has 1 of 4 tiles. Set BANKS=2, or {PER_LAYER}",
        ),
        (
            3,
            ["banks=2", "chips.count=2"],
            f"18 tiles in 6 banks; the machine has 2 of 4 tiles on each of 2 chips. Set CHIPS=3, or {SWAP}",
        ),
        (
            2,
            ["banks=3"],
            f"12 tiles in 4 banks; the machine has 3 of 4 tiles. Set BANKS=4, CHIPS=2, {SWAP}, or {PER_LAYER}",
        ),
    ],
)
def test_what_would_help_is_listed(repeat: int, settings: list[str], message: str) -> None:
    sections = {"banks": "machine.crossbar.", "chips.count": "machine.", "provisioning": "mapping."}
    keys = [sections[each.partition("=")[0]] + each for each in settings]
    trace = trace_of((repeat, [projection("q", outputs=6), projection("k", outputs=6)]))
    with pytest.raises(CapacityError) as raised:
        plan_tiles(tiny(*keys, APART), trace)
    message = message.replace("BANKS", "machine.crossbar.banks").replace("CHIPS", "machine.chips.count")
    assert str(raised.value) == f"a-model needs {message}"


@pytest.mark.parametrize(
    ("banks", "swapped", "used", "writes"),
    [
        (1, [True, True, True, True], 3, 4),  # what begins after the first three tiles has no space for two
        (2, [False, False, True, True], 3 + 2 + 2, 2),  # the second bank keeps two of its four tiles for turns
        (3, [False, False, False, False], 3 + 2 * 2 + 1, 0),
    ],
)
def test_tiles_that_layers_share_in_turn_are_counted_once(
    banks: int, swapped: list[bool], used: int, writes: int
) -> None:
    """Layers of 3, 2, 2 and 1 tiles on banks of four tiles, with a pair each."""
    ops = [projection("q", outputs=6), projection("k", outputs=4), projection("v")]
    trace = trace_of((1, ops[:1]), (2, ops[1:2]), (1, ops[2:]))
    plan = plan_tiles(tiny("mapping.provisioning=swap", f"machine.crossbar.banks={banks}"), trace)
    assert [layer.swapped for layer in plan.layers] == swapped
    assert (plan.tiles_used, plan.tiles_available, plan.writes_per_run) == (used, 4 * banks, writes)
    assert (plan.pairs_used, plan.pairs_available) == (used, 4 * banks)


@pytest.mark.parametrize(
    ("repeat", "settings", "replicas"),
    [
        (1, ["machine.crossbar.banks=1"], 4),
        (1, ["machine.crossbar.banks=2"], 4),  # a group is on one mesh
        (2, ["machine.crossbar.banks=1"], 2),
        (2, ["machine.crossbar.banks=2"], 4),
        (2, ["machine.crossbar.banks=1", "machine.chips.count=2"], 4),
        (3, ["machine.crossbar.banks=1", "machine.chips.count=2"], 2),  # two layers on the first chip, one on the last
        (2, ["machine.crossbar.banks=2", "mapping.replicas.budget_tiles=7"], 3),
        (2, ["machine.crossbar.banks=2", "mapping.replicas.budget_tiles=6"], 3),
        (2, ["mapping.provisioning=per_layer", "mapping.replicas.budget_tiles=99"], 4),
    ],
)
def test_a_search_for_replicas_ends_where_the_tiles_do(repeat: int, settings: list[str], replicas: int) -> None:
    """A matrix of one tile on meshes of four tiles."""
    plan = plan_tiles(tiny("mapping.replicas.search=balanced", *settings), trace_of((repeat, [projection("q")])))
    assert plan.replicas == {("b0", "q_op"): replicas}


def test_each_group_of_a_layer_has_a_mesh_of_its_own_under_per_layer() -> None:
    plan = plan_tiles(tiny("mapping.provisioning=per_layer", APART), trace_of((2, [projection("q"), projection("k")])))
    ((layer,),) = plan.blocks
    assert (layer.repeat, layer.chip, layer.swapped, plan.writes_per_run) == (2, 0, False, 0)
    assert {name: (each.bank, each.replicas) for name, each in layer.matrices.items()} == {
        "q_op": (0, 1),
        "k_op": (1, 1),
    }
    unused = plan_tiles(tiny("mapping.projections=systolic"), trace_of((2, [projection("q")])))
    assert (unused.tiles_used, unused.writes_per_run, unused.replicas, list(unused.layers)) == (0, 0, {}, [])
