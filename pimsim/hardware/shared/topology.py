"""Topologies of the network between tiles: distances, and routes as numbers of directed links.

Routing is deterministic and minimal. A mesh uses X-Y routing, along the row first and then along the column, which
cannot deadlock. A ring visits the tiles row by row, every second row from right to left. An H-tree has the tiles as
leaves and one router above every four nodes, level by level; its routes go up and then down.

Reference:
    W. J. Dally and B. Towles, Principles and Practices of Interconnection Networks, 2004, ch. 8 (routing) and ch. 14
    (deadlock).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal, TypeAlias

Tile = tuple[int, int]
"""A tile as (row, column)."""

Node = tuple[int, ...]
"""A tile as (row, column), or a router of an H-tree as (level, row, column)."""

TopologyName = Literal["mesh", "ring", "htree"]

Branch = tuple[int, "tuple[Branch, ...]", int]
"""One link of a route: its number, the branches that follow it, and 1 if the packet is delivered at its end, else 0."""


class Topology:
    """A mesh of tiles, and the base class of the other topologies.

    Links are numbered in the order in which routes first use them; no result depends on the numbers.
    """

    name: TopologyName = "mesh"

    def __init__(self, rows: int, columns: int) -> None:
        """Create the topology of a bank.

        Args:
            rows: Rows of tiles.
            columns: Columns of tiles.
        """
        self.rows, self.columns = rows, columns
        self._links: dict[tuple[Node, Node], int] = {}
        self._ends: list[tuple[Node, Node]] = []
        self.inputs: list[int] = []  # position of each link among the inputs of the router at its end, from 1

    def distance(self, source: Tile, destination: Tile) -> int:
        """Return the distance between two tiles.

        Args:
            source: First tile.
            destination: Last tile.

        Returns:
            Number of hops.
        """
        return abs(source[0] - destination[0]) + abs(source[1] - destination[1])

    def nodes(self, source: Tile, destination: Tile) -> Iterator[Node]:
        """Follow the route between two tiles.

        Args:
            source: First tile.
            destination: Last tile.

        Yields:
            The nodes of the route, both tiles included.
        """
        row, column = source
        yield source
        step = 1 if destination[1] > column else -1
        while column != destination[1]:
            column += step
            yield row, column
        step = 1 if destination[0] > row else -1
        while row != destination[0]:
            row += step
            yield row, column

    @property
    def links(self) -> int:
        """Number of links that have a number so far."""
        return len(self._ends)

    def link(self, source: Node, destination: Node) -> int:
        """Return the number of the link between two neighbours.

        Args:
            source: Node at which the link starts.
            destination: Node at which it ends.

        Returns:
            Number of the link; a new number if no route has used the link yet.
        """
        return self._link((source, destination))

    def _link(self, ends: tuple[Node, Node]) -> int:
        number = self._links.get(ends)
        if number is None:
            number = self._links[ends] = len(self._ends)
            self._ends.append(ends)
            self.inputs.append(self._input(*ends))
        return number

    def _input(self, source: Node, destination: Node) -> int:
        """Return the input of the router `destination` that the link enters: 1 north, 2 east, 3 south, 4 west."""
        return 1 + ("north", "east", "south", "west").index(self._direction(destination, source))

    def route(self, source: Tile, destination: Tile) -> tuple[int, ...]:
        """Return the route between two tiles.

        Args:
            source: First tile.
            destination: Last tile.

        Returns:
            Numbers of the links, in order.
        """
        return tuple(map(self._link, pairwise(self.nodes(source, destination))))

    def tree(self, source: Tile, destinations: Sequence[Tile]) -> tuple[Branch, ...]:
        """Return the multicast tree to several tiles: the union of their routes, with each link once.

        Args:
            source: Tile that sends.
            destinations: Tiles that receive.

        Returns:
            The branches at `source`; empty if there is no destination other than `source`.
        """
        fork: Fork = {}
        delivered: set[int] = set()
        for destination in destinations:
            subtree, route = fork, self.route(source, destination)
            for link in route:
                subtree = subtree.setdefault(link, {})
            delivered.update(route[-1:])
        return _branches(fork, delivered)

    def chain(self, source: Tile, destination: Tile) -> tuple[Branch, ...]:
        """Return the route between two tiles as a tree without forks.

        Args:
            source: First tile.
            destination: Last tile.

        Returns:
            The branches at `source`, in the form that `tree` returns; empty if the tiles are the same.
        """
        branches: tuple[Branch, ...] = ()
        for link in reversed(self.route(source, destination)):
            branches = ((link, branches, 0 if branches else 1),)
        return branches

    def link_name(self, link: int) -> str:
        """Name a link by the node where it starts and by its direction.

        Args:
            link: Number of the link.

        Returns:
            Name such as "link (3,4) east".
        """
        source, destination = self._ends[link]
        return f"link {_format_node(source)} {self._direction(source, destination)}"

    def buffer_name(self, link: int) -> str:
        """Name the FIFO at the end of a link.

        Args:
            link: Number of the link.

        Returns:
            Name such as "buffer (3,5) from west".
        """
        source, destination = self._ends[link]
        return f"buffer {_format_node(destination)} from {self._direction(destination, source)}"

    def port_name(self, link: int) -> str:
        """Name the local port into the tile at the end of a link.

        Args:
            link: Number of the link.

        Returns:
            Name such as "port (3,5)".
        """
        return f"port {_format_node(self._ends[link][1])}"

    def source_name(self, link: int) -> str:
        """Name the local port out of the tile at the start of a link.

        Args:
            link: Number of the link.

        Returns:
            Name such as "port out of (3,4)".
        """
        return f"port out of {_format_node(self._ends[link][0])}"

    def ends(self, link: int) -> tuple[Node, Node]:
        """Return both ends of a link.

        Args:
            link: Number of the link.

        Returns:
            Node at its start, and node at its end.
        """
        return self._ends[link]

    def target(self, link: int) -> Node:
        """Return the node at the end of a link.

        Args:
            link: Number of the link.

        Returns:
            A tile, or a router of an H-tree.
        """
        return self._ends[link][1]

    def _direction(self, source: Node, destination: Node) -> str:
        if source[0] != destination[0]:
            return "south" if destination[0] > source[0] else "north"
        return "east" if destination[1] > source[1] else "west"


Fork: TypeAlias = "dict[int, Fork]"


def _branches(fork: Fork, delivered: set[int]) -> tuple[Branch, ...]:
    """Convert a fork to branches, from the leaves up: routes on a ring are deeper than the limit of recursion.

    Args:
        fork: Links of the routes, each with those that follow it.
        delivered: Links at whose ends the packet is delivered.

    Returns:
        The branches at the root.
    """
    forks = [fork]
    for each in forks:
        forks.extend(each.values())
    branches: dict[int, tuple[Branch, ...]] = {}
    for each in reversed(forks):
        branches[id(each)] = tuple((link, branches[id(below)], int(link in delivered)) for link, below in each.items())
    return branches[id(fork)]


def _format_node(node: Node) -> str:
    return "(" + ",".join(map(str, node)) + ")"


class Ring(Topology):
    """A bidirectional ring; packets take the shorter direction, and on a tie the direction of increasing positions."""

    name: TopologyName = "ring"

    def _position(self, tile: Node) -> int:
        row, column = tile
        return row * self.columns + (column if row % 2 == 0 else self.columns - 1 - column)

    def _tile(self, position: int) -> Tile:
        row, column = divmod(position, self.columns)
        return row, column if row % 2 == 0 else self.columns - 1 - column

    def distance(self, source: Tile, destination: Tile) -> int:
        """Return the distance between two tiles along the shorter direction.

        Args:
            source: First tile.
            destination: Last tile.

        Returns:
            Number of hops.
        """
        ahead = (self._position(destination) - self._position(source)) % (self.rows * self.columns)
        return min(ahead, self.rows * self.columns - ahead)

    def nodes(self, source: Tile, destination: Tile) -> Iterator[Node]:
        """Follow the route between two tiles.

        Args:
            source: First tile.
            destination: Last tile.

        Yields:
            The tiles of the route, both ends included.
        """
        size = self.rows * self.columns
        position, end = self._position(source), self._position(destination)
        step = 1 if (end - position) % size <= (position - end) % size else -1
        yield source
        while position != end:
            position = (position + step) % size
            yield self._tile(position)

    def _direction(self, source: Node, destination: Node) -> str:
        ahead = (self._position(destination) - self._position(source)) % (self.rows * self.columns)
        return "onwards" if ahead == 1 else "backwards"

    def _input(self, source: Node, destination: Node) -> int:
        return 1 if self._direction(source, destination) == "onwards" else 2


class HTree(Topology):
    """A tree with four children per router. All links have the same bandwidth, at the root as at the leaves."""

    name: TopologyName = "htree"

    @staticmethod
    def _levels(source: Tile, destination: Tile) -> int:
        return ((source[0] ^ destination[0]) | (source[1] ^ destination[1])).bit_length()

    def distance(self, source: Tile, destination: Tile) -> int:
        """Return the distance between two tiles, up to the lowest router above both and down again.

        Args:
            source: First tile.
            destination: Last tile.

        Returns:
            Number of hops.
        """
        return 2 * self._levels(source, destination)

    def nodes(self, source: Tile, destination: Tile) -> Iterator[Node]:
        """Follow the route between two tiles.

        Args:
            source: First tile.
            destination: Last tile.

        Yields:
            The tiles (row, column) and routers (level, row, column) of the route, both ends included.
        """
        levels = self._levels(source, destination)
        yield source
        for level in range(1, levels + 1):
            yield level, source[0] >> level, source[1] >> level
        for level in range(levels - 1, 0, -1):
            yield level, destination[0] >> level, destination[1] >> level
        if levels:
            yield destination

    def _input(self, source: Node, destination: Node) -> int:
        """Return the input of the router that the link enters: 1 to 4 for its children, 5 for its parent."""
        if (len(source) == 3 and len(destination) == 3 and source[0] > destination[0]) or len(destination) == 2:
            return 5
        return 1 + 2 * (source[-2] % 2) + source[-1] % 2

    def _direction(self, source: Node, destination: Node) -> str:
        def level(node: Node) -> int:
            return 0 if len(node) == 2 else node[0]

        return "up" if level(destination) > level(source) else f"down to {_format_node(destination)}"


def tree_widths(branches: Sequence[Branch]) -> Iterator[int]:
    """Count the links of a tree level by level.

    Args:
        branches: The branches at the root, from `Topology.tree` or `Topology.chain`.

    Yields:
        The number of links at distance 1, 2, ... from the root.
    """
    while branches:
        yield len(branches)
        branches = [each for _, following, _ in branches for each in following]


TOPOLOGIES: dict[str, type[Topology]] = {each.name: each for each in (Topology, Ring, HTree)}


@lru_cache(maxsize=16)
def topology(name: TopologyName, rows: int, columns: int) -> Topology:
    """Return a topology; equal arguments share one object, so links have the same numbers for all users.

    Args:
        name: Name of the topology.
        rows: Rows of tiles.
        columns: Columns of tiles.

    Returns:
        The topology of `rows` x `columns` tiles.
    """
    return TOPOLOGIES[name](rows, columns)
