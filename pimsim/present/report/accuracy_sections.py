"""Sections of an accuracy study: perplexities with their intervals, errors by layer, chips, and varied parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from crossbar.intervals import Interval
from pimsim.present.looks import BLUE, GREY, SKY_BLUE
from pimsim.present.report.chart_parts import layout, said, value_axis
from pimsim.present.report.page_blocks import Block, Chart, Section
from pimsim.present.report.printed_blocks import printed_report
from pimsim.present.report.row_tables import row_table
from pimsim.present.text.accuracy_report import print_accuracy
from pimsim.present.text.recording import recorded
from pimsim.studies.accuracy.accuracy_result import AccuracyResult
from pimsim.studies.accuracy.accuracy_study import AccuracyPoint, AccuracyStudy

PERPLEXITY = "perplexity per token"
RESIDUAL = "residual"


def accuracy_sections(study: AccuracyStudy) -> list[Section]:
    """Return the sections of an accuracy study.

    Args:
        study: The study, with at least one point.

    Returns:
        Sections: headline, perplexity, errors by layer, varied parameters, and all points.
    """
    printed = printed_report(recorded(print_accuracy, study))
    base = study.base
    points = row_table("points", "All points", study.rows(), "Intervals are 95 %; their ends are columns of their own.")
    sections = [Section("headline", printed.title, printed.headline)]
    if base is not None:
        layers = row_table("layer-errors", "Errors by projection", [asdict(site) for site in base.sites])
        chips = row_table("chips", "Chips", base.chip_rows())
        sections += [
            Section("perplexity", "Perplexity", [_perplexities(base), _increases(base), *printed.rest, chips]),
            Section("layers", "Errors by layer", [*_heat_map(base), layers]),
        ]
    elif printed.rest:
        sections.append(Section("perplexity", "Perplexity", printed.rest))
    varied: list[Block] = [_varied(study, number, name) for number, name in enumerate(study.parameters)]
    if varied:
        sections.append(Section("parameters", "Varied parameters", varied))
    return [*sections, Section("all-points", "Points", [points])]


def _error_bar(intervals: Sequence[Interval]) -> dict[str, Any]:
    """Return the error bars of means: the distance of each end, 0 where there is no interval."""
    ends = [each.ends or (each.mean, each.mean) for each in intervals]
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - each.mean for (_, high), each in zip(ends, intervals, strict=True)],
        "arrayminus": [each.mean - low for (low, _), each in zip(ends, intervals, strict=True)],
        "thickness": 1.5,
        "width": 6,
    }


def _points_with_intervals(names: Sequence[str], intervals: Sequence[Interval], colour: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "orientation": "h",
        "y": names,
        "x": [each.mean for each in intervals],
        "error_x": _error_bar(intervals),
        "marker": {"color": colour, "size": 11},
        "showlegend": False,
    }


def _perplexities(result: AccuracyResult) -> Chart:
    shown = {
        "float": result.float_perplexity,
        "exact integers": result.exact_perplexity,
        "on the analog arrays": result.perplexity,
    }
    trace = _points_with_intervals([*shown], [*shown.values()], BLUE)
    values = [end for each in shown.values() for end in (each.ends or (each.mean,))]
    texts = ", ".join(f"{name} {_number(each.mean)}" for name, each in shown.items())
    axes = value_axis(PERPLEXITY, "", values), {"autorange": "reversed", "type": "category"}
    text = f"Perplexity per token: {texts}. Bars are 95 % intervals, where there are several windows or chips."
    return Chart("perplexities", "Perplexity", text, [trace], layout(*axes) | {"margin": _WIDE_LEFT}, 260)


_WIDE_LEFT = {"l": 150, "r": 20, "t": 20, "b": 60}


def _increases(result: AccuracyResult) -> Chart:
    shown = {
        "over chips": result.increase,
        "over windows of text": result.increase_over_text,
        "over both": result.paired_increase,
    }
    trace = _points_with_intervals([*shown], [*shown.values()], BLUE)
    axes = value_axis("increase (nats per token)", ""), {"autorange": "reversed", "type": "category"}
    title = "Increase of the negative log likelihood by the arrays"
    text = f"{result.increase.mean:+.4f} nats per token against exact integers; the bars are its 95 % intervals."
    return Chart("increase", title, text, [trace], layout(*axes) | {"margin": _WIDE_LEFT}, 260)


def _heat_map(result: AccuracyResult) -> Iterator[Chart]:
    """Return the SNR of each projection and of the residual stream, layers across; the exact ones have no value."""
    roles = [*dict.fromkeys(site.role for site in result.sites), RESIDUAL]
    layers = sorted({*(site.layer for site in result.sites), *(each.layer for each in result.layers)})
    values: dict[tuple[int, str], float] = {(site.layer, site.role): site.snr_db for site in result.sites}
    values |= {(each.layer, RESIDUAL): each.snr_db for each in result.layers}
    finite = {place: value for place, value in values.items() if math.isfinite(value)}
    z = [[finite.get((layer, role)) for layer in layers] for role in roles]
    present = [*finite.values()]
    if not present:
        return
    worst = min((value, place) for place, value in finite.items())
    trace = {
        "type": "heatmap",
        "name": "SNR",
        "x": layers,
        "y": roles,
        "z": z,
        "colorscale": [[0, "#D3E6F3"], [0.4, SKY_BLUE], [0.75, BLUE], [1, "#00253D"]],
        "colorbar": {"title": {"text": "SNR (dB)"}},
        "hovertemplate": "layer %{x}, %{y}: %{z:.2f} dB<extra></extra>",
        "xgap": 1,
        "ygap": 1,
    }
    axes = (
        {"title": {"text": "layer"}, "dtick": max(1, len(layers) // 20), "showgrid": False},
        {"autorange": "reversed", "type": "category", "showgrid": False},
    )
    text = (
        f"Signal-to-noise ratio of the products of each projection and of the residual stream, {min(present):.1f} to "
        f"{max(present):.1f} dB. The smallest is that of {worst[1][1]} in layer {worst[1][0]}."
    )
    shown = layout(*axes) | {"margin": {"l": 90, "r": 20, "t": 20, "b": 60}}
    yield Chart("snr", "SNR by layer and projection", text, [trace], shown, 120 + 34 * len(roles))


def _varied(study: AccuracyStudy, number: int, parameter: str) -> Chart:
    points = study.of(parameter)
    means = [point.result.perplexity for point in points]
    exact = points[0].result.exact_perplexity.mean
    names = [said(point.value) for point in points]
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": "on the analog arrays",
            "x": names,
            "y": [each.mean for each in means],
            "error_y": _error_bar(means),
            "line": {"color": BLUE},
        },
        {
            "type": "scatter",
            "mode": "lines",
            "name": "exact integers",
            "x": names,
            "y": [point.result.exact_perplexity.mean for point in points],
            "line": {"color": GREY, "dash": "dash"},
        },
    ]
    values = [*(end for each in means for end in (each.ends or (each.mean,))), exact]
    axes = {"type": "category", "title": {"text": said(parameter)}}, value_axis(PERPLEXITY, "", values)
    text = f"{parameter} varied: {', '.join(map(_told, points))}; exact integers {_number(exact)}."
    return Chart(f"varied-{number}", f"Perplexity against {parameter}", text, data, layout(*axes), 380)


def _told(point: AccuracyPoint) -> str:
    return f"{point.value}: {_number(point.result.perplexity.mean)}"


def _number(value: float) -> str:
    return f"{value:,.4g}" if value < 1e6 else f"{value:.3e}"
