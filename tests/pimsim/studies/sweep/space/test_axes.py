"""Axes: the values of lists, ranges and linked axes, and the order of the points of a grid."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pimsim.studies.sweep.space.plans import CLOCK, LINK, ROWS, plan_of, values


@pytest.mark.parametrize(
    ("name", "axis", "expected"),
    [
        (LINK, ["10 Gb/s", 2e10, "2.5 GB/s", 30_000_000_000][:2], [1e10, 2e10]),
        (LINK, {"values": ["5 GB/s"]}, [4e10]),
        (LINK, {"start": "10 Gb/s", "stop": "40 Gb/s", "step": "15 Gb/s"}, [1e10, 2.5e10, 4e10]),
        (LINK, {"start": "10 Gb/s", "stop": "80 Gb/s", "factor": 2}, [1e10, 2e10, 4e10, 8e10]),
        (LINK, {"start": "1 Gb/s", "stop": "100 Gb/s", "count": 3, "scale": "log"}, [1e9, 1e10, 1e11]),
        (LINK, {"start": "1 Gb/s", "stop": "2 Gb/s", "count": 3}, [1e9, 1.5e9, 2e9]),
        (ROWS, {"start": 8, "stop": 32, "step": 12}, [8, 20, 32]),
        (ROWS, {"start": 8, "stop": 31, "step": 12}, [8, 20]),
        (ROWS, {"start": 1, "stop": 1024, "count": 3, "scale": "log"}, [1, 32, 1024]),
        (ROWS, {"start": 16, "stop": 64, "factor": 2}, [16, 32, 64]),
        ("schedule", ["serial", "dataflow"], ["serial", "dataflow"]),
        ("workload.lm_head", [True, False], [True, False]),
        ("workload.d_ff", [None, 64], [None, 64]),
        ("machine.mesh", [{"rows": 32, "columns": 32}], [{"rows": 32, "columns": 32}]),
        ("machine.memory", [{"channel_bandwidth_bytes_per_s": "1 GB/s"}], [{"channel_bandwidth_bytes_per_s": 1e9}]),
        (
            "machine.crossbar.pair.cell.read_voltage_v",
            {"start": 0.1, "stop": 0.7, "step": 0.1},
            [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7],
        ),
    ],
)
def test_values_of_an_axis(name: str, axis: Any, expected: list[Any]) -> None:
    found = values(axis, name)
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


def test_a_grid_changes_the_last_axis_fastest() -> None:
    plan = plan_of({ROWS: [8, 16], CLOCK: [1e8, 2e8]}, models=["gpt2-small", "gpt2-medium"], contexts=[64])
    assert [column.name for column in plan.space.columns] == ["model", "context_length", ROWS, CLOCK]
    assert list(plan)[:3] == [("gpt2-small", 64, 8, 1e8), ("gpt2-small", 64, 8, 2e8), ("gpt2-small", 64, 16, 1e8)]
    assert len(plan) == 8
    assert plan[7] == ("gpt2-medium", 64, 16, 2e8)
    config = plan.space.config(plan[7])
    assert (config.workload.model, config.machine.systolic.rows, config.machine.systolic.clock_hz) == (
        "gpt2-medium",
        16,
        2e8,
    )


def test_one_value_for_several_keys_and_values_that_change_together() -> None:
    plan = plan_of(
        {
            "side": {"keys": ["machine.mesh.rows", "machine.mesh.columns"], "values": [32, 64]},
            "converters": {
                "linked": {
                    "machine.crossbar.pair.array.adcs": [64, 128],
                    "bits": {"key": "machine.crossbar.pair.adc.bits", "start": 7, "stop": 8, "step": 1},
                }
            },
        }
    )
    assert [column.name for column in plan.space.columns] == ["side", "machine.crossbar.pair.array.adcs", "bits"]
    assert list(plan) == [(32, 64, 7), (32, 128, 8), (64, 64, 7), (64, 128, 8)]
    machine = plan.space.config(plan[1]).machine
    assert machine.mesh is not None
    assert machine.crossbar is not None
    assert (machine.mesh.rows, machine.mesh.columns) == (32, 32)
    assert (machine.crossbar.pair.array.adcs, machine.crossbar.pair.adc.bits) == (128, 8)


def test_single_values_of_linked_axes_may_occur_twice() -> None:
    linked = {"machine.systolic.rows": [8, 8, 16], "machine.systolic.columns": [8, 16, 16]}
    plan = plan_of({"size": {"linked": linked}})
    assert list(plan) == [(8, 8), (8, 16), (16, 16)]
