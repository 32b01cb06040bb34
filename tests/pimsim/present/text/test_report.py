"""What is printed says what it is of; what is written reads back as it was."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pimsim import load_config, simulate
from pimsim.base.units import ps_to_s
from pimsim.present.formats import to_csv, to_json
from pimsim.present.text.paper_report import print_fits, print_table, print_variants
from pimsim.present.text.run_report import print_run
from pimsim.present.text.trace_report import print_trace
from pimsim.results.run_result import RunResult
from pimsim.steps.step_tree import PARTS
from pimsim.studies.paper.fits import Fitted
from pimsim.studies.paper.paper_tables import Table
from pimsim.studies.paper.placement_variants import Variant
from tests.closeness import near
from workloads.decoder_ops import decode_step
from workloads.models import find_model


@pytest.fixture(scope="module")
def pim() -> RunResult:
    return simulate(load_config("pim-llm", ["workload.model=gpt2-medium"]))


@pytest.fixture(scope="module")
def tpu() -> RunResult:
    return simulate(load_config("tpu-llm", ["workload.model=gpt2-medium"]))


def printed(show: Callable[..., None], value: object) -> str:
    file = io.StringIO()
    show(value, file)
    return file.getvalue()


# --- a run ----------------------------------------------------------------------------------------------------------


def test_a_summary_names_the_run(pim: RunResult) -> None:
    first = printed(print_run, pim).splitlines()[0]
    assert first == "pim-llm: gpt2-medium, decode at context 128, serial schedule, leakage gating always"


def test_a_summary_has_the_headline_figures(pim: RunResult) -> None:
    text = printed(print_run, pim)
    for label, value, unit in (
        ("speed", pim.tokens_per_s, "tokens/s"),
        ("energy", pim.tokens_per_j, "tokens/J"),
        ("throughput", pim.gops, "GOPS"),
        ("efficiency", pim.gops_per_w, "GOPS/W"),
    ):
        assert re.search(rf"^{label} +{re.escape(f'{value:.4g}')} {unit} ", text, re.MULTILINE)
    assert re.search(rf"^area +{re.escape(f'{pim.area_m2 * 1e6:,.4g}')} mm\^2", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("per_mac", "said"), [(1, "a MAC counts as one operation"), (2, "a MAC counts as two operations")]
)
def test_a_summary_says_what_an_operation_is(pim: RunResult, per_mac: int, said: str) -> None:
    counted = replace(pim, config=pim.config.model_copy(update={"operations_per_mac": per_mac}))
    text = printed(print_run, counted)
    for label, value in (("throughput", per_mac * pim.gops), ("efficiency", per_mac * pim.gops_per_w)):
        assert re.search(rf"^{label} +{re.escape(f'{value:.4g}')} GOPS\S* +{said} *$", text, re.MULTILINE)


@pytest.mark.parametrize("machine", ["pim", "tpu"])
def test_each_part_says_what_it_contains(machine: str, request: pytest.FixtureRequest) -> None:
    result = request.getfixturevalue(machine)
    text = printed(print_run, result)
    rows = re.findall(r"^(\w+) +([\d.]+ \ws|[\d.]+ s) +([\d.]+)% +(\S.*?) *$", text, re.MULTILINE)
    shown = {part: (float(share), contains) for part, _, share, contains in rows}
    assert set(shown) == {part for part, duration_ps in result.parts_ps.items() if duration_ps}
    assert all(contains == PARTS[part] for part, (_, contains) in shown.items())
    shares = [share for share, _ in shown.values()]
    assert sum(shares) == pytest.approx(100, abs=0.1)
    assert shares == sorted(shares, reverse=True), "the longest first"


def test_a_summary_says_how_many_tiles_are_used_of_how_many() -> None:
    result = simulate(load_config("defaults", ["workload.model=gpt2-small"]))
    text = printed(print_run, result)
    tiles = result.tiles
    assert 0 < tiles.tiles_used < tiles.tiles_available == 4096
    assert re.search(rf"^tiles +{tiles.tiles_used:,} used +of 4,096 available", text, re.MULTILINE)
    assert re.search(rf"^crossbar pairs +{tiles.pairs_used:,} used +of 16,384 available, \d+\.\d%", text, re.MULTILINE)


def test_a_summary_says_how_long_weights_take_to_load(pim: RunResult) -> None:
    text = printed(print_run, pim)
    # 24 layers of 12 d^2 one-bit weights; 64 bits of 6400 MT/s for 36 MiB.
    assert pim.weight_bytes == 24 * 12 * 1024**2 // 8
    assert ps_to_s(pim.weight_load_ps) == near(pim.weight_bytes / 51.2e9)
    assert re.search(r"^weights +36 MiB +737\.3 us to load once \(not included in the run\)", text, re.MULTILINE)


def test_a_machine_without_crossbars_has_no_tiles_and_streams_its_weights(tpu: RunResult) -> None:
    text = printed(print_run, tpu)
    assert not re.search(r"^(tiles|crossbar pairs) ", text, re.MULTILINE)
    assert re.search(r"^weights +288 MiB +not stored on the chip; read for every token", text, re.MULTILINE)


def test_energy_names_the_actions_of_each_component(pim: RunResult) -> None:
    text = printed(print_run, pim)
    table = text.partition("\ncomponent  ")[2].partition("\n\n")[0]
    lines = {line.split()[0]: line for line in table.splitlines()[2:] if line[:1].isalpha()}
    for component in pim.components:
        assert f"{pim.component_energy_j(component.name) / pim.energy_j:.2%}" in lines[component.name]
    largest = max(pim.energies_j, key=lambda action: pim.energies_j[action])
    name, _, action = largest.partition(".")
    assert f"{action} {pim.energies_j[largest] / pim.energy_j:.1%}" in lines[name]


def test_each_component_has_its_pieces_and_how_busy_they_are(pim: RunResult) -> None:
    text = printed(print_run, pim).rpartition("component ")[2]
    for component in pim.components:
        busy = f"{component.utilisation(pim.latency_ps):.2%}"
        assert re.search(rf"^{component.name} +{component.units:,} +{busy} ", text, re.MULTILINE)


def test_the_summary_is_plain_text_when_it_is_no_terminal(pim: RunResult) -> None:
    assert "\x1b" not in printed(print_run, pim)


def test_a_run_that_costs_no_energy_can_be_shown() -> None:
    free = [
        f"machine.{key}=0"
        for key in (
            "systolic.cycle_energy_j",
            "controller.command_energy_j",
            "vector.operation_energy_j",
            "sram.read_energy_j",
            "sram.write_energy_j",
            "memory.energy_j_per_bit",
        )
    ]
    result = simulate(load_config("tpu-llm", ["workload.model=gpt2-small", *free]))
    assert result.energy_j == 0
    text = printed(print_run, result)
    assert re.search(r"^energy +inf tokens/J +0 J per token", text, re.MULTILINE)
    assert json.loads(to_json(result.to_dict()))["summary"]["tokens_per_j"] is None


# --- for machines ---------------------------------------------------------------------------------------------------


def test_json_is_the_whole_result(pim: RunResult) -> None:
    text = to_json(pim.to_dict())
    read = json.loads(text)
    assert read == json.loads(json.dumps(pim.to_dict()))
    assert read["summary"]["tokens_per_s"] == pim.tokens_per_s
    assert sum(read["latency_s_by_part"].values()) == near(pim.latency_s)
    assert sum(read["energy_j_by_action"].values()) == near(pim.energy_j)
    assert len(read["ops"]) == len(pim.ops)
    assert load_config(read["config"]) == pim.config, "and its config can be run again"


def test_json_has_null_for_infinity_wherever_it_is() -> None:
    value = {"a": [1.5, float("inf")], "b": {"c": (float("-inf"), "inf")}}
    assert json.loads(to_json(value)) == {"a": [1.5, None], "b": {"c": [None, "inf"]}}


def test_csv_quotes_and_leaves_empty() -> None:
    rows: list[dict[str, Any]] = [{"a": 'x, "y"', "b": None}, {"a": "", "b": 0.1}]
    text = to_csv(rows)
    assert text == 'a,b\n"x, ""y""",\n,0.1\n'
    assert list(csv.DictReader(io.StringIO(text))) == [{"a": 'x, "y"', "b": ""}, {"a": "", "b": "0.1"}]


