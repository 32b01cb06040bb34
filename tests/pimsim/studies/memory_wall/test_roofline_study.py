"""Rooflines: operations and bytes by hand, roofs that no class exceeds, and times that add up to the run."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from pimsim import RunResult, load_config, load_weights, roofline, simulate
from pimsim.base.errors import AnalysisError
from pimsim.base.units import ps_to_s
from pimsim.studies.memory_wall.roofline_result import ClassPoint, Demand, Roofline
from tests.support.closeness import near
from tests.support.outside_kinds import install, restored_kinds, sram_config

SMALL = ("workload.model=gpt2-small", "workload.context_length=64")
RUNS = {
    "pim-llm": ("pim-llm", SMALL),
    "batch": ("pim-llm", (*SMALL, "workload.batch=8", "mapping.microbatches=2")),
    "dataflow": ("pim-llm", (*SMALL, "schedule=dataflow")),
    "contended": ("pim-llm", ("workload.model=kjv-bitnet", "schedule=contended", "workload.context_length=64")),
    "prefill": ("pim-llm", ("workload.model=kjv-bitnet", "workload.phase=prefill", "workload.prompt_length=40")),
    "tpu-llm": ("tpu-llm", (*SMALL, "schedule=dataflow", "machine.systolic.count=2")),
    "two chips": (
        "pim-llm",
        (*SMALL, "machine.chips.count=2", "mapping.provisioning=whole_model", "schedule=dataflow"),
    ),
    "no limit": ("pim-llm", (*SMALL, "machine.sram.ports=null", "operations_per_mac=2")),
}


@cache
def run(name: str) -> tuple[RunResult, Roofline]:
    config, overrides = RUNS[name]
    result = simulate(load_config(config, list(overrides)))
    return result, roofline(result)


def point(found: Roofline, name: str) -> ClassPoint:
    return next(each for each in found.classes if each.name == name)


def demand(found: Roofline, name: str, resource: str) -> Demand:
    return next(each for each in point(found, name).demands if each.resource == resource)


def test_a_decode_step_of_pim_llm_is_what_the_shapes_of_opt_say() -> None:
    """By hand. OPT-6.7B: 32 layers, 32 heads of 128, 4,096 wide, vocabulary 50,272; context 128.

    The array is 32 x 32 at 100 MHz, output-stationary: a matmul of m x k by k x 1 has ceil(m / 32) folds of k + 62
    cycles, less one (SCALE-Sim). The port moves 64 bytes in 10 ns, and memory 51.2 GB/s.
    """
    found = roofline(simulate(load_config("pim-llm")))
    scores, head = point(found, "attention scores"), point(found, "LM head")
    assert scores.operations == 32 * 32 * 128 * 128
    assert scores.amount("memory") == 32 * 128 * (4096 + 32 * 4)  # codes, and a step of 4 bytes per head
    assert scores.intensity("memory") == near(32 / 33)
    assert demand(found, "attention scores", "systolic").busy_s == near(32 * 32 * (4 * (128 + 62) - 1) * 10e-9)
    # K arrives in the buffer; each head reads K, and its query once per fold, and writes 128 sums of 4 bytes.
    assert scores.amount("sram") == 32 * (128 * 4224 + 32 * (128 * 128 + 4 * 128 + 4 * 128))
    assert scores.bound is not None
    assert scores.bound.resource == "systolic"
    assert scores.bound.used == near(16_777_216 / 102.4e9 / 7.77216e-3)
    assert head.operations == head.amount("memory") == 50_272 * 4096
    assert demand(found, "LM head", "systolic").busy_s == near((1571 * (4096 + 62) - 1) * 10e-9)
    # Its transfer takes eight times as long, since memory waits for the port; that is the port's time.
    assert demand(found, "LM head", "memory").busy_s == near(50_272 * 4096 / 51.2e9 + 35.5e-9)
    assert head.amount("sram") == 2 * 50_272 * 4096 + 1571 * 4096 + 4 * 50_272
    assert head.roof_per_s == near(50_272 * 4096 / (head.amount("sram") / 6.4e9))
    assert [each.resource for each in (head.roof, head.bound) if each] == ["sram", "sram"]
    assert found.ridge("systolic", "memory") == 2
    assert found.ridge("systolic", "sram") == 16
    projections = point(found, "projections on crossbars")
    assert projections.operations == 32 * (4 * 4096**2 + 2 * 4096 * 16384)
    assert projections.amount("memory") == 0


def test_attention_of_a_batch_keeps_its_intensity_and_weights_gain_one() -> None:
    """Each sequence has its own keys and values, while all of them use one table of the LM head."""
    one, eight = (point_of_batch(batch) for batch in (1, 8))
    assert eight[0].intensity("memory") == near(one[0].intensity("memory"))
    assert eight[1].intensity("memory") == near(8 * (one[1].intensity("memory") or 0))


def point_of_batch(batch: int) -> tuple[ClassPoint, ClassPoint]:
    found = roofline(simulate(load_config("pim-llm", [*SMALL, f"workload.batch={batch}"])))
    return point(found, "attention values"), point(found, "LM head")


@pytest.mark.parametrize("name", RUNS)
def test_no_class_exceeds_its_roofs_and_nothing_is_lost(name: str) -> None:
    result, found = run(name)
    rounding_s = 1e-9  # a duration is rounded to picoseconds once per activity
    for each in found.classes:
        for needed in each.demands:
            assert needed.busy_s <= each.time_s + rounding_s, (each.name, needed.resource)
            assert needed.least_s <= each.time_s + rounding_s, (each.name, needed.resource)
            if needed.used is not None and needed.resource != "memory":  # of memory, others may use what one leaves
                assert needed.used <= 1 + 1e-6, (each.name, needed.resource)
        assert each.roof_share is None or each.roof_share <= 1 + 1e-6
    traffic = result.memory_traffic
    assert sum(each.amount("memory") for each in found.classes) == traffic.read_bytes + traffic.write_bytes
    vector = result.counts.get("vector.operation", 0)
    per_mac = result.config.operations_per_mac
    assert sum(each.operations for each in found.classes) == per_mac * result.macs + vector
    accesses = result.counts["sram.read"] + result.counts["sram.write"]
    assert sum(each.amount("sram") for each in found.classes) == 64 * accesses
    for resource in ("memory", "sram", "systolic", "vector", "tile", "mesh", "chip_link"):
        assert found.whole.amount(resource) == sum(each.amount(resource) for each in found.classes)
    assert found.whole.time_s == near(result.latency_s)
    assert found.whole.roof_share is not None
    assert found.whole.roof_share <= 1
    total_s = sum(each.time_s for each in found.classes)
    if result.config.schedule == "serial":
        assert total_s == near(result.latency_s)
    else:
        assert total_s >= result.latency_s * (1 - 1e-9)


def test_ops_are_points_of_their_own_and_add_up_to_classes() -> None:
    result, found = run("pim-llm")
    by_op = roofline(result, by="op")
    assert {"q_proj", "ffn_down", "lm_head"} <= {each.name for each in by_op.classes}
    for resource in ("memory", "sram", "systolic", "vector", "tile"):
        assert sum(each.amount(resource) for each in by_op.classes) == sum(
            each.amount(resource) for each in found.classes
        )


def test_a_machine_without_a_limit_of_the_port_has_no_such_roof() -> None:
    _, found = run("no limit")
    assert "sram" not in {each.resource for each in found.roofs}
    assert found.ridge("systolic", "sram") is None
    assert found.ridge("systolic", "memory") == 4  # a MAC counts as two operations
    assert point(found, "attention scores").operations == 2 * 12 * 12 * 64 * 64


def test_interfaces_of_a_memory_are_roofs_of_their_own() -> None:
    rates = [f"machine.memory.interfaces.{each}_bytes_per_s=10 GB/s" for each in ("activations", "weights", "results")]
    found = roofline(simulate(load_config("tpu-llm", [*SMALL, *rates])))
    names = [each.resource for each in found.roofs if each.resource.startswith("memory")]
    assert names == [f"memory interface of {each}" for each in ("activations", "weights", "results")]
    weights = demand(found, "LM head", "memory interface of weights")
    assert weights.least_s == near(50_257 * 768 / 10e9)
    assert point(found, "LM head").amount("memory") == 50_257 * 768


def test_tiles_of_a_registered_kind_are_a_roof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """16 macros of 256 x 64 weights in a tile, each of which takes its vectors one bit plane a cycle."""
    with restored_kinds():
        install(tmp_path, monkeypatch)
        result = simulate(load_config(sram_config()))
        found = roofline(result)
    [tiles] = [each for each in found.compute_roofs() if "tiles x 262,144 weights" in each.derived_from]
    needed = demand(found, "projections on crossbars", tiles.resource)
    assert needed.amount == 12 * (4 * 768**2 + 2 * 768 * 3072)
    assert needed.used is not None
    assert 0 < needed.used <= 1


def test_rows_json_and_frame_say_the_same() -> None:
    _, found = run("pim-llm")
    first = found.rows()[0]
    assert first["class"] == "LM head"
    assert first["bound_by"] == "systolic array"
    assert found.to_dict()["classes"][0]["demands"][0]["resource"] == "systolic"
    frame = found.to_dataframe()
    assert list(frame["class"]) == [each.name for each in found.classes]
    assert frame["operations"].sum() == sum(each.operations for each in found.classes)
    whole, head, *_ = found.sentences()
    assert whole.startswith("whole run: bound by the systolic array (busy for ")
    assert head.startswith("LM head (9")
    assert "bound by the systolic array (busy for 68." in head
    assert "1 op/B of memory, below the ridge point of the systolic array at 2" in head


def test_a_loading_of_weights_has_no_roofline() -> None:
    with pytest.raises(AnalysisError, match="has none; run decode or prefill"):
        roofline(load_weights(load_config("pim-llm", SMALL)))


def test_the_time_of_a_class_is_that_of_its_activities() -> None:
    result, found = run("dataflow")
    spans = [
        (each.start_ps, each.end_ps) for each in result.activities if result.ops[each.op].kind == "attention_scores"
    ]
    covered = {ps for start, end in spans for ps in range(start // 10_000, -(-end // 10_000))}  # steps of 10 ns
    assert abs(point(found, "attention scores").time_s - ps_to_s(10_000 * len(covered))) < 1e-6
    tiles = [(each.start_ps, each.end_ps) for each in result.activities if each.component == "tile"]
    longest_s = ps_to_s(max(end - start for start, end in tiles))
    assert demand(found, "projections on crossbars", "tile").busy_s >= 12 * longest_s  # a layer after another


def test_a_processor_and_the_memory_that_it_waits_for_are_two_roofs() -> None:
    """GPT-2 Small on an A100: the LM head multiplies 768 x 50,257 weights of a byte, one MAC each.

    It takes them at 76.7 % of 2,039 GB/s, 24.68 us, after a kernel's overhead of 9.7 us.
    """
    found = roofline(simulate(load_config("a100-80gb", list(SMALL))))
    head = point(found, "LM head")
    memory, processor = ({each.resource: each for each in head.demands}[name] for name in ("memory", "roofline"))
    assert (head.operations, memory.amount, processor.amount) == (768 * 50_257,) * 3
    assert head.bound == memory
    assert (memory.busy_s, processor.busy_s) == (near(24.68e-6, 1e-3), near(9.7e-6))
    assert memory.least_s / memory.busy_s == near(0.767, 1e-3)
    assert point(found, "projections").bound.resource == "roofline"  # 12 x 6 overheads against 42 MB of 1-bit weights
