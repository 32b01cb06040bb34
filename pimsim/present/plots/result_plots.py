"""Plots of a result from Python: `result.plot.latency()` and the like, each of which returns matplotlib's axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pimsim.base.optional_dependencies import require_optional
from pimsim.generation import GenerationResult
from pimsim.present.plot_style import PlotStyle, plot_style
from pimsim.present.plots import (
    plot_accuracy,
    plot_array,
    plot_cluster,
    plot_comparison,
    plot_generation,
    plot_run,
    plot_serving,
)
from pimsim.present.plots.active_style import paper_style
from pimsim.present.plots.figure_layout import into
from pimsim.present.plots.plot_kv import kv_sizes
from pimsim.present.plots.plot_roofline import roofline
from pimsim.results.run_result import RunResult
from pimsim.studies.accuracy.accuracy_result import AccuracyResult
from pimsim.studies.accuracy.accuracy_study import AccuracyPoint, AccuracyStudy
from pimsim.studies.array.array_result import ArrayStudy
from pimsim.studies.cluster.cluster_result import ClusterResult
from pimsim.studies.comparison.comparison_result import ComparisonResult
from pimsim.studies.memory_wall.kv_sizes_result import KvSizes
from pimsim.studies.memory_wall.roofline_result import Roofline
from pimsim.studies.memory_wall.roofline_study import roofline as roofline_of
from pimsim.studies.serving.serving_result import ServingResult
from pimsim.studies.sweep.table.sweep_results import SweepResults

Style = str | PlotStyle | None


class ResultPlots:
    """Plots of one result by name; `dir(result.plot)` lists them.

    Every plot is a function with two keyword arguments, `ax` and `style`, and returns matplotlib's axes. `ax` are axes
    to draw into; without them, the plot has a figure of its own, which is `axes.figure`. A plot of several panels
    refuses `ax` with OutputError, and returns the axes of its first panel.

    Args:
        plots: Function that draws each plot.
    """

    def __init__(self, plots: Mapping[str, Callable[..., Figure]]) -> None:
        self._plots = plots

    def __getattr__(self, name: str) -> Callable[..., Axes]:
        """Return a plot by name.

        Args:
            name: Name of the plot.

        Returns:
            Function that draws it.

        Raises:
            AttributeError: If the result does not have this plot.
        """
        if name.startswith("_") or name not in self._plots:
            raise AttributeError(f"this result has no plot {name!r}; it has {', '.join(self._plots)}")
        return _returning_axes(name, self._plots[name])

    def __dir__(self) -> list[str]:
        """List the plots, for completion in notebooks.

        Returns:
            Their names.
        """
        return list(self._plots)

    def __repr__(self) -> str:
        return f"<plots: {', '.join(self._plots)}>"


def plots_of(result: object) -> ResultPlots:
    """Return the plots of a result.

    Args:
        result: Result of a run, a generation, a comparison, a sweep, served requests, an accuracy or array study, a
            roofline or sizes of KV caches.

    Returns:
        Its plots.

    Raises:
        AttributeError: If results of this class have no plots.
    """
    for kind, plots in _PLOTS.items():
        if isinstance(result, kind):
            return ResultPlots(plots(result))
    raise AttributeError(f"{type(result).__name__} has no plots")


def _returning_axes(name: str, draw: Callable[..., Figure]) -> Callable[..., Axes]:
    def plot(*args: Any, ax: Axes | None = None, style: Style = None, **options: Any) -> Axes:
        with paper_style(plot_style(style)), into(ax):
            figure = draw(*args, **options)
        return figure.axes[0] if ax is None else ax

    plot.__name__ = plot.__qualname__ = name
    plot.__doc__ = f"""Draw the plot {name!r} of a result.

    Args:
        *args: What the plot shows, for plots that need it: metrics, or the name of a parameter.
        ax: Axes to draw into; None means a figure of its own.
        style: "paper", "talk", a style of `pimsim.plot_style`, or None.
        **options: As `args`, by name.

    Returns:
        The axes; `axes.figure.savefig("plot.pdf")` writes the figure.

    Raises:
        OutputError: If the style is not known, or if `ax` is given for a plot of several panels.
    """
    return plot


def _run(result: RunResult) -> dict[str, Callable[..., Figure]]:
    return {
        "latency": lambda: plot_run.latency(result),
        "energy": lambda: plot_run.energy(result),
        "area": lambda: plot_run.area(result),
        "roofline": lambda: roofline([roofline_of(result)]),
    }


def _generation(result: GenerationResult) -> dict[str, Callable[..., Figure]]:
    return {
        "latency": lambda: plot_generation.one_quantity(result, "latency"),
        "energy": lambda: plot_generation.one_quantity(result, "energy"),
        "steps": lambda: plot_generation.steps(result),
    }


def _comparison(result: ComparisonResult) -> dict[str, Callable[..., Figure]]:
    names = {
        "latency": "latency_s",
        "energy": "energy_j",
        "area": "area_mm2",
        "speed": "tokens_per_s",
        "efficiency": "tokens_per_j",
    }
    return {
        **{name: lambda key=key: plot_comparison.figure_bars(result, key) for name, key in names.items()},
        "trade": lambda: plot_comparison.trade(result),
        "contexts": lambda: plot_comparison.over_contexts(result),
    }


def _sweep(result: SweepResults) -> dict[str, Callable[..., Figure]]:
    require_optional("pandas", "plots", "the plots of a sweep")
    from pimsim.present.plots import plot_parallel, plot_sweep
    from pimsim.studies.sweep.table.table_analysis import axes_of, keys_of, objectives_of, usual_objectives

    def objectives(metrics: Sequence[str] | str | None) -> Any:
        names = metrics.split(",") if isinstance(metrics, str) else metrics
        return objectives_of(result, names) if names else usual_objectives(result)

    def front(metrics: Sequence[str] | str | None = None) -> Figure:
        some = dict(list(objectives(metrics).items())[:3])
        return plot_sweep.scatter(result.to_dataframe(), some, result.name, keys_of(result))

    def parallel(metrics: Sequence[str] | str | None = None) -> Figure:
        firsts = [axis if isinstance(axis, str) else axis[0] for axis in axes_of(result)]
        frame = result.to_dataframe()
        varied = [name for name in firsts if frame[name].nunique(dropna=False) > 1]
        return plot_parallel.parallel_coordinates(frame, varied, objectives(metrics), result.name, keys_of(result))

    return {"front": front, "parallel": parallel}


def _serving(result: ServingResult) -> dict[str, Callable[..., Figure]]:
    return {
        "latency": lambda: plot_serving.first_token(result),
        "times": lambda: plot_serving.distribution(result),
        "load": lambda: plot_serving.over_time(result),
        "power": lambda: plot_serving.power(result),
    }


def _cluster(result: ClusterResult) -> dict[str, Callable[..., Figure]]:
    return {
        "latency": lambda: plot_serving.first_token(result),
        "times": lambda: plot_cluster.distribution(result),
        "machines": lambda: plot_cluster.machines(result),
    }


def _accuracy(result: AccuracyStudy) -> dict[str, Callable[..., Figure]]:
    plots: dict[str, Callable[..., Figure]] = {}
    if result.base is not None:
        plots["layers"] = lambda: plot_accuracy.layers(result)
    if result.parameters:
        plots |= {
            "perplexity": lambda parameter: plot_accuracy.parameter(result, parameter),
            "cost": lambda parameter: plot_accuracy.cost(result, parameter),
            "trade": lambda: plot_accuracy.trade(result),
        }
    return plots


def _array(result: ArrayStudy) -> dict[str, Callable[..., Figure]]:
    return {
        "errors": lambda: plot_array.histogram(result),
        "sources": lambda: plot_array.sources(result),
        "columns": lambda: plot_array.columns(result),
        "adc_bits": lambda: plot_array.adc_bits(result),
    }


_PLOTS: Mapping[type, Callable[[Any], dict[str, Callable[..., Figure]]]] = {
    RunResult: _run,
    GenerationResult: _generation,
    ComparisonResult: _comparison,
    SweepResults: _sweep,
    ServingResult: _serving,
    ClusterResult: _cluster,
    AccuracyStudy: _accuracy,
    AccuracyResult: lambda result: _accuracy(AccuracyStudy((AccuracyPoint("", "", (), result),))),
    ArrayStudy: _array,
    Roofline: lambda result: {"roofline": lambda: roofline([result])},
    KvSizes: lambda result: {"sizes": lambda: kv_sizes(result)},
}