@pytest.mark.parametrize("machine", ["pim", "tpu"])
def test_a_data_frame_has_a_row_per_op_whose_parts_add_up(machine: str, request: pytest.FixtureRequest) -> None:
    result: RunResult = request.getfixturevalue(machine)
    frame = result.to_dataframe()
    assert list(frame["op"]) == [op.name for op in result.ops]
    parts = frame[[f"{part}_s" for part in PARTS]]
    assert list(parts.sum(axis=1)) == near(list(frame["latency_s"]), rel=1e-12)
    assert float((frame["latency_s"] * frame["repeat"]).sum()) == near(result.latency_s, rel=1e-12)
    assert int((frame["macs"] * frame["repeat"]).sum()) == result.macs
    leakage_j = sum(component.leakage_j for component in result.components)
    assert float((frame["energy_j"] * frame["repeat"]).sum()) + leakage_j == near(result.energy_j)


# --- tables, fits, variants, traces ---------------------------------------------------------------------------------


def test_a_table_shows_ours_the_published_and_the_deviation() -> None:
    columns = ("model", "context_length", "tokens_per_s", "published", "deviation_percent")
    cells = (("a", 1024, 218.114, 218.0, 0.05), ("b", 1, 0.123456, None, None), ("c", 1, 1.5e6, 1.0, -0.0001))
    rows_of_cells = tuple(dict(zip(columns, row, strict=True)) for row in cells)
    table = Table("any", "Any table", rows_of_cells, ("a note",))
    title, headings, _, *rows, note = printed(print_table, table).splitlines()
    assert title == "Any table"
    assert re.split(r" {2,}", headings.strip()) == ["model", "context length", "tokens/s", "published", "deviation %"]
    assert [row.split() for row in rows] == [
        ["a", "1024", "218.11", "218.00", "+0.05"],
        ["b", "1", "0.1235"],
        ["c", "1", "1.500e+06", "1", "-0.00"],
    ]
    assert note == "  a note"


