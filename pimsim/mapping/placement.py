"""Where tiles lie on a mesh, and how far apart: pure geometry, in hops.

The four orders are MNSIM 2.0's (Tile_connection_graph, restated in docs/model.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from pimsim.hardware.shared.topology import Tile, Topology, TopologyName, topology


def _rows(rows: int, columns: int) -> Iterator[Tile]:
    return ((row, column) for row in range(rows) for column in range(columns))


def _snake(rows: int, columns: int) -> Iterator[Tile]:
    """Row by row, every other row backwards, so that consecutive tiles are neighbours."""
    for row in range(rows):
        line = range(columns) if row % 2 == 0 else range(columns - 1, -1, -1)
        yield from ((row, column) for column in line)


def _shells(rows: int, columns: int) -> Iterator[Tile]:
    """Square shells around the first corner, each walked the other way round than the one inside it."""
    for shell in range(max(rows, columns)):
        outward = [(step, shell) for step in range(shell + 1)]
        back = [(shell, step) for step in range(shell - 1, -1, -1)]
        walk = outward + back
        if shell % 2 == 0:
            walk = [(column, row) for row, column in walk]
        yield from ((row, column) for row, column in walk if row < rows and column < columns)


def _diagonals(rows: int, columns: int) -> Iterator[Tile]:
    """Anti-diagonal by anti-diagonal, every other one backwards."""
    for diagonal in range(rows + columns - 1):
        line = range(max(0, diagonal - columns + 1), min(diagonal, rows - 1) + 1)
        for row in line if diagonal % 2 else reversed(line):
            yield row, diagonal - row


ORDERS = {"rows": _rows, "snake": _snake, "shells": _shells, "diagonals": _diagonals}


@lru_cache(maxsize=8)
def _walk(order: str, rows: int, columns: int) -> tuple[Tile, ...]:
    return tuple(ORDERS[order](rows, columns))


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """How the tiles of one matrix reach their aggregator, and the aggregator the tiles of the next matrix.

    Distances are in hops, one per tile in the order of the tiles. The last matrix of a placement group has one to the
    mesh's port instead, or none. Compared by identity, since `place` returns what it has returned before.
    """

    tiles: tuple[Tile, ...]
    destinations: tuple[Tile, ...]
    aggregator: Tile
    merge_distances: tuple[int, ...]
    transfer_distances: tuple[int, ...]

    @property
    def merge_hops(self) -> int:
        """Hops of the tile farthest from the aggregator (MNSIM's d_in)."""
        return max(self.merge_distances)

    @property
    def transfer_hops(self) -> int:
        """Hops to the farthest tile of the next matrix, or to the port (MNSIM's d_out)."""
        return max(self.transfer_distances, default=0)


@lru_cache(maxsize=1024)
def place(
    order: str,
    rows: int,
    columns: int,
    sizes: tuple[int, ...],
    *,
    first: int = 0,
    to_port: bool = False,
    joined: TopologyName = "mesh",
) -> tuple[Route, ...]:
    """Place matrices of `sizes` tiles one after another from position `first` of the order, and route them in a chain.

    With `to_port`, the last matrix sends its output to the mesh's port, in the middle of the first column; else its
    output stays. The aggregator of a matrix is the one of its own tiles with the smallest d_in + d_out, the first such
    row by row, as MNSIM searches. Raises ValueError when the mesh is too small.
    """
    if first + sum(sizes) > rows * columns:
        raise ValueError(f"{first + sum(sizes)} tiles do not fit a mesh of {rows} x {columns}")
    walk = iter(_walk(order, rows, columns)[first : first + sum(sizes)])
    placed = [tuple(islice(walk, size)) for size in sizes]
    destinations = [*placed[1:], ((rows // 2, 0),) if to_port else ()]
    links = topology(joined, rows, columns)
    return tuple(_route(links, tiles, following) for tiles, following in zip(placed, destinations, strict=True))


def _route(links: Topology, tiles: tuple[Tile, ...], following: tuple[Tile, ...]) -> Route:
    if links.name == "mesh":
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
    """The diamond around a set of tiles: enough to know the largest Manhattan distance to any of them."""

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
