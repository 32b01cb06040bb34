"""The sections of a run have the figures of its result, unrounded."""

from __future__ import annotations

from pimsim.base.units import ps_to_s
from pimsim.present.looks import COMPONENTS, PARTS
from pimsim.present.report.page_blocks import Chart, Facts, Lines, Table
from pimsim.present.report.run_sections import run_bars, run_sections
from pimsim.results.run_result import RunResult


def blocks(run: RunResult) -> dict[str, Chart | Table]:
    found = (block for section in run_sections(run) for block in section.blocks)
    return {block.name: block for block in found if isinstance(block, Chart | Table)}


def cells(table: Chart | Table) -> list[list[float | int | str | None]]:
    assert isinstance(table, Table)
    return [list(row) for row in table.rows]


def test_bars_are_the_shares_of_time_energy_and_area(pim: RunResult, tpu: RunResult) -> None:
    latency, energy, area = run_bars([("pim", pim), ("tpu", tpu)])
    assert (latency.name, energy.name, area.name) == ("latency", "energy", "area")
    for trace in latency.data:
        part = next(name for name, look in PARTS.items() if look.label == trace["name"])
        assert trace["x"] == [ps_to_s(run.parts_ps.get(part, 0)) for run in (pim, tpu)]
        assert trace["y"] == ["pim", "tpu"]
    assert sum(trace["x"][1] * 1e12 for trace in latency.data) - tpu.latency_ps < 1
    for trace in energy.data:
        name = next(name for name, look in COMPONENTS.items() if look.label == trace["name"])
        known = ({each.name for each in run.components} for run in (pim, tpu))
        runs = zip((pim, tpu), known, strict=True)
        assert trace["x"] == [run.component_energy_j(name) if name in own else 0.0 for run, own in runs]
    assert sum(trace["x"][0] for trace in area.data) - pim.area_m2 * 1e6 < 1e-9


def test_tables_have_every_part_action_component_and_op(pim: RunResult) -> None:
    found = blocks(pim)
    times = {str(row[0]): row[1] for row in cells(found["time-by-kind"])}
    assert times == {PARTS[part].label: ps_to_s(time) for part, time in pim.parts_ps.items()}
    actions = {(row[0], row[1]): (row[2], row[3], row[4]) for row in cells(found["energy-by-action"])}
    for action, energy_j in pim.energies_j.items():
        component, _, name = action.partition(".")
        each = pim.action_energies_j[action] if action in pim.counts else None
        assert actions[component, name.replace("_", " ")] == (pim.counts.get(action), each, energy_j)
    assert [row[0] for row in cells(found["components"])] == [each.name for each in pim.components]
    assert cells(found["by-op"]) == [list(row.values()) for row in pim.by_op()]
    assert cells(found["by-layer"]) == [list(row.values()) for row in pim.by_layer()]
    assert len(cells(found["ops"])) == len(pim.ops)


def test_the_headline_is_that_of_the_terminal_before_what_is_counted(pim: RunResult) -> None:
    headline = run_sections(pim)[0]
    assert headline.title.startswith("pim-llm: gpt2-medium, decode at context 128")
    facts, lines = headline.blocks
    assert isinstance(facts, Facts)
    assert isinstance(lines, Lines)
    assert facts.rows[0][:2] == ("speed", f"{pim.tokens_per_s:.4g} tokens/s")
    assert [text.partition(":")[0] for text in lines.texts] == ["counted", "left out", "note", "warning"]