def test_fits_show_fitted_and_stock_in_one_unit() -> None:
    fits = [Fitted("machine.mesh.link_bandwidth_bps", 19.6464e9, 20e9, "some numbers")]
    last = printed(print_fits, fits).splitlines()[-1]
    assert re.split(r" {2,}", last.strip()) == [
        "machine.mesh.link_bandwidth_bps",
        "19.65 Gb/s",
        "20 Gb/s",
        "0.982",
        "some numbers",
    ]


def test_variants_come_with_the_best_first() -> None:
    variants = [
        Variant("rows", "each", "port", False, {"opt-6.7b": 400.0}, 20.0, 5.0),
        Variant("shells", "one", "stays", True, {"opt-6.7b": 321.555}, 1.336, 0.25),
    ]
    *_, best, worst = printed(print_variants, variants).splitlines()
    assert best.split() == ["shells", "one", "stays", "at", "once", "321.56", "1.34", "0.25"]
    assert worst.split() == ["rows", "each", "port", "in", "a", "chain", "400.00", "20.00", "5.00"]


def test_a_trace_shows_each_op_with_its_shape_and_inputs() -> None:
    trace = decode_step(find_model("llama-3-8b"), 64, embedding=True, lm_head=True)
    text = printed(print_trace, trace)
    assert text.startswith(f"llama-3-8b, decode at context 64: {trace.macs:,} MACs\n")
    for block, op in trace.ops():
        assert re.search(rf"^{block.name} x{block.repeat} +{op.name} +{op.kind} ", text, re.MULTILINE)
    assert "heads=32 kv_heads=8 d_head=128" in text
