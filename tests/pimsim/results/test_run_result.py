"""The figures of a result, from a result written by hand."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

from pimsim.config.loading import load_config, load_config_text
from pimsim.results.run_result import RESULT_VERSION, RunResult
from pimsim.simulation import simulate
from pimsim.steps.records import ActivityRecord, ComponentRecord, OpRecord, Profile, SpanRecord, TileUse
from pimsim.steps.step_tree import PARTS
from tests.support.closeness import near

ENERGIES = {"systolic.mac": 2e-12, "systolic.cycle": 0.0, "tile.add": 3e-12, "tile2.add": 1.0}


def op(
    name: str, repeat: int, latency_ps: int, parts_ps: dict[str, int], counts: dict[str, int], macs: int = 0
) -> OpRecord:
    return OpRecord(
        block="layer",
        repeat=repeat,
        name=name,
        kind="projection",
        inputs=("input",),
        start_ps=5,
        latency_ps=latency_ps,
        macs=macs,
        parts_ps=parts_ps,
        counts=counts,
    )


def activity(op: int, name: str, start_ps: int, end_ps: int, cause: int, profile: int) -> ActivityRecord:
    return ActivityRecord(op, name, "systolic", "systolic", start_ps, start_ps, end_ps, "", cause, profile)


def result(**changes: Any) -> RunResult:
    """Two ops of 30 and 20 ps, ten times each: 500 ps for two tokens, 700 MACs."""
    ops = (
        op("a", 10, 30, {"systolic": 10, "adc": 20}, {"systolic.mac": 7, "systolic.cycle": 100}, macs=70),
        op("b", 10, 20, {"adc": 20, "dac": 0}, {"tile.add": 4, "systolic.mac": 1}),
    )
    values: dict[str, Any] = {
        "config": load_config({}, ["operations_per_mac=2", "name=by-hand"]),
        "version": "1.2.3",
        "model": "a-model",
        "phase": "decode",
        "context_length": 64,
        "tokens": 2,
        "latency_ps": 500,
        "ops": ops,
        "components": (
            ComponentRecord("systolic", 1, 100, 0.0, {"MAC units": 2e-6}),
            ComponentRecord("tile", 4, 800, 5e-10, {"ADCs": 1e-6, "cells": 0.5e-6}),
        ),
        "activities": (
            activity(0, "a.one", 0, 10, -1, 0),
            activity(0, "a.two", 10, 30, 0, 1),
            activity(1, "b.one", 30, 50, 1, 1),
        ),
        "profiles": (
            Profile(10, 10, {"systolic": 10}, {}, (SpanRecord("systolic", "fold", 5, 15, 2, 1, 1),)),
            Profile(20, 20, {"adc": 20, "dac": 0}, {}, ()),
        ),
        "action_energies_j": ENERGIES,
        "tiles": TileUse(3, 4, 11, 16),
        "weight_bytes": 1000,
        "weight_load_ps": 2_000_000,
    }
    return RunResult(**values | changes)


def test_totals_count_every_repetition() -> None:
    run = result()
    assert run.macs == 700
    assert run.counts == {"systolic.mac": 80, "systolic.cycle": 1000, "tile.add": 40}
    assert run.parts_ps == {"systolic": 100, "adc": 400}  # parts that took no time are left out


def test_under_the_serial_schedule_everything_is_on_the_critical_path() -> None:
    run = result()
    assert run.critical_path == run.activities


def test_the_critical_path_leads_from_the_last_end_back_along_the_causes() -> None:
    """Two lanes: a.one to b.one and a.two alone, which ends first; only what is on the path counts."""
    activities = (
        activity(0, "a.one", 0, 10, -1, 0),
        activity(0, "a.two", 0, 20, -1, 1),
        activity(1, "b.one", 10, 30, 0, 1),
        activity(1, "b.two", 20, 30, 1, 0),
    )
    ops = tuple(dataclasses.replace(each, repeat=1) for each in result().ops)
    dataflow = load_config({}, ["schedule=dataflow"])
    run = result(config=dataflow, ops=ops, activities=activities, latency_ps=30)
    # Of those that end last together, the first.
    assert [each.name for each in run.critical_path] == ["a.one", "b.one"]
    assert run.parts_ps == {"systolic": 10, "adc": 20}
    assert result(config=dataflow, activities=()).critical_path == ()


def test_energy_is_counts_times_energy_per_action_and_leakage() -> None:
    run = result()
    assert run.energies_j == {
        "systolic.mac": near(160e-12),
        "tile.add": near(120e-12),
        "tile.leakage": 5e-10,
    }
    assert run.energy_j == near(780e-12, rel=1e-12)
    assert run.component_energy_j("systolic") == near(160e-12, rel=1e-12)
    assert run.component_energy_j("tile") == near(620e-12, rel=1e-12)
    assert run.component_energy_j("til") == 0  # a name, not the beginning of one


def test_rates() -> None:
    run = result()
    assert run.latency_s == 500e-12
    assert run.tokens_per_s == near(2 / 500e-12, rel=1e-12)
    assert run.tokens_per_j == near(2 / 780e-12, rel=1e-12)
    assert run.gops == near(2 * 700 / 500e-12 / 1e9, rel=1e-12)
    assert run.gops_per_w == near(2 * 700 / 780e-12 / 1e9, rel=1e-12)
    assert run.area_m2 == near(3.5e-6, rel=1e-12)
    once = result(config=load_config({}, ["operations_per_mac=1"]))
    assert once.gops == near(run.gops / 2, rel=1e-12)


def test_what_takes_nothing_is_infinitely_good_and_no_error() -> None:
    free = result(ops=(), components=(), action_energies_j={}, latency_ps=0)
    assert free.tokens_per_j == free.gops_per_w == math.inf
    assert free.tokens_per_s == math.inf
    assert free.gops == math.inf


def test_components_by_name() -> None:
    run = result()
    assert run.component("tile").units == 4
    with pytest.raises(KeyError, match="mesh"):
        run.component("mesh")


@pytest.mark.parametrize(("units", "latency_ps", "share"), [(4, 500, 0.4), (1, 800, 1.0), (0, 500, 0.0), (4, 0, 0.0)])
def test_utilisation_is_the_busy_share_of_all_pieces(units: int, latency_ps: int, share: float) -> None:
    assert ComponentRecord("tile", units, 800, 0.0, {}).utilisation(latency_ps) == near(share)


def test_frozen() -> None:
    run = result()
    for record in (run, run.ops[0], run.components[0], run.tiles, run.profiles[0]):
        field = dataclasses.fields(record)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, field, None)
    with pytest.raises(AttributeError):
        run.activities[0].op = 1  # type: ignore[misc]
    with pytest.raises(AttributeError):
        run.profiles[0].spans[0].part = "adc"  # type: ignore[misc]


def test_summary() -> None:
    summary = result().summary()
    assert summary["name"] == "by-hand"
    assert summary["model"] == "a-model"
    assert summary["operations_per_mac"] == 2
    assert summary["area_mm2"] == near(3.5)
    assert summary["weight_load_s"] == near(2e-6)
    assert (summary["tiles_used"], summary["tiles_available"]) == (3, 4)
    assert (summary["crossbar_pairs_used"], summary["crossbar_pairs_available"]) == (11, 16)
    assert (summary["macs"], summary["weight_bytes"], summary["tokens"]) == (700, 1000, 2)


def test_everything_goes_through_json() -> None:
    run = result()
    plain = json.loads(json.dumps(run.to_dict()))
    assert plain == run.to_dict()
    assert plain["result_version"] == RESULT_VERSION
    assert plain["pimsim_version"] == "1.2.3"
    assert plain["latency_s_by_part"] == {"systolic": 1e-10, "adc": 4e-10}
    assert plain["energy_j_by_action"] == dict(run.energies_j)
    assert plain["components"][1] == {
        "name": "tile",
        "units": 4,
        "busy_s": 8e-10,
        "utilisation": near(0.4),
        "energy_j": near(620e-12),
        "leakage_j": 5e-10,
        "area_mm2": {"ADCs": near(1.0), "cells": near(0.5)},
    }
    # The run can be reproduced from its own result.
    assert load_config_text(json.dumps(plain["config"])) == run.config


def test_rows_and_data_frame() -> None:
    run = result()
    first, second = run.op_rows()
    assert (first["block"], first["repeat"], first["op"], first["kind"], first["macs"]) == (
        "layer",
        10,
        "a",
        "projection",
        70,
    )
    assert (first["start_s"], first["latency_s"]) == (5e-12, 30e-12)
    assert first["energy_j"] == near(14e-12, rel=1e-12)
    assert second["energy_j"] == near(14e-12, rel=1e-12)
    assert [first[f"{part}_s"] for part in ("systolic", "adc", "dac")] == [10e-12, 20e-12, 0]
    assert {f"{part}_s" for part in PARTS} <= set(first)

    frame = run.to_dataframe()
    assert list(frame["op"]) == ["a", "b"]
    assert list(frame.columns) == list(first)
    assert (frame["latency_s"] * frame["repeat"]).sum() == near(run.latency_s)
    parts = sum((frame[f"{part}_s"] * frame["repeat"]).sum() for part in PARTS)
    assert parts == near(run.latency_s)


@pytest.mark.parametrize("machine", ["pim-llm", "tpu-llm"])
def test_a_data_frame_has_a_row_per_op_whose_parts_add_up(machine: str) -> None:
    result = simulate(load_config(machine, ["workload.model=gpt2-medium"]))
    frame = result.to_dataframe()
    assert list(frame["op"]) == [op.name for op in result.ops]
    parts = frame[[f"{part}_s" for part in PARTS]]
    assert list(parts.sum(axis=1)) == near(list(frame["latency_s"]), rel=1e-12)
    assert float((frame["latency_s"] * frame["repeat"]).sum()) == near(result.latency_s, rel=1e-12)
    assert int((frame["macs"] * frame["repeat"]).sum()) == result.macs
    leakage_j = sum(component.leakage_j for component in result.components)
    assert float((frame["energy_j"] * frame["repeat"]).sum()) + leakage_j == near(result.energy_j)
