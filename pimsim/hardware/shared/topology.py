"""How the tiles of a bank are joined: distances, and routes as numbers of directed links. Deterministic and minimal.

A mesh is routed X-Y: along the row first, then along the column, so that no cycle of links can wait for itself (Dally
and Towles, Principles and Practices of Interconnection Networks, ch. 8 and 14). A ring visits the tiles row by row,
every other row backwards. An H-tree has the tiles as leaves and a router above every four of them, level by level; its
routes climb, then descend.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal, TypeAlias

Tile = tuple[int, int]
"""Row and column on the mesh."""

Node = tuple[int, ...]
"""A tile, or a router: level, row and column."""

TopologyName = Literal["mesh", "ring", "htree"]

Branch = tuple[int, "tuple[Branch, ...]", int]
"""A link of a route, the branches behind it, and 1 if the packet is to be delivered at its end, else 0."""


class Topology:
    """A mesh of tiles. Links are numbered as they are first routed over; nothing may depend on the numbers."""

    name: TopologyName = "mesh"

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self._links: dict[tuple[Node, Node], int] = {}
        self._ends: list[tuple[Node, Node]] = []
        self.inputs: list[int] = []  # of each link, its place among those into the same router, from 1

    def distance(self, source: Tile, destination: Tile) -> int:
        """Hops between two tiles."""
        return abs(source[0] - destination[0]) + abs(source[1] - destination[1])

    def nodes(self, source: Tile, destination: Tile) -> Iterator[Node]:
        """The nodes of a route, both ends included."""
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
        """Links numbered so far."""
        return len(self._ends)

    def link(self, source: Node, destination: Node) -> int:
        """The number of the link between two neighbours."""
        return self._link((source, destination))

    def _link(self, ends: tuple[Node, Node]) -> int:
        number = self._links.get(ends)
        if number is None:
            number = self._links[ends] = len(self._ends)
            self._ends.append(ends)
            self.inputs.append(self._input(*ends))
        return number

    def _input(self, source: Node, destination: Node) -> int:
        """From the north, the east, the south, the west."""
        return 1 + ("north", "east", "south", "west").index(self._direction(destination, source))

    def route(self, source: Tile, destination: Tile) -> tuple[int, ...]:
        """The links from one tile to another."""
        return tuple(map(self._link, pairwise(self.nodes(source, destination))))

    def tree(self, source: Tile, destinations: Sequence[Tile]) -> tuple[Branch, ...]:
        """The routes to several tiles joined, each link once."""
        fork: Fork = {}
        delivered: set[int] = set()
        for destination in destinations:
            at, path = fork, self.route(source, destination)
            for link in path:
                at = at.setdefault(link, {})
            delivered.update(path[-1:])
        return _branches(fork, delivered)

    def chain(self, source: Tile, destination: Tile) -> tuple[Branch, ...]:
        """The route to one tile, as a tree."""
        behind: tuple[Branch, ...] = ()
        for link in reversed(self.route(source, destination)):
            behind = ((link, behind, 0 if behind else 1),)
        return behind

    def link_name(self, link: int) -> str:
        """Where a link is and where it leads."""
        source, destination = self._ends[link]
        return f"link {_place(source)} {self._direction(source, destination)}"

    def buffer_name(self, link: int) -> str:
        """The input buffer at the end of a link."""
        source, destination = self._ends[link]
        return f"buffer {_place(destination)} from {self._direction(destination, source)}"

    def port_name(self, link: int) -> str:
        """The local port of the tile at the end of a link."""
        return f"port {_place(self._ends[link][1])}"

    def source_name(self, link: int) -> str:
        """The port by which packets that start there leave the tile at the beginning of a link."""
        return f"port out of {_place(self._ends[link][0])}"

    def ends(self, link: int) -> tuple[Node, Node]:
        """Where a link comes from and where it leads."""
        return self._ends[link]

    def target(self, link: int) -> Node:
        """The node at the end of a link."""
        return self._ends[link][1]

    def _direction(self, source: Node, destination: Node) -> str:
        if source[0] != destination[0]:
            return "south" if destination[0] > source[0] else "north"
        return "east" if destination[1] > source[1] else "west"


Fork: TypeAlias = "dict[int, Fork]"


def _branches(fork: Fork, delivered: set[int]) -> tuple[Branch, ...]:
    return tuple((link, _branches(behind, delivered), int(link in delivered)) for link, behind in fork.items())


def _place(node: Node) -> str:
    return "(" + ",".join(map(str, node)) + ")"


class Ring(Topology):
    """A ring of links in both directions; the shorter one is taken, the first if both are alike."""

    name: TopologyName = "ring"

    def _position(self, tile: Node) -> int:
        row, column = tile
        return row * self.columns + (column if row % 2 == 0 else self.columns - 1 - column)

    def _tile(self, position: int) -> Tile:
        row, column = divmod(position, self.columns)
        return row, column if row % 2 == 0 else self.columns - 1 - column

    def distance(self, source: Tile, destination: Tile) -> int:
        """Hops the shorter way round."""
        ahead = (self._position(destination) - self._position(source)) % (self.rows * self.columns)
        return min(ahead, self.rows * self.columns - ahead)

    def nodes(self, source: Tile, destination: Tile) -> Iterator[Node]:
        """The tiles of a route."""
        size = self.rows * self.columns
        at, end = self._position(source), self._position(destination)
        step = 1 if (end - at) % size <= (at - end) % size else -1
        yield source
        while at != end:
            at = (at + step) % size
            yield self._tile(at)

    def _direction(self, source: Node, destination: Node) -> str:
        ahead = (self._position(destination) - self._position(source)) % (self.rows * self.columns)
        return "onwards" if ahead == 1 else "backwards"

    def _input(self, source: Node, destination: Node) -> int:
        return 1 if self._direction(source, destination) == "onwards" else 2


class HTree(Topology):
    """A tree with four branches to a router. All its links are alike: the root's are no wider than the leaves'."""

    name: TopologyName = "htree"

    @staticmethod
    def _levels(source: Tile, destination: Tile) -> int:
        return ((source[0] ^ destination[0]) | (source[1] ^ destination[1])).bit_length()

    def distance(self, source: Tile, destination: Tile) -> int:
        """Hops up to the router above both, and down again."""
        return 2 * self._levels(source, destination)

    def nodes(self, source: Tile, destination: Tile) -> Iterator[Node]:
        """Tiles and routers of a route; a router has a level, too."""
        levels = self._levels(source, destination)
        yield source
        for level in range(1, levels + 1):
            yield level, source[0] >> level, source[1] >> level
        for level in range(levels - 1, 0, -1):
            yield level, destination[0] >> level, destination[1] >> level
        if levels:
            yield destination

    def _input(self, source: Node, destination: Node) -> int:
        """From the four below, then from above."""
        if (len(source) == 3 and len(destination) == 3 and source[0] > destination[0]) or len(destination) == 2:
            return 5
        return 1 + 2 * (source[-2] % 2) + source[-1] % 2

    def _direction(self, source: Node, destination: Node) -> str:
        def level(node: Node) -> int:
            return 0 if len(node) == 2 else node[0]

        return "up" if level(destination) > level(source) else f"down to {_place(destination)}"


def tree_widths(branches: Sequence[Branch]) -> Iterator[int]:
    """How many links of a tree are the first, second, ... of a route."""
    while branches:
        yield len(branches)
        branches = [each for _, behind, _ in branches for each in behind]


TOPOLOGIES: dict[str, type[Topology]] = {each.name: each for each in (Topology, Ring, HTree)}


@lru_cache(maxsize=16)
def topology(name: TopologyName, rows: int, columns: int) -> Topology:
    """The topology of that name over so many tiles."""
    return TOPOLOGIES[name](rows, columns)
