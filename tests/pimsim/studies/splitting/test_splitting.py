"""Systems of machines: equal to one machine where the link is free, and to closed forms where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from pimsim import generate, load_config, simulate
from pimsim.base.errors import CapacityError
from pimsim.base.units import to_ps
from pimsim.config.system_file import System, load_system
from pimsim.generation import GenerationResult
from pimsim.results.run_result import RunResult
from pimsim.studies.splitting.split_result import SplitResult
from pimsim.studies.splitting.splitting import run_system
from pimsim.studies.splitting.system_runs import SystemRuns
from tests.support.closeness import near

LAYERS, WIDTH, HEADS, D_HEAD = 12, 768, 12, 64  # GPT-2 small
WORKLOAD = {"model": "gpt2-small", "context_length": 96, "prompt_length": 32, "new_tokens": 3}
CYCLE_PS = 10_000  # 100 MHz
FILL = 32 + 32 - 2  # cycles of fill and drain of a fold on 32 x 32 units
FREE = {"bandwidth_bps": 1e18, "latency_s": 0.0, "energy_j_per_bit": 0.0}
"""A link on which each message of this model takes less than half a picosecond."""


def system(split: str, machines: Mapping[str, str], link: object, *settings: str, **keys: object) -> System:
    file = {"split": split, "machines": dict(machines), "link": link, "workload": WORKLOAD, **keys}
    return load_system(file, settings)


def pass_of(each: System) -> RunResult:
    return SystemRuns(each).simulate(each.first)


def alone(machine: str, *settings: str) -> RunResult:
    return simulate(load_config(machine, [*(f"workload.{key}={value}" for key, value in WORKLOAD.items()), *settings]))


def generation(each: System) -> GenerationResult:
    return generate(each.first, run_pass=SystemRuns(each).simulate)


@pytest.mark.parametrize("link", ["shared", FREE])
@pytest.mark.parametrize("machine", ["pim-llm", "tpu-llm"])
def test_attention_on_an_equal_machine_takes_the_time_of_one_machine(machine: str, link: object) -> None:
    split = pass_of(system("attention", {"attention": machine, "projections": machine}, link))
    assert split.latency_ps == alone(machine).latency_ps


def test_attention_over_shared_memory_takes_the_energy_of_one_machine_and_the_leakage_of_both() -> None:
    machines = {"attention": "pim-llm", "projections": "pim-llm"}
    charged = pass_of(system("attention", machines, "shared"))
    one = alone("pim-llm")
    assert charged.energy_j - charged.leakage_j == near(one.energy_j - one.leakage_j)
    assert charged.macs == one.macs
    assert sum(item.energy_j for item in charged.accounting.counted) == near(charged.energy_j)
    # Tiles are only where projections are.
    assert charged.tiles.tiles_used == one.tiles.tiles_used


def test_phases_over_shared_memory_take_the_time_of_one_machine() -> None:
    split = generation(
        system("phases", {"prefill": "pim-llm", "decode": "pim-llm"}, "shared", "leakage_gating=not_charged")
    )
    settings = [*(f"workload.{key}={value}" for key, value in WORKLOAD.items()), "leakage_gating=not_charged"]
    one = generate(load_config("pim-llm", settings))
    assert (split.prefill.latency_ps, split.decode_latency_ps) == (one.prefill.latency_ps, one.decode_latency_ps)
    assert split.energy_j == near(one.energy_j)


CACHE_BYTES = 32 * 2 * HEADS * (D_HEAD * 8 + 32) // 8
"""Keys and values of 32 tokens in one layer: 8 bits an element and a step of 32 bits for each token and head."""


def test_the_cache_of_the_prompt_travels_once_to_the_byte() -> None:
    each = system("phases", {"prefill": "pim-llm", "decode": "tpu-llm"}, "ethernet-100g")
    split = run_system(each)
    assert isinstance(split.result, GenerationResult)
    assert split.link.size_bytes == LAYERS * CACHE_BYTES
    assert split.link.messages == LAYERS
    message_ps = to_ps(2e-6) + to_ps(8 * CACHE_BYTES / 100e9)
    written_ps = max(message_ps, _write_ps(CACHE_BYTES))
    prefill = alone("pim-llm", "workload.phase=prefill").latency_ps
    assert split.result.prefill.latency_ps == prefill + LAYERS * written_ps
    assert split.link.exposed_ps == LAYERS * written_ps
    assert split.link.busy_ps == LAYERS * message_ps
    assert split.result.prefill.counts["decode.memory.write_bit"] == 8 * LAYERS * CACHE_BYTES
    decode = generate(load_config("tpu-llm", [f"workload.{key}={value}" for key, value in WORKLOAD.items()]))
    assert split.result.decode_latency_ps == decode.decode_latency_ps
    assert sum(split.energies_j.values()) == near(split.energy_j)
    assert [(run.role, run.latency_ps) for run in split.alone][1] == ("decode", decode.latency_ps)


def _write_ps(size_bytes: int) -> int:
    # docs/model.md, eq. (29): access latency, then the bytes at the peak bandwidth of all channels.
    memory = load_config("tpu-llm").machine.memory
    rate = memory.channels * memory.channel_bandwidth_bytes_per_s
    return to_ps(memory.access_latency_s + size_bytes / rate)


def test_under_dataflow_the_caches_follow_the_layers_over_a_slow_link() -> None:
    link = {"bandwidth_bps": 20e6, "latency_s": 0.0, "energy_j_per_bit": 0.0}
    each = system("phases", {"prefill": "pim-llm", "decode": "tpu-llm"}, link, "schedule=dataflow")
    prefill = generation(each).prefill
    whole = alone("pim-llm", "workload.phase=prefill", "schedule=dataflow")
    appended = [run.end_ps for run in whole.activities if run.name == "kv_append[0]"]
    assert len(appended) == LAYERS
    # First come, first served on one direction of the link.
    end_ps = 0
    for ready_ps in appended:
        end_ps = max(end_ps, ready_ps) + to_ps(8 * CACHE_BYTES / 20e6)
    assert end_ps > whole.latency_ps  # the link is the bottleneck, else the test shows nothing
    assert prefill.latency_ps == end_ps < whole.latency_ps + LAYERS * to_ps(8 * CACHE_BYTES / 20e6)


def test_activations_travel_per_layer_in_both_directions_to_the_byte() -> None:
    each = system("attention", {"attention": "tpu-llm", "projections": "pim-llm"}, "cxl", "workload.batch=3")
    split = run_system(each)
    assert isinstance(split.result, RunResult)
    # Queries, keys and values to attention, its output back; a byte an element, three sequences.
    assert split.link.size_bytes == LAYERS * 4 * 3 * WIDTH
    counts = split.result.counts
    assert counts["link.to_attention.bit"] == 3 * counts["link.to_projections.bit"]
    transfer_ps = LAYERS * 4 * (to_ps(154e-9) + to_ps(8 * 3 * WIDTH / 288e9))
    one = alone("pim-llm", "workload.batch=3").latency_ps  # both have the same systolic array
    assert split.latency_ps == one + transfer_ps
    assert split.link.energy_j == near(8 * split.link.size_bytes * 10.5e-12)
    assert split.break_even.bandwidth_bps is None
    assert split.break_even.without_transfers_ps == one + LAYERS * 4 * to_ps(154e-9)


@pytest.mark.parametrize("chips", [2, 4])
def test_tensor_parallelism_divides_the_time_of_matmuls(chips: int) -> None:
    split = pass_of(system("tensor", {"chip": "tpu-llm"}, FREE, chips=chips))
    one = {(op.block, op.name): op for op in alone("tpu-llm").ops}
    for op in split.ops:
        if op.kind in ("attention_scores", "attention_values"):
            assert chips * op.parts_ps["systolic"] == one[op.block, op.name].parts_ps["systolic"]
        if op.name in ("q_proj", "k_proj", "v_proj", "ffn_up"):
            # The count of cycles of a matmul is that of its folds minus one (docs/model.md, eq. (6)).
            assert (
                chips * (op.parts_ps["systolic"] + CYCLE_PS) == one[op.block, op.name].parts_ps["systolic"] + CYCLE_PS
            )
        if op.name in ("o_proj", "ffn_down"):
            # Rows are divided: a fold of 32 x 32 outputs has K / n steps, and its fill and drain stay.
            rows = WIDTH if op.name == "o_proj" else 4 * WIDTH
            whole_ps = one[op.block, op.name].parts_ps["systolic"] + CYCLE_PS
            assert (op.parts_ps["systolic"] + CYCLE_PS) * (rows + FILL) == whole_ps * (rows // chips + FILL)
        if op.macs and op.block != "lm_head":
            assert op.macs == one[op.block, op.name].macs


def test_a_ring_sends_its_bytes_and_waits_for_its_hops() -> None:
    split = pass_of(system("tensor", {"chip": "tpu-llm"}, "nvlink", chips=4))
    # 2 (n - 1) pieces of an n-th of 768 sums of 16 bits, from each of n chips, for two matrices of each layer.
    piece = WIDTH * 2 // 4
    assert split.counts["link.ring.bit"] == 8 * LAYERS * 2 * 4 * 6 * piece
    rings = [op for op in split.ops if op.kind == "all_reduce"]
    assert len(rings) == 2
    assert {op.parts_ps["chip_link"] for op in rings} == {6 * (to_ps(500e-9) + to_ps(8 * piece / 3.6e12))}
    assert sum(op.repeat for op in rings) == 2 * LAYERS


def test_chips_in_lockstep_count_and_leak_as_often_as_there_are() -> None:
    # Norms and residuals are on every chip; so are area and leakage.
    split = pass_of(system("tensor", {"chip": "tpu-llm"}, FREE, "leakage_gating=ungated", chips=4))
    one = alone("tpu-llm", "leakage_gating=ungated")
    counts = {op.name: op.counts for op in split.ops if op.kind == "norm"}
    assert counts == {
        op.name: {f"chip.{action}": 4 * count for action, count in op.counts.items()}
        for op in one.ops
        if op.kind == "norm"
    }
    assert split.area_m2 == near(4 * one.area_m2)
    assert split.leakage_j / split.latency_ps == near(4 * one.leakage_j / one.latency_ps)


def test_the_leakage_of_an_idle_machine_is_counted_and_named() -> None:
    machines = {"prefill": "pim-llm", "decode": "tpu-llm"}
    prefill = generation(system("phases", machines, "shared", "leakage_gating=ungated")).prefill
    idle = {item.name: item.energy_j for item in prefill.accounting.counted}["leakage of decode while it has no work"]
    one = alone("tpu-llm", "leakage_gating=ungated")
    assert idle == near(one.leakage_j / one.latency_ps * prefill.latency_ps)
    assert sum(item.energy_j for item in prefill.accounting.counted) == near(prefill.energy_j)


def test_the_split_is_faster_just_above_its_break_even_and_slower_just_below() -> None:
    def run(bandwidth_bps: float) -> SplitResult:
        return run_system(system("tensor", {"chip": "tpu-llm"}, {"bandwidth_bps": bandwidth_bps}, chips=2))

    found = run(1e9).break_even.bandwidth_bps
    assert found is not None
    for factor, faster in ((1.001, True), (0.999, False)):
        split = run(factor * found)
        only = split.alone[0].latency_ps
        assert only is not None
        assert (split.latency_ps < only) is faster
        assert split.break_even.bandwidth_bps == near(found)


@pytest.mark.deep
def test_under_dataflow_the_break_even_is_simulated() -> None:
    def chips(bandwidth_bps: float) -> System:
        link = {"bandwidth_bps": bandwidth_bps}
        return system("tensor", {"chip": "tpu-llm"}, link, "schedule=dataflow", "workload.lm_head=false", chips=2)

    split = run_system(chips(1e9))
    found, one = split.break_even.bandwidth_bps, split.alone[0].latency_ps
    assert found is not None
    assert one is not None
    assert pass_of(chips(found)).latency_ps < one < pass_of(chips(0.98 * found)).latency_ps


def test_memory_traffic_and_warnings_are_those_of_all_machines() -> None:
    split = run_system(system("attention", {"attention": "tpu-llm", "projections": "pim-llm"}, "cxl"))
    assert isinstance(split.result, RunResult)
    assert split.result.memory_traffic == alone("pim-llm").memory_traffic
    assert [warning.partition(":")[0] for warning in split.warnings] == ["projections"]


def test_a_memory_that_is_too_small_is_named_with_its_machine() -> None:
    small = "machines.decode.machine.memory.capacity_bytes=1000000"
    each = system("phases", {"prefill": "pim-llm", "decode": "tpu-llm"}, "cxl", small)
    with pytest.raises(CapacityError, match=r"^machines\.decode: gpt2-small needs"):
        generation(each)


def test_a_machine_that_cannot_do_the_work_alone_is_compared_with_nothing() -> None:
    """Units in the memory multiply codes only, but this machine computes no attention."""
    machines = {"attention": "pim-llm", "projections": "pim-llm-near-memory"}
    split = run_system(system("attention", machines, "cxl", "workload.kv.key_bits=16"))
    able, unable = split.alone
    assert able.latency_ps is not None
    assert (unable.latency_ps, unable.energy_j) == (None, None)
    assert "its 16-bit keys are converted before use" in unable.why_not
    assert "attention (pim-llm)" in split.break_even.sentence


@pytest.mark.parametrize("schedule", ["serial", "dataflow"])
def test_the_components_of_a_machine_are_as_busy_as_alone_and_leak_as_much(schedule: str) -> None:
    machines = {"prefill": "pim-llm", "decode": "tpu-llm"}
    each = system("phases", machines, "shared", f"schedule={schedule}")
    workload = each.first.workload.model_copy(update={"phase": "prefill"})
    split = SystemRuns(each).simulate(each.first.model_copy(update={"workload": workload}))
    one = alone("pim-llm", "workload.phase=prefill", f"schedule={schedule}")
    own = [replace(record, name=f"prefill.{record.name}") for record in one.components]
    assert [record for record in split.components if record.name.startswith("prefill.")] == own
    assert not any(record.busy_ps for record in split.components if record.name.startswith("decode."))
