"""The paper's rules, each on a run result made by hand and small enough to add up in one's head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from pimsim.config.loading import load_config
from pimsim.results.run_result import RunResult
from pimsim.steps.records import OpRecord, TileUse
from pimsim.steps.step_tree import PARTS
from pimsim.studies.paper import published_accounting as accounting
from tests.support.closeness import near

ENERGIES_J = {
    "systolic.cycle": 2.0,
    "systolic.mac": 0.25,
    "tile.adc_conversion": 10.0,
    "mesh.bit_hop": 0.5,
    "memory.read_bit": 1000.0,
    "sram.read": 1000.0,
    "vector.operation": 1000.0,
    "controller.command": 1000.0,
}


def op(
    name: str,
    parts_ps: Mapping[str, int],
    counts: Mapping[str, int] | None = None,
    *,
    kind: str = "projection",
    block: str = "layer",
    inputs: tuple[str, ...] = ("input",),
    repeat: int = 1,
    macs: int = 0,
) -> OpRecord:
    latency_ps = sum(parts_ps.values())
    return OpRecord(block, repeat, name, kind, inputs, 0, latency_ps, macs, parts_ps, counts or {})


def result(*ops: OpRecord, tiles: int = 1, tokens: int = 1) -> RunResult:
    return RunResult(
        config=load_config({}),
        version="0",
        model="tiny",
        phase="decode",
        context_length=1,
        tokens=tokens,
        latency_ps=sum(each.repeat * each.latency_ps for each in ops),
        ops=ops,
        components=(),
        activities=(),
        profiles=(),
        action_energies_j=ENERGIES_J,
        tiles=TileUse(tiles, tiles, tiles, tiles),
        weight_bytes=0,
        weight_load_ps=0,
    )


# --- time -----------------------------------------------------------------------------------------------------------


def test_the_parts_that_count_are_those_of_fig_6() -> None:
    run = result(op("any", {part: 10**index for index, part in enumerate(PARTS)}))
    run_only = ("sram", "memory", "kv_tiers", "programming", "chip_link", "vector", "controller", "contention")
    uncounted = (
        *run_only,
        "near_memory",
        "sram_cim",
        "prediction",
        "processor",
    )  # parts that the paper's machine does not have, too
    by_part = accounting.parts_ps(run)
    assert list(by_part) == ["systolic", "communication", "buffer", "digital", "crossbar", "dac", "adc"]
    assert by_part == {
        accounting.COUNTED_PARTS[part]: 10**index for index, part in enumerate(PARTS) if part not in uncounted
    }
    assert accounting.latency_ps(run) == 1_111_111
    assert accounting.projection_ps(run) == 1_111_110


def test_every_repetition_of_a_layer_counts() -> None:
    run = result(op("a", {"adc": 3}, repeat=5), op("b", {"systolic": 2}, kind="attention_scores", repeat=7))
    assert accounting.parts_ps(run) | {} == dict.fromkeys(accounting.parts_ps(run), 0) | {"adc": 15, "systolic": 14}


def test_of_projections_at_once_the_longest_counts() -> None:
    """`k` is longest by what counts, though `v` takes longer with its global buffer."""
    run = result(
        op("q", {"crossbar": 1, "dac": 3}, repeat=2),
        op("k", {"crossbar": 1, "adc": 5}, repeat=2),
        op("v", {"crossbar": 1, "tile_buffer": 4, "sram": 100}, repeat=2),
        op("o", {"crossbar": 1, "communication": 1}, inputs=("values",), repeat=2),
    )
    assert [each.name for each in accounting.counted_ops(run)] == ["k", "o"]
    assert accounting.latency_ps(run) == 2 * (6 + 2)
    assert accounting.parts_ps(run)["dac"] == accounting.parts_ps(run)["buffer"] == 0
    assert [each.name for each in accounting.counted_ops(run, at_once=False)] == ["q", "k", "v", "o"]
    assert accounting.latency_ps(run, at_once=False) == 2 * (4 + 6 + 5 + 2)
    assert accounting.projection_ps(run, at_once=False) == 2 * (4 + 6 + 5 + 2)


def test_of_equals_at_once_one_counts() -> None:
    run = result(*(op(name, {"crossbar": 1, "adc": 5}) for name in "qkv"))
    assert [each.name for each in accounting.counted_ops(run)] == ["q"]


@pytest.mark.parametrize(
    "other",
    [
        op("k", {"crossbar": 1}, inputs=("other",)),
        op("k", {"crossbar": 1}, inputs=("input", "other")),
        op("k", {"crossbar": 1}, block="another layer"),
        op("k", {"systolic": 1}),
        op("k", {"vector": 1}, kind="norm"),
    ],
    ids=["other input", "more inputs", "other block", "systolic array", "vector unit"],
)
def test_only_crossbars_with_the_same_input_work_at_once(other: OpRecord) -> None:
    assert len(list(accounting.counted_ops(result(op("q", {"crossbar": 9}), other)))) == 2


def test_tokens_per_s_is_tokens_over_the_time_that_counts() -> None:
    run = result(op("a", {"systolic": 2 * 10**12, "memory": 10**15}, kind="attention_scores"), tokens=3)
    assert accounting.tokens_per_s(run) == 1.5


def test_low_precision_share_is_one_of_systolic_cycles_not_of_macs() -> None:
    run = result(
        op("q", {"systolic": 1}, {"systolic.cycle": 6}, macs=1, repeat=2),
        op("scores", {"systolic": 1}, {"systolic.cycle": 3}, kind="attention_scores", macs=99, repeat=2),
        op("values", {"systolic": 1}, {"systolic.cycle": 1}, kind="attention_values", macs=99, repeat=2),
        op("norm", {"vector": 1}, {"vector.operation": 50}, kind="norm"),
        tiles=0,
    )
    assert accounting.low_precision_share(run) == near(0.6)


# --- energy ---------------------------------------------------------------------------------------------------------

ATTENTION = op(
    "scores",
    {"systolic": 4},
    {"systolic.cycle": 4, "systolic.mac": 8, "memory.read_bit": 9, "sram.read": 9, "controller.command": 9},
    kind="attention_scores",
    repeat=3,
    macs=8,
)
PROJECTION = op(
    "q",
    {"crossbar": 1},
    {"tile.adc_conversion": 7, "mesh.bit_hop": 2, "sram.read": 9, "controller.command": 9},
    repeat=3,
    macs=5,
)


def test_attention_energy_of_a_hybrid_counts_for_one_layer() -> None:
    run = result(PROJECTION, ATTENTION)
    assert accounting.systolic_energy_j(run, layers_counted_once=True) == 4 * 2.0 + 8 * 0.25
    assert accounting.systolic_energy_j(run, layers_counted_once=False) == 3 * (4 * 2.0 + 8 * 0.25)
    assert accounting.crossbar_energy_j(run) == 3 * (7 * 10.0 + 2 * 0.5)
    assert accounting.energy_j(run) == 3 * (7 * 10.0 + 2 * 0.5) + 10.0


def test_energy_of_a_machine_without_crossbars_counts_all_layers() -> None:
    run = result(ATTENTION, op("q", {"systolic": 1}, {"systolic.cycle": 5, "memory.read_bit": 9}, repeat=3), tiles=0)
    assert accounting.energy_j(run) == 3 * (10.0 + 5 * 2.0)


def test_a_mac_is_one_operation() -> None:
    run = result(PROJECTION, ATTENTION)
    macs = 3 * (5 + 8)
    assert accounting.gops(run) == near(macs / (accounting.latency_ps(run) * 1e-12) / 1e9)
    assert accounting.gops_per_w(run) == near(macs / accounting.energy_j(run) / 1e9)
    two = replace(run, config=load_config({}, ["operations_per_mac=2"]))
    assert two.gops == 2 * run.gops
    assert accounting.gops(two) == accounting.gops(run)
    assert accounting.gops_per_w(two) == accounting.gops_per_w(run)


def test_a_charge_is_four_watt_hours_and_a_word_one_and_a_half_tokens() -> None:
    assert accounting.words_per_charge(1.0) == 4 * 3600 / 1.5
    assert accounting.words_per_charge(1e-3) == near(9.6e6)
