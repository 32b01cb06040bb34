"""The report of a run: each line of its summary and tables against the result's values."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from pimsim import load_config, simulate
from pimsim.base.units import dimension_of_key, format_quantity, ps_to_s
from pimsim.present.formats import to_json
from pimsim.present.text.run_report import print_run
from pimsim.results.feasibility import AreaItem, Feasibility
from pimsim.results.run_result import RunResult
from pimsim.steps.records import ComponentRecord, TileUse
from pimsim.steps.step_tree import PARTS
from tests.support.closeness import near
from tests.support.printed import printed, rows_below

TIME, ENERGY = dimension_of_key("x_s"), dimension_of_key("x_j")


def test_a_summary_names_the_run(pim: RunResult) -> None:
    first = printed(print_run, pim).splitlines()[0]
    assert first == "pim-llm: gpt2-medium, decode at context 128, serial schedule, leakage charged while busy"


@pytest.mark.parametrize(
    ("gating", "said"),
    [
        ("ungated", "leakage charged for the whole run"),
        ("idle_gated", "leakage charged while busy"),
        ("not_charged", "leakage not charged"),
    ],
)
def test_a_summary_says_what_leakage_is_charged(pim: RunResult, gating: str, said: str) -> None:
    counted = replace(pim, config=pim.config.model_copy(update={"leakage_gating": gating}))
    assert printed(print_run, counted).splitlines()[0].endswith(f"serial schedule, {said}")


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
def test_a_summary_defines_an_operation(pim: RunResult, per_mac: int, said: str) -> None:
    counted = replace(pim, config=pim.config.model_copy(update={"operations_per_mac": per_mac}))
    text = printed(print_run, counted)
    for label, value in (("throughput", per_mac * pim.gops), ("efficiency", per_mac * pim.gops_per_w)):
        assert re.search(
            rf"^{label} +{re.escape(f'{value:.4g}')} GOPS\S* +(\S+ TOPS/W; )?{said} *$", text, re.MULTILINE
        )
    assert re.search(rf"^density .* {per_mac * pim.tops_per_mm2:.4g} TOPS/mm\^2; {said} *$", text, re.MULTILINE)


@pytest.mark.parametrize("machine", ["pim", "tpu"])
def test_each_latency_component_names_its_contents(machine: str, request: pytest.FixtureRequest) -> None:
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
    # 24 layers of 12 d^2 ternary weights of two bits; in and out through 64 bytes at 100 MHz for 72 MiB. The LM head of
    # 50,257 x 1024 bytes is streamed.
    on_crossbars = 24 * 12 * 1024**2 // 4
    assert pim.weight_bytes == on_crossbars + 50_257 * 1024
    assert ps_to_s(pim.weight_load_ps) == near(2 * on_crossbars / 6.4e9)
    row = r"^weights +121\.1 MiB +23\.59 ms to load those on crossbars once \(not included in the run\)"
    assert re.search(row, text, re.MULTILINE)
    without = simulate(load_config("pim-llm", ["workload.model=gpt2-medium", "workload.lm_head=false"]))
    row = r"^weights +72 MiB +23\.59 ms to load once \(not included in the run\)"
    assert re.search(row, printed(print_run, without), re.MULTILINE)


def test_a_machine_without_crossbars_has_no_tiles_and_streams_its_weights(tpu: RunResult) -> None:
    text = printed(print_run, tpu)
    assert not re.search(r"^(tiles|crossbar pairs) ", text, re.MULTILINE)
    assert re.search(r"^weights +337\.1 MiB +not stored on the chip; read for every token", text, re.MULTILINE)


def test_a_summary_has_the_kv_cache_and_the_traffic_of_memory(tpu: RunResult) -> None:
    """GPT-2 medium at 128 tokens: 24 layers of 12 d^2 weights and an LM head of 50,257 d in 8 bits, rows of d of two
    tables, and 2 d of K and V per layer and token with 4 bytes for each of 16 heads.
    """
    text = printed(print_run, tpu)
    weights_mib = (24 * 12 * 1024**2 + 50_257 * 1024) / 2**20
    kv_mib = 2 * 24 * (1024 + 16 * 4) * 128 / 2**20
    reads_mib = weights_mib + kv_mib + 2 / 1024
    reads = f"weights {weights_mib:.4g} MiB, KV cache {kv_mib:g} MiB, embeddings 2 KiB"
    assert re.search(rf"^KV cache +{kv_mib:g} MiB +memory: 16 GiB per chip", text, re.MULTILINE)
    assert re.search(rf"^memory reads +{reads_mib:.4g} MiB +{reads} *$", text, re.MULTILINE)
    assert re.search(r"^memory writes +51 KiB +KV cache 51 KiB *$", text, re.MULTILINE)
    memory = tpu.config.machine.memory.model_copy(update={"capacity_bytes": None})
    machine = tpu.config.machine.model_copy(update={"memory": memory})
    unlimited = replace(tpu, config=tpu.config.model_copy(update={"machine": machine}))
    assert re.search(rf"^KV cache +{kv_mib:g} MiB +memory: no limit", printed(print_run, unlimited), re.MULTILINE)
    assert not re.search(r"^KV cache", printed(print_run, replace(tpu, memory_use=None)), re.MULTILINE)


def test_energy_names_the_actions_of_each_component(pim: RunResult) -> None:
    text = printed(print_run, pim)
    table = text.partition("\nenergy of ")[2].partition("\n\n")[0]
    lines = {line.split()[0]: line for line in table.splitlines()[2:] if line[:1].isalpha()}
    for component in pim.components:
        assert f"{pim.component_energy_j(component.name) / pim.energy_j:.2%}" in lines[component.name]
    largest = max(pim.energies_j, key=lambda action: pim.energies_j[action])
    name, _, action = largest.partition(".")
    assert f"{action} {pim.energies_j[largest] / pim.energy_j:.1%}" in lines[name]


def test_each_component_has_its_units_and_utilisation(pim: RunResult) -> None:
    text = printed(print_run, pim).rpartition("component ")[2]
    for component in pim.components:
        busy = f"{component.utilisation(pim.latency_ps):.2%}"
        assert re.search(rf"^{component.name} +{component.units:,} +{busy} ", text, re.MULTILINE)


def test_the_summary_is_plain_text_when_the_output_is_not_a_terminal(pim: RunResult) -> None:
    assert "\x1b" not in printed(print_run, pim)


def test_a_run_without_energy_can_be_printed() -> None:
    free = [
        f"machine.{key}=0"
        for key in (
            "systolic.cycle_energy_j",
            "controller.command_energy_j",
            "vector.operation_energy_j",
            "sram.read_energy_j",
            "sram.write_energy_j",
            "memory.read_energy_j_per_bit",
            "memory.write_energy_j_per_bit",
        )
    ]
    result = simulate(load_config("tpu-llm-published", ["workload.model=gpt2-small", *free]))
    assert result.energy_j == 0
    text = printed(print_run, result)
    assert re.search(r"^energy +inf tokens/J +0 J per token", text, re.MULTILINE)
    assert json.loads(to_json(result.to_dict()))["summary"]["tokens_per_j"] is None


def with_feasibility(result: RunResult, **changes: Any) -> RunResult:
    """The same run of a machine that is built otherwise."""
    made = replace(result)
    values: dict[str, Any] = {
        "chips": 5,
        "chips_used": 3,
        "chip_area_m2": 200e-6,
        "reticle_area_m2": 800e-6,
        "areas": (AreaItem("tile", "ADCs", 600e-6), AreaItem("tile", "cells", 100e-6), AreaItem("sram", "SRAM", 9e-6)),
        "layers": 24,
        "layers_swapped": 7,
        "weight_load_s": 11e-3,
        "weight_load_energy_j": 12e-3,
        "writes_per_token": 0.125,
        "endurance_writes": 4e6,
        "lifetime_tokens": 3.2e7,
        "lifetime_s": 86400 * 1.5,
        "pulses_per_write": 2.5,
        "test_s": 13e-6,
        "test_energy_j": 14e-6,
        "calibration_s": 15e-9,
        "calibration_energy_j": 16e-9,
    }
    # A cached property, computed from the config and the provision.
    made.__dict__["feasibility"] = Feasibility(**(values | changes))
    return made


def test_feasibility_prints_each_figure_in_its_place(pim: RunResult) -> None:
    assert rows_below(printed(print_run, with_feasibility(pim)), "feasibility") == [
        ["5 chips, 3 used", "200 mm^2 each", "0.25 reticles of 800 mm^2: fits into one"],
        ["ADCs", "120 mm^2 each", "0.15 reticles"],
        ["cells", "20 mm^2 each", "0.025 reticles"],  # SRAM has less than a hundredth of the area
        ["weights", "11 ms, 12 mJ", "to load and program once (not included in the run)"],
        ["write-verify", "2.5 pulses per write", "each followed by a read; a row takes as long as its slowest cell"],
        ["test for faults", "13 us, 14 uJ", "included in the above; every cell is written and read in both states"],
        ["ADC calibration", "15 ns, 16 nJ", "included in the above; sample vectors are multiplied in each layer"],
        ["weight swapping", "7 of 24 layers", "0.125 writes per cell and token"],
        ["cell lifetime", "3.2e+07 tokens, 1.5 days", "at this speed, with 4e+06 writes per cell"],
    ]


def test_feasibility_omits_what_does_not_happen(pim: RunResult) -> None:
    """One chip that is too large for a reticle, whose weights are all swapped, or which keeps none."""
    plain = {
        "chips": 1, "chips_used": 1, "chip_area_m2": 900e-6, "areas": (), "pulses_per_write": 1.0, "test_s": 0.0,
        "calibration_s": 0.0,
    }  # fmt: skip
    chip = ["one chip", "900 mm^2", "1.12 reticles of 800 mm^2: does not fit into one"]
    swapping = with_feasibility(pim, **plain, layers_swapped=24)
    assert rows_below(printed(print_run, swapping), "feasibility") == [
        chip,
        ["weight swapping", "24 of 24 layers", "0.125 writes per cell and token"],
        ["cell lifetime", "3.2e+07 tokens, 1.5 days", "at this speed, with 4e+06 writes per cell"],
    ]
    keeping = with_feasibility(pim, **plain, layers=0, layers_swapped=0, lifetime_tokens=None, lifetime_s=None)
    assert rows_below(printed(print_run, keeping), "feasibility") == [chip]


def test_the_four_largest_areas_are_shown(pim: RunResult) -> None:
    areas = tuple(AreaItem("tile", item, mm2 * 1e-6) for item, mm2 in zip("abcde", (100, 90, 80, 70, 60), strict=True))
    rows = rows_below(printed(print_run, with_feasibility(pim, areas=areas)), "feasibility")
    assert rows[1:5] == [
        ["a", "20 mm^2 each", "0.025 reticles"],
        ["b", "18 mm^2 each", "0.0225 reticles"],
        ["c", "16 mm^2 each", "0.02 reticles"],
        ["d", "14 mm^2 each", "0.0175 reticles"],
    ]
    assert rows[5][0] == "weights"


def test_an_area_of_exactly_a_reticle_fits_it(pim: RunResult) -> None:
    exact = with_feasibility(pim, chip_area_m2=800e-6)
    assert "1 reticles of 800 mm^2: fits into one" in printed(print_run, exact)


def test_power_without_leakage_is_dynamic_power(pim: RunResult) -> None:
    uncharged = simulate(load_config(pim.config.model_dump(), ["leakage_gating=not_charged"]))
    dynamic = f"{uncharged.energy_j / uncharged.latency_s * 1e3:.4g} mW"
    assert re.search(
        rf"^power +{dynamic} +mean; {dynamic} dynamic, static power not charged *$", printed(print_run, uncharged), re.M
    )


def test_the_headline_prints_each_figure_in_its_place(pim: RunResult) -> None:
    known = replace(pim, tiles=TileUse(7, 20, 30, 90), weight_bytes=3 * 2**20, weight_load_ps=5_000_000)
    leakage_j = sum(component.leakage_j for component in pim.components)
    per_j, density = pim.macs / pim.energy_j, pim.macs / pim.latency_s / (pim.area_m2 * 1e6)

    def watts(energy_j: float) -> str:
        return f"{energy_j / pim.latency_s * 1e3:.4g} mW"

    assert rows_below(printed(print_run, known).replace("\n\n", "\nheadline\n", 1), "headline") == [
        ["speed", f"{pim.tokens / pim.latency_s:.4g} tokens/s", f"{pim.latency_s * 1e3:.4g} ms per token"],
        ["energy", f"{pim.tokens / pim.energy_j:.4g} tokens/J", f"{pim.energy_j * 1e3:.4g} mJ per token"],
        [
            "power",
            f"{watts(pim.energy_j)}",
            f"mean; {watts(pim.energy_j - leakage_j)} dynamic, {watts(leakage_j)} static",
        ],
        ["throughput", f"{pim.macs / pim.latency_s * 1e-9:.4g} GOPS", "a MAC counts as one operation"],
        ["efficiency", f"{per_j * 1e-9:.4g} GOPS/W", f"{per_j * 1e-12:.4g} TOPS/W; a MAC counts as one operation"],
        [
            "density",
            f"{density * 1e-6:.4g} MOPS/mm^2",
            f"{density * 1e-12:.4g} TOPS/mm^2; a MAC counts as one operation",
        ],
        ["area", f"{pim.area_m2 * 1e6:,.4g} mm^2", "all provisioned silicon"],
        ["tiles", "7 used", "of 20 available"],
        ["crossbar pairs", "30 used", "of 90 available, 33.3%"],
        ["weights", "3 MiB", "5 us to load those on crossbars once (not included in the run)"],
        # As of the machine without crossbars above, but for the weights in crossbars.
        ["KV cache", "6.375 MiB", "memory: 16 GiB per chip"],
        ["memory reads", "55.46 MiB", "weights 49.08 MiB, KV cache 6.375 MiB, embeddings 2 KiB"],
        ["memory writes", "51 KiB", "KV cache 51 KiB"],
    ]


@pytest.mark.parametrize(
    ("phase", "context", "tokens", "title", "each", "when"),
    [
        ("decode", 40, 1, "decode at context 40,", "per token", "for every token"),
        ("decode", 40, 3, "decode at context 40, batch of 3 sequences,", "per step, one token for each of 3 sequences",
         "for every step"),
        ("prefill", 40, 40, "prefill of 40 tokens,", "for all 40 tokens", "once for the prompt"),
        ("prefill", 40, 120, "prefill of 40 tokens, batch of 3 sequences,", "for all 120 tokens",
         "once for the prompt"),
        ("prefill", 1, 1, "prefill of 1 token,", "for the token", "once for the prompt"),
    ],
)  # fmt: skip
def test_a_summary_says_what_its_tokens_are(
    tpu: RunResult, phase: str, context: int, tokens: int, title: str, each: str, when: str
) -> None:
    text = printed(print_run, replace(tpu, phase=phase, context_length=context, tokens=tokens))
    assert f" {title} serial schedule" in text.splitlines()[0]
    speed, energy, *others = rows_below(text.replace("\n\n", "\nheadline\n", 1), "headline")
    kind = "prompt tokens" if phase == "prefill" else "tokens"
    rate, per_joule = f"{tokens / tpu.latency_s:.4g} {kind}/s", f"{tokens / tpu.energy_j:.4g} {kind}/J"
    assert speed == ["speed", rate, f"{tpu.latency_s * 1e3:.4g} ms {each}"]
    assert energy == ["energy", per_joule, f"{tpu.energy_j * 1e3:.4g} mJ {each}"]
    assert any(f"not stored on the chip; read {when}" in row[-1] for row in others)


def test_latency_prints_the_time_of_each_part(pim: RunResult) -> None:
    in_order = sorted(pim.parts_ps.items(), key=lambda item: -item[1])
    assert rows_below(printed(print_run, pim), "latency ") == [
        [part, format_quantity(ps * 1e-12, TIME), f"{ps / pim.latency_ps:.2%}", PARTS[part]] for part, ps in in_order
    ]


def test_energy_prints_the_joules_of_each_component_and_its_actions(pim: RunResult) -> None:
    """An action that has less than 0.05 % is left out."""
    rows = rows_below(printed(print_run, pim).partition("\nlatency ")[2], "energy of ")
    by_component = {each.name: pim.component_energy_j(each.name) for each in pim.components}
    assert [row[:3] for row in rows] == [
        [name, format_quantity(energy_j, ENERGY), f"{energy_j / pim.energy_j:.2%}"]
        for name, energy_j in sorted(by_component.items(), key=lambda item: -item[1])
    ]
    for row in rows:
        shares = {action: each / pim.energy_j for action, each in pim.energies_j.items()}
        told = [
            f"{action.partition('.')[2]} {share:.1%}"
            for action, share in sorted(shares.items(), key=lambda item: -item[1])
            if action.partition(".")[0] == row[0] and share >= 0.0005
        ]
        assert row[3:] == ([", ".join(told)] if told else [])


def test_components_print_area_and_largest_item(pim: RunResult) -> None:
    two = replace(
        pim,
        components=(
            ComponentRecord("tile", 1152, pim.latency_ps * 288, 0.0, {"cells": 1e-6, "ADCs": 3e-6}),
            ComponentRecord("memory", 4, pim.latency_ps, 0.0, {}),
            ComponentRecord("vector", 2, pim.latency_ps, 0.0, {}),
        ),
    )
    assert rows_below(printed(print_run, with_feasibility(two)), "component ") == [
        ["tile", "1,152", "25.00%", "4 mm^2", "ADCs 75%"],
        ["memory", "4", "25.00%", "off the chip"],
        ["vector", "2", "50.00%"],
    ]
