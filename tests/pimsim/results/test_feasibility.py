"""Feasibility: area compared with a reticle, loading of weights, and its place in files, reports and timelines."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from pimsim import load_config, simulate
from pimsim.engine import run
from pimsim.hardware.machine import build_machine
from pimsim.mapping.crossbar_ops import SWAP
from pimsim.mapping.occupancy import SWAP_REGION
from pimsim.mapping.operations import TO_NEXT_CHIP, map_trace
from pimsim.mapping.program import Program
from pimsim.present.text.run_report import print_run
from pimsim.results.run_result import RunResult
from pimsim.results.store import read_result, write_result
from pimsim.simulation import make_trace
from tests.support.closeness import near


@pytest.fixture(scope="module")
def opt() -> RunResult:
    return simulate(load_config("pim-llm-published"))


def test_a_buffer_of_the_size_that_it_needs_has_less_area_than_an_adc() -> None:
    """Two vectors of 256 bytes in place of 16 KiB."""
    default = simulate(load_config("pim-llm"))
    areas = {each.item: each.area_m2 * 1e6 for each in default.feasibility.areas}
    assert next(iter(areas)) == "ADCs"
    assert areas["ADCs"] == near(24_576 * 4 * 128 * 1650e-6)
    assert areas["input buffers of PEs"] < 24_576 * 4 * 0.6163 / 32


def test_the_buffers_of_opt_6_7b_take_even_more_area_than_its_adcs(opt: RunResult) -> None:
    areas = {each.item: each.area_m2 * 1e6 for each in opt.feasibility.areas}
    assert areas["ADCs"] == near(24_576 * 4 * 128 * 1650e-6)  # 20,761 mm^2
    assert areas["input buffers of PEs"] == near(24_576 * 4 * 0.6163)
    assert list(areas)[:2] == ["input buffers of PEs", "ADCs"]
    assert opt.feasibility.reticles_per_chip == near(opt.area_m2 * 1e6 / 858)
    assert math.fsum(areas.values()) == near(opt.area_m2 * 1e6)


def test_loading_opt_6_7b_once(opt: RunResult) -> None:
    """A bit per weight at 51.2 GB/s and 20 pJ; 9 pJ into each of two cells; through the buffer 512 bits at a time."""
    bits = 32 * 12 * 4096**2
    assert opt.weight_bytes * 8 == bits
    assert opt.weight_load_ps == round(bits / 8 / 51.2e9 * 1e12)
    assert opt.feasibility.weight_load_energy_j == near(bits * (20e-12 + 2 * 9e-12) + 2 * bits / 512 * 744e-12)
    assert opt.summary()["weight_load_energy_j"] == opt.feasibility.weight_load_energy_j


def test_loading_ternary_weights_through_a_port() -> None:
    """Two bits per weight, in and out through 64 bytes at 100 MHz, which is slower than memory and programming."""
    result = simulate(load_config("pim-llm"))
    on_crossbars = 32 * 12 * 4096**2 // 4
    assert result.weight_bytes == on_crossbars + 50_272 * 4096  # the LM head is streamed
    assert result.weight_load_ps == 2 * on_crossbars // 64 * 10_000


def test_a_machine_without_crossbars_loads_nothing() -> None:
    feasibility = simulate(load_config("tpu-llm", ["workload.model=gpt2-small"])).feasibility
    assert (feasibility.weight_load_s, feasibility.weight_load_energy_j, feasibility.layers) == (0.0, 0.0, 0)
    assert feasibility.endurance_writes is None
    assert feasibility.reticles_per_chip < 1


SETTINGS: Sequence[Sequence[str]] = (
    ["mapping.provisioning=swap"],
    ["mapping.provisioning=swap", "machine.chips.count=3", "schedule=dataflow"],
    ["machine.chips.count=12"],
)


@pytest.mark.parametrize("settings", SETTINGS, ids=["swap", "swap on three chips", "chips"])
def test_results_come_back_from_a_file_and_print(settings: Sequence[str], tmp_path: Path) -> None:
    base = ["workload.model=gpt2-small", "machine.mesh.rows=6", "machine.mesh.columns=6"]
    result = simulate(load_config({}, [*base, *settings]))
    write_result(result, tmp_path / "result.h5")
    assert read_result(tmp_path / "result.h5") == result
    assert read_result(tmp_path / "result.h5").to_dict() == result.to_dict()
    json.dumps(result.to_dict(), allow_nan=False)
    print_run(result, file := io.StringIO())
    text = file.getvalue()
    assert "feasibility" in text
    assert ("writes per cell and token" in text) == bool(result.provision.layers_swapped)
    assert ("chips, " in text) == (result.provision.chips > 1)


def test_what_no_op_is_called() -> None:
    """Names of the tasks that mapping adds cannot be names of a trace's ops."""
    assert all(" " in name for name in (SWAP, SWAP_REGION, TO_NEXT_CHIP))


def test_a_program_grouped_and_written_out_is_the_same() -> None:
    base = ["workload.model=gpt2-small", "machine.mesh.rows=6", "machine.mesh.columns=6"]
    layers = ["workload.embedding=false", "workload.lm_head=false"]
    config = load_config({}, [*base, *layers, "mapping.provisioning=swap", "machine.chips.count=3"])
    trace = make_trace(config)
    program = map_trace(config, build_machine(config.machine), trace).program
    assert [(b.repeat, b.chip) for b in program.grouped().blocks] == [(1, 0), (1, 1), (10, 2)]
    assert isinstance(program.ungrouped(), Program)
    assert run(program).latency_ps == run(program.ungrouped()).latency_ps == simulate(config, expand=True).latency_ps


def test_a_timeline_of_layers_that_differ_ends_with_the_run() -> None:
    """Swapped layers take longer than those that stay; each kind follows on its own repetitions."""
    from pimsim.results.timeline import timeline_events

    base = ["workload.model=gpt2-small", "machine.mesh.rows=6", "machine.mesh.columns=6"]
    result = simulate(load_config({}, [*base, "mapping.provisioning=swap", "machine.chips.count=4"]))
    ends_us = [event["ts"] + event["dur"] for event in timeline_events(result) if event["ph"] == "X"]
    assert max(ends_us) == pytest.approx(result.latency_s * 1e6, abs=2e-3)
