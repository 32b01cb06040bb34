"""Options and arguments that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pimsim.cli.completion import complete_config, complete_setting, one_of

ConfigArgument = Annotated[
    str,
    typer.Argument(
        help="A config file, the name of a shipped config, or a result file whose run is repeated.",
        show_default=False,
        autocompletion=complete_config,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a config key, e.g. machine.systolic.rows=64. May be repeated.",
        autocompletion=complete_setting,
    ),
]
PhaseOption = Annotated[
    str | None,
    typer.Option(
        metavar="decode|prefill|generate|load",
        help="One token at a context length; a prompt at once; a prompt and then token after token; or the weights, "
        "once.",
        autocompletion=one_of("decode", "prefill", "generate", "load"),
    ),
]
OutputOption = Annotated[int | None, typer.Option(metavar="N", help="Tokens that a generation makes after the prompt.")]
BatchOption = Annotated[int | None, typer.Option(metavar="N", help="Number of sequences that run together.")]
ScheduleOption = Annotated[
    str | None,
    typer.Option(
        metavar="serial|dataflow|contended",
        help="One op after another; overlapping ops; or overlapping ops with contention inside shared hardware.",
        autocompletion=one_of("serial", "dataflow", "contended"),
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
ExplainOption = Annotated[
    bool,
    typer.Option("--explain", help="Explain the latency: critical path, busy resources and resource contention."),
]
ExplainRunOption = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Explain the latency (critical path, busy resources, contention), and name the keys that would help.",
    ),
]


class Breakdown(StrEnum):
    """What `--by` divides a run into; the keys of `pimsim.results.breakdown.BREAKDOWNS`."""

    OP = "op"
    LAYER = "layer"


ByOption = Annotated[
    Breakdown | None,
    typer.Option(
        "--by",
        help="Also show time, energy, MACs and memory traffic by op or by layer; --csv then writes these rows.",
    ),
]
TimelineOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write a timeline that ui.perfetto.dev can open.")
]
OpsCsvOption = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        metavar="FILE",
        help="Write one row per op with its latency breakdown and energy; for a generation, one row per simulated "
        "step.",
    ),
]
IMAGE_SUFFIXES = (".png", ".svg", ".pdf", ".jpg", ".jpeg", ".eps")


def plots_folder(value: Path | None) -> Path | None:
    """Check, before any work, that the value of `--plots` can be a folder.

    Args:
        value: Value of the option; None if it is not given.

    Returns:
        The same value.

    Raises:
        BadParameter: If it is a file, or has the name of an image.
    """
    from pimsim.base.errors import printable
    from pimsim.base.optional_dependencies import require_optional

    if value is not None:
        require_optional("matplotlib", "plots", "--plots")
        shown = printable(str(value), 200)
        if value.is_file():
            raise typer.BadParameter(f"{shown} is a file; --plots takes a folder, in which each plot is a file")
        if value.suffix.lower() in IMAGE_SUFFIXES and not value.is_dir():
            raise typer.BadParameter(f"{shown} is the name of an image; --plots takes a folder, such as plots")
    return value


PlotsOption = Annotated[
    Path | None,
    typer.Option(
        "--plots",
        metavar="DIR",
        help="Write all plots of the result to this folder, as PNG, SVG and PDF files.",
        callback=plots_folder,
    ),
]
PLOT_SUFFIXES = (".png", ".svg", ".pdf")


def plot_file(value: Path | None) -> Path | None:
    """Check, before any work, that the value of `--plot` names an image.

    Args:
        value: Value of the option; None if it is not given.

    Returns:
        The same value.

    Raises:
        BadParameter: If it is a folder, or its suffix is not that of an image that can be written.
    """
    from pimsim.base.errors import printable
    from pimsim.base.optional_dependencies import require_optional

    if value is not None:
        require_optional("matplotlib", "plots", "--plot")
        shown = printable(str(value), 200)
        if value.is_dir():
            raise typer.BadParameter(f"{shown} is a folder; --plot takes a file, such as {shown}/plot.pdf")
        if value.suffix.lower() not in PLOT_SUFFIXES:
            raise typer.BadParameter(f"{shown} ends in none of {', '.join(PLOT_SUFFIXES)}, which --plot can write")
    return value


PlotOption = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        metavar="FILE",
        help="Write the plot to this file, whose suffix is .png, .svg or .pdf.",
        callback=plot_file,
    ),
]
ForceOption = Annotated[
    bool,
    typer.Option("--force", help="Also replace files that pimsim did not write as such an output, and input files."),
]


def yaml_string(text: str) -> str:
    """Quote a text as a YAML string, so that YAML reads the same text back.

    Args:
        text: Any text, e.g. "null" or "3".

    Returns:
        The text as a JSON string, which is also a YAML string.
    """
    import json

    return json.dumps(text)


def comma_separated(option: str, text: str) -> list[str]:
    """Cut the value of an option at its commas.

    Args:
        option: Name of the option, for the message.
        text: Its value.

    Returns:
        The items without blanks around them, each once, in order.

    Raises:
        BadParameter: If an item is empty.
    """
    items = [item.strip() for item in text.split(",")]
    if "" in items:
        raise typer.BadParameter(f"{option}: an item of {text!r} is empty; separate items by single commas")
    return list(dict.fromkeys(items))
