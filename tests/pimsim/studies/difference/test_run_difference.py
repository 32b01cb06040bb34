"""Differences of two runs: shares by part, action and op add up exactly, and some of them are known by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from functools import cache

import pytest

from pimsim import diff, load_config, simulate
from pimsim.results.run_result import RunResult
from pimsim.studies.difference.exact_shares import REMAINDER, exact_energy_j
from pimsim.studies.difference.run_difference import RunDifference
from tests.support.closeness import near

SMALL = {"workload.model": "gpt2-small", "workload.context_length": 64}


@cache
def run(name: str = "pim-llm", *settings: str) -> RunResult:
    return simulate(load_config(name, [*(f"{key}={value}" for key, value in SMALL.items()), *settings]))


PAIRS = {
    "two machines": (("pim-llm",), ("tpu-llm",)),
    "schedules": (("pim-llm", "schedule=dataflow"), ("pim-llm", "workload.batch=3", "mapping.microbatches=3")),
    "contended": (("pim-llm", "schedule=contended"), ("pim-llm", "leakage_gating=ungated")),
    "near memory": (("pim-llm-near-memory",), ("pim-llm-sram-attention", "workload.phase=prefill")),
}


def assert_adds_up(found: RunDifference) -> None:
    """Sums over parts, actions and ops = difference of the results: integers, and exact fractions of floats."""
    first, second = found.results
    latency_ps = second.latency_ps - first.latency_ps
    energy_j = exact_energy_j(second) - exact_energy_j(first)
    assert sum(each.second - each.first for each in found.parts) == latency_ps
    assert sum(each.second.time_ps - each.first.time_ps for each in found.ops) == latency_ps
    assert sum(each.second.energy_j - each.first.energy_j for each in found.actions) == energy_j
    assert sum(each.second.energy_j - each.first.energy_j for each in found.ops) == energy_j
    assert sum(each.second.macs - each.first.macs for each in found.ops) == second.macs - first.macs
    moved = (second.memory_traffic.read_bytes - first.memory_traffic.read_bytes) + (
        second.memory_traffic.write_bytes - first.memory_traffic.write_bytes
    )
    shares = ((each.first, each.second) for each in found.ops)
    assert sum(b.read_bytes + b.write_bytes - a.read_bytes - a.write_bytes for a, b in shares) == moved
    for result in found.results:  # the exact energy is the energy of the report
        assert float(exact_energy_j(result)) == near(result.energy_j, rel=1e-15)
    assert float(found.area_m2) == near(second.area_m2 - first.area_m2, rel=1e-12)


@pytest.mark.parametrize(("one", "other"), PAIRS.values(), ids=PAIRS)
def test_every_table_adds_up_exactly_the_largest_difference_first(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    found = diff(run(*one), run(*other))
    assert_adds_up(found)
    sizes = [abs(each.second - each.first) for each in found.parts]
    assert sizes == sorted(sizes, reverse=True)
    times = [abs(each.second.time_ps - each.first.time_ps) for each in found.ops]
    assert times == sorted(times, reverse=True)
    backwards = diff(run(*other), run(*one))
    assert (backwards.latency_ps, backwards.energy_j) == (-found.latency_ps, -found.energy_j)


def test_rows_of_a_quantity_add_up_to_its_total() -> None:
    rows = list(diff(run("pim-llm"), run("tpu-llm")).rows())
    totals = {row["quantity"]: row["difference"] for row in rows if row["table"] == "total"}
    for table, quantity in (("part", "latency"), ("op", "latency"), ("op", "energy"), ("action", "energy")):
        shares = [row["difference"] for row in rows if (row["table"], row["quantity"]) == (table, quantity)]
        assert math.fsum(shares) == near(totals[quantity], rel=1e-12)


def test_the_lm_head_by_hand() -> None:
    """GPT-2 small: the LM head has 768 x 50,257 weights of 8 bits, which are read from memory."""
    found = diff(run("tpu-llm", "workload.lm_head=false"), run("tpu-llm"))
    head = next(each for each in found.ops if each.name == "lm_head")
    assert head.only_in == "second"
    assert (head.second.count, head.second.macs, head.second.read_bytes) == (1, 768 * 50_257, 768 * 50_257)
    assert found.work["macs"][1] - found.work["macs"][0] == 768 * 50_257
    assert found.counted_only == ((), ("LM head",))
    assert [each.key for each in found.keys] == ["workload.lm_head"]
    assert all(each.only_in == "second" for each in found.ops if each.name.startswith("lm_head"))


def test_equal_results_have_no_difference() -> None:
    result = run("pim-llm")
    found = diff(result, result)
    assert found.same_figures
    assert (found.keys, found.latency_ps, found.energy_j, found.area_m2) == ((), 0, Fraction(0), Fraction(0))
    assert not any(row["difference"] for row in found.rows())


def test_one_picosecond_is_a_difference_and_has_a_row_of_its_own() -> None:
    """Another latency than that of the activities, as a file that somebody edited has."""
    found = diff(run("pim-llm"), replace(run("pim-llm"), latency_ps=run("pim-llm").latency_ps + 1))
    assert not found.same_figures
    assert [(each.name, each.second, each.only_in) for each in found.parts[:1]] == [(REMAINDER, 1, "second")]
    assert_adds_up(found)


def test_what_an_older_version_did_not_count_is_not_a_difference() -> None:
    old = replace(run("pim-llm"), memory_use=None, accounting=type(run("pim-llm").accounting)(), version="0.0.1")
    found = diff(old, run("pim-llm"))
    assert found.work["kv_cache_bytes"] == (None, run("pim-llm").kv_cache_bytes)
    assert found.same_figures
    assert found.counted_only == ((), ())
    assert [makers[0].split(",")[0] for makers in found.made_by] == ["pimsim 0.0.1", f"pimsim {run('pim-llm').version}"]
