"""Shares of a mesh in its medium: the closed form without contention, the actual messages with contention."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.base.errors import ConfigError
from pimsim.config.loading import load_config
from pimsim.config.schema import MeshConfig
from pimsim.hardware.machine import build_machine
from pimsim.hardware.mesh import Mesh, MeshShare, traffic
from pimsim.hardware.shared.medium import Completion
from pimsim.hardware.shared.messages import Messages
from pimsim.hardware.shared.router_parameters import RouterParameters
from pimsim.hardware.shared.topologies import SHIPPED_TOPOLOGIES
from pimsim.hardware.shared.topology import Node
from pimsim.mapping.placement import place
from pimsim.mapping.tile_plan import MatrixPlan, plan_tiles
from pimsim.simulation import make_trace
from tests.oracles import naive_mesh
from tests.support import component_strategies

topologies = st.sampled_from(sorted(SHIPPED_TOPOLOGIES))


@st.composite
def meshes_and_shares(draw: st.DrawFn) -> tuple[MeshConfig, list[MeshShare]]:
    """Matrices placed on a mesh one after another, with messages of any length."""
    config = draw(component_strategies.mesh_configs(st.integers(1, 5), st.integers(1, 5)))
    config = config.model_copy(update={"topology": draw(topologies), "multicast": draw(st.booleans())})
    if config.topology == "ring" and config.input_buffer_packets == 1:
        config = config.model_copy(update={"input_buffer_packets": 2})
    longest = 20 * (config.packet_bits or 10_000)
    room = config.rows * config.columns
    sizes = draw(st.lists(st.integers(1, max(1, room // 2)), min_size=1, max_size=4).filter(lambda s: sum(s) <= room))
    routes = place(
        config.placement,
        config.rows,
        config.columns,
        tuple(sizes),
        to_port=draw(st.booleans()),
        topology_name=config.topology,
    )
    bits = st.integers(0, min(longest, 10_000))
    shares = []
    for route in routes:
        merged = tuple(draw(bits) for _ in route.tiles)
        output = draw(bits)
        sent = tuple(draw(st.integers(0, output)) for _ in route.destinations)
        merge = traffic(route.merge_distances, merged, max(merged))
        transfer = traffic(route.transfer_distances, sent, output)
        messages = Messages(route.tiles, route.aggregator, route.destinations, merged, sent, output)
        shares.append(MeshShare(merge, transfer, 0, draw(st.integers(1, 3)), messages))
    return config, shares


def run(mesh: Mesh, shares: list[MeshShare], start_ps: int = 0) -> list[Completion]:
    """Run all shares at the same time on one mesh."""
    medium = mesh.contended()
    for ticket, share in enumerate(shares):
        medium.submit(ticket, share, start_ps)
    ended = {}
    while medium.next_event_ps() is not None:
        ended |= {each.ticket: each for each in medium.advance(1 << 62)}
    assert len(ended) == len(shares), medium.stuck()
    assert all(use.in_bytes == use.out_bytes for use in medium.uses())
    return [ended[ticket] for ticket in range(len(shares))]


@pytest.mark.parametrize("arbitration", ["age", "round_robin"])
@pytest.mark.parametrize("switching", ["store_and_forward", "cut_through"])
@pytest.mark.parametrize("topology", ["mesh", "ring"])
def test_routers_have_the_parameters_of_the_config(arbitration: str, switching: str, topology: str) -> None:
    keys = {
        "arbitration": arbitration, "switching": switching, "topology": topology, "links": "shared",
        "input_buffer_packets": 3, "router_latency_s": "7 ns", "local_bandwidth_bps": "5 Gb/s", "rows": 2, "columns": 5,
    }  # fmt: skip
    mesh = load_config({"machine": {"mesh": keys}}).machine.mesh
    assert mesh
    network = Mesh(mesh, 0).contended().parameters
    assert network.router == RouterParameters(3, arbitration, 7000, switching == "cut_through", topology == "ring")  # type: ignore[arg-type]
    assert (network.topology.name, network.topology.rows, network.topology.columns) == (topology, 2, 5)
    assert (network.local_bandwidth_bps, network.unlimited) == (5e9, False)


@given(case=meshes_and_shares())
def test_unlimited_links_end_with_the_closed_form(case: tuple[MeshConfig, list[MeshShare]]) -> None:
    config, shares = case
    mesh = Mesh(config.model_copy(update={"links": "unlimited"}), 0)
    for share, completion in zip(shares, run(mesh, shares, 77), strict=True):
        assert completion.end_ps - 77 == mesh.latency_ps(share)
        assert (completion.waited_for, completion.waited_ps) == ("", 0)


@given(case=meshes_and_shares())
def test_shared_links_never_end_before_it(case: tuple[MeshConfig, list[MeshShare]]) -> None:
    config, shares = case
    mesh = Mesh(config.model_copy(update={"links": "shared"}), 0)
    for share, completion in zip(shares, run(mesh, shares), strict=True):
        assert completion.end_ps >= mesh.latency_ps(share)


@given(
    config=component_strategies.mesh_configs(st.integers(1, 5), st.integers(1, 5)),
    bits=st.integers(0, 9000),
    ends=st.data(),
)
def test_a_message_alone_takes_the_closed_form_without_lockstep(
    config: MeshConfig, bits: int, ends: st.DataObject
) -> None:
    """The closed form is the latency of the network, not only its minimum."""
    config = config.model_copy(update={"local_bandwidth_bps": None, "input_buffer_packets": None})
    if config.packet_bits:
        bits = min(bits, 20 * config.packet_bits)
    tile = st.tuples(st.integers(0, config.rows - 1), st.integers(0, config.columns - 1))
    source, target = ends.draw(tile), ends.draw(tile)
    hops = abs(source[0] - target[0]) + abs(source[1] - target[1])
    messages = Messages((source,), target, (source,), (bits,), (bits,), bits)
    mesh = Mesh(config, 0)
    apart = traffic((0,), (0,), 0)  # so that the lockstep rule has no effect
    (completion,) = run(mesh, [MeshShare(apart, apart, 0, 1, messages)])
    merged_ps = naive_mesh.message_end(config, bits, hops, 1 / config.clock_hz)
    assert completion.end_ps == merged_ps + naive_mesh.message_end(config, bits, hops, 0.0)


def plans(*overrides: str) -> tuple[Mesh, dict[str, MatrixPlan]]:
    config = load_config("pim-llm-published", list(overrides))
    mesh = build_machine(config.machine).mesh
    assert mesh
    layer = next(plan_tiles(config, make_trace(config)).layers)
    return mesh, dict(layer.matrices)


def test_a_multicast_counts_each_link_of_the_tree_once() -> None:
    """Its latency is the closed form of unicast, which has the whole output on each link."""
    unicast, one_by_one = plans("workload.model=opt-1.3b")
    multicast, at_once = plans("workload.model=opt-1.3b", "machine.mesh.multicast=true")
    for name, plan in at_once.items():
        messages = plan.mesh.messages
        assert messages
        links = set()
        for tile in messages.destinations:
            path = naive_path(messages.aggregator, tile)
            links |= set(pairwise(path))
        assert sum(plan.mesh.transfer.moving_bits) == len(links) * messages.output_bits
        assert multicast.latency_ps(plan.mesh) == unicast.latency_ps(one_by_one[name].mesh)


def naive_path(source: tuple[int, int], target: tuple[int, int]) -> list[tuple[int, int]]:
    """Along the row, then along the column."""
    (row, column), (to_row, to_column) = source, target
    across = range(column, to_column, 1 if to_column > column else -1)
    along = range(row, to_row, 1 if to_row > row else -1)
    return [*((row, each) for each in across), *((each, to_column) for each in along), target]


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 4), (4, 4), (5, 3)], ids=str)
@pytest.mark.parametrize("name", sorted(SHIPPED_TOPOLOGIES))
def test_routes_are_as_short_as_distances_say(name: str, size: tuple[int, int]) -> None:
    rows, columns = size
    shape = SHIPPED_TOPOLOGIES[name](rows, columns)
    tiles = [(row, column) for row in range(rows) for column in range(columns)]
    for source in tiles:
        for target in tiles:
            nodes = list(shape.nodes(source, target))
            assert (nodes[0], nodes[-1]) == (source, target)
            assert len(set(nodes)) == len(nodes) == shape.distance(source, target) + 1
            assert len(shape.route(source, target)) == shape.distance(source, target)
            assert shape.distance(source, target) == searched(name, rows, columns, source, target)
            if name == "mesh":
                assert nodes == naive_path(source, target)


def searched(name: str, rows: int, columns: int, source: Node, target: Node) -> int:
    """Breadth first over neighbours."""
    tiles = [(row, column) for row in range(rows) for column in range(columns)]
    edges: set[tuple[Node, Node]] = set()
    if name == "mesh":
        edges = {(a, b) for a in tiles for b in tiles if abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1}
    elif name == "ring":
        walk = [tile for row in range(rows) for tile in tiles[row * columns : (row + 1) * columns][:: 1 - row % 2 * 2]]
        edges = set(zip(walk, [*walk[1:], walk[0]], strict=True))
    else:
        below: list[Node] = list(tiles)
        for level in range(1, 9):
            edges |= {(node, (level, node[-2] // 2, node[-1] // 2)) for node in below}
            below = [(level, row, column) for row in range(rows) for column in range(columns)]
    edges |= {(b, a) for a, b in edges}
    far, queue = {source: 0}, deque([source])
    while queue:
        node = queue.popleft()
        for a, b in edges:
            if a == node and b not in far:
                far[b] = far[node] + 1
                queue.append(b)
    return far[target]


def test_a_ring_without_room_for_a_bubble_is_refused() -> None:
    with pytest.raises(ConfigError, match="input_buffer_packets"):
        load_config({}, ["machine.mesh.topology=ring", "machine.mesh.input_buffer_packets=1"])


def test_plans_name_their_banks() -> None:
    _, own = plans("mapping.placement_groups=[[q,k,v],[o,ffn_gate,ffn_up,ffn_down]]")
    assert {name: plan.bank for name, plan in own.items()} == {
        "q_proj": 0,
        "k_proj": 0,
        "v_proj": 0,
        "o_proj": 1,
        "ffn_up": 1,
        "ffn_down": 1,
    }
    config = load_config("pim-llm", ["mapping.provisioning=whole_model", "machine.crossbar.banks=7"])
    layers = list(plan_tiles(config, make_trace(config)).layers)
    banks = [plan.bank for layer in layers for plan in layer.matrices.values()]
    # 768 tiles a layer, 4,096 a bank: five layers to a bank.
    assert banks == [layer // 5 for layer in range(32) for _ in range(6)]


def test_a_layer_of_opt_6_7b() -> None:
    """Aggregators are hot spots: the links of their column carry nearly everything (docs/network.md)."""
    mesh, matrices = plans()
    completions = {name: run(mesh, [plan.mesh])[0] for name, plan in matrices.items()}
    closed = {name: mesh.latency_ps(plan.mesh) for name, plan in matrices.items()}
    assert sum(closed.values()) == 342_254_000
    assert sum(each.end_ps for each in completions.values()) == 498_086_400
    for name, plan in matrices.items():
        assert completions[name].end_ps >= through_the_aggregator_ps(mesh, plan), name
    again = {name: run(mesh, [plan.mesh])[0] for name, plan in matrices.items()}
    assert again == completions


def through_the_aggregator_ps(mesh: Mesh, plan: MatrixPlan) -> int:
    """Return a lower bound: each link into or out of the aggregator carries one message at a time."""
    messages, total = plan.mesh.messages, 0
    assert messages
    bandwidth = mesh.config.link_bandwidth_bps
    both = ((messages.tiles, messages.merged_bits), (messages.destinations, messages.sent_bits))
    for arriving, (tiles, bits) in zip((True, False), both, strict=True):
        load: dict[tuple[int, int], float] = {}
        for tile, size in zip(tiles, bits, strict=True):
            path = naive_path(tile, messages.aggregator) if arriving else naive_path(messages.aggregator, tile)
            if len(path) > 1:
                next_to = path[-2] if arriving else path[1]
                load[next_to] = load.get(next_to, 0.0) + size / bandwidth
        total += int(max(load.values(), default=0.0) * 1e12)
    return total
