"""What KV caches of other formats and policies cost: bits of memory and elements of passes by hand, and by engines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pimsim import RunResult, load_config, simulate
from pimsim.engine import run
from pimsim.hardware.machine import build_machine
from pimsim.mapping.memory_footprint import memory_footprints, total_footprint
from pimsim.mapping.operations import map_trace
from pimsim.mapping.tile_plan import plan_tiles
from pimsim.studies.serving.iteration_costs import StepCosts
from tests.support.closeness import near
from workloads import SequenceGroup, decode_step, mixed_step, prefill
from workloads.decoder_attention import ATTENTION_OPS
from workloads.kv_cache import KvCacheSpec
from workloads.models import find_model

SMALL = replace(
    find_model("llama-3-8b"), name="small", layers=2, d_model=512, d_head=64, heads=8, kv_heads=2, d_ff=1024
)
KIVI = KvCacheSpec(
    key_bits=2, value_bits=2, key_scales="per_channel", value_scales="per_group", group_size=16, scale_bits=16
)
RECENT = KvCacheSpec(keep="recent", recent=28, sinks=4)
HEAVY = KvCacheSpec(keep="heavy_hitters", budget=32, recent=16, sinks=4)
CACHES = {
    "half": KvCacheSpec(key_bits=16, value_bits=16),
    "mixed": KvCacheSpec(key_bits=6, value_bits=3, value_scales="per_group", group_size=32),
    "kivi": KIVI,
    "kivi, recent": replace(KIVI, keep="recent", recent=40, sinks=3),
    "recent": RECENT,
    "heavy": HEAVY,
    "random": replace(RECENT, keep="random", budget=32, recent=None),
}


def counts(result: RunResult, *names: str) -> dict[str, int]:
    """Action counts of some ops of both layers together, without the suffix of a group."""
    sums: dict[str, int] = {}
    for op in result.ops:
        if op.name.partition(":")[0] in names:
            for action, count in op.counts.items():
                sums[action] = sums.get(action, 0) + op.repeat * count
    return sums


@pytest.mark.parametrize("name", CACHES)
@pytest.mark.parametrize("queries", [1, 50])
def test_memory_is_read_and_written_to_the_bit(name: str, queries: int) -> None:
    """K and V of 2 layers x 3 sequences x 2 KV heads at 100 tokens; and the sums of heavy hitters, 32 bits each."""
    kv = CACHES[name]
    trace = mixed_step(SMALL, [SequenceGroup(3, queries, 100)], kv=kv, quantisation=True)
    moved = counts(simulate(load_config("pim-llm"), trace), "kv_append", *ATTENTION_OPS)
    appended = [kv.appended(part, 64, 100, queries) for part in ("key", "value")]
    read = sum(kv.head_bits(part, 64, 100, queries) for part in ("key", "value"))
    sums = 32 if name == "heavy" else 0
    assert moved["memory.read_bit"] == 12 * (read + sum(each.read_bits for each in appended) + 32 * sums)
    assert moved["memory.write_bit"] == 12 * (sum(each.write_bits for each in appended) + 32 * sums)


def test_entries_are_converted_in_passes_over_their_elements() -> None:
    """2 layers x 2 KV heads x 100 entries x 64 elements: 2 passes for float16; 3 for groups: numbers, then codes."""
    entries, config = 2 * 2 * 100 * 64, load_config("pim-llm")
    for bits, scales, passes in ((16, "per_token", 2), (4, "per_group", 3), (4, "per_token", 0)):
        kv = KvCacheSpec(key_bits=bits, key_scales=scales)  # type: ignore[arg-type]
        scores = counts(simulate(config, decode_step(SMALL, 100, kv=kv, quantisation=True)), "scores")
        assert scores.get("vector.operation", 0) == passes * entries
        assert scores["systolic.mac"] == 2 * 8 * 100 * 64
    result = simulate(config, decode_step(SMALL, 96, kv=KIVI, quantisation=True))
    # A group of 16 tokens is complete: 2 passes over channels of 2 layers x 2 heads; 15 float16 keys are read again.
    assert counts(result, "key_settle") == counts(result, "key_settle") | {"vector.operation": 2 * 4 * 64 * 16}
    assert counts(result, "key_append")["memory.read_bit"] == 4 * 15 * 64 * 16
    later = simulate(config, decode_step(SMALL, 97, kv=KIVI, quantisation=True))
    assert not counts(later, "key_settle")
    assert counts(later, "key_append")["memory.write_bit"] == 4 * 64 * 16


@pytest.mark.parametrize("kv", [RECENT, HEAVY], ids=["recent", "heavy"])
def test_a_prompt_has_the_scores_of_its_window(kv: KvCacheSpec) -> None:
    """Token i of 100 attends to min(i, 32): 32 * 33 / 2 + 68 * 32 scores per head. Heavy hitters compute all scores."""
    kept, every = 32 * 33 // 2 + 68 * 32, 100 * 101 // 2
    config, trace = load_config("pim-llm"), prefill(SMALL, 100, kv=kv, quantisation=True)
    result = simulate(config, trace)
    for name, passes in (("scores_dequantise", 1), ("softmax", 3), ("probabilities_quantise", 2)):
        assert counts(result, name)["vector.operation"] == 2 * 8 * passes * kept
    scores, values = (counts(result, name)["systolic.mac"] for name in ("scores", "values"))
    assert scores >= 2 * 8 * 64 * (every if kv is HEAVY else kept)
    every_scores = counts(simulate(config, prefill(SMALL, 100, quantisation=True)), "scores")["systolic.mac"]
    assert (scores == every_scores) == (kv is HEAVY)
    assert values < 0.6 * every_scores
    if kv is HEAVY:
        # 68 tokens find the cache full; each KV head chooses among 32 + 1 tokens without 4 sinks and 16 newest ones.
        assert counts(result, "kv_evict")["vector.operation"] == 4 * 68 * 13
        assert counts(result, "kv_accumulate")["vector.operation"] == 2 * 8 * kept
        assert counts(result, "kv_accumulate")["memory.write_bit"] == 4 * 32 * 32
    held = total_footprint(memory_footprints(config, trace, plan_tiles(config, trace)))
    # After the prompt, 32 entries of 64 bytes and a step are kept; those of one layer are in memory for a while.
    assert held.kv_bytes == 4 * 32 * (2 * 68 + (4 if kv is HEAVY else 0))
    assert held.activation_bytes == 2 * 68 * 2 * 68


@pytest.mark.parametrize("name", ["half", "kivi, recent", "heavy"])
def test_three_engines_agree(name: str) -> None:
    """The closed form, the stepped engine with every head, and the schedules without contention."""
    groups = [SequenceGroup(1, 1, 70), SequenceGroup(2, 9, 40)]
    trace = mixed_step(SMALL, groups, kv=CACHES[name], quantisation=True)
    config = load_config("pim-llm")
    program = map_trace(config, build_machine(config.machine), trace).program
    whole = simulate(config, trace).latency_ps
    assert program.serial_latency_ps() == run(program, "serial", expand=True).latency_ps == whole
    free = [run(program, schedule, unlimited=True).latency_ps for schedule in ("dataflow", "contended")]
    assert free[0] <= free[1] <= whole


@pytest.mark.parametrize("name", CACHES)
def test_what_a_run_leaves_out_is_what_counting_it_adds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pimsim.simulation.model_spec", lambda _: SMALL)
    settings = [f"workload.kv.{key}={value}" for key, value in CACHES[name].changed.items()]
    settings.append("workload.context_length=70")
    without, counted = (
        simulate(load_config("pim-llm", [*settings, f"workload.quantisation={flag}"])) for flag in ("false", "true")
    )
    (item,) = (each for each in without.accounting.left_out if each.name == "quantisation passes")
    assert without.latency_ps + item.latency_ps == counted.latency_ps
    dynamic = [sum(each.dynamic_energy_j(each.counts).values()) for each in (without, counted)]
    assert dynamic[0] + item.energy_j == near(dynamic[1], rel=1e-9)


@pytest.mark.parametrize(
    ("name", "window"),
    [("half", None), ("kivi, recent", 20), ("recent", 30), ("heavy", None), ("heavy", 20), ("random", None)],
)
def test_the_slices_of_an_iteration_are_the_iteration(
    name: str, window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec: Any = replace(SMALL, window=window)
    monkeypatch.setattr("pimsim.studies.serving.iteration_costs.model_spec", lambda _: spec)
    settings = [f"workload.kv.{key}={value}" for key, value in CACHES[name].changed.items()]
    config = load_config("pim-llm", settings)
    groups = ((1, 4, 1), (1, 90, 1), (5, 50, 1), (9, 9, 2))
    shapes = [SequenceGroup(sequences, queries, context) for queries, context, sequences in groups]
    trace = mixed_step(spec, shapes, outputs=4, kv=CACHES[name], quantisation=True, embedding=True, lm_head=True)
    whole = simulate(config, trace)
    cost = StepCosts(config).of(groups, 4)
    assert (cost.latency_ps, cost.energy_j) == (whole.latency_ps, near(whole.energy_j, rel=1e-9))
