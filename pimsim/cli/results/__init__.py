"""`pimsim results`: analyse the points of a sweep or a search; one module per subcommand.

A subcommand is added as in `pimsim.cli.app`: one line in `SUBCOMMANDS`, and one module with an `app`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pimsim.cli.lazy_group import LazyGroup, command_app

SUBCOMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "show": ("pimsim.cli.results.show", "Show the table of points."),
        "front": ("pimsim.cli.results.front", "Show the Pareto front of the points."),
        "best": ("pimsim.cli.results.best", "Show the best points by one metric."),
        "sensitivity": ("pimsim.cli.results.sensitivity", "Show the effect of each axis on a metric."),
        "plot": ("pimsim.cli.results.plot", "Write plots of the points."),
    }
)

MOVED: Mapping[str, str] = MappingProxyType(
    {
        "--pareto": "pimsim results front FILE METRIC,...",
        "--best": "pimsim results best FILE METRIC",
        "--sensitivity": "pimsim results sensitivity FILE METRIC",
        "--plots": "pimsim results plot FILE --out DIR",
    }
)
"""Options of `pimsim results FILE`, as it was before it had subcommands, and the command that replaces each."""


class ResultsGroup(LazyGroup):
    """The subcommands of `pimsim results`. For a command line without one, it names the new command."""

    table = SUBCOMMANDS

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments of the group, or refuse a command line without a subcommand.

        Args:
            ctx: Context of the command line.
            args: Arguments after `pimsim results`.

        Returns:
            The arguments that are left for the subcommand.
        """
        hint = None if ctx.resilient_parsing else _new_spelling(args)
        if hint is not None:
            ctx.fail(hint)
        return super().parse_args(ctx, args)


def _new_spelling(args: Sequence[str]) -> str | None:
    if not args:
        return None
    for option, command in MOVED.items():
        if any(arg == option or arg.startswith(f"{option}=") for arg in args):
            return f"{option} is now `{command}`"
    if args[0] in SUBCOMMANDS:
        return None
    misspelt = not Path(args[0]).exists() and get_close_matches(args[0], SUBCOMMANDS)
    if not args[0].startswith("-") and not misspelt and (Path(args[0]).suffix or len(args) > 1):
        return "the subcommand is missing: the table of points is now `pimsim results show FILE`"
    return None


app = command_app(
    name="results",
    cls=ResultsGroup,
    help="Analyse the points of a sweep or a search: table, Pareto front, best points, sensitivity, plots.",
    epilog="Example: pimsim results front points.h5 tokens_per_s,area_m2 --where 'power_w < 2'",
    no_args_is_help=True,
)


@app.callback()
def results() -> None:
    """Analyse the points of a sweep or a search."""
