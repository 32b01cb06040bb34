"""Topologies of the network between tiles: the shipped ones, and those that are registered from outside the package.

Routing is deterministic and minimal. A mesh uses X-Y routing, along the row first and then along the column, which
cannot deadlock. A ring visits the tiles row by row, every second row from right to left. An H-tree has the tiles as
leaves and one router above every four nodes, level by level; its routes go up and then down.

Reference:
    W. J. Dally and B. Towles, Principles and Practices of Interconnection Networks, 2004, ch. 8 (routing) and ch. 14
    (deadlock).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from pimsim.base.registries import Registry
from pimsim.config.schema.registered_names import TOPOLOGIES as _NAMES
from pimsim.hardware.shared.outside_topology import CheckedTopology, TopologyFactory
from pimsim.hardware.shared.topology import Node, Tile, Topology, format_node


class MeshTopology(Topology):
    """A mesh of tiles."""

    name = "mesh"

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

    def _input(self, source: Node, destination: Node) -> int:
        """Return the input of the router `destination` that the link enters: 1 north, 2 east, 3 south, 4 west."""
        return 1 + ("north", "east", "south", "west").index(self._direction(destination, source))

    def _direction(self, source: Node, destination: Node) -> str:
        if source[0] != destination[0]:
            return "south" if destination[0] > source[0] else "north"
        return "east" if destination[1] > source[1] else "west"


class Ring(Topology):
    """A bidirectional ring; packets take the shorter direction, and on a tie the direction of increasing positions."""

    name = "ring"
    bubble = True

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

    name = "htree"

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

        return "up" if level(destination) > level(source) else f"down to {format_node(destination)}"


SHIPPED_TOPOLOGIES: dict[str, type[Topology]] = {each.name: each for each in (MeshTopology, Ring, HTree)}

TOPOLOGIES: Registry[TopologyFactory] = _NAMES
"""Factories of topologies by name: functions of rows and columns."""

TOPOLOGIES.ship(SHIPPED_TOPOLOGIES)


def register_topology(name: str, factory: TopologyFactory) -> None:
    """Register a topology for the key machine.mesh.topology.

    The same registration may be repeated.

    Args:
        name: Name by which a config selects it.
        factory: Function of rows and columns of the bank, or class with such a constructor, that returns an
            `pimsim.hardware.shared.outside_topology.OutsideTopology`.

    Raises:
        ValueError: If the name is not valid, or is taken.
    """
    TOPOLOGIES.register(name, factory)


@lru_cache(maxsize=16)
def topology(name: str, rows: int, columns: int) -> Topology:
    """Return a topology; equal arguments share one object, so links have the same numbers for all users.

    Args:
        name: Name of the topology.
        rows: Rows of tiles.
        columns: Columns of tiles.

    Returns:
        The topology of `rows` x `columns` tiles.

    Raises:
        ConfigError: If no topology of this name is registered.
        PluginError: If a topology from outside the package cannot be built, or its routes are not valid.
    """
    factory = TOPOLOGIES.get(name, "machine.mesh.topology")
    if name in SHIPPED_TOPOLOGIES:
        return SHIPPED_TOPOLOGIES[name](rows, columns)
    return CheckedTopology(name, rows, columns, factory, TOPOLOGIES.describe(name))
