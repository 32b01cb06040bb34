"""Traffic of the published machine with widths, merged outputs and routes by the trace, by hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise

import pytest

from pimsim import load_config, simulate
from pimsim.config.schema import Config
from pimsim.hardware.machine import build_machine
from pimsim.hardware.mesh import DistributionShare, Mesh, MeshShare
from pimsim.hardware.shared.network import Network
from pimsim.mapping.tile_plan import MatrixPlan, plan_tiles
from pimsim.simulation import make_trace
from tests.oracles import naive_mesh, naive_schedule, naive_tiles
from workloads.ops import Projection

TRACE, MERGED, WIDE = (
    "machine.mesh.routes=trace",
    "machine.crossbar.tile_outputs=merged",
    "machine.crossbar.output_bits",
)
PUBLISHED_PS = 29_472_432_896
"""Latency of `run pim-llm-published` at revision 3e01c63."""
PORT = (32, 0)
SHAPES = [(4096, 4096)] * 4 + [(4096, 16_384), (16_384, 4096)]
"""Inputs and outputs of q, k, v, o, ffn_up and ffn_down of OPT-6.7B."""
FARTHEST = (39, 43, 45, 47, 53, 59)
"""Hops from the port to the farthest tile of each, by hand. Placement is in square shells around tile (0, 0), and the
port is at (32, 0), so the farthest tile of a matrix is that of row 0 with the largest column, c: 32 + c hops. The
matrices take 64, 64, 64, 64, 256 and 256 tiles. Shells 0 to s hold (s + 1)^2 tiles: q is the square of 8 x 8, c = 7.
k ends with tile 127, of shell 11, which starts with tile 121 at (0, 11); v with tile 191, of shell 13, which starts
with 169 at (0, 13); o with tile 255, the end of shell 15, at (0, 15); ffn_up with tile 511, of shell 22, which starts
with 484 at (22, 0) and has not come to row 0, so c = 21; ffn_down with tile 767, of shell 27, which starts with 729 at
(0, 27)."""


def published(*overrides: str) -> Config:
    return load_config("pim-llm-published", overrides)


def latency_ps(*overrides: str) -> int:
    return simulate(published(*overrides)).latency_ps


@pytest.mark.parametrize(
    ("overrides", "milliseconds"),
    [
        # Derived independently for issue 13; no line of these figures comes from this code.
        ([], 29.47),
        ([f"{WIDE}=16"], 41.1),
        ([f"{WIDE}=23"], 51.3),
        ([MERGED], 27.57),
        (["schedule=contended"], 30.87),
        ([MERGED, "schedule=contended"], 26.91),
    ],
)
def test_figures_of_the_issue(overrides: list[str], milliseconds: float) -> None:
    digits = len(str(milliseconds).partition(".")[2])
    assert round(latency_ps(*overrides) / 1e9, digits) == milliseconds


def hops(a: naive_mesh.Position, b: naive_mesh.Position) -> int:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def placed() -> Iterator[list[naive_mesh.Position]]:
    walk = iter(naive_mesh.order("shells", 64, 64))
    return (list(islice(walk, inputs * outputs // 2**18)) for inputs, outputs in SHAPES)


def test_opt_6_7b_from_the_port_and_back() -> None:
    """35.15 ms of communication in place of the chain's 10.95, as derived by hand for issue 13.

    Per layer and vector, with store-and-forward at 20 Gb/s: the whole input of 8-bit elements goes d hops to the
    farthest tile, 1,024 values of 8 bits and an addition of 2 ns per hop go d_in hops to the aggregator, and the output
    of 8-bit elements goes d_out hops to the port. The aggregator has the smallest d_in + d_out.
    """
    total_ps = 0
    for tiles, (inputs, outputs), farthest in zip(placed(), SHAPES, FARTHEST, strict=True):
        assert max(hops(PORT, tile) for tile in tiles) == farthest
        ways = [(max(hops(at, tile) for tile in tiles), hops(at, PORT)) for at in sorted(tiles)]
        d_in, d_out = min(ways, key=sum)
        total_ps += farthest * inputs * 400 + d_in * (1024 * 400 + 2000) + d_out * outputs * 400  # 8 bits take 400 ps
    assert round(32 * total_ps / 1e9, 2) == 35.15
    chain_ps = 32 * 342_254_000  # docs/network.md: the sum of the closed forms of a layer
    assert round(chain_ps / 1e9, 2) == 10.95
    assert latency_ps(TRACE) == PUBLISHED_PS - chain_ps + 32 * total_ps


@pytest.mark.parametrize("schedule", ["serial", "dataflow"])
@pytest.mark.parametrize("phase", [(), ("workload.phase=prefill", "workload.prompt_length=3")])
def test_the_stepped_engine_is_the_closed_form(schedule: str, phase: tuple[str, ...]) -> None:
    keys = (TRACE, MERGED, f"{WIDE}=null", "workload.model=gpt2-small", "machine.mesh.packet_bits=640", *phase)
    config = published(*keys, "machine.mesh.switching=cut_through", "machine.mesh.router_latency_s=2 ns")
    stepped = simulate(config.model_copy(update={"schedule": schedule}), expand=True)
    closed = simulate(config.model_copy(update={"schedule": schedule}))
    assert stepped.latency_ps == closed.latency_ps
    assert stepped.energy_j == pytest.approx(closed.energy_j, rel=1e-12, abs=0)


def plans(*overrides: str) -> tuple[Config, Mesh, dict[Projection, MatrixPlan]]:
    config = published("workload.model=gpt2-small", "machine.crossbar.pair.array.rows=128", *overrides)
    trace = make_trace(config)
    mesh = build_machine(config.machine).mesh
    assert mesh
    matrices = next(plan_tiles(config, trace).layers).matrices
    ops = {op.name: op for _, op in trace.ops() if isinstance(op, Projection) and op.name in matrices}
    return config, mesh, {ops[name]: plan for name, plan in matrices.items()}


def moved_bits(mesh: Mesh, share: MeshShare | DistributionShare) -> dict[tuple[object, object], int]:
    """Send a share alone over a mesh, and return the bits by ends of the links."""
    medium = mesh.contended()
    assert isinstance(medium, Network)
    medium.submit(0, share, 0)
    while medium.next_event_ps() is not None:
        medium.advance(1 << 62)
    totals: dict[int, int] = {link: each.sent_bits for link, each in medium.statistics.items()}
    for node, times in medium.periods.items():
        for link, each in (node.statistics or {}).items():
            totals[link] = totals.get(link, 0) + times * each.sent_bits
    return {medium.parameters.topology.ends(link): bits for link, bits in totals.items()}


@pytest.mark.parametrize("topology", ["mesh", "ring", "htree"])
@pytest.mark.parametrize("multicast", ["false", "true"])
def test_bits_on_the_links_are_the_bit_hops_of_the_energy(topology: str, multicast: str) -> None:
    keys = (f"machine.mesh.topology={topology}", f"machine.mesh.multicast={multicast}", f"{WIDE}=null", MERGED, TRACE)
    _, mesh, matrices = plans(*keys)
    for plan in matrices.values():
        assert plan.distribution
        for share in (plan.distribution, plan.mesh):
            expected = sum(
                sum(each.moving_bits)
                for each in ([share.traffic] if isinstance(share, DistributionShare) else [share.merge, share.transfer])
            )
            assert sum(moved_bits(mesh, share).values()) == expected
            assert naive_schedule.action_counts(naive_schedule.replay(mesh.work(share))[1])["mesh.bit_hop"] == expected


@pytest.mark.parametrize("width", ["8", "null"])
def test_what_leaves_the_tiles_is_what_their_merge_trees_leave(width: str) -> None:
    """Column by column and tile by tile; what arrives at the aggregator and was not there is that of other tiles."""
    config, mesh, matrices = plans(f"{WIDE}={width}", MERGED, TRACE)
    crossbar = config.machine.crossbar
    assert crossbar
    array = crossbar.pair.array
    placed: dict[tuple[int, int], list[list[naive_tiles.Pair]]] = {}
    for op, plan in matrices.items():
        shape = (op.in_features, op.out_features)
        if shape not in placed:
            size = (array.rows, array.columns, crossbar.pes_per_tile)
            placed[shape] = naive_tiles.grid_tiles(*shape, *size, cells=False)
        tiles = placed[shape]
        left = []
        for tile in tiles:
            needed = naive_tiles.sum_bits(crossbar.pair.encoding, 8, naive_tiles.added_rows(tile))
            left.append(len(set().union(*(pair.columns for pair in tile))) * (8 if width == "8" else needed))
        messages = plan.mesh.messages
        assert messages
        assert list(messages.merged_bits) == left
        assert all(bits <= op.out_features * 22 for bits in left)
        merge_only = MeshShare(plan.mesh.merge, plan.mesh.transfer, 0, 1, messages)
        arriving = sum(bits for (_, end), bits in moved_bits(mesh, merge_only).items() if end == messages.aggregator)
        own = left[messages.tiles.index(messages.aggregator)]
        assert arriving == sum(left) - own


def test_the_port_sends_and_takes_what_the_global_buffer_does() -> None:
    """With multicast, the port has one copy of each input vector per link that leaves it, and takes all outputs."""
    _, mesh, matrices = plans(f"{WIDE}=null", MERGED, TRACE, "machine.mesh.multicast=true")
    port = (32, 0)
    for op, plan in matrices.items():
        assert plan.distribution
        assert plan.distribution.messages
        sent = moved_bits(mesh, plan.distribution)
        paths = (route(port, tile) for tile in plan.distribution.messages.destinations)
        tree = {link for path in paths for link in pairwise(path)}
        assert sent == dict.fromkeys(tree, 8 * op.in_features)
        returned = sum(bits for (_, end), bits in moved_bits(mesh, plan.mesh).items() if end == port)
        assert returned == op.out_features * plan.output_bits


def route(source: naive_mesh.Position, target: naive_mesh.Position) -> list[naive_mesh.Position]:
    """Along the row, then along the column."""
    (row, column), (to_row, to_column) = source, target
    across = range(column, to_column, 1 if to_column > column else -1)
    along = range(row, to_row, 1 if to_row > row else -1)
    return [*((row, each) for each in across), *((each, to_column) for each in along), target]
