"""Style that all plots share: sizes, fonts, colours, hatches, and labels of values.

The colours are those of Okabe and Ito (jfly.uni-koeln.de/color, 2008), which colour-blind readers can distinguish.
Where two of them look the same in grey print, a hatch distinguishes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from pimsim.base.errors import printable
from pimsim.base.summaries import counted
from pimsim.base.units import dimension_of_key, format_quantity
from pimsim.results.run_result import RunResult

COLUMN_IN = 3.5
"""Width of a one-column figure, in inches."""
PAGE_IN = 7.0
"""Width of a figure across both columns, in inches."""
SMALL_PT = 7.0
"""Font size of values beside bars, in points; other text has 8 or 9 points."""

MAX_NAME_CHARS = 30
"""Maximum length in a title of the name of a config or a model."""


@dataclass(frozen=True, slots=True)
class Look:
    """Look of one series.

    Attributes:
        label: Label in the legend.
        colour: Fill colour.
        hatch: Hatch of matplotlib; empty means none.
    """

    label: str
    colour: str
    hatch: str = ""

    def bar(self) -> dict[str, Any]:
        """Return the look as keyword arguments of `Axes.bar` and `Axes.barh`.

        Returns:
            The keyword arguments.
        """
        return {"label": self.label, "facecolor": self.colour, "hatch": self.hatch, "edgecolor": "black"}


BLACK, ORANGE, SKY_BLUE, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY, LIGHT_GREY = "#999999", "#DDDDDD"

MACHINES: Mapping[str, Look] = MappingProxyType(
    {"tpu-llm": Look("TPU-LLM", ORANGE), "pim-llm": Look("PIM-LLM", BLUE)},
)

DATAFLOWS: Mapping[str, Look] = MappingProxyType(
    {
        "os": Look("output-stationary", BLUE),
        "ws": Look("weight-stationary", ORANGE),
        "is": Look("input-stationary", LIGHT_GREY, "////"),
    }
)

PARTS: Mapping[str, Look] = MappingProxyType(
    {
        "systolic": Look("systolic", BLUE),
        "near_memory": Look("near memory", BLUE, "...."),
        "sram_cim": Look("SRAM macros", BLUE, "xxxx"),
        "prediction": Look("prediction", BLUE, "////"),
        "communication": Look("communication", ORANGE),
        "tile_buffer": Look("tile buffer", SKY_BLUE, "////"),
        "digital": Look("digital", "#FFFFFF", "||||"),
        "crossbar": Look("crossbar", BLACK),
        "dac": Look("DAC", YELLOW, "xxxx"),
        "adc": Look("ADC", VERMILION),
        "sram": Look("SRAM", YELLOW),
        "memory": Look("memory", PURPLE, "\\\\\\\\"),
        "kv_tiers": Look("KV tiers", SKY_BLUE, "...."),
        "programming": Look("programming", VERMILION, "xxxx"),
        "chip_link": Look("chip link", ORANGE, "...."),
        "vector": Look("vector", GREEN),
        "processor": Look("processor", BLUE, "||||"),
        "controller": Look("controller", LIGHT_GREY, "...."),
        "contention": Look("contention", GREY, "////"),
    }
)
"""Looks of the latency components (`pimsim.steps.step_tree.PARTS`)."""

_SAME = (
    *("systolic", "near_memory", "sram_cim", "prediction", "vector", "sram", "memory", "controller", "programming"),
    "chip_link",
)
COMPONENTS: Mapping[str, Look] = MappingProxyType(
    {
        "tile": Look("tile", VERMILION),
        "mesh": Look("mesh", ORANGE),
        **{name: PARTS[name] for name in _SAME},
    }
)
"""Looks of hardware components; each has the look of the latency component that most of its time belongs to."""

_FAMILIES = {"gpt2": "GPT-2 ", "opt": "OPT-", "llama": "LLaMA-"}


def model_label(model: str) -> str:
    """Return the name of a model as the paper writes it, e.g. "GPT-2 350M" or "OPT-6.7B".

    Args:
        model: Name of the model in pimsim.

    Returns:
        The name in the paper; `model` itself for other families.
    """
    family, _, size = model.partition("-")
    if family not in _FAMILIES or not size:
        return model
    return _FAMILIES[family] + (size.upper() if size[0].isdigit() else size.capitalize())


def distinct(rows: Iterable[Mapping[str, Any]], column: str) -> list[Any]:
    """List the distinct values of a column.

    Args:
        rows: Rows of a table.
        column: Name of the column.

    Returns:
        The values, in the order of their first appearance.
    """
    return list(dict.fromkeys(row[column] for row in rows))


def context_label(context_length: int) -> str:
    """Return a short label of a context length, e.g. "512" or "4k".

    Args:
        context_length: Context length in tokens.

    Returns:
        The label.
    """
    thousands, rest = divmod(context_length, 1024)
    return f"{thousands}k" if thousands and not rest else str(context_length)


def names(result: RunResult) -> str:
    """Return the names of config and model, cut to fit a title.

    Args:
        result: Result of a run.

    Returns:
        The names.
    """
    return f"{printable(result.config.name, MAX_NAME_CHARS)}: {printable(result.model, MAX_NAME_CHARS)}"


def run_title(result: RunResult) -> str:
    """Describe a run in one line: config, model, phase and schedule.

    Args:
        result: Result of the run.

    Returns:
        The description.
    """
    if result.phase == "load":
        phase = "loading the weights"
    elif result.phase == "prefill":
        phase = f"prefill of {counted(result.tokens, 'token')}"
    else:
        batch = f", batch of {result.tokens:,}" if result.tokens > 1 else ""
        phase = f"{result.phase} at context {result.context_length:,}{batch}"
    return f"{names(result)}, {phase}, {result.config.schedule}"


def three_digits(value: float) -> str:
    """Format a number with three significant digits, e.g. 0.512, 7.50, 11.6 or 1,262.

    Args:
        value: Number.

    Returns:
        The formatted number, without a power of ten for large numbers.
    """
    return f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:#.3g}"


def percent(share: float) -> str:
    """Format a share in percent with one decimal.

    Args:
        share: Share, from 0 to 1.

    Returns:
        The formatted share; "<0.1%" for a share that would be rounded to zero.
    """
    return f"{share:.1%}" if share >= 0.0005 or share == 0 else "<0.1%"


def quantity(value: float, key: str) -> str:
    """Format a value with its unit and three digits, e.g. "3.14 ms" for `_s` or "929 mm²" for `_m2`.

    Args:
        value: Value in SI units.
        key: Config key or suffix that gives the dimension.

    Returns:
        The formatted value.
    """
    if key == "_m2":
        return f"{three_digits(value * 1e6)} mm²"
    dimension = dimension_of_key(key)
    assert dimension is not None
    return re.sub(r" u(?=\w)", " µ", format_quantity(value, dimension, digits=3))


def axis_unit(largest: float, symbol: str) -> tuple[float, str]:
    """Choose the unit of an axis, so that the largest value has one to three digits before the point.

    Args:
        largest: Largest value on the axis, in SI units.
        symbol: Symbol of the SI unit.

    Returns:
        Size of the unit in SI units, and its name.
    """
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")):
        if largest >= size:
            return size, prefix + symbol
    return 1e-12, "p" + symbol


def tint(colour: str) -> tuple[float, float, float]:
    """Mix a colour with twice as much white.

    Args:
        colour: Colour of matplotlib.

    Returns:
        Red, green and blue of the lighter colour, from 0 to 1.
    """
    red, green, blue = to_rgb(colour)
    return (red + 2) / 3, (green + 2) / 3, (blue + 2) / 3


def light_grid(axes: Axes, axis: str) -> None:
    """Draw thin grid lines behind the bars.

    Args:
        axes: Axes of the plot.
        axis: Axis whose ticks get lines, "x" or "y".
    """
    (axes.xaxis if axis == "x" else axes.yaxis).grid(True)
