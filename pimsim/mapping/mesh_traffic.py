"""Mesh traffic of one weight matrix: partial sums to its aggregator, and its output to the next matrix."""

from __future__ import annotations

from functools import lru_cache

from pimsim.config.schema import MeshConfig
from pimsim.hardware.mesh import MeshShare, Traffic, traffic
from pimsim.hardware.shared.messages import Messages
from pimsim.hardware.shared.topology import TopologyName, topology, tree_widths
from pimsim.hardware.weight_grid import WeightGrid
from pimsim.mapping.placement import Route


def mesh_share(
    mesh: MeshConfig, grid: WeightGrid, route: Route, following: WeightGrid | None, output_bits: int
) -> MeshShare:
    """Compute the mesh traffic of one matrix for one vector.

    Args:
        mesh: Topology, and whether outputs are sent by multicast.
        grid: Tiles of the matrix.
        route: Aggregator and distances.
        following: Tiles of the next matrix; None for the last matrix of a group.
        output_bits: Bits per output element.

    Returns:
        Traffic of merging and of the transfer.

    Reference:
        docs/model.md, eq. (22) to (24); MNSIM 2.0.
    """
    tree = (mesh.topology, mesh.rows, mesh.columns) if mesh.multicast else None
    return _traffic(grid, route, following, output_bits, tree)


@lru_cache(maxsize=1024)
def _traffic(
    grid: WeightGrid,
    route: Route,
    following: WeightGrid | None,
    output_bits: int,
    tree: tuple[TopologyName, int, int] | None,
) -> MeshShare:
    """Compute the traffic from the topology alone, so that equal matrices share a cache entry.

    Each tile of the next matrix receives the elements that its rows need, and the port receives the whole output. The
    duration of a transfer is that of the whole output to the farthest tile, as in MNSIM.

    Args:
        grid: Tiles of the matrix.
        route: Aggregator and distances.
        following: Tiles of the next matrix; None for the last matrix of a group.
        output_bits: Bits per output element.
        tree: Topology name, rows and columns for multicast, in which every link of the tree carries the whole output
            once; None for one message per destination.

    Returns:
        Traffic of merging and of the transfer.
    """
    output = output_bits * grid.out_features
    merged = tuple(output_bits * columns for columns in grid.tile_outputs)
    sent = tuple(output_bits * rows for rows in following.tile_inputs) if following else (output,)
    sent = sent[: len(route.destinations)]
    if tree:
        branches = topology(*tree).tree(route.aggregator, route.destinations)
        moving = tuple(output * links for links in tree_widths(branches))
        transfer = Traffic(output, moving)
    else:
        transfer = traffic(route.transfer_distances, sent, farthest_bits=output)
    return MeshShare(
        merge=traffic(route.merge_distances, merged, farthest_bits=max(merged)),
        transfer=transfer,
        additions=grid.additions_across_tiles,
        messages=Messages(route.tiles, route.aggregator, route.destinations, merged, sent, output),
    )
