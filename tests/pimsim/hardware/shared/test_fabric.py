"""What a packet waits for in the links and buffers of a network."""

from __future__ import annotations

from typing import Any

import pytest

from pimsim.hardware.shared.fabric import Fabric
from pimsim.hardware.shared.packet import HOLDER
from tests.pimsim.hardware.shared.traffics import Case


@pytest.mark.parametrize(
    ("bubble", "holder", "credits_", "full"),
    [(True, -1, 1, True), (True, -1, 2, False), (True, 0, 1, False), (True, 0, 0, True), (False, -1, 1, False)],
)
def test_with_bubbles_a_tile_needs_two_free_places(bubble: bool, holder: int, credits_: int, full: bool) -> None:
    """A packet on the ring, which link 0 holds here, needs one."""
    parameters = Case(2, 5, (), topology="ring", buffer_packets=2, bubble=bubble).network_parameters()
    fabric = Fabric(parameters.router, parameters.topology.target, None)
    waiting: Any = ({HOLDER: holder}, ())
    fabric.requests, fabric.credits = [[waiting]], [credits_]
    assert list(fabric.blocked()) == [(holder, 0, full)]
