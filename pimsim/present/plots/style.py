"""What all plots share: sizes, fonts, colours and hatches that survive grey print, labels of values.

Colours are Okabe and Ito's (jfly.uni-koeln.de/color, 2008), which stay apart for colour-blind eyes; where two of them
print as the same grey, a hatch tells them apart.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from pimsim.base.errors import printable
from pimsim.base.units import dimension_of_key, format_quantity
from pimsim.results.run_result import RunResult

COLUMN_IN = 3.5
"""Width of a one-column figure, in inches."""
PAGE_IN = 7.0
"""Width of a figure across both columns, in inches."""
SMALL_PT = 7.0
"""Values written beside bars; everything else is 8 or 9 points."""

MAX_NAME_CHARS = 30
"""Of the names that users give configs and models, so much fits a title."""
_TITLE_CHARS_PER_IN = 12

_SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        "font.size": 8,
        "axes.titlesize": 9,
        "axes.labelsize": 8,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "legend.fontsize": 8,
        "legend.frameon": False,
        "legend.handlelength": 1.4,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "axes.axisbelow": True,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "grid.color": "#cccccc",
        "grid.linewidth": 0.4,
        "patch.linewidth": 0.4,
        "hatch.linewidth": 0.5,
        "text.parse_math": False,  # names of the user's own may hold dollar signs
        "svg.hashsalt": "pimsim",  # else the ids in an SVG file are random
    }
)


@contextmanager
def paper_style() -> Iterator[None]:
    """Matplotlib's own defaults with ours on top, whatever the user's matplotlibrc says; as before when it ends."""
    with matplotlib.style.context(["default", dict(_SETTINGS)]):
        yield


@dataclass(frozen=True, slots=True)
class Look:
    """How one thing is drawn, and what a legend calls it."""

    label: str
    colour: str
    hatch: str = ""

    def bar(self) -> dict[str, Any]:
        """Keywords for `Axes.bar` and the like."""
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
        "communication": Look("communication", ORANGE),
        "tile_buffer": Look("tile buffer", SKY_BLUE, "////"),
        "digital": Look("digital", "#FFFFFF", "||||"),
        "crossbar": Look("crossbar", BLACK),
        "dac": Look("DAC", YELLOW, "xxxx"),
        "adc": Look("ADC", VERMILION),
        "sram": Look("SRAM", YELLOW),
        "memory": Look("memory", PURPLE, "\\\\\\\\"),
        "programming": Look("programming", VERMILION, "xxxx"),
        "chip_link": Look("chip link", ORANGE, "...."),
        "vector": Look("vector", GREEN),
        "controller": Look("controller", LIGHT_GREY, "...."),
        "contention": Look("contention", GREY, "////"),
    }
)
"""The parts of a latency (`pimsim.steps.step_tree.PARTS`)."""

_SAME = ("systolic", "vector", "sram", "memory", "controller", "programming", "chip_link")
COMPONENTS: Mapping[str, Look] = MappingProxyType(
    {
        "tile": Look("tile", VERMILION),
        "mesh": Look("mesh", ORANGE),
        **{name: PARTS[name] for name in _SAME},
    }
)
"""Components, each as the part that most of its time goes to; a mesh communicates."""

_FAMILIES = {"gpt2": "GPT-2 ", "opt": "OPT-", "llama": "LLaMA-"}


def model_label(model: str) -> str:
    """A model as the paper writes it: GPT-2 350M, OPT-6.7B."""
    family, _, size = model.partition("-")
    if family not in _FAMILIES or not size:
        return model
    return _FAMILIES[family] + (size.upper() if size[0].isdigit() else size.capitalize())


def distinct(rows: Iterable[Mapping[str, Any]], column: str) -> list[Any]:
    """The values of a column, each once, in order."""
    return list(dict.fromkeys(row[column] for row in rows))


def context_label(context_length: int) -> str:
    """A context length in little space: 512, 4k."""
    whole, rest = divmod(context_length, 1024)
    return f"{whole}k" if whole and not rest else str(context_length)


def names(result: RunResult) -> str:
    """Config and model, cut to what fits a title."""
    return f"{printable(result.config.name, MAX_NAME_CHARS)}: {printable(result.model, MAX_NAME_CHARS)}"


def run_title(result: RunResult) -> str:
    """What was run, on one line."""
    if result.phase == "prefill":
        phase = f"prefill of {result.tokens:,} tokens"
    else:
        batch = f", batch of {result.tokens:,}" if result.tokens > 1 else ""
        phase = f"{result.phase} at context {result.context_length:,}{batch}"
    return f"{names(result)}, {phase}, {result.config.schedule}"


def headed(figure: Figure, text: str) -> None:
    """A title from the left edge of the figure, where there is more room than above the axes."""
    characters = int(_TITLE_CHARS_PER_IN * figure.get_size_inches()[0])
    lines = [line for each in text.splitlines() for line in textwrap.wrap(each, characters)]
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=9)


def three_digits(value: float) -> str:
    """A number with three digits, never in powers of ten above 1: 0.512, 7.50, 11.6, 1,262."""
    return f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:#.3g}"


def percent(share: float) -> str:
    """A share in percent with a digit after the point; what would be 0.0 is less than 0.1."""
    return f"{share:.1%}" if share >= 0.0005 or share == 0 else "<0.1%"


def quantity(value: float, key: str) -> str:
    """A value of a key's dimension with its unit: 3.14 ms for a `_s`, 929 mm² for a `_m2`."""
    if key == "_m2":
        return f"{three_digits(value * 1e6)} mm²"
    dimension = dimension_of_key(key)
    assert dimension is not None
    return re.sub(r" u(?=\w)", " µ", format_quantity(value, dimension, digits=3))


def axis_unit(largest: float, symbol: str) -> tuple[float, str]:
    """The unit in which `largest` (SI) has one to three digits before the point: its size, and its name."""
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")):
        if largest >= size:
            return size, prefix + symbol
    return 1e-12, "p" + symbol


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure of its own, unknown to pyplot."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def write_value(axes: Axes, text: str, at: tuple[float, float], points: tuple[float, float]) -> None:
    """A value in small letters, so many points away from a place: beside a bar if right of it, else centred above.

    A white rim keeps it readable on grid lines.
    """
    beside = points[0] > 0
    axes.annotate(
        text,
        at,
        points,
        textcoords="offset points",
        ha="left" if beside else "center",
        va="center_baseline" if beside else "baseline",
        fontsize=SMALL_PT,
        path_effects=[withStroke(linewidth=1.5, foreground="white")],
        zorder=6,
    )


def tint(colour: str) -> tuple[float, float, float]:
    """A colour mixed with twice as much white."""
    red, green, blue = to_rgb(colour)
    return (red + 2) / 3, (green + 2) / 3, (blue + 2) / 3


def light_grid(axes: Axes, axis: str) -> None:
    """Thin lines behind the bars, across one axis ("x" or "y")."""
    (axes.xaxis if axis == "x" else axes.yaxis).grid(True)
