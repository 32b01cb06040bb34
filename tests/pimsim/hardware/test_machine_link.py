"""Links between machines: steps equal to closed forms worked out by hand, and bytes of a ring."""

from __future__ import annotations

import pytest

from pimsim.config.schema.system_section import LinkSection
from pimsim.hardware.machine_link import RING, AllReduceShare, MachineLink, TransferShare, link_to
from pimsim.steps.step_tree import action_counts, duration_ps

SECTION = LinkSection(part="test", bandwidth_bps=8e9, latency_s=3e-9, energy_j_per_bit=2e-12)  # a byte in 1 ns


@pytest.mark.parametrize(
    ("share", "expected_ps", "bits"),
    [
        (TransferShare(1000), 3_000 + 1_000_000, 8000),
        # Three chips: four steps, each with a piece of 334 of 1,000 bytes; all three send in each of them.
        (AllReduceShare(1000, 3), 4 * (3_000 + 334_000), 8 * 3 * 4 * 334),
        # Two chips: one step of the reduce-scatter and one of the all-gather, with half of the bytes each.
        (AllReduceShare(1000, 2), 2 * (3_000 + 500_000), 8 * 2 * 2 * 500),
    ],
)
def test_steps_equal_the_closed_form(share: TransferShare | AllReduceShare, expected_ps: int, bits: int) -> None:
    link = MachineLink(SECTION, RING)
    assert duration_ps(link.work(share)) == link.latency_ps(share) == expected_ps
    assert action_counts(link.work(share)) == {"link.ring.bit": bits}


def test_a_link_of_shared_memory_takes_no_time() -> None:
    shared = LinkSection(part="shared", bandwidth_bps=None, latency_s=0.0, energy_j_per_bit=0.0)
    link = MachineLink(shared, link_to("decode"))
    assert link.name == "link.to_decode"
    assert duration_ps(link.work(TransferShare(1 << 40))) == link.latency_ps(TransferShare(1 << 40)) == 0


def test_shared_memory_has_neither_latency_nor_energy() -> None:
    with pytest.raises(ValueError, match="latency_s and energy_j_per_bit must be 0"):
        LinkSection(part="shared", bandwidth_bps=None, latency_s=1e-9, energy_j_per_bit=0.0)
