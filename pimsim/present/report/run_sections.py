"""Sections of a run: headline, time, energy, area, ops and layers, feasibility."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pimsim.base.units import ps_to_s
from pimsim.present.looks import COMPONENTS, PARTS
from pimsim.present.report.chip_drawing import chip_drawing
from pimsim.present.report.page_blocks import Block, Chart, Column, Section, Table
from pimsim.present.report.printed_blocks import printed_report
from pimsim.present.report.roofline_chart import roofline_chart
from pimsim.present.report.row_tables import row_table
from pimsim.present.report.stacked_bars import Shares, stacked_bars
from pimsim.present.report.timeline_chart import layer_timeline
from pimsim.present.text.recording import recorded
from pimsim.present.text.run_report import print_run
from pimsim.results.run_result import RunResult
from pimsim.steps.step_tree import PARTS as CONTENTS

Labelled = Sequence[tuple[str, RunResult]]
"""Results with their labels in the page."""


def run_bars(runs: Labelled) -> list[Chart]:
    """Return the stacked bars of time, energy and area of one run or of several, side by side.

    Args:
        runs: The runs.

    Returns:
        Charts; none of what is zero in all runs.
    """
    found = []
    for name, title, key, shares_of, looks in (
        ("latency", "Latency by kind of work", "_s", latency_shares, PARTS),
        ("energy", "Energy by component", "_j", energy_shares, COMPONENTS),
        ("area", "Area by component", "_m2", area_shares, COMPONENTS),
    ):
        bars = [(label, shares_of(run)) for label, run in runs]
        if any(any(shares.values()) for _, shares in bars):
            found.append(stacked_bars(name, title, key, bars, looks))
    return found


def latency_shares(run: RunResult) -> Shares:
    """Return the seconds of the latency by kind of work.

    Args:
        run: The run.

    Returns:
        Seconds by name of the kind.
    """
    return {part: ps_to_s(time_ps) for part, time_ps in run.parts_ps.items()}


def energy_shares(run: RunResult) -> Shares:
    """Return the joules of the energy by component.

    Args:
        run: The run.

    Returns:
        Joules by name of the component.
    """
    return {each.name: run.component_energy_j(each.name) for each in run.components}


def area_shares(run: RunResult) -> Shares:
    """Return the square metres of the area by component.

    Args:
        run: The run.

    Returns:
        Square metres by name of the component.
    """
    return {each.name: sum(each.area_m2.values()) for each in run.components}


def run_sections(run: RunResult) -> list[Section]:
    """Return the sections of one run, its charts first.

    Args:
        run: The run.

    Returns:
        Sections: headline, time with the timeline of a layer, roofline, chip, energy, area and components, ops and
        layers, feasibility.
    """
    printed = printed_report(recorded(print_run, run))
    bars = {chart.name: chart for chart in run_bars([(run.config.name, run)])}
    feasibility = [block for block in printed.rest if getattr(block, "headings", [""])[0] == "feasibility"]
    sections = (
        Section("headline", printed.title, printed.headline),
        Section("time", "Time", _present(bars.get("latency"), _time_table(run), layer_timeline(run))),
        Section("roofline-section", "Roofline", _present(roofline_chart(run))),
        Section("chip-section", "The chip", _present(chip_drawing(run))),
        Section("energy-section", "Energy", _present(bars.get("energy"), _energy_table(run))),
        Section("area-section", "Area and components", _present(bars.get("area"), *_component_tables(run))),
        Section("ops-section", "Ops and layers", _op_tables(run)),
        Section("feasibility", "Feasibility", feasibility),
    )
    return [each for each in sections if each.blocks]


def _present(*blocks: Block | None) -> list[Block]:
    return [each for each in blocks if each is not None and not (isinstance(each, Table) and not each.rows)]


def _time_table(run: RunResult) -> Table:
    columns = (Column("kind of work"), Column("time", True, "s"), Column("share (%)", True), Column("contents"))
    rows = [
        (_look(PARTS, part), ps_to_s(time_ps), 100 * time_ps / run.latency_ps, CONTENTS.get(part, ""))
        for part, time_ps in sorted(run.parts_ps.items(), key=lambda each: -each[1])
    ]
    return Table("time-by-kind", "Time on the critical path by kind of work", columns, rows)


def _look(looks: Mapping[str, Any], name: str) -> str:
    return looks[name].label if name in looks else name


def _energy_table(run: RunResult) -> Table:
    columns = (
        *(Column("component"), Column("action"), Column("count", True), Column("energy of one", True, "J")),
        *(Column("energy", True, "J"), Column("share (%)", True)),
    )
    total = run.energy_j or 1.0
    rows: list[tuple[str, str, float | None, float | None, float, float]] = []
    for action, energy_j in sorted(run.energies_j.items(), key=lambda each: -each[1]):
        component, _, name = action.partition(".")
        counted = action in run.counts
        each_j = run.action_energies_j.get(action) if counted else None
        rows.append(
            (component, name.replace("_", " "), run.counts.get(action), each_j, energy_j, 100 * energy_j / total)
        )
    return Table("energy-by-action", "Energy by action, with the number of actions", columns, rows)


def _component_tables(run: RunResult) -> Iterable[Table]:
    columns = (
        *(Column("component"), Column("units", True), Column("busy", True, "s"), Column("busy (%)", True)),
        *(Column("energy", True, "J"), Column("leakage", True, "J"), Column("area", True, "m^2")),
    )
    rows = [
        (
            *(each.name, each.units, ps_to_s(each.busy_ps), 100 * each.utilisation(run.latency_ps)),
            *(run.component_energy_j(each.name), each.leakage_j, sum(each.area_m2.values())),
        )
        for each in run.components
    ]
    yield Table("components", "Components", columns, rows)
    areas = [
        (each.name, item, area_m2)
        for each in run.components
        for item, area_m2 in sorted(each.area_m2.items(), key=lambda of: -of[1])
    ]
    columns_of_areas = (Column("component"), Column("item"), Column("area", True, "m^2"))
    yield Table("areas", "Area by item", columns_of_areas, areas)


def _op_tables(run: RunResult) -> list[Block]:
    note = (
        "Time on the critical path and energy of all executions; leakage, which belongs to no op, is a row of its own."
    )
    found: list[Block] = [
        row_table("by-op", "By op, all executions", run.by_op(), note),
        row_table("by-layer", "By layer", run.by_layer(), note),
    ]
    ops = list(run.op_rows())
    used = [key for key in ops[0] if any(row[key] for row in ops)] if ops else []
    rows = [{key: row[key] for key in used} for row in ops]
    single = "The figures of an op in a repeated block are those of one repetition."
    found.append(row_table("ops", "Ops of the trace, in program order", rows, single, hidden=True))
    return _present(*found)
