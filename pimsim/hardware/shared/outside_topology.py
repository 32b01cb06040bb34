"""Topologies from outside the package, checked: every route that a run uses, and a sample of all routes at the start.

The checks are those without which a simulation would be wrong in silence or would not end: a route starts and ends at
its tiles, follows links, passes no node twice, and is as long as the distance says, which the closed form uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, pairwise, product
from typing import Any, Protocol

from pimsim.base.errors import PluginError, show
from pimsim.base.outside_code import calling
from pimsim.hardware.shared.topology import Branch, Node, Tile, Topology, format_node

MAX_CHECKED_PAIRS = 400
"""Routes that are checked at the start: all of up to 20 tiles, else some that are spread over the bank."""
MAX_CHECKED_NODES = 1 << 14
"""Nodes that are visited at the start to see that every tile can be reached."""
ROUTE_NODES_PER_TILE = 4
"""A route has at most this number of nodes per tile of the bank, and 64 more, routers included."""


class OutsideTopology(Protocol):
    """What a topology from outside the package has. A node is a tile (row, column), or a router, a longer tuple.

    It may also have:

    - `distance(source, destination)`: hops between two tiles, as many as their route has. Without it the routes are
      counted, which is slow for hundreds of tiles.
    - `symmetric = False`: the way back may have another number of hops. Otherwise they are checked to be equal.
    - `bubble = True`: a packet enters the network only where two places are free, as in the shipped ring.
    """

    def neighbours(self, node: Any) -> Iterable[Node]:
        """Return the neighbours of a node, in the order in which its router serves them as inputs.

        Args:
            node: A tile or a router.

        Returns:
            The nodes to which it has links; each of them has the node among its own neighbours.
        """

    def route(self, source: Tile, destination: Tile) -> Iterable[Node]:
        """Return the route between two tiles.

        Args:
            source: First tile.
            destination: Last tile.

        Returns:
            The nodes of the route, both tiles included; a single node if the tiles are the same.
        """


TopologyFactory = Callable[[int, int], Any]
"""Function of rows and columns that returns an `OutsideTopology`; Any because the parts beyond the protocol vary."""


class CheckedTopology(Topology):
    """A topology from outside the package, with links, multicast trees and names as a shipped one.

    Args:
        name: Name by which a config selects it.
        rows: Rows of tiles.
        columns: Columns of tiles.
        factory: Function that builds the outside topology.
        described: The topology with its origin, for messages.
    """

    def __init__(self, name: str, rows: int, columns: int, factory: TopologyFactory, described: str) -> None:
        super().__init__(rows, columns)
        self.name, self._described = name, described
        self._neighbours: dict[Node, dict[Node, int]] = {}
        self._lengths: dict[tuple[Tile, Tile], int] = {}
        with calling(described, "its factory"):
            self._outside = factory(rows, columns)
            missing = [each for each in ("neighbours", "route") if not callable(getattr(self._outside, each, None))]
            self.bubble = bool(getattr(self._outside, "bubble", False))
            self._symmetric = bool(getattr(self._outside, "symmetric", True))
            self._has_distance = callable(getattr(self._outside, "distance", None))
        if missing:
            raise self._refused(f"{type(self._outside).__name__} is not a topology: it lacks {' and '.join(missing)}")
        self._check_connection()
        self._check_routes()

    def _refused(self, why: str) -> PluginError:
        return PluginError(f"{self._described}: with {self.rows} x {self.columns} tiles, {why}")

    def distance(self, source: Tile, destination: Tile) -> int:
        """Return the distance between two tiles, by the outside topology or from the route.

        Args:
            source: First tile.
            destination: Last tile.

        Returns:
            Number of hops.
        """
        key = (source, destination)
        hops = self._lengths.get(key)
        if hops is None:
            if self._has_distance:
                with calling(self._described, "distance"):
                    hops = self._outside.distance(source, destination)
                if type(hops) is not int or hops < 0:
                    raise self._refused(
                        f"the distance {_way(source, destination)} is {show(hops)}, not a number of hops"
                    )
            else:
                hops = len(self._checked(source, destination)) - 1
            self._lengths[key] = hops
        return hops

    def nodes(self, source: Tile, destination: Tile) -> Iterator[Node]:
        """Follow the route between two tiles.

        Args:
            source: First tile.
            destination: Last tile.

        Returns:
            Iterator over the nodes of the route, both tiles included.
        """
        route = self._checked(source, destination)
        if self.distance(source, destination) != len(route) - 1:
            raise self._refused(
                f"the route {_way(source, destination)} has {len(route) - 1} hops, but its distance is "
                f"{self.distance(source, destination)}"
            )
        return iter(route)

    def tree(self, source: Tile, destinations: Sequence[Tile]) -> tuple[Branch, ...]:
        """Return the multicast tree to several tiles: the union of their routes, which must be a tree.

        Args:
            source: Tile that sends.
            destinations: Tiles that receive.

        Returns:
            The branches at `source`.
        """
        branches = super().tree(source, destinations)
        reached: set[Node] = {source}
        level = list(branches)
        while level:
            for link, *_ in level:
                node = self.target(link)
                if node in reached:
                    raise self._refused(
                        f"multicast is not possible: routes from {format_node(source)} reach {format_node(node)} by "
                        "two ways and do not form a tree; set machine.mesh.multicast=false"
                    )
                reached.add(node)
            level = [each for _, following, _ in level for each in following]
        return branches

    def _checked(self, source: Tile, destination: Tile) -> list[Node]:
        """Return the nodes of a route after all checks of it."""
        most = ROUTE_NODES_PER_TILE * self.rows * self.columns + 64
        with calling(self._described, "route"):
            route = list(islice(self._outside.route(source, destination), most + 1))
        way = _way(source, destination)
        if len(route) > most:
            raise self._refused(f"the route {way} does not end within {most:,} nodes")
        for node in route:
            self._check_node(node, f"the route {way}")
        if not route or route[0] != source or route[-1] != destination:
            ends = f"leads from {format_node(route[0])} to {format_node(route[-1])}" if route else "has no nodes"
            raise self._refused(f"the route {way} {ends}")
        if len(set(route)) < len(route):
            twice = next(node for number, node in enumerate(route) if node in route[:number])
            raise self._refused(f"the route {way} passes {format_node(twice)} twice")
        for before, after in pairwise(route):
            if after not in self._linked(before):
                raise self._refused(
                    f"the route {way} goes from {format_node(before)} to {format_node(after)}, which is not among its "
                    f"neighbours {', '.join(map(format_node, self._linked(before))) or '(none)'}"
                )
        return route

    def _check_node(self, node: Any, where: str) -> None:
        """Refuse what is neither a tile of the bank nor a router."""
        if not isinstance(node, tuple) or len(node) < 2 or not all(type(each) is int for each in node):
            raise self._refused(f"{where} has {show(node)}, which is not a tuple of two or more whole numbers")
        if len(node) == 2 and not (0 <= node[0] < self.rows and 0 <= node[1] < self.columns):
            raise self._refused(f"{where} has {format_node(node)}, which is not a tile; a router has three numbers")

    def _linked(self, node: Node) -> dict[Node, int]:
        """Return the neighbours of a node, each with its position from 1; the node itself and repetitions are left out.

        In a bank of two columns the neighbours on the left and on the right are the same, in one of one column they
        are the node itself.
        """
        linked = self._neighbours.get(node)
        if linked is None:
            with calling(self._described, "neighbours"):
                found = list(islice(self._outside.neighbours(node), MAX_CHECKED_NODES + 1))
            if len(found) > MAX_CHECKED_NODES:
                raise self._refused(f"{format_node(node)} has more than {MAX_CHECKED_NODES:,} neighbours")
            for each in found:
                self._check_node(each, f"the list of neighbours of {format_node(node)}")
            others = dict.fromkeys(each for each in found if each != node)
            linked = self._neighbours[node] = {each: number for number, each in enumerate(others, 1)}
        return linked

    def _check_connection(self) -> None:
        """Follow links from the first tile; every tile must be reached."""
        reached: set[Node] = {(0, 0)}
        ahead: list[Node] = [(0, 0)]
        for node in ahead:
            for other in self._linked(node):
                if node not in self._linked(other):
                    raise self._refused(
                        f"{format_node(node)} has a link to {format_node(other)}, but {format_node(other)} has none "
                        "back: links go both ways"
                    )
                if other not in reached:
                    reached.add(other)
                    ahead.append(other)
            if len(reached) > MAX_CHECKED_NODES:
                return
        for tile in product(range(self.rows), range(self.columns)):
            if tile not in reached:
                raise self._refused(f"tile {format_node(tile)} cannot be reached from tile (0,0)")

    def _check_routes(self) -> None:
        """Check routes in both directions, with their lengths."""
        for source, destination in self._pairs():
            there, back = len(list(self.nodes(source, destination))), len(list(self.nodes(destination, source)))
            if self._symmetric and there != back:
                raise self._refused(
                    f"{format_node(source)} and {format_node(destination)} are {there - 1} hops apart, but {back - 1} "
                    "on the way back; symmetric = False allows that"
                )

    def _pairs(self) -> Iterator[tuple[Tile, Tile]]:
        """Return pairs of tiles: all of them, or some with odd strides, which meet every row and column."""
        tiles = self.rows * self.columns
        count = min(tiles * tiles, MAX_CHECKED_PAIRS)
        for number in range(count):
            index = number if count == tiles * tiles else number * (tiles * tiles // count) + number
            first, second = divmod(index % (tiles * tiles), tiles)
            yield divmod(first, self.columns), divmod(second, self.columns)

    def _input(self, source: Node, destination: Node) -> int:
        return self._linked(destination)[source]

    def _direction(self, source: Node, destination: Node) -> str:
        return f"to {format_node(destination)}"


def _way(source: Tile, destination: Tile) -> str:
    return f"from {format_node(source)} to {format_node(destination)}"
