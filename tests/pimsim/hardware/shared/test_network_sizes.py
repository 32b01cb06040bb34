"""Every topology, switching and multicast on the shipped mesh of 64 x 64 tiles: no recursion, no deadlock."""

from __future__ import annotations

import itertools

import pytest

from pimsim import load_config, simulate
from pimsim.hardware.shared.topologies import SHIPPED_TOPOLOGIES
from tests.pimsim.hardware.shared.traffics import Case, Message, drive, network
from tests.support.counts import DEEP

SWITCHING = ("cut_through", "store_and_forward")
CORNERS = ((0, 63), (63, 0), (63, 63), (31, 32), (32, 31), (40, 7))


@pytest.mark.parametrize("cut_through", [True, False])
@pytest.mark.parametrize("topology", SHIPPED_TOPOLOGIES)
def test_a_multicast_reaches_tiles_that_are_far_apart(topology: str, cut_through: bool) -> None:
    """On the ring of 4,096 tiles the farthest one is 2,048 hops away: deeper than Python's limit of recursion.

    On idle links, a packet takes flits + hops - 1 cycles with cut-through, and flits x hops without.
    """
    flits = 4
    case = Case(64, 64, (Message((0, 0), CORNERS, flits, 0),), topology=topology, cut_through=cut_through)
    [ended] = drive(network(case), case.jobs()).values()
    hops = max(SHIPPED_TOPOLOGIES[topology](64, 64).distance((0, 0), tile) for tile in CORNERS)
    assert ended.end_ps == 1000 * (flits + hops - 1 if cut_through else flits * hops)


@pytest.mark.skipif(not DEEP, reason="in make test-deep only: two minutes")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("links", ["shared", "unlimited"])
@pytest.mark.parametrize(
    ("topology", "switching", "multicast"), list(itertools.product(SHIPPED_TOPOLOGIES, SWITCHING, ["true", "false"]))
)
def test_the_shipped_machine_runs_with_any_network(topology: str, switching: str, multicast: str, links: str) -> None:
    settings = {"topology": topology, "switching": switching, "multicast": multicast, "links": links}
    mesh = [f"machine.mesh.{key}={value}" for key, value in settings.items()]
    for buffers in ("null", "2"):
        config = load_config(
            "pim-llm",
            ["workload.model=gpt2-small", "schedule=contended", f"machine.mesh.input_buffer_packets={buffers}", *mesh],
        )
        assert config.machine.mesh is not None
        assert (config.machine.mesh.rows, config.machine.mesh.columns) == (64, 64)
        assert simulate(config).latency_ps > 10**10
