"""Plot of a generation: latency and energy of each decode step as the context grows."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pimsim.base.units import ps_to_s
from pimsim.generation import GenerationResult
from pimsim.present.plots.active_style import pt
from pimsim.present.plots.figure_layout import add_legend, headed, new_axes, new_figure
from pimsim.present.plots.style import BLUE, COLUMN_IN, GREY, axis_unit, light_grid, names, quantity

MAX_MARKED = 64
"""Maximum number of simulated steps with a marker each."""


def steps(result: GenerationResult) -> Figure:
    """Plot latency and energy of the decode steps over the context length.

    If only some steps were simulated, these have markers. The box between two of them bounds the steps between them;
    half its height, times their number, is its contribution to the stated error.

    Args:
        result: Result of the generation.

    Returns:
        The figure.
    """
    figure = new_figure(COLUMN_IN, 3.6)
    upper, lower = figure.subplots(2, 1, sharex=True)
    _panel(upper, result, [ps_to_s(step.latency_ps) for step in result.steps], "s", "latency")
    _panel(lower, result, [step.energy_j for step in result.steps], "J", "energy")
    lower.set_xlabel("context length (tokens)")
    decode = f"decode {quantity(ps_to_s(result.decode_latency_ps), '_s')}"
    if not result.exact:
        decode += f" ± {quantity(ps_to_s(result.latency_error_ps), '_s')}"
    tokens = "1 token" if result.tokens == 1 else f"{result.tokens:,} tokens"
    headed(figure, f"{names(result.prefill)}\n{tokens}, {decode}")
    add_legend(figure, *upper.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def one_quantity(result: GenerationResult, what: str) -> Figure:
    """Plot latency or energy of the decode steps over the context length.

    Args:
        result: Result of the generation.
        what: "latency" or "energy".

    Returns:
        The figure.
    """
    figure, axes = new_axes(COLUMN_IN, 2.2)
    values = [ps_to_s(step.latency_ps) if what == "latency" else step.energy_j for step in result.steps]
    _panel(axes, result, values, "s" if what == "latency" else "J", what)
    axes.set_xlabel("context length (tokens)")
    add_legend(figure, *axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    headed(figure, names(result.prefill))
    return figure


def _panel(axes: Axes, result: GenerationResult, values: list[float], symbol: str, what: str) -> None:
    size, unit = axis_unit(max(values), symbol)
    scaled = [value / size for value in values]
    contexts = [step.context_length for step in result.steps]
    if not result.exact:
        axes.fill_between(
            contexts,
            [*map(min, scaled[:-1], scaled[1:]), scaled[-1]],
            [*map(max, scaled[:-1], scaled[1:]), scaled[-1]],
            step="post",
            color=GREY,
            alpha=0.4,
            linewidth=0,
            label="bounds of the other steps",
        )
    marker = "o" if not result.exact or len(values) <= MAX_MARKED else ""
    label = "every step simulated" if result.exact else "simulated steps"
    axes.plot(contexts, scaled, color=BLUE, linewidth=pt(1), marker=marker, markersize=pt(3), label=label)
    axes.set_ylim(0, 1.3 * max(scaled) or 1.0)
    axes.set_ylabel(f"{what} per step ({unit})")
    light_grid(axes, "y")
