"""The floor plan: each tile of a plan lies at one place, in the placement order, also those of replicas and experts."""

from __future__ import annotations

from collections import Counter

import pytest

from pimsim import load_config
from pimsim.mapping.floor_plan import FloorPlan, floor_plan
from pimsim.mapping.placement import walk
from pimsim.mapping.tile_plan import plan_tiles
from pimsim.simulation import make_trace

SMALL = ("workload.model=gpt2-small", "workload.context_length=64")
SHARED = ("mapping.provisioning=whole_model", "machine.mesh.rows=16", "machine.mesh.columns=16")
SWAP = ("mapping.provisioning=swap", "machine.mesh.rows=8", "machine.mesh.columns=8", "machine.crossbar.banks=2")


def planned(*settings: str) -> tuple[FloorPlan, int]:
    config = load_config("pim-llm", [*SMALL, *settings])
    plan = plan_tiles(config, make_trace(config))
    found = floor_plan(config, plan)
    assert found is not None
    return found, plan.tiles_used


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("machine.mesh.placement=rows", "mapping.placement_groups=[[q,k,v],[o,ffn_gate,ffn_up,ffn_down]]"),
        (*SHARED, "machine.crossbar.banks=4"),
        (*SHARED, "machine.crossbar.banks=2", "machine.chips.count=2"),
    ],
)
def test_each_tile_is_used_once(settings: tuple[str, ...]) -> None:
    found, used = planned(*settings)
    tiles = Counter((region.mesh, tile) for region in found.regions for tile in region.tiles)
    assert set(tiles.values()) == {1}
    assert len(tiles) == used
    assert {region.mesh for region in found.regions} <= set(found.meshes)


def test_swapped_layers_share_their_tiles() -> None:
    found, used = planned(*SWAP)
    kept = Counter((each.mesh, tile) for each in found.regions if not each.swapped for tile in each.tiles)
    in_turn = Counter((each.mesh, tile) for each in found.regions if each.swapped for tile in each.tiles)
    assert set(kept.values()) == {1}
    assert max(in_turn.values()) > 1
    assert kept.keys().isdisjoint(in_turn)
    assert len(kept) + len(in_turn) == used


def test_matrices_follow_the_placement_order() -> None:
    found, _ = planned()
    first = [tile for region in found.regions if region.layer == found.regions[0].layer for tile in region.tiles]
    assert tuple(first) == walk("shells", found.rows, found.columns)[: len(first)]


def test_replicas_have_tiles_of_their_own() -> None:
    once, _ = planned()
    twice, used = planned("mapping.replicas.ffn_up=2")
    size = {region.matrix: len(region.tiles) for region in once.regions}
    for region in twice.regions:
        assert len(region.tiles) == len(region.pairs) == size[region.matrix] * (1 + (region.matrix == "ffn_up"))
    assert sum(len(region.tiles) for region in twice.regions) == used


@pytest.mark.parametrize("provisioning", ["whole_model", "per_layer"])
def test_experts_lie_side_by_side(provisioning: str) -> None:
    size = ("machine.mesh.rows=48", "machine.mesh.columns=48", "machine.crossbar.banks=90")
    found, used = planned("workload.model=mixtral-8x7b", *size, f"mapping.provisioning={provisioning}")
    assert sum(region.copies * len(region.tiles) for region in found.regions) == used
    tiles = Counter((region.mesh, tile) for region in found.regions for tile in region.tiles)
    assert set(tiles.values()) == {1}


def test_a_machine_without_crossbars_has_no_floor_plan() -> None:
    config = load_config("tpu-llm", SMALL)
    assert floor_plan(config, plan_tiles(config, make_trace(config))) is None
