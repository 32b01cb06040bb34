"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigArgument = Annotated[
    str,
    typer.Argument(help="A config file, a shipped config by name, or a result file to run again.", show_default=False),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key, e.g. machine.systolic.rows=64. May be repeated."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
ExplainOption = Annotated[
    bool, typer.Option("--explain", help="Say why it takes that long: critical path, busy and waiting resources.")
]
TimelineOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write a timeline that ui.perfetto.dev opens.")
]
OpsCsvOption = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        metavar="FILE",
        help="Write a row per op with its time by part and energy; of a generation, a row per simulated step.",
    ),
]
PlotsOption = Annotated[
    Path | None,
    typer.Option("--plots", metavar="DIR", help="Draw all that can be drawn, as PNG and SVG files in this folder."),
]


def yaml_string(text: str) -> str:
    """A YAML scalar that reads back as this text, whatever it looks like."""
    import json

    return json.dumps(text)
