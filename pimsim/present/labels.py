"""Labels that plots and reports share: titles of runs, and values with their units."""

from __future__ import annotations

import re

from pimsim.base.errors import printable
from pimsim.base.summaries import counted
from pimsim.base.units import dimension_of_key, format_quantity
from pimsim.present.looks import model_label
from pimsim.results.run_result import RunResult

MAX_NAME_CHARS = 30
"""Maximum length in a title of the name of a config or a model."""


def context_label(context_length: int) -> str:
    """Return a short label of a context length, e.g. "512" or "4k".

    Args:
        context_length: Context length in tokens.

    Returns:
        The label.
    """
    thousands, rest = divmod(context_length, 1024)
    return f"{thousands}k" if thousands and not rest else str(context_length)


def name_label(name: str) -> str:
    """Return the name of a config, a system or a design as plots show it: as the user wrote it, cut to fit a title.

    Args:
        name: The name.

    Returns:
        The name without control characters.
    """
    return printable(name, MAX_NAME_CHARS)


def shown_model(model: str) -> str:
    """Return the name of a model as all plots show it, e.g. "OPT-6.7B" for "opt-6.7b", cut to fit a title.

    Args:
        model: Name of the model in pimsim.

    Returns:
        The name without control characters.
    """
    return name_label(model_label(model))


def names(result: RunResult) -> str:
    """Return the names of config and model, cut to fit a title.

    Args:
        result: Result of a run.

    Returns:
        The names.
    """
    return f"{name_label(result.config.name)}: {shown_model(result.model)}"


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
