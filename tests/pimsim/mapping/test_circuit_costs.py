"""Price of the lines that a run leaves out, held against a run that counts them."""

from __future__ import annotations

import pytest

from pimsim import load_config, simulate
from pimsim.mapping.circuit_costs import LINES, LINES_130NM, lines_item
from pimsim.results.accounting import CostItem
from pimsim.results.run_result import RunResult
from tests.support.closeness import near

SMALL = ["workload.model=gpt2-small", "workload.lm_head=false", "leakage_gating=not_charged"]


def left_out(result: RunResult) -> dict[str, float]:
    return {item.name: item.energy_j for item in result.accounting.left_out}


@pytest.mark.parametrize("settings", [[], ["workload.phase=prefill", "workload.prompt_length=3"]])
def test_the_item_is_what_counting_the_lines_adds(settings: list[str]) -> None:
    """A run with the preset has the energy more, as actions of the tile, and no item."""
    without = simulate(load_config("pim-llm", [*SMALL, *settings]))
    counted = simulate(load_config({"extends": ["pim-llm", "circuits-130nm"]}, [*SMALL, *settings]))
    item_j = left_out(without)[LINES]
    assert counted.energy_j - without.energy_j == near(item_j, rel=1e-9)
    lines_j = counted.energies_j["tile.word_line"] + counted.energies_j["tile.select_line"]
    assert lines_j == near(item_j, rel=1e-9)
    assert counted.latency_ps == without.latency_ps
    assert [item.latency_ps for item in without.accounting.left_out if item.name == LINES] == [0]
    assert LINES not in left_out(counted)


def test_a_line_is_charged_once_whether_one_or_both_of_its_ends_are_driven() -> None:
    """A row with two drivers has two DACs, and one line."""
    one, both = (
        simulate(load_config("pim-llm", [*SMALL, f"machine.crossbar.pair.wires.word_line_ends={ends}"]))
        for ends in ("one", "both")
    )
    assert left_out(both)[LINES] == near(left_out(one)[LINES])
    assert both.counts["tile.dac_conversion"] == 2 * one.counts["tile.dac_conversion"]


def test_the_lines_are_those_of_the_preset() -> None:
    crossbar = load_config({"extends": ["pim-llm", "circuits-130nm"]}).machine.crossbar
    assert crossbar is not None
    assert crossbar.pair.lines == LINES_130NM


def test_a_machine_without_crossbars_has_no_lines() -> None:
    config = load_config("tpu-llm", SMALL)
    assert LINES not in left_out(simulate(config))
    assert lines_item(config.machine, ()) == CostItem(LINES, 0, 0.0)
