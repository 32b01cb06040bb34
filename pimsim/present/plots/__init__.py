"""Plots of results, as PNG and SVG for a paper; the only place that knows matplotlib.

Every plot is a function from a result or table to a `Figure` that pyplot does not know. Two runs give the same bytes.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from pimsim.base.files import make_folder, replacing
from pimsim.present.plots import (
    plot_accuracy as accuracy,
)
from pimsim.present.plots import (
    plot_array as array,
)
from pimsim.present.plots import (
    plot_generation as generation,
)
from pimsim.present.plots import (
    plot_paper as paper,
)
from pimsim.present.plots import (
    plot_run as run,
)
from pimsim.present.plots import (
    plot_serving as serving,
)
from pimsim.present.plots.plot_waterfall import waterfall
from pimsim.present.plots.style import paper_style
from pimsim.studies.paper.waterfall import METRICS
from pimsim.version import __version__

if TYPE_CHECKING:
    from pimsim.generation import GenerationResult
    from pimsim.results.run_result import RunResult
    from pimsim.studies.accuracy import AccuracyStudy
    from pimsim.studies.array.array_study import ArrayStudy
    from pimsim.studies.paper.paper_tables import Table
    from pimsim.studies.serving.serving_result import ServingResult

Plots = Mapping[str, Callable[[], Figure]]
"""Plots by file name, each drawn when it is asked for, under `paper_style`."""

PNG_DPI = 300
FORMATS: Mapping[str, Mapping[str, str | None]] = {
    "png": {"Software": f"pimsim {__version__}"},
    "svg": {"Creator": f"pimsim {__version__}", "Date": None},
}
"""File formats with their metadata: no dates, so that the bytes depend on the result only."""


def run_plots(result: RunResult) -> Plots:
    """The plots of a run, but for those with nothing to show (no energy, say)."""
    plots: dict[str, Callable[[], Figure]] = {}
    if result.latency_ps:
        plots["run-latency"] = partial(run.latency, result)
    if result.energy_j:
        plots["run-energy"] = partial(run.energy, result)
    if result.area_m2:
        plots["run-area"] = partial(run.area, result)
    return plots


def generation_plots(result: GenerationResult) -> Plots:
    """The plots of a generation."""
    return {"generation": partial(generation.steps, result)}


def serving_plots(result: ServingResult) -> Plots:
    """The plots of served requests."""
    return {
        "serving-times": partial(serving.distribution, result),
        "serving-load": partial(serving.over_time, result),
    }


def array_plots(study: ArrayStudy) -> Plots:
    """The plots of a study of an array, but for those with nothing to show (no error, say)."""
    plots: dict[str, Callable[[], Figure]] = {"array-errors": partial(array.histogram, study)}
    if any(each.alone for each in study.sources):
        plots["array-sources"] = partial(array.sources, study)
    plots["array-columns"] = partial(array.columns, study)
    if any(math.isfinite(snr) for _, snr in study.by_adc_bits):
        plots["array-adc-bits"] = partial(array.adc_bits, study)
    return plots


def accuracy_plots(study: AccuracyStudy) -> Plots:
    """The plots of an accuracy study: by layer, by each parameter that has several values, and against GOPS/W."""
    plots: dict[str, Callable[[], Figure]] = {}
    if study.base is not None:
        plots["accuracy-layers"] = partial(accuracy.layers, study)
    several = [name for name in study.parameters if len(study.of(name)) > 1]
    for name in several:
        plots["accuracy-" + re.sub(r"[^\w-]+", "-", name)] = partial(accuracy.parameter, study, name)
    if several:
        plots["accuracy-trade"] = partial(accuracy.trade, study)
    return plots


def paper_plots(tables: Mapping[str, Table]) -> Plots:
    """The plots of the paper's tables and figures, published or corrected, those among `tables` that have one."""
    draw = {**paper.PLOTS, **dict.fromkeys(METRICS, waterfall)}
    return {name: partial(draw[name], table) for name, table in tables.items() if name in draw}


def write_plots(folder: Path, plots: Plots) -> None:
    """Write each plot as PNG (300 dpi) and SVG. Raises OutputError."""
    make_folder(folder)
    for name, draw in plots.items():
        for suffix, data in rendered(draw).items():
            with replacing(folder / f"{name}.{suffix}") as file:
                file.write(data)


def rendered(draw: Callable[[], Figure]) -> dict[str, bytes]:
    """A plot as the bytes of a file of each format."""
    with paper_style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from")  # a name in letters that the font lacks
        figure = draw()
        figure.set_dpi(PNG_DPI)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # stays as it was laid out for the first format; and that is slow
        return {suffix: _saved(figure, suffix) for suffix in FORMATS}


def _saved(figure: Figure, suffix: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix, dpi=PNG_DPI, metadata=dict(FORMATS[suffix]))
    return buffer.getvalue()
