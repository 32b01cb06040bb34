"""Mesh: latency of the farthest message, and energy of all messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.config.loading import load_config
from pimsim.config.schema import MeshConfig
from pimsim.hardware.mesh import Mesh, MeshShare, Traffic, traffic
from tests.oracles import naive_mesh, naive_schedule
from tests.support import component_strategies

messages = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5000)), max_size=12)


def traffic_of(sent: list[tuple[int, int]], farthest_bits: int = 0) -> Traffic:
    return traffic(tuple(hops for hops, _ in sent), tuple(bits for _, bits in sent), farthest_bits)


@given(sent=messages)
def test_bits_times_hops_is_the_sum_over_messages(sent: list[tuple[int, int]]) -> None:
    hops, bits = [hops for hops, _ in sent], [bits for _, bits in sent]
    found = traffic_of(sent, farthest_bits=7)
    assert found.farthest_bits == 7
    assert found.hops == max(hops, default=0)
    assert list(found.moving_bits) == naive_mesh.moving_bits(hops, bits)
    assert sum(found.moving_bits) == naive_mesh.bit_hops(hops, bits)


def test_a_message_without_a_distance_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        traffic((1, 2), (8,), 8)


mesh_shares = st.builds(
    MeshShare,
    st.builds(traffic_of, messages, st.integers(0, 10_000)),
    st.builds(traffic_of, messages, st.integers(0, 10_000)),
    st.integers(0, 100),
    st.integers(1, 4),
)


@given(config=component_strategies.mesh_configs(), share=mesh_shares)
def test_closed_form_is_the_sum_of_the_steps(config: MeshConfig, share: MeshShare) -> None:
    mesh = Mesh(config, add_energy_j=1e-13)
    end_ps, events = naive_schedule.replay(mesh.work(share))
    assert mesh.latency_ps(share) == end_ps
    counts = naive_schedule.action_counts(events)
    assert counts["mesh.bit_hop"] == share.vectors * sum(share.merge.moving_bits + share.transfer.moving_bits)
    assert counts["mesh.add"] == share.vectors * share.additions
    hops = share.merge.hops + share.transfer.hops
    assert len(events) == share.vectors * (hops + 1)
    add_s = 1 / config.clock_hz
    merging = naive_mesh.message_end(config, share.merge.farthest_bits, share.merge.hops, add_s)
    transfer = naive_mesh.message_end(config, share.transfer.farthest_bits, share.transfer.hops, 0.0)
    assert end_ps == share.vectors * (merging + transfer)


@given(config=component_strategies.mesh_configs(), share=mesh_shares)
def test_a_hop_passes_on_a_whole_message_unless_told_otherwise(config: MeshConfig, share: MeshShare) -> None:
    """MNSIM's equations, with rounding."""
    stock = {"packet_bits": None, "switching": "store_and_forward", "router_latency_s": 0.0}
    mesh = Mesh(config.model_copy(update=stock), add_energy_j=0)
    hops = share.merge.hops + share.transfer.hops
    exact_ps = (
        1e12
        * share.vectors
        * (
            share.merge.hops * (1 / config.clock_hz + share.merge.farthest_bits / config.link_bandwidth_bps)
            + share.transfer.hops * share.transfer.farthest_bits / config.link_bandwidth_bps
        )
    )
    assert abs(mesh.latency_ps(share) - exact_ps) <= 0.5 * share.vectors * hops + 1e-9 * exact_ps


def test_by_hand() -> None:
    """20 Gb/s and 500 MHz: 2000 bits take 100 ns a hop, and 2 ns more where they are added."""
    overrides = [
        "machine.mesh.clock_hz=500 MHz",
        "machine.mesh.link_bandwidth_bps=20 Gb/s",
        "machine.mesh.hop_energy_j_per_bit=0.48 pJ/bit",
        "machine.mesh.router_area_m2=0.03775 mm^2",
        *(
            "machine.mesh.switching=store_and_forward",
            "machine.mesh.packet_bits=null",
            "machine.mesh.router_latency_s=0 s",
        ),
    ]
    config = load_config({}, overrides).machine.mesh
    assert config
    mesh = Mesh(config, add_energy_j=3e-14)
    merge = traffic((0, 2, 1), (2000, 2000, 2000), 2000)
    share = MeshShare(merge, traffic((3,), (500,), 4000), additions=9)
    events = naive_schedule.replay(mesh.work(share))[1]
    assert [(event.step.label, event.end_ps - event.start_ps, event.step.counts) for event in events] == [
        ("merge", 102_000, (("mesh.bit_hop", 4000),)),
        ("merge", 102_000, (("mesh.bit_hop", 2000),)),
        ("add partial sums", 0, (("mesh.add", 9),)),
        ("transfer", 200_000, (("mesh.bit_hop", 500),)),
        ("transfer", 200_000, (("mesh.bit_hop", 500),)),
        ("transfer", 200_000, (("mesh.bit_hop", 500),)),
    ]
    assert mesh.action_energies_j() == {"bit_hop": 0.48e-12, "add": 3e-14}
    assert [(area.item, area.total_m2) for area in mesh.areas()] == [("routers", 0.03775e-6)]
    assert mesh.leakage_w() == 0


@given(config=component_strategies.mesh_configs(), share=mesh_shares, faster=st.floats(1, 100))
def test_a_wider_link_is_never_slower(config: MeshConfig, share: MeshShare, faster: float) -> None:
    wider = config.model_copy(update={"link_bandwidth_bps": config.link_bandwidth_bps * faster})
    assert Mesh(wider, 0).latency_ps(share) <= Mesh(config, 0).latency_ps(share)
