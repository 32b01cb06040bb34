"""Placement of tiles on a mesh, and the distances between them in hops. Pure geometry.

The four placement orders are those of MNSIM 2.0 (Tile_connection_graph); docs/placement.md compares them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from math import lcm

from pimsim.hardware.shared.topologies import MeshTopology, topology
from pimsim.hardware.shared.topology import Tile, Topology


def _rows(rows: int, columns: int) -> Iterator[Tile]:
    return ((row, column) for row in range(rows) for column in range(columns))


def _snake(rows: int, columns: int) -> Iterator[Tile]:
    """Walk row by row, every other row backwards, so that consecutive tiles are neighbours.

    Args:
        rows: Rows of the mesh.
        columns: Columns of the mesh.

    Yields:
        Every tile as (row, column).
    """
    for row in range(rows):
        line = range(columns) if row % 2 == 0 else range(columns - 1, -1, -1)
        yield from ((row, column) for column in line)


def _shells(rows: int, columns: int) -> Iterator[Tile]:
    """Walk square shells around the first corner, each in the direction opposite to the shell inside it.

    Args:
        rows: Rows of the mesh.
        columns: Columns of the mesh.

    Yields:
        Every tile as (row, column).
    """
    for shell in range(max(rows, columns)):
        outward = [(step, shell) for step in range(shell + 1)]
        back = [(shell, step) for step in range(shell - 1, -1, -1)]
        walk = outward + back
        if shell % 2 == 0:
            walk = [(column, row) for row, column in walk]
        yield from ((row, column) for row, column in walk if row < rows and column < columns)


def _diagonals(rows: int, columns: int) -> Iterator[Tile]:
    """Walk anti-diagonal by anti-diagonal, every other one backwards.

    Args:
        rows: Rows of the mesh.
        columns: Columns of the mesh.

    Yields:
        Every tile as (row, column).
    """
    for diagonal in range(rows + columns - 1):
        line = range(max(0, diagonal - columns + 1), min(diagonal, rows - 1) + 1)
        for row in line if diagonal % 2 else reversed(line):
            yield row, diagonal - row


ORDERS = {"rows": _rows, "snake": _snake, "shells": _shells, "diagonals": _diagonals}


@lru_cache(maxsize=8)
def walk(order: str, rows: int, columns: int) -> tuple[Tile, ...]:
    """List the tiles of a mesh in a placement order.

    Args:
        order: Placement order, a key of `ORDERS`.
        rows: Rows of the mesh.
        columns: Columns of the mesh.

    Returns:
        All tiles as (row, column).
    """
    return tuple(ORDERS[order](rows, columns))


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """Paths from the tiles of one matrix to their aggregator, and from the aggregator to the receiver of the output.

    Routes are compared by identity, since `place` is cached.

    Attributes:
        tiles: Tiles of the matrix.
        destinations: Tiles of the matrix that receives the output. For a matrix without such a receiver, the port of
            the mesh or nothing.
        aggregator: Tile that adds the partial sums.
        merge_distances: Hops from each tile to the aggregator, in the order of `tiles`.
        transfer_distances: Hops from the aggregator to each destination, in the order of `destinations`.
    """

    tiles: tuple[Tile, ...]
    destinations: tuple[Tile, ...]
    aggregator: Tile
    merge_distances: tuple[int, ...]
    transfer_distances: tuple[int, ...]

    @property
    def merge_hops(self) -> int:
        """Hops from the farthest tile to the aggregator (d_in in MNSIM)."""
        return max(self.merge_distances)

    @property
    def transfer_hops(self) -> int:
        """Hops from the aggregator to the farthest tile of the next matrix, or to the port (d_out in MNSIM)."""
        return max(self.transfer_distances, default=0)


def port_of(rows: int, columns: int) -> Tile:
    """Return the tile at the port of the mesh to the global buffer: the middle of the first column.

    Args:
        rows: Rows of the mesh.
        columns: Columns of the mesh.

    Returns:
        The tile.
    """
    return rows // 2, 0


def place(
    order: str,
    rows: int,
    columns: int,
    sizes: tuple[int, ...],
    *,
    first: int = 0,
    to_port: bool = False,
    topology_name: str = "mesh",
    receivers: tuple[int | None, ...] | None = None,
) -> tuple[Route, ...]:
    """Place the matrices of a placement group on consecutive tiles, and route their outputs, without replicas.

    Args:
        order: Placement order, a key of `ORDERS`.
        rows: Rows of the mesh.
        columns: Columns of the mesh.
        sizes: Number of tiles of each matrix.
        first: Position of the first tile in the order.
        to_port: As for `place_replicas`.
        topology_name: Topology in which distances are measured.
        receivers: As for `place_replicas`.

    Returns:
        One route per matrix.

    Raises:
        ValueError: If the mesh has too few tiles.

    Reference:
        docs/model.md, eq. (21); MNSIM 2.0.
    """
    routes = place_replicas(
        order,
        rows,
        columns,
        sizes,
        (1,) * len(sizes),
        first=first,
        to_port=to_port,
        topology_name=topology_name,
        receivers=receivers,
    )
    return tuple(route for (route,) in routes)


@lru_cache(maxsize=1024)
def place_replicas(
    order: str,
    rows: int,
    columns: int,
    sizes: tuple[int, ...],
    replicas: tuple[int, ...],
    *,
    first: int = 0,
    to_port: bool = False,
    topology_name: str = "mesh",
    receivers: tuple[int | None, ...] | None = None,
) -> tuple[tuple[Route, ...], ...]:
    """Place the matrices of a placement group on consecutive tiles, and route their outputs.

    The replicas of a matrix follow one another, and take vectors in turn, as those of the receiver do. The aggregator
    of a matrix is its tile with the smallest d_in + d_out. Ties are resolved row by row, as in MNSIM.

    Args:
        order: Placement order, a key of `ORDERS`.
        rows: Rows of the mesh.
        columns: Columns of the mesh.
        sizes: Number of tiles of one replica of each matrix.
        replicas: Number of replicas of each matrix.
        first: Position of the first tile in the order.
        to_port: True if a matrix without a receiver sends its output to the port of the mesh, in the middle of the
            first column; False if its output stays.
        topology_name: Topology in which distances are measured.
        receivers: Index of the matrix that receives the output of each matrix, None for no matrix; by default a chain
            through all matrices.

    Returns:
        The routes of consecutive vectors for each matrix, until the same replicas take vectors again; one route without
        replicas.

    Raises:
        ValueError: If the mesh has too few tiles.

    Reference:
        docs/model.md, eq. (21); MNSIM 2.0.
    """
    total = first + sum(size * count for size, count in zip(sizes, replicas, strict=True))
    if total > rows * columns:
        raise ValueError(f"{total} tiles do not fit a mesh of {rows} x {columns}")
    in_order = iter(walk(order, rows, columns)[first:total])
    placed = [
        [tuple(islice(in_order, size)) for _ in range(count)] for size, count in zip(sizes, replicas, strict=True)
    ]
    elsewhere = [(port_of(rows, columns),) if to_port else ()]
    indices = (*range(1, len(sizes)), None) if receivers is None else receivers
    destinations = [elsewhere if index is None else placed[index] for index in indices]
    links = topology(topology_name, rows, columns)
    return tuple(
        tuple(
            _route(links, tiles[turn % len(tiles)], following[turn % len(following)])
            for turn in range(lcm(len(tiles), len(following)))
        )
        for tiles, following in zip(placed, destinations, strict=True)
    )


def _route(links: Topology, tiles: tuple[Tile, ...], following: tuple[Tile, ...]) -> Route:
    if isinstance(links, MeshTopology):
        merge, transfer = _Extent.of(tiles), _Extent.of(following)
        aggregator = min(sorted(tiles), key=lambda tile: merge.farthest(tile) + transfer.farthest(tile))
    else:
        aggregator = min(
            sorted(tiles),
            key=lambda tile: max(_distances(links, tile, tiles)) + max(_distances(links, tile, following), default=0),
        )
    to_tiles, to_following = _distances(links, aggregator, tiles), _distances(links, aggregator, following)
    return Route(tiles, following, aggregator, to_tiles, to_following)


def _distances(links: Topology, origin: Tile, tiles: Sequence[Tile]) -> tuple[int, ...]:
    return tuple(links.distance(origin, tile) for tile in tiles)


@dataclass(frozen=True, slots=True)
class _Extent:
    """Bounding diamond of a set of tiles, which gives the largest Manhattan distance to any of them."""

    low_sum: int = 0
    high_sum: int = 0
    low_difference: int = 0
    high_difference: int = 0
    empty: bool = True

    @classmethod
    def of(cls, tiles: Sequence[Tile]) -> _Extent:
        if not tiles:
            return cls()
        sums = [row + column for row, column in tiles]
        differences = [row - column for row, column in tiles]
        return cls(min(sums), max(sums), min(differences), max(differences), empty=False)

    def farthest(self, tile: Tile) -> int:
        if self.empty:
            return 0
        total, difference = tile[0] + tile[1], tile[0] - tile[1]
        return max(
            total - self.low_sum,
            self.high_sum - total,
            difference - self.low_difference,
            self.high_difference - difference,
        )
