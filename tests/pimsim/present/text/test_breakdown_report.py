"""The report of a breakdown: its lines against the rows of the result."""

from __future__ import annotations

import io

import pytest

from pimsim import load_config, simulate
from pimsim.base.units import dimension_of_key, format_quantity
from pimsim.present.text.breakdown_report import print_breakdown
from pimsim.results.run_result import RunResult
from tests.support.printed import rows_below

TIME, ENERGY, SIZE = (dimension_of_key(key) for key in ("x_s", "x_j", "x_bytes"))


def shown(result: RunResult, by: str) -> list[list[str]]:
    file = io.StringIO()
    print_breakdown(result, by, file)
    assert file.getvalue().startswith(f"Time on the critical path, energy and memory traffic by {by}\n\n")
    return rows_below(file.getvalue(), f"{by} ")


@pytest.fixture(scope="module")
def whole() -> RunResult:
    options = ["workload.model=gpt2-small", "workload.lm_head=true", "workload.embedding=true"]
    return simulate(load_config("pim-llm", options))


def test_ops_are_listed_by_time_with_leakage_and_the_total_last(whole: RunResult) -> None:
    rows = shown(whole, "op")
    ops = sorted(whole.by_op()[:-1], key=lambda row: -row["time_s"])
    assert [row[0] for row in rows] == [*(row["op"] for row in ops), "leakage", "total"]
    first = ops[0]
    assert rows[0] == [
        first["op"],
        f"{first['count']:,}",
        format_quantity(first["time_s"], TIME),
        f"{first['time_share']:.2%}",
        format_quantity(first["energy_j"], ENERGY),
        f"{first['energy_share']:.2%}",
        f"{first['macs']:,}",
        format_quantity(first["memory_read_bytes"], SIZE),
    ]
    assert rows[-2] == ["leakage", format_quantity(whole.leakage_j, ENERGY), f"{whole.leakage_j / whole.energy_j:.2%}"]
    assert rows[-1][2:7] == [
        format_quantity(whole.latency_s, TIME), "100.00%", format_quantity(whole.energy_j, ENERGY), "100.00%",
        f"{whole.macs:,}",
    ]  # fmt: skip


def test_equal_layers_are_one_line(whole: RunResult) -> None:
    rows = shown(whole, "layer")
    assert [row[:2] for row in rows[:3]] == [["embedding", "1"], ["layer 0 to 11", "12"], ["lm_head", "1"]]
    assert [row[0] for row in rows[3:]] == ["leakage", "total"]
    assert rows[-1][1] == "14"


def test_layers_that_differ_have_a_line_each() -> None:
    options = ["workload.model=gpt2-small", "schedule=contended", "leakage_gating=not_charged"]
    rows = shown(simulate(load_config("pim-llm", options)), "layer")
    numbered = [row for row in rows if row[0].startswith("layer ")]
    assert sum(int(row[1]) for row in numbered) == 12
    assert numbered[0][0].startswith("layer 0")
    assert rows[-1][0] == "total"
