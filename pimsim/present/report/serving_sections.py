"""Sections of a serving run, of one machine or of several: times of requests, load and power over time, requests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from pimsim.base.units import ps_to_s
from pimsim.present.labels import quantity
from pimsim.present.looks import BLUE, GREEN, GREY, ORANGE, Look
from pimsim.present.report.chart_parts import layout, series_look, thinned, value_axis
from pimsim.present.report.page_blocks import Chart, Section, Table
from pimsim.present.report.printed_blocks import printed_report
from pimsim.present.report.row_tables import row_table
from pimsim.present.report.stacked_bars import stacked_bars
from pimsim.present.text.cluster_report import print_cluster
from pimsim.present.text.recording import recorded
from pimsim.present.text.serving_report import TIME_NAMES, print_serving
from pimsim.studies.cluster.cluster_result import ClusterResult
from pimsim.studies.serving.distribution import Distribution
from pimsim.studies.serving.power_over_time import power_over_time
from pimsim.studies.serving.request_records import RequestRecord
from pimsim.studies.serving.serving_result import ServingResult

MAX_ROWS = 20_000
"""Most rows of a table; the file has all of them."""
_ENERGIES: Mapping[str, Look] = {
    "dynamic": Look("iterations, dynamic", BLUE),
    "leakage": Look("iterations, leakage", ORANGE),
    "idle": Look("idle machine", GREY),
    "transfer": Look("KV caches sent", ORANGE, "...."),
    "upkeep": Look("upkeep", GREEN),
}
_MORE_KEYS = ("transfer", "transfer_energy_j"), ("upkeep", "upkeep_energy_j")


def serving_sections(result: ServingResult) -> list[Section]:
    """Return the sections of a serving run of one machine.

    Args:
        result: The run.

    Returns:
        Sections: headline, times of requests, load and energy over time, requests.
    """
    printed = printed_report(recorded(print_serving, result))
    shares = {
        "dynamic": math.fsum(each.dynamic_energy_j for each in result.iterations),
        "leakage": math.fsum(each.leakage_energy_j for each in result.iterations),
        "idle": result.idle_energy_j,
        "upkeep": result.upkeep_energy_j,
    }
    energy = stacked_bars("serving-energy", "Energy of the run", "_j", [(result.config.name, shares)], _ENERGIES)
    power = _power(result)
    return [
        Section("headline", printed.title, printed.headline),
        Section("times", "Times of requests", [times_chart(result.requests, result.distributions), *printed.rest]),
        Section("load", "Load and energy", [*_load(result), *([power] if power else []), energy]),
        Section(
            "requests-section", "Requests", list(_row_tables(("requests", "Finished requests", result.request_rows())))
        ),
    ]


def cluster_sections(result: ClusterResult) -> list[Section]:
    """Return the sections of a serving run of several machines.

    Args:
        result: The run.

    Returns:
        Sections: headline, times of requests, machines and links, requests.
    """
    printed = printed_report(recorded(print_cluster, result))
    machines = list(result.machine_rows())
    keys = {"dynamic": "dynamic_energy_j", "leakage": "leakage_energy_j", "idle": "idle_energy_j"}
    bars = [
        (
            str(row["machine"]),
            {name: row.get(key) or 0.0 for name, key in (*keys.items(), *_MORE_KEYS)},
        )
        for row in machines
    ]
    tables = _row_tables(
        ("machines-table", "Machines", machines),
        ("links-table", "Link", result.link_rows() if result.transfers or result.shares else ()),
    )
    of_requests = _row_tables(
        ("requests", "Finished requests", result.request_rows()),
        ("transfers", "KV caches on the link", result.transfer_rows() if result.transfers else ()),
    )
    energy = stacked_bars("machine-energy", "Energy by machine", "_j", bars, _ENERGIES)
    return [
        Section("headline", printed.title, printed.headline),
        Section("times", "Times of requests", [times_chart(result.requests, result.distributions)]),
        Section("machines", "Machines and link", [energy, *tables, *printed.rest]),
        Section("requests-section", "Requests", list(of_requests)),
    ]


def times_chart(requests: Sequence[RequestRecord], distributions: Mapping[str, Distribution]) -> Chart:
    """Return the cumulative distributions of the times of requests.

    Args:
        requests: Finished requests.
        distributions: Distributions of their times, by name.

    Returns:
        One line per kind of time: the fraction of the requests that took at most this long, seconds.
    """
    figures: dict[str, list[float]] = {
        "ttft_s": [ps_to_s(each.ttft_ps) for each in requests],
        "wait_s": [ps_to_s(each.wait_ps) for each in requests],
        "tpot_s": [each.tpot_ps * 1e-12 for each in requests if each.tpot_ps is not None],
        "latency_s": [ps_to_s(each.latency_ps) for each in requests],
    }
    data, medians, everything = [], [], [0.0]
    for index, (name, values) in enumerate((name, sorted(values)) for name, values in figures.items() if values):
        chosen = thinned(len(values))
        everything += values
        medians.append(f"{TIME_NAMES[name]} {quantity(dict(distributions[name].percentiles)[50], '_s')}")
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": TIME_NAMES[name],
                "line": {"shape": "hv", "color": series_look(index, "").colour, "width": 2},
                "x": [values[at] for at in chosen],
                "y": [(at + 1) / len(values) for at in chosen],
            }
        )
    positive = [each for each in everything if each > 0]
    across = value_axis("time", "s", positive)
    up = value_axis("fraction of requests", "") | {"range": [0, 1.02]}
    text = f"Fraction of the {len(requests):,} finished requests by time. Medians: {', '.join(medians)}."
    return Chart("request-times", "Cumulative distribution of times", text, data, layout(across, up))


def _load(result: ServingResult) -> Iterator[Chart]:
    times, prefills, running, waiting = [0.0], [0], [0], [0]
    free_ps = 0
    for each in result.iterations:
        if each.start_ps > free_ps:  # the machine was idle
            _append((times, prefills, running, waiting), (ps_to_s(free_ps), 0, 0, 0))
        _append(
            (times, prefills, running, waiting), (ps_to_s(each.start_ps), each.prefills, each.running, each.waiting)
        )
        free_ps = each.end_ps
    _append((times, prefills, running, waiting), (ps_to_s(free_ps), 0, 0, 0))
    chosen = thinned(len(times))
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "line": {"shape": "hv", "color": colour, "width": 1.5},
            "x": [times[at] for at in chosen],
            "y": [values[at] for at in chosen],
        }
        for name, values, colour in (
            ("running", running, BLUE),
            ("in prefill", prefills, ORANGE),
            ("waiting", waiting, GREY),
        )
    ]
    text = (
        f"At most {max(running):,} requests are running and {max(waiting):,} waiting; the machine is busy for "
        f"{result.utilisation:.1%} of {quantity(ps_to_s(result.span_ps), '_s')}."
    )
    axes = value_axis("time", "s"), value_axis("requests", "") | {"rangemode": "tozero"}
    yield Chart("requests-over-time", "Requests over time", text, data, layout(*axes))


def _append(columns: tuple[list[float], list[int], list[int], list[int]], row: tuple[float, int, int, int]) -> None:
    columns[0].append(row[0])
    for column, value in zip(columns[1:], row[1:], strict=True):
        column.append(value)


def _power(result: ServingResult) -> Chart | None:
    rows = power_over_time(result)
    if not rows:
        return None
    edges = [*(each.start_s for each in rows), rows[-1].end_s]
    data = []
    for name, colour, watts in (
        ("leakage", GREY, [each.leakage_w for each in rows]),
        ("dynamic", BLUE, [each.dynamic_w for each in rows]),
    ):
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "stackgroup": "power",
                "line": {"shape": "hv", "color": colour, "width": 0.5},
                "fillcolor": colour,
                "x": edges,
                "y": [*watts, watts[-1]],
            }
        )
    power = result.power
    text = (
        f"Mean power of {len(rows)} equal intervals; over the whole run {quantity(power.total_w, '_w')}: "
        f"{quantity(power.dynamic_w, '_w')} dynamic, {quantity(power.static_w, '_w')} leakage."
    )
    axes = value_axis("time", "s"), value_axis("power", "W") | {"rangemode": "tozero"}
    return Chart("power-over-time", "Power over time", text, data, layout(*axes))


def _row_tables(*tables: tuple[str, str, Iterable[dict[str, Any]]]) -> Iterator[Table]:
    for name, title, rows in tables:
        source = iter(rows)
        kept = list(islice(source, MAX_ROWS))
        rest = sum(1 for _ in source)
        if kept:
            note = (
                f"The first {len(kept):,} of {len(kept) + rest:,} rows; pimsim show --csv writes all." if rest else ""
            )
            yield row_table(name, title, kept, note)
