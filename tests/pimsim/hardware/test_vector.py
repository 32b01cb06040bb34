"""Vector unit: passes over vectors, `lanes` elements per cycle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.config.loading import load_config
from pimsim.config.schema import VectorConfig
from pimsim.hardware.vector import VectorShare, VectorUnit
from tests.oracles import naive_schedule
from tests.support import component_strategies
from tests.support.closeness import near

shares = st.builds(VectorShare, st.just("any"), st.integers(1, 5), st.integers(1, 60), st.integers(1, 3))


@given(config=component_strategies.vector_configs, share=shares)
def test_closed_form_is_the_sum_of_the_steps(config: VectorConfig, share: VectorShare) -> None:
    unit = VectorUnit(config)
    end_ps, events = naive_schedule.replay(unit.work(share))
    assert unit.latency_ps(share) == end_ps
    # Oracle: an operation for every element of every vector on every pass, and the cycles to feed and drain them.
    operations = cycles = 0
    for _ in range(share.vectors * share.passes):
        operations += share.elements
        cycles += len(range(0, share.elements, config.lanes)) + config.pipeline_cycles
    assert naive_schedule.action_counts(events) == {"vector.operation": operations}
    exact_ps = 1e12 * cycles / config.clock_hz
    assert abs(end_ps - exact_ps) <= 0.5 * cycles + 1e-9 * exact_ps


@given(config=component_strategies.vector_configs, share=shares)
def test_more_lanes_are_never_slower(config: VectorConfig, share: VectorShare) -> None:
    wider = config.model_copy(update={"lanes": config.lanes + 1})
    assert VectorUnit(wider).latency_ps(share) <= VectorUnit(config).latency_ps(share)


@pytest.mark.parametrize(("softmax", "passes"), [("consmax", 1), ("exact", 3)])
def test_softmax_passes(softmax: str, passes: int) -> None:
    config = load_config({}, [f"machine.vector.softmax={softmax}"]).machine.vector
    assert VectorUnit(config).softmax_passes() == passes


def test_by_hand() -> None:
    """32 lanes at 100 MHz, 4 cycles deep: 70 elements take 3 + 4 cycles of 10 ns a pass."""
    overrides = [
        "machine.vector.lanes=32",
        "machine.vector.clock_hz=100 MHz",
        "machine.vector.pipeline_cycles=4",
        "machine.vector.operation_energy_j=1.5 pJ",
        "machine.vector.leakage_w=2 mW",
        "machine.vector.lane_area_m2=3000 um^2",
    ]
    unit = VectorUnit(load_config({}, overrides).machine.vector)
    events = naive_schedule.replay(unit.work(VectorShare("softmax", vectors=1, elements=70, passes=2)))[1]
    assert [(event.step.label, event.start_ps, event.end_ps) for event in events] == [
        ("softmax", 0, 30_000),
        ("softmax: drain", 30_000, 70_000),
        ("softmax", 70_000, 100_000),
        ("softmax: drain", 100_000, 140_000),
    ]
    assert unit.action_energies_j() == {"operation": 1.5e-12}
    (area,) = unit.areas()
    assert area.count == 32
    assert area.total_m2 == near(32 * 3000e-12)
    assert unit.leakage_w() == 2e-3
