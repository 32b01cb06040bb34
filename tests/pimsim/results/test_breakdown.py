"""Breakdowns by op and by layer: rows add up to the totals, and some of them are known by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest

from pimsim import load_config, simulate
from pimsim.results.breakdown import BREAKDOWNS
from pimsim.results.run_result import RunResult
from pimsim.steps.records import ActivityRecord, ComponentRecord, OpRecord, Profile, TileUse
from tests.support.closeness import near

RUNS = {
    "serial": ["schedule=serial"],
    "dataflow": ["schedule=dataflow"],
    "contended": ["schedule=contended"],
    "ungated": ["leakage_gating=ungated", "schedule=dataflow"],
    "not charged": ["leakage_gating=not_charged"],
    "all ops": ["workload.embedding=true", "workload.lm_head=true", "schedule=dataflow"],
    "prefill": ["workload.phase=prefill", "workload.prompt_length=16"],
    "batch": ["workload.batch=4", "mapping.microbatches=2"],
    "batch, dataflow": ["workload.batch=4", "mapping.microbatches=2", "schedule=dataflow"],
    "swap": ["mapping.provisioning=swap", "machine.mesh.rows=4", "machine.mesh.columns=8"],
    "chips": ["mapping.provisioning=whole_model", "machine.chips.count=3", "schedule=dataflow"],
}


def run(*settings: str, name: str = "pim-llm") -> RunResult:
    return simulate(load_config(name, ["workload.model=gpt2-small", "workload.context_length=64", *settings]))


@pytest.mark.parametrize("by", BREAKDOWNS)
@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_rows_add_up_to_the_totals(settings: list[str], by: str) -> None:
    result = run(*settings)
    rows = BREAKDOWNS[by](result)
    assert math.fsum(row["time_s"] for row in rows) == near(result.latency_s, rel=1e-12)
    assert math.fsum(row["energy_j"] for row in rows) == near(result.energy_j, rel=1e-12)
    assert math.fsum(row["time_share"] for row in rows) == near(1.0, rel=1e-12)
    assert math.fsum(row["energy_share"] for row in rows) == near(1.0, rel=1e-12)
    assert sum(row["macs"] for row in rows) == result.macs
    assert 8 * sum(row["memory_read_bytes"] for row in rows) == result.counts["memory.read_bit"]
    assert 8 * sum(row["memory_write_bytes"] for row in rows) == result.counts["memory.write_bit"]
    whole_ps = sum(result.ops[each.op].repeat * (each.end_ps - each.start_ps) for each in result.activities)
    assert math.fsum(row["activity_s"] for row in rows) == near(whole_ps * 1e-12, rel=1e-12)
    leakage = [row for row in rows if "leakage" in row.values()]
    assert [row["energy_j"] for row in leakage] == ([near(result.leakage_j)] if result.leakage_j else [])
    assert len({tuple(row) for row in rows}) == 1, "all rows have the same columns, for CSV and data frames"
    assert pd.DataFrame(rows)["energy_j"].sum() == near(result.energy_j, rel=1e-12)


def test_macs_and_bytes_of_an_op_by_hand() -> None:
    """GPT-2 small: 12 layers of 12 heads, d_model 768. Scores of 64 entries read K, 64 x 768 bytes a layer, with
    as many MACs, and a step of 4 bytes per head and entry.
    """
    rows = {row["op"]: row for row in run().by_op()}
    assert rows["scores"]["count"] == 12
    assert rows["scores"]["macs"] == 12 * 64 * 768
    assert rows["scores"]["memory_read_bytes"] == 12 * 64 * (768 + 12 * 4)
    assert rows["ffn_up"]["macs"] == 12 * 768 * 3072
    assert rows["kv_append"]["memory_write_bytes"] == 12 * 2 * (768 + 12 * 4)
    assert rows["softmax"]["memory_read_bytes"] == 0


@pytest.mark.parametrize("batch", [[], ["workload.batch=4", "mapping.microbatches=2"]], ids=["one", "micro-batches"])
def test_a_layer_is_the_same_under_all_schedules(batch: list[str]) -> None:
    options = ("workload.embedding=true", "workload.lm_head=true", *batch)
    tables = [run(*options, f"schedule={schedule}").by_layer() for schedule in ("serial", "dataflow")]
    names = [(row["block"], row["index"]) for row in tables[0]]
    assert names == [
        ("embedding", 0), *(("layer", index) for index in range(12)), ("lm_head", 0), ("leakage", 0)
    ]  # fmt: skip
    assert [(row["block"], row["index"]) for row in tables[1]] == names
    for serial, dataflow in zip(*tables, strict=True):
        for column in ("macs", "memory_read_bytes", "memory_write_bytes"):
            assert serial[column] == dataflow[column]
        assert serial["energy_j"] == near(dataflow["energy_j"], rel=1e-12)
    assert tables[0][1]["macs"] == (4 if batch else 1) * (12 * 768 * 768 + 2 * 64 * 768)


def test_layers_with_several_windows_are_counted_together() -> None:
    model = "tests/data/transformers/qwen2_window"
    settings = [f"workload.model={model}", "workload.context_length=64"]
    rows = simulate(load_config("pim-llm", settings)).by_layer()
    layers = [row for row in rows if row["block"].startswith("layer")]
    assert len({row["block"] for row in layers}) > 1
    assert [row["index"] for row in layers] == list(range(len(layers)))


def by_hand() -> RunResult:
    """Two ops on two units, in ps: a 0-10 and c 10-15 on one, b 0-4 on the other; c waited for a.

    A MAC takes 2 pJ and a bit 3 pJ; the leakage is 7 pJ.
    """
    one = OpRecord("layer", 1, "a", "projection", (), 0, 10, 5, {}, {"systolic.mac": 5})
    two = OpRecord("layer", 1, "b", "norm", (), 0, 15, 0, {}, {"memory.read_bit": 8, "memory.write_bit": 16})
    return RunResult(
        config=load_config("pim-llm", ["schedule=dataflow"]),
        version="0",
        model="hand",
        phase="decode",
        context_length=1,
        tokens=1,
        latency_ps=15,
        ops=(one, two),
        activities=(
            ActivityRecord(0, "a[0]", "systolic", "systolic", 0, 0, 10, "", -1, 0),
            ActivityRecord(1, "b[0]", "memory", "memory", 0, 0, 4, "", -1, 0),
            ActivityRecord(1, "b[1]", "systolic", "systolic", 4, 10, 15, "systolic", 0, 0),
        ),
        profiles=(Profile(0, 0, {}, {}, ()),),
        components=(ComponentRecord("systolic", 1, 15, 7e-12, {}),),
        action_energies_j={"systolic.mac": 2e-12, "memory.read_bit": 3e-12, "memory.write_bit": 3e-12},
        tiles=TileUse(0, 0, 0, 0),
        weight_bytes=0,
        weight_load_ps=0,
    )


def test_a_result_by_hand() -> None:
    total = 10e-12 + 72e-12 + 7e-12
    assert by_hand().by_op() == [
        {"op": "a", "kind": "projection", "count": 1, "time_s": 10e-12, "time_share": near(10 / 15),
         "activity_s": 10e-12, "energy_j": near(10e-12), "energy_share": near(10e-12 / total), "macs": 5,
         "memory_read_bytes": 0, "memory_write_bytes": 0},
        {"op": "b", "kind": "norm", "count": 1, "time_s": 5e-12, "time_share": near(5 / 15), "activity_s": 9e-12,
         "energy_j": near(72e-12), "energy_share": near(72e-12 / total), "macs": 0, "memory_read_bytes": 1,
         "memory_write_bytes": 2},
        {"op": "leakage", "kind": "leakage", "count": 0, "time_s": 0.0, "time_share": 0.0, "activity_s": 0.0,
         "energy_j": near(7e-12), "energy_share": near(7e-12 / total), "macs": 0, "memory_read_bytes": 0,
         "memory_write_bytes": 0},
    ]  # fmt: skip
    (layer, leakage) = by_hand().by_layer()
    assert (layer["block"], layer["index"], layer["macs"], layer["time_s"]) == ("layer", 0, 5, 15e-12)
    assert leakage["energy_j"] == near(7e-12)


def test_an_empty_run_has_no_shares() -> None:
    nothing = replace(by_hand(), latency_ps=0, activities=(), action_energies_j=dict.fromkeys(
        by_hand().action_energies_j, 0.0), components=())  # fmt: skip
    assert [(row["time_share"], row["energy_share"]) for row in nothing.by_op()] == [(0.0, 0.0)] * 2
