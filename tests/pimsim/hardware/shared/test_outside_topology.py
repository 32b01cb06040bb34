"""Topologies from outside the package: the shipped ones written again give the same times, and faults are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from pimsim.base.errors import ConfigError, PluginError
from pimsim.config.loading import load_config
from pimsim.hardware.shared.network import Network
from pimsim.hardware.shared.outside_topology import CheckedTopology
from pimsim.hardware.shared.topologies import TOPOLOGIES, Ring, register_topology, topology
from pimsim.hardware.shared.topology import Node, Tile
from pimsim.results.run_result import RunResult
from pimsim.simulation import simulate
from tests.pimsim.hardware.shared.traffics import drive, random_case
from tests.support.counts import scaled
from tests.support.registries import restored_registries
from tests.support.schema_strategies import UNLIMITED, tiny_configs

SMALL_ARRAY = {"rows": 16, "columns": 16, "rows_at_once": 16, "adcs": 16}
"""Arrays with which a tiny model needs many tiles."""


class Rows:
    """Tiles with the links of a mesh, and X-Y routes; the base of the topologies below."""

    wraps = False

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = self.sizes = rows, columns

    def neighbours(self, node: Node) -> list[Node]:
        row, column = node
        sides = [(row - 1, column), (row, column + 1), (row + 1, column), (row, column - 1)]
        if self.wraps:
            return [(row % self.rows, column % self.columns) for row, column in sides]
        return [(row, column) for row, column in sides if 0 <= row < self.rows and 0 <= column < self.columns]

    def route(self, source: Tile, destination: Tile) -> Iterator[Any]:
        at = list(source)
        yield source
        for axis in (1, 0):
            while at[axis] != destination[axis]:
                at[axis] = self.step(axis, at[axis], destination[axis])
                yield tuple(at)

    def step(self, axis: int, at: int, end: int) -> int:
        size, ahead = self.sizes[axis], (end - at) % self.sizes[axis]
        if self.wraps:
            return (at + (1 if 2 * ahead <= size else -1)) % size
        return at + (1 if end > at else -1)


class Torus(Rows):
    wraps = True


class Circle(Rows):
    """The shipped ring, by its positions."""

    bubble = True

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__(rows, columns)
        self.ring = Ring(rows, columns)

    def neighbours(self, node: Node) -> list[Node]:
        at = self.ring._position(node)
        return [self.ring._tile((at + step) % (self.rows * self.columns)) for step in (-1, 1)]

    def route(self, source: Tile, destination: Tile) -> Iterator[Node]:
        return self.ring.nodes(source, destination)

    def distance(self, source: Tile, destination: Tile) -> int:
        return self.ring.distance(source, destination)


class Star(Rows):
    """One router in the middle with a link to every tile: 16 inputs, more than any shipped router has."""

    def neighbours(self, node: Node) -> list[Node]:
        return [*product(range(self.rows), range(self.columns))] if len(node) == 3 else [(0, 0, 0)]

    def route(self, source: Tile, destination: Tile) -> Iterator[Node]:
        yield source
        if destination != source:
            yield 0, 0, 0
            yield destination


@pytest.fixture(autouse=True)
def _registered_for_one_test_only() -> Iterator[None]:
    with restored_registries():
        yield
    topology.cache_clear()


def built(factory: Callable[[int, int], Any], rows: int = 4, columns: int = 4) -> CheckedTopology:
    return CheckedTopology("own", rows, columns, factory, "topology 'own' (own.py)")


@pytest.mark.parametrize(("shipped", "factory"), [("mesh", Rows), ("ring", Circle)])
def test_a_shipped_topology_written_again_outside_gives_the_same_times(shipped: str, factory: Any) -> None:
    """With the same order of neighbours, arbitration takes the same turns: equal to the picosecond."""
    for seed in range(scaled(12, 300)):
        space = (None, 2, 3)[seed % 3]
        case = random_case(seed, topology=shipped, buffer_packets=space, router_ps=700 * (seed % 2))
        tiles = [*product(range(case.rows), range(case.columns))]
        messages = [
            replace(each, destinations=tuple({*each.destinations, *tiles[: seed % 3]})) for each in case.messages
        ]
        case = replace(case, messages=tuple(messages))
        parameters, own = case.network_parameters(), built(factory, case.rows, case.columns)
        assert own.bubble == parameters.router.bubble
        assert all(own.distance(*pair) == parameters.topology.distance(*pair) for pair in product(tiles, repeat=2))
        ends = [
            {ticket: done.end_ps for ticket, done in drive(Network(each, lambda job: job), case.jobs()).items()}
            for each in (parameters, replace(parameters, topology=own))
        ]
        assert ends[0] == ends[1]
        assert len(ends[0]) == len(case.jobs())


@pytest.mark.parametrize("size", [2, 4, 6])
def test_the_mean_distance_of_a_torus_is_that_of_dally_and_towles(size: int) -> None:
    """A k-ary n-cube with even k has n k / 4 hops on average (Dally and Towles, 2004, ch. 5)."""
    torus, tiles = built(Torus, size, size), [*product(range(size), repeat=2)]
    hops = [torus.distance(*pair) for pair in product(tiles, repeat=2)]
    assert sum(hops) / len(hops) == 2 * size / 4
    assert max(hops) == 2 * (size // 2)


def test_a_registered_topology_runs_under_every_schedule(tmp_path: Path) -> None:
    """Where nothing has a limit, the contended schedule takes the closed form of the dataflow schedule."""
    register_topology("torus", Torus)
    base = {
        **UNLIMITED,
        "workload.model": tiny_configs(tmp_path)[0],
        "workload.context_length": 8,
        "mapping.provisioning": "per_layer",
        "machine.mesh.rows": 5,
        "machine.mesh.columns": 5,
        "machine.mesh.placement": "rows",
        "machine.mesh.multicast": False,
        "machine.crossbar.pair.array": SMALL_ARRAY,
    }

    def run(name: str, **changes: object) -> RunResult:
        return simulate(load_config("pim-llm", base | {"machine.mesh.topology": name} | changes))

    mesh, flows, contends = run("mesh"), run("torus", schedule="dataflow"), run("torus", schedule="contended")
    assert flows.latency_ps == contends.latency_ps
    assert flows.counts == contends.counts
    assert flows.counts["mesh.bit_hop"] < mesh.counts["mesh.bit_hop"]
    busy = run("torus", schedule="contended", **{"machine.mesh.links": "shared"})  # type: ignore[arg-type]
    assert busy.latency_ps >= contends.latency_ps
    assert any(use.name.startswith("link (") and " to (" in use.name for each in busy.media for use in each.uses)


def test_a_router_may_have_any_number_of_inputs() -> None:
    star = built(Star)
    assert {star.distance(*pair) for pair in product(product(range(4), repeat=2), repeat=2)} == {0, 2}
    into = {star.inputs[star.link(tile, (0, 0, 0))] for tile in product(range(4), repeat=2)}
    assert into == set(range(1, 17))
    assert star.link_name(star.link((0, 1), (0, 0, 0))) == "link (0,1) to (0,0,0)"


# --- faults -----------------------------------------------------------------------------------------------------------


class Backwards(Rows):
    def route(self, source: Tile, destination: Tile) -> Iterator[Node]:
        return reversed([*super().route(source, destination)])  # type: ignore[return-value]


class Jumps(Rows):
    def route(self, source: Tile, destination: Tile) -> Iterator[Node]:
        yield source
        if destination != source:
            yield destination


class Endless(Rows):
    def route(self, source: Tile, destination: Tile) -> Iterator[Node]:
        while True:
            yield source


class Recursive(Rows):
    def route(self, source: Tile, destination: Tile) -> Iterator[Node]:
        return self.route(source, destination)


class Loops(Rows):
    def route(self, source: Tile, destination: Tile) -> Iterator[Node]:
        yield from super().route(source, destination)
        if source != destination:
            yield source
            yield destination


class Islands(Rows):
    def neighbours(self, node: Node) -> list[Node]:
        return [each for each in super().neighbours(node) if (each[1] < 2) == (node[1] < 2)]


class OneWay(Rows):
    def neighbours(self, node: Node) -> list[Node]:
        return [each for each in super().neighbours(node) if each >= node]


class Short(Rows):
    def distance(self, source: Tile, destination: Tile) -> int:
        return abs(source[0] - destination[0])


class HalfHop(Rows):
    def distance(self, source: Tile, destination: Tile) -> float:
        return 0.5


class Detour(Torus):
    """Rows are left only eastwards, so the way back has another length."""

    def step(self, axis: int, at: int, end: int) -> int:
        return (at + 1) % self.columns if axis else super().step(axis, at, end)


class Outside(Rows):
    def neighbours(self, node: Node) -> list[Any]:
        return [*super().neighbours(node), (self.rows, 0)]


class Broken(Rows):
    def neighbours(self, node: Node) -> list[Node]:
        raise KeyError(node)


class Nothing:
    def __init__(self, rows: int, columns: int) -> None: ...


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (Backwards, "the route from (0,0) to (0,1) leads from (0,1) to (0,0)"),
        (Jumps, "goes from (0,0) to (0,2), which is not among its neighbours (0,1), (1,0)"),
        (Endless, "the route from (0,0) to (0,0) does not end within 128 nodes"),
        (Loops, "the route from (0,0) to (0,1) passes (0,0) twice"),
        (Recursive, "calls itself more often than Python allows; use a loop"),
        (Islands, "tile (0,2) cannot be reached from tile (0,0)"),
        (OneWay, "(0,0) has a link to (0,1), but (0,1) has none back: links go both ways"),
        (Short, "the route from (0,0) to (0,1) has 1 hops, but its distance is 0"),
        (HalfHop, "the distance from (0,0) to (0,0) is 0.5, not a number of hops"),
        (Detour, "hops apart, but"),
        (Outside, "the list of neighbours of (0,0) has (4,0), which is not a tile; a router has three numbers"),
        (Broken, "raises KeyError: (0, 0) (line "),
        (Nothing, "Nothing is not a topology: it lacks neighbours and route"),
        (lambda rows: rows, "its factory raises TypeError"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_faulty_topology_is_refused_by_a_sentence_that_names_it(factory: Any, message: str) -> None:
    with pytest.raises(PluginError) as caught:
        built(factory)
    assert str(caught.value).startswith("topology 'own' (own.py): ")
    assert message in str(caught.value)


def test_a_topology_that_says_so_may_have_other_ways_back() -> None:
    detour = built(type("Allowed", (Detour,), {"symmetric": False}))
    assert (detour.distance((0, 0), (0, 1)), detour.distance((0, 1), (0, 0))) == (1, 3)


def test_multicast_is_refused_where_the_routes_are_no_tree() -> None:
    """To (1,1) along the row first, to (1,2) along the column first: both ways pass (1,1)."""

    class TwoWays(Rows):
        def route(self, source: Tile, destination: Tile) -> Iterator[Node]:
            nodes = [*super().route(source, destination)]
            if (source, destination) == ((0, 0), (1, 2)):
                nodes = [(0, 0), (1, 0), (1, 1), (1, 2)]
            return iter(nodes)

    own = built(TwoWays)
    assert own.tree((0, 0), [(1, 1), (0, 1)])
    with pytest.raises(
        PluginError, match=r"reach \(1,1\) by two ways and do not form a tree; set machine.mesh.multicast=false"
    ):
        own.tree((0, 0), [(1, 1), (1, 2)])


def test_an_unknown_topology_is_refused_with_what_there_is_and_how_to_add_one() -> None:
    register_topology("torus", Torus)
    with pytest.raises(ConfigError) as caught:
        load_config("pim-llm", {"machine.mesh.topology": "torsu"})
    for part in ("'torsu' is not a registered topology", "mesh, ring, htree, torus", "did you mean torus?"):
        assert part in str(caught.value)
    assert "--plugin FILE.py" in str(caught.value)
    assert "entry points pimsim.topologies" in str(caught.value)
    with pytest.raises(ValueError, match="'mesh' is a topology of pimsim itself"):
        register_topology("mesh", Torus)
    assert TOPOLOGIES.names() == ("mesh", "ring", "htree", "torus")
