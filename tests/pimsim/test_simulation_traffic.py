"""Serving and stored results of a machine with widths by rows, merged outputs and routes by the trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim import load_config, serve, simulate
from pimsim.mapping.pass_options import counted_options
from pimsim.results.store import read_result, write_result
from pimsim.studies.serving.iteration_costs import StepCosts
from tests.support.closeness import near
from workloads import SequenceGroup, mixed_step
from workloads.models import find_model
from workloads.requests import Request

KEYS = [
    "workload.model=gpt2-small",
    "machine.mesh.routes=trace",
    "machine.mesh.multicast=true",
    "machine.mesh.switching=cut_through",
    "machine.mesh.packet_bits=576",
    "machine.mesh.router_latency_s=2 ns",
    "machine.crossbar.tile_outputs=merged",
    "machine.crossbar.output_bits=null",
]


def test_an_iteration_costs_what_its_mixed_step_takes() -> None:
    """Serving adds up costs of its parts; the whole trace, stepped or in closed form, takes the same."""
    config = load_config("pim-llm", KEYS)
    groups = [SequenceGroup(2, 1, 40), SequenceGroup(1, 7, 7)]
    trace = mixed_step(find_model("gpt2-small"), groups, outputs=3, **counted_options(config))
    whole, cost = simulate(config, trace), StepCosts(config).of(((1, 40, 2), (7, 7, 1)), 3)
    assert cost.latency_ps == whole.latency_ps == simulate(config, trace, expand=True).latency_ps
    assert cost.energy_j == near(whole.energy_j, rel=1e-9)
    served = serve(config, [Request(id="a", arrival_s=0.0, prompt_tokens=20, output_tokens=3)])
    assert len(served.iterations) == 3


@pytest.mark.parametrize("schedule", ["serial", "contended"])
def test_a_stored_result_is_read_and_run_again(schedule: str, tmp_path: Path) -> None:
    result = simulate(load_config("pim-llm", [*KEYS, f"schedule={schedule}"]))
    write_result(result, tmp_path / "run.h5")
    stored = read_result(tmp_path / "run.h5")
    assert stored == result
    assert simulate(stored.config).latency_ps == result.latency_ps
