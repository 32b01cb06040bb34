"""A mesh tile by tile: orders of placement, distances by search, traffic and messages."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from pimsim.config.schema import MeshConfig

Position = tuple[int, int]


def order(name: str, rows: int, columns: int) -> list[Position]:
    """Return the tiles of a mesh in one of the placement orders of MNSIM, by walking."""
    inside = [(row, column) for row in range(rows) for column in range(columns)]
    match name:
        case "rows":
            return inside
        case "snake":
            return [(row, column if row % 2 == 0 else columns - 1 - column) for row, column in inside]
        case "shells":
            walk = _shell_walk()
            found: list[Position] = []
            while len(found) < rows * columns:
                row, column = next(walk)
                if row < rows and column < columns:
                    found.append((row, column))
            return found
        case _:
            assert name == "diagonals"
            return sorted(inside, key=lambda tile: (sum(tile), tile[0] if sum(tile) % 2 else tile[1]))


def _shell_walk() -> Iterator[Position]:
    """Walk one tile right, s down, s left, one down, s + 1 right, s + 1 up, and so on (order `shells` of MNSIM)."""
    row = column = 0
    yield row, column
    size = 1
    while True:
        moves = (
            [(0, 1)] + [(1, 0)] * size + [(0, -1)] * size if size % 2 else [(1, 0)] + [(0, 1)] * size + [(-1, 0)] * size
        )
        for down, right in moves:
            row, column = row + down, column + right
            yield row, column
        size += 1


def distances(rows: int, columns: int, origin: Position) -> dict[Position, int]:
    """Return the hops from `origin` to every tile of a mesh, by breadth-first search."""
    found, queue = {origin: 0}, deque([origin])
    while queue:
        row, column = queue.popleft()
        for near in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
            if 0 <= near[0] < rows and 0 <= near[1] < columns and near not in found:
                found[near] = found[row, column] + 1
                queue.append(near)
    return found


def aggregator(rows: int, columns: int, tiles: Sequence[Position], destinations: Sequence[Position]) -> Position:
    """Return the first tile of the matrix, row by row, with the smallest d_in + d_out."""
    best: tuple[int, Position] | None = None
    for row in range(rows):
        for column in range(columns):
            if (row, column) in tiles:
                hops = distances(rows, columns, (row, column))
                total = max(hops[tile] for tile in tiles) + max((hops[tile] for tile in destinations), default=0)
                if best is None or total < best[0]:
                    best = (total, (row, column))
    assert best
    return best[1]


def bit_hops(lengths: Sequence[int], bits: Sequence[int]) -> int:
    """Return the sum of bits times hops over all messages."""
    return sum(hops * size for hops, size in zip(lengths, bits, strict=True))


def moving_bits(lengths: Sequence[int], bits: Sequence[int]) -> list[int]:
    """Return, for each hop, the bits of the messages that have not arrived before it."""
    longest = max(lengths, default=0)
    return [sum(size for hops, size in zip(lengths, bits, strict=True) if hops > hop) for hop in range(longest)]


def first_positions(layers: Sequence[Sequence[int]], mesh_tiles: int) -> tuple[list[list[int]], int]:
    """Return the first tile of each placement group of each layer on its mesh, and the number of meshes.

    Banks are lists of free tiles. A group is placed in the last bank if it fits, else in a new one.
    """
    banks = [list(range(mesh_tiles))]
    starts = []
    for sizes in layers:
        layer = []
        for size in sizes:
            if len(banks[-1]) < size:
                banks.append(list(range(mesh_tiles)))
            taken, banks[-1] = banks[-1][:size], banks[-1][size:]
            layer.append(taken[0])
        starts.append(layer)
    return starts, len(banks)


def message_end(config: MeshConfig, bits: int, hops: int, add_s: float) -> int:
    """Return the arrival time of a message over `hops` idle links, packet by packet and hop by hop."""
    sizes = []
    while config.packet_bits and bits > config.packet_bits:
        sizes.append(config.packet_bits)
        bits -= config.packet_bits
    sizes.append(bits)
    free = [0] * hops
    end = 0
    for size in sizes:
        link_ps = round((add_s + size / config.link_bandwidth_bps) * 1e12)
        lead = link_ps
        if config.switching == "cut_through":
            lead = round((add_s + min(size, config.flit_bits) / config.link_bandwidth_bps) * 1e12)
        ready = 0
        for hop in range(hops):
            start = max(ready, free[hop])
            free[hop] = start + link_ps
            ready = start + lead + round(config.router_latency_s * 1e12)
            end = start + link_ps + round(config.router_latency_s * 1e12)
    return end
