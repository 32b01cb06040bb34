"""Plots of results as PNG, SVG and PDF files for papers and talks. Only this package imports matplotlib.

Every plot is a function that takes a result or a table and returns a matplotlib `Figure` outside pyplot. The same
result gives the same bytes.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pimsim.base.files import make_folder, replacing
from pimsim.base.optional_dependencies import import_optional

import_optional("matplotlib", "plots", "plots")  # says what is missing before the imports below do

from matplotlib.figure import Figure

from pimsim.present.plot_style import PlotStyle, TallPlotWarning, plot_style
from pimsim.present.plots import (
    plot_accuracy as accuracy,
)
from pimsim.present.plots import (
    plot_array as array,
)
from pimsim.present.plots import (
    plot_cluster as cluster,
)
from pimsim.present.plots import (
    plot_comparison as comparison,
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
from pimsim.present.plots.active_style import paper_style
from pimsim.present.plots.plot_config_waterfall import config_waterfall
from pimsim.present.plots.plot_kv import kv_sizes
from pimsim.present.plots.plot_roofline import roofline
from pimsim.present.plots.plot_waterfall import waterfall
from pimsim.studies.paper.waterfall import METRICS
from pimsim.version import __version__

if TYPE_CHECKING:
    from pimsim.generation import GenerationResult
    from pimsim.results.run_result import RunResult
    from pimsim.studies.accuracy import AccuracyStudy
    from pimsim.studies.array.array_result import ArrayStudy
    from pimsim.studies.cluster.cluster_result import ClusterResult
    from pimsim.studies.comparison.comparison_result import ComparisonResult
    from pimsim.studies.config_waterfall.key_waterfall import KeyWaterfall
    from pimsim.studies.memory_wall.kv_sizes_result import KvSizes
    from pimsim.studies.memory_wall.roofline_result import Roofline
    from pimsim.studies.paper.comparison_table import Table
    from pimsim.studies.serving.serving_result import ServingResult

Plots = Mapping[str, Callable[[], Figure]]
"""Plots by file name. Each is a function that draws the figure; call it inside `paper_style`."""

PNG_DPI = 300
FORMATS: Mapping[str, Mapping[str, str | None]] = {
    "png": {"Software": f"pimsim {__version__}"},
    "svg": {"Creator": f"pimsim {__version__}", "Date": None},
    "pdf": {"Creator": f"pimsim {__version__}", "Producer": None, "CreationDate": None},
}
"""File formats with their metadata, which has no dates, so that the bytes depend on the result only."""


def run_plots(result: RunResult, by: str | None = None) -> Plots:
    """Return the plots of a run: latency, energy and area, each only if it is not zero.

    Args:
        result: Result of the run.
        by: "op" or "layer", for plots of the rows that `pimsim run --by` prints; None means no such plots.

    Returns:
        Plots by file name.
    """
    plots: dict[str, Callable[[], Figure]] = {}
    if result.latency_ps:
        plots["run-latency"] = partial(run.latency, result)
    if result.energy_j:
        plots["run-energy"] = partial(run.energy, result)
    if result.area_m2:
        plots["run-area"] = partial(run.area, result)
    if by is not None and result.latency_ps:
        plots[f"run-time-by-{by}"] = partial(run.breakdown, result, by, "time_s")
    if by is not None and result.energy_j:
        plots[f"run-energy-by-{by}"] = partial(run.breakdown, result, by, "energy_j")
    return plots


def generation_plots(result: GenerationResult) -> Plots:
    """Return the plot of a generation: latency and energy of the decode steps.

    Args:
        result: Result of the generation.

    Returns:
        Plots by file name.
    """
    return {"generation": partial(generation.steps, result)}


def serving_plots(result: ServingResult) -> Plots:
    """Return the plots of a serving run: distributions of times, and load and power over time.

    Args:
        result: Result of the serving run.

    Returns:
        Plots by file name.
    """
    return {
        "serving-times": partial(serving.distribution, result),
        "serving-load": partial(serving.over_time, result),
        "serving-power": partial(serving.power, result),
    }


def cluster_plots(result: ClusterResult) -> Plots:
    """Return the plots of a serving run of several machines: distributions of times, and load of each machine.

    Args:
        result: Result of the run.

    Returns:
        Plots by file name.
    """
    return {
        "serving-times": partial(cluster.distribution, result),
        "serving-machines": partial(cluster.machines, result),
    }


def array_plots(study: ArrayStudy) -> Plots:
    """Return the plots of an array study, except those without data, such as sources that were not analysed.

    The SNRs of a matrix of zeros, which has no signal, are not data.

    Args:
        study: Array study.

    Returns:
        Plots by file name.
    """
    plots: dict[str, Callable[[], Figure]] = {"array-errors": partial(array.histogram, study)}
    if study.errors.signal_rms and any(each.alone for each in study.sources):
        plots["array-sources"] = partial(array.sources, study)
    plots["array-columns"] = partial(array.columns, study)
    if any(math.isfinite(snr) for _, snr in study.by_adc_bits):
        plots["array-adc-bits"] = partial(array.adc_bits, study)
    return plots


def accuracy_plots(study: AccuracyStudy) -> Plots:
    """Return the plots of an accuracy study: by layer, by each parameter with several values, and against GOPS/W.

    Args:
        study: Accuracy study.

    Returns:
        Plots by file name.
    """
    plots: dict[str, Callable[[], Figure]] = {}
    if study.base is not None:
        plots["accuracy-layers"] = partial(accuracy.layers, study)
    several = [name for name in study.parameters if len(study.of(name)) > 1]
    for name in several:
        file_name = re.sub(r"[^\w-]+", "-", name)
        plots[f"accuracy-{file_name}"] = partial(accuracy.parameter, study, name)
        plots[f"accuracy-cost-{file_name}"] = partial(accuracy.cost, study, name)
    if several:
        plots["accuracy-trade"] = partial(accuracy.trade, study)
    return plots


def paper_plots(tables: Mapping[str, Table]) -> Plots:
    """Return the plots of the tables and figures of the paper, under the published or the corrected accounting.

    Args:
        tables: Tables by name; those without a plot are left out.

    Returns:
        Plots by file name.
    """
    draw = {**paper.PLOTS, **dict.fromkeys(METRICS, waterfall)}
    return {name: partial(draw[name], table) for name, table in tables.items() if name in draw}


def config_waterfall_plots(result: KeyWaterfall) -> Plots:
    """Return the plot of a waterfall from one config to another: latency and energy of each step.

    Args:
        result: The waterfall.

    Returns:
        Plots by file name.
    """
    return {"waterfall": partial(config_waterfall, result)}


def roofline_plots(rooflines: Roofline | Sequence[Roofline]) -> Plots:
    """Return the plot of the rooflines of one run or of several on the same machine.

    Args:
        rooflines: The rooflines; the roofs are those of the first one.

    Returns:
        Plots by file name.
    """
    several = rooflines if isinstance(rooflines, Sequence) else (rooflines,)
    return {"roofline": partial(roofline, several)}


def comparison_plots(result: ComparisonResult) -> Plots:
    """Return the plots of a comparison: bars by model, speed against efficiency, and figures over the context.

    Args:
        result: The comparison.

    Returns:
        Plots by file name; those without data are left out.
    """
    plots: dict[str, Callable[[], Figure]] = {}
    if comparison.bar_measures(result):
        plots["comparison-bars"] = partial(comparison.bars, result)
    if comparison.trade_points(result):
        plots["comparison-trade"] = partial(comparison.trade, result)
    if len(result.contexts) > 1 and comparison.bar_measures(result):
        plots["comparison-contexts"] = partial(comparison.over_contexts, result)
    return plots


def kv_plots(result: KvSizes) -> Plots:
    """Return the plot of the sizes of KV caches over the context.

    Args:
        result: The sizes.

    Returns:
        Plots by file name.
    """
    return {"kv-sizes": partial(kv_sizes, result)}


def write_plot(path: Path, draw: Callable[[], Figure], style: str | PlotStyle | None = None) -> None:
    """Write one plot to a file in the format of its suffix.

    Args:
        path: File that ends in .png, .svg or .pdf.
        draw: Function that draws the figure.
        style: "paper", "talk" or a style of `plot_style`; None means the width for which the plot is designed.

    Raises:
        OutputError: If the file cannot be written.
    """
    suffix = path.suffix.lower().removeprefix(".")
    data = rendered(draw, (suffix,), style, path.stem)[suffix]
    with replacing(path) as file:
        file.write(data)


def write_plots(folder: Path, plots: Plots, style: str | PlotStyle | None = None) -> None:
    """Write each plot as a PNG file (300 dpi), an SVG file and a PDF file.

    Args:
        folder: Folder for the files; it is made if it does not exist.
        plots: Plots by file name.
        style: "paper", "talk" or a style of `plot_style`; None means the width for which each plot is designed.

    Raises:
        OutputError: If the folder or a file cannot be written.
    """
    make_folder(folder)
    for name, draw in plots.items():
        for suffix, data in rendered(draw, style=style, name=name).items():
            with replacing(folder / f"{name}.{suffix}") as file:
                file.write(data)


def rendered(
    draw: Callable[[], Figure],
    suffixes: Iterable[str] = FORMATS,
    style: str | PlotStyle | None = None,
    name: str = "plot",
) -> dict[str, bytes]:
    """Draw a plot and return the content of its files.

    Args:
        draw: Function that draws the figure.
        suffixes: Formats: "png", "svg" or "pdf".
        style: "paper", "talk" or a style of `plot_style`; None means the width for which the plot is designed.
        name: Name of the plot in warnings.

    Returns:
        Content of the file of each format, by suffix.

    Warns:
        TallPlotWarning: If the figure is higher than the page or the slide of the style.
    """
    chosen = plot_style(style)
    with paper_style(chosen), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from")  # a name may have characters that the font lacks
        figure = draw()
        _warn_if_tall(figure, chosen, name)
        figure.set_dpi(PNG_DPI)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # the layout is slow, and the formats share it
        return {suffix: _saved(figure, suffix) for suffix in suffixes}


def _warn_if_tall(figure: Figure, style: PlotStyle, name: str) -> None:
    height_in = float(figure.get_size_inches()[1])
    if style.highest_in is not None and height_in > style.highest_in:
        warnings.warn(
            f"{name} is {height_in:.1f} inches high, more than the {style.highest_in:g} of its page or slide: plot "
            f"fewer rows or models, or with smaller type than {style.size_pt:g} pt",
            TallPlotWarning,
            stacklevel=4,
        )


def _saved(figure: Figure, suffix: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix, dpi=PNG_DPI, metadata=dict(FORMATS[suffix]))
    return buffer.getvalue()
