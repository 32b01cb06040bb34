"""Components of a machine of a system: the same steps under other names, once or in lockstep."""

from __future__ import annotations

from pimsim import load_config
from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.machine import build_machine
from pimsim.hardware.placed_component import LockstepShare, PlacedComponent
from pimsim.hardware.vector import VectorShare
from pimsim.steps.step_tree import action_counts, duration_ps, steps

MACHINE = build_machine(load_config("tpu-llm").machine)
SHARE = VectorShare("norm", 3, 100, 2)


def test_steps_and_counts_have_the_role_before_their_names() -> None:
    placed = PlacedComponent("decode", MACHINE.vector)
    own, renamed = MACHINE.vector.work(SHARE), placed.work(SHARE)
    assert {step.component for step in steps(renamed)} == {"decode.vector"}
    assert duration_ps(renamed) == placed.latency_ps(SHARE) == MACHINE.vector.latency_ps(SHARE)
    assert action_counts(renamed) == {f"decode.{action}": count for action, count in action_counts(own).items()}


def test_chips_in_lockstep_take_the_time_of_one_and_count_each() -> None:
    placed = PlacedComponent("chip", MACHINE.sram, 4)
    share = LockstepShare(BufferShare(6400, 0))
    one = action_counts(MACHINE.sram.work(share.share))
    assert duration_ps(placed.work(share)) == placed.latency_ps(share) == MACHINE.sram.latency_ps(share.share)
    assert action_counts(placed.work(share)) == {f"chip.{action}": 4 * count for action, count in one.items()}
    assert placed.units == 4
    assert sum(area.total_m2 for area in placed.areas()) == 4 * sum(area.total_m2 for area in MACHINE.sram.areas())


def test_a_port_that_is_slower_than_the_unit_stretches_each_chip() -> None:
    placed = PlacedComponent("chip", MACHINE.vector, 2)
    slow = LockstepShare(SHARE, 10 * MACHINE.vector.latency_ps(SHARE))
    assert duration_ps(placed.work(slow)) == placed.latency_ps(slow) == slow.port_ps
