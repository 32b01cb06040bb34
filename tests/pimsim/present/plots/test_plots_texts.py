"""Rules for all figures: no text overlaps another or is cut off, axes have units, and each series has a legend."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from pimsim.present.plot_style import plot_style
from pimsim.present.plots import paper_plots
from pimsim.present.plots.active_style import paper_style
from pimsim.studies.paper.comparison_table import Table
from tests.pimsim.present.plots import every_plot
from tests.pimsim.present.plots.drawn import panels
from tests.pimsim.present.plots.drawn_texts import cut_off, drawn_texts, overlaps
from tests.pimsim.present.plots.every_plot import Plots

SMALLEST_PT = 5.5
"""Smallest type in one column of a paper."""
UNITS = {
    *("s", "ms", "µs", "ns", "ps", "J", "mJ", "µJ", "nJ", "pJ", "W", "mW", "µW", "mm²", "µm²", "dB", "%", "bits"),
    *("tokens", "bytes", "Gb/s", "integer steps", "millions", "tokens)", "Ohm"),
}
RATIOS = re.compile(r"/|\bper\b|\bshare\b|\brelative\b|\bfraction\b|\bratio\b|ratio of")
COUNTS = {
    "layer",
    "sequences",
    "requests waiting",
    "column of the matrix",
    "column of the matrix; dotted: borders of arrays",
    "systolic rows",
    "model width, d_model",
    "ADC",
}
"""Labels of axes that count things, and of columns with names that a user chose."""


@pytest.fixture(scope="session", params=["runs", "served", "errors", "memory", "designs", "sweeps", "paper"])
def plots(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tables: Mapping[str, Table],
    corrected: Mapping[str, Table],
) -> Plots:
    if request.param == "paper":
        return {**paper_plots(tables), **paper_plots(corrected)}
    if request.param == "errors":
        return every_plot.errors(tmp_path_factory.mktemp("errors"))
    made: Plots = getattr(every_plot, request.param)()
    return made


@pytest.mark.parametrize("style", ["paper", "talk"])
@pytest.mark.timeout(600)
def test_texts_are_apart_and_inside_and_of_readable_size(plots: Plots, style: str) -> None:
    wrong: dict[str, object] = {}
    with paper_style(plot_style(style)):
        for name, draw in plots.items():
            figure = draw()
            assert figure.get_size_inches()[0] == plot_style(style).width_in, name
            texts = drawn_texts(figure)
            found = [*overlaps(texts), *cut_off(figure, texts)]
            found += [text.words for text in texts if text.size_pt < SMALLEST_PT]
            if found:
                wrong[name] = found
    assert wrong == {}


def test_the_check_of_overlaps_sees_a_fault() -> None:
    figure = Figure(figsize=(3.0, 1.0))
    figure.text(0.1, 0.5, "one text")
    figure.text(0.2, 0.5, "another")
    figure.text(0.9, 0.2, "beyond the edge")
    figure.text(0.5, 0.5, "turned", rotation=45)
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    texts = drawn_texts(figure)
    assert ("one text", "another") in [*overlaps(texts)]
    assert ("turned", "beyond the edge") not in [*overlaps(texts)]
    assert [*cut_off(figure, texts)] == ["beyond the edge"]


@pytest.mark.timeout(600)
def test_axes_have_units_and_series_legends(plots: Plots) -> None:
    for name, draw in plots.items():
        figure = draw()
        figure.draw_without_rendering()
        for label in _labels(figure):
            assert _has_unit(label), (name, label)
        known = {text.get_text() for text in _legend_texts(figure)}
        for axes in panels(figure):
            series = {label for label in axes.get_legend_handles_labels()[1] if label}
            assert len(series) < 2 or series <= known, (name, series - known)


def _labels(figure: Figure) -> Iterator[str]:
    """Yield the labels of the axes that show numbers: their ticks are numbers, or they have no ticks of their own."""
    for axes in panels(figure):
        for axis in (axes.xaxis, axes.yaxis):
            ticks = [tick.get_text() for tick in axis.get_ticklabels()]
            numeric = any(re.fullmatch(r"[\d.,\N{MINUS SIGN}-]+( ?[kMGTP])?", text) for text in ticks)
            label = axis.get_label_text() or _of_figure(figure, axes, axis.axis_name)
            if numeric:
                yield label


def _of_figure(figure: Figure, axes: Axes, name: str) -> str:
    """Return the label of the whole figure, or of the panel that shares the axis."""
    whole = figure.get_supxlabel() if name == "x" else figure.get_supylabel()
    group = axes.get_shared_x_axes() if name == "x" else axes.get_shared_y_axes()
    others = (getattr(each, f"{name}axis").get_label_text() for each in group.get_siblings(axes))
    return whole or next((label for label in others if label), "")


def _has_unit(label: str) -> bool:
    in_brackets = {word.strip() for text in re.findall(r"\(([^()]*)\)", label) for word in re.split(r"[,;]", text)}
    return bool(in_brackets & UNITS or RATIOS.search(label) or label in COUNTS or label.startswith("GOPS"))


def _legend_texts(figure: Figure) -> Iterator[Text]:
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    return chain.from_iterable(legend.get_texts() for legend in legends)  # type: ignore[union-attr]
