"""Base class of topologies: routes between tiles as numbers of directed links, multicast trees, and names of links."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

Tile = tuple[int, int]
"""A tile as (row, column)."""

Node = tuple[int, ...]
"""A tile as (row, column), or a router of an H-tree as (level, row, column)."""

Branch = tuple[int, "tuple[Branch, ...]", int]
"""One link of a route: its number, the branches that follow it, and 1 if the packet is delivered at its end, else 0."""


class Topology(ABC):
    """Tiles of a bank with the links between them; routing is deterministic.

    Links are numbered in the order in which routes first use them; no result depends on the numbers.

    Attributes:
        name: Name by which a config selects the topology.
        bubble: Whether a packet enters the network only where two places are free (bubble flow control), which a ring
            needs to be free of deadlock.
    """

    name: str
    bubble: bool = False

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

    @abstractmethod
    def distance(self, source: Tile, destination: Tile) -> int:
        """Return the distance between two tiles.

        Args:
            source: First tile.
            destination: Last tile.

        Returns:
            Number of hops.
        """

    @abstractmethod
    def nodes(self, source: Tile, destination: Tile) -> Iterator[Node]:
        """Follow the route between two tiles.

        Args:
            source: First tile.
            destination: Last tile.

        Returns:
            Iterator over the nodes of the route, both tiles included.
        """

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

    @abstractmethod
    def _input(self, source: Node, destination: Node) -> int:
        """Return the input of the router `destination` that the link from `source` enters, from 1."""

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
        return f"link {format_node(source)} {self._direction(source, destination)}"

    def buffer_name(self, link: int) -> str:
        """Name the FIFO at the end of a link.

        Args:
            link: Number of the link.

        Returns:
            Name such as "buffer (3,5) from west".
        """
        source, destination = self._ends[link]
        return f"buffer {format_node(destination)} from {self._direction(destination, source)}"

    def port_name(self, link: int) -> str:
        """Name the local port into the tile at the end of a link.

        Args:
            link: Number of the link.

        Returns:
            Name such as "port (3,5)".
        """
        return f"port {format_node(self._ends[link][1])}"

    def source_name(self, link: int) -> str:
        """Name the local port out of the tile at the start of a link.

        Args:
            link: Number of the link.

        Returns:
            Name such as "port out of (3,4)".
        """
        return f"port out of {format_node(self._ends[link][0])}"

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

    @abstractmethod
    def _direction(self, source: Node, destination: Node) -> str:
        """Return the name of the direction of a link, such as "east"."""


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


def format_node(node: Node) -> str:
    """Name a node.

    Args:
        node: A tile or a router.

    Returns:
        Text such as "(3,4)".
    """
    return "(" + ",".join(map(str, node)) + ")"


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
