"""Mesh traffic of one weight matrix: its input vectors, partial sums to its aggregator, and its output onward."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from pimsim.config.schema import MeshConfig
from pimsim.hardware.matrix_tile import TileKind
from pimsim.hardware.mesh import DistributionShare, MeshShare, Traffic, traffic
from pimsim.hardware.shared.messages import Messages
from pimsim.hardware.shared.topologies import topology
from pimsim.hardware.shared.topology import Tile, tree_widths
from pimsim.hardware.weight_grid import WeightGrid
from pimsim.mapping.placement import Route, port_of

MeshShape = tuple[str, int, int]
"""Name of a topology with its rows and columns."""


@dataclass(frozen=True, slots=True)
class OutputSizes:
    """Sizes of the outputs of one matrix per vector, in bits.

    Attributes:
        tiles: Partial sums that each tile sends, in tile order.
        merged: One element of the output, after all partial sums are added.
        sent: One element of the output on its way from the aggregator: `merged`, or the bits of one activation where
            another matrix is the receiver, which the aggregator quantises for.
    """

    tiles: tuple[int, ...]
    merged: int
    sent: int


def output_sizes(tile: TileKind, grid: WeightGrid, input_bits: int, receiver_bits: int | None) -> OutputSizes:
    """Compute the sizes of the outputs of one matrix.

    Args:
        tile: Kind of the tiles, which gives the widths of partial sums and what a tile sends.
        grid: Tiles of the matrix.
        input_bits: Bits per input element.
        receiver_bits: Bits per input element of the matrix that alone receives the output; None for other receivers,
            which take the merged sums as they are.

    Returns:
        The sizes.

    Reference:
        docs/network.md, eq. (4).
    """
    merged = tile.sum_bits(input_bits, grid.in_features)
    return OutputSizes(tile.sent_bits(grid, input_bits), merged, merged if receiver_bits is None else receiver_bits)


def mesh_share(
    mesh: MeshConfig, grid: WeightGrid, route: Route, following: WeightGrid | None, sizes: OutputSizes
) -> MeshShare:
    """Compute the mesh traffic of the outputs of one matrix for one vector.

    Args:
        mesh: Topology, and whether outputs are sent by multicast.
        grid: Tiles of the matrix.
        route: Aggregator and distances.
        following: Tiles of the matrix that receives the output; None if it goes to the port or stays.
        sizes: Sizes of the outputs.

    Returns:
        Traffic of merging and of the transfer.

    Reference:
        docs/model.md, eq. (22) to (24); MNSIM 2.0.
    """
    tree = (mesh.topology, mesh.rows, mesh.columns) if mesh.multicast else None
    return _outputs(grid, route, following, sizes, tree, local=mesh.routes == "trace")


@lru_cache(maxsize=1024)
def _outputs(
    grid: WeightGrid,
    route: Route,
    following: WeightGrid | None,
    sizes: OutputSizes,
    tree: MeshShape | None,
    *,
    local: bool,
) -> MeshShare:
    """Compute the traffic from the topology alone, so that equal matrices share a cache entry.

    Each tile of the next matrix receives the elements that its rows need, and the port receives the whole output. The
    duration of a transfer is that of the whole output to the farthest tile, as in MNSIM.

    Args:
        grid: Tiles of the matrix.
        route: Aggregator and distances.
        following: Tiles of the receiving matrix.
        sizes: Sizes of the outputs.
        tree: Topology for multicast, in which every link of the tree carries the whole output once; None for one
            message per destination.
        local: True if an output that stays at its router passes the local port of that router.

    Returns:
        Traffic of merging and of the transfer.
    """
    output = sizes.sent * grid.out_features
    sent = tuple(sizes.sent * rows for rows in following.tile_inputs) if following else (output,)
    sent = sent[: len(route.destinations)]
    transfer = _to_tiles(route.aggregator, route.destinations, route.transfer_distances, sent, output, tree)
    if local and route.destinations:
        transfer = _by_the_local_port(transfer)
    return MeshShare(
        merge=traffic(route.merge_distances, sizes.tiles, farthest_bits=max(sizes.tiles)),
        transfer=transfer,
        additions=grid.additions_across_tiles,
        messages=Messages(route.tiles, route.aggregator, route.destinations, sizes.tiles, sent, output),
    )


def distribution_share(mesh: MeshConfig, grid: WeightGrid, route: Route, input_bits: int) -> DistributionShare:
    """Compute the mesh traffic of the input of one matrix for one vector: from the port to the tiles.

    Each tile receives the elements that its rows need; with multicast, each link of the tree of all routes carries the
    whole vector once. The duration is that of the whole vector to the farthest tile, as that of a transfer.

    Args:
        mesh: Topology, and whether vectors are sent by multicast.
        grid: Tiles of the matrix.
        route: Tiles of the matrix in the mesh.
        input_bits: Bits per input element.

    Returns:
        Traffic of the distribution.

    Reference:
        docs/network.md, eq. (5).
    """
    return _inputs(grid, route, input_bits, (mesh.topology, mesh.rows, mesh.columns), multicast=mesh.multicast)


@lru_cache(maxsize=1024)
def _inputs(grid: WeightGrid, route: Route, input_bits: int, shape: MeshShape, *, multicast: bool) -> DistributionShare:
    port, links = port_of(shape[1], shape[2]), topology(*shape)
    sent = tuple(input_bits * rows for rows in grid.tile_inputs)
    vector = input_bits * grid.in_features
    distances = tuple(links.distance(port, tile) for tile in route.tiles)
    distributed = _to_tiles(port, route.tiles, distances, sent, vector, shape if multicast else None)
    messages = Messages((), port, route.tiles, (), sent, vector)
    return DistributionShare(_by_the_local_port(distributed), messages=messages)


def _to_tiles(
    source: Tile,
    destinations: tuple[Tile, ...],
    distances: tuple[int, ...],
    sent: tuple[int, ...],
    whole: int,
    tree: MeshShape | None,
) -> Traffic:
    """Compute the traffic of one vector from one tile to others.

    Args:
        source: Tile that has the vector.
        destinations: Tiles that need it.
        distances: Hops to each destination.
        sent: Bits that each destination needs.
        whole: Bits of the whole vector.
        tree: Topology for multicast; None for one message per destination.

    Returns:
        The traffic; its duration is that of the whole vector to the farthest destination.
    """
    if tree is None:
        return traffic(distances, sent, farthest_bits=whole)
    branches = topology(*tree).tree(source, destinations)
    return Traffic(whole, tuple(whole * links for links in tree_widths(branches)))


def _by_the_local_port(whole: Traffic) -> Traffic:
    """Return the traffic of a vector between the global buffer and a tile at the port of the mesh, which has no hops.

    Such a vector passes no link, but still the local port of the router, which takes the time of one link. The bits of
    longer routes pass it while they pass the first or the last link.

    Args:
        whole: Traffic of the vector.

    Returns:
        The same traffic, with at least one step; no bit takes a hop in that step.

    Reference:
        docs/network.md, eq. (5).
    """
    return whole if whole.hops else Traffic(whole.farthest_bits, (0,))
