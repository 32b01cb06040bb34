"""The options --style, --plot-width and --plot-font of every command that writes plots."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pimsim.cli.completion import one_of
from pimsim.cli.exits import refuse

if TYPE_CHECKING:
    from pimsim.present.plot_style import PlotStyle

_chosen: ContextVar[PlotStyle | None] = ContextVar("style of the plots of a command", default=None)


def add_plot_options(command: Any) -> None:
    """Add the options to a command that writes plots, or to all such commands of a group.

    They are added to the commands of Typer and not to the functions behind them, which need not know of styles; what
    writes the plots asks `chosen_style`.

    Args:
        command: Command or group of Typer.
    """
    if hasattr(command, "commands"):
        for each in command.commands.values():
            add_plot_options(each)
        return
    writers = [each.name for each in command.params if each.name in ("plots", "plot")]
    if writers or command.name == "plot":
        command.params.extend(_options())
        command.callback = _styled(command.callback, writers[0] if writers else None)


def chosen_style() -> PlotStyle | None:
    """Return the style that the options of the running command describe.

    Returns:
        The style; None if no option is given.
    """
    return _chosen.get()


def _styled(function: Callable[..., Any], writer: str | None) -> Callable[..., Any]:
    """Wrap the function of a command, so that its options of style are checked before any work.

    Args:
        function: Function of the command.
        writer: Name of its parameter that names the plots; None means that it always writes plots.

    Returns:
        Function that also takes the values of `_options`.
    """

    @wraps(function)
    def command(*args: Any, style: str | None, plot_width: str | None, plot_font: str | None, **values: Any) -> Any:
        given = {"--style": style, "--plot-width": plot_width, "--plot-font": plot_font}
        first = next((option for option, value in given.items() if value is not None), None)
        if first is None:
            return function(*args, **values)
        if writer is not None and values.get(writer) is None:
            refuse(f"{first} describes plots: give --{writer}, too")
        token = _chosen.set(_parsed(style, plot_width, plot_font))
        try:
            with _tall_plots_as_notes():
                return function(*args, **values)
        finally:
            _chosen.reset(token)

    return command


@contextmanager
def _tall_plots_as_notes() -> Iterator[None]:
    """Print warnings of plots that are higher than a page or a slide as notes of the command."""
    from pimsim.present.plot_style import TallPlotWarning

    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, TallPlotWarning):
            typer.echo(f"note: {message}", err=True)
        else:
            usual(message, category, *place, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", TallPlotWarning)
        warnings.showwarning = show  # restored by catch_warnings
        yield


def _parsed(style: str | None, width: str | None, font: str | None) -> PlotStyle:
    from pimsim.base.errors import OutputError
    from pimsim.present.plot_style import plot_style

    try:
        parsed = plot_style(style, width=width, font=font)
        if font is not None:
            from pimsim.present.plots.active_style import installed

            installed(parsed.font)
    except OutputError as error:
        refuse(str(error))
    return parsed


def _with_options(
    style: Annotated[
        str | None,
        typer.Option(
            metavar="paper|talk",
            help="Draw the plots for one column of a paper (3.5 inches wide, 7 pt type), or for a slide (10 inches "
            "wide, 16 pt type and thicker lines). Without it, each plot is as wide as a column or a page.",
            autocompletion=one_of("paper", "talk"),
        ),
    ] = None,
    plot_width: Annotated[
        str | None,
        typer.Option(
            metavar="WIDTH",
            help="Width of the plots: column (3.5 inches), page (7 inches) or a number of inches.",
            autocompletion=one_of("column", "page"),
        ),
    ] = None,
    plot_font: Annotated[
        str | None,
        typer.Option(
            metavar="FONT",
            help="Font of the plots: a family, a size in points, or both, e.g. 'serif 9'.",
            autocompletion=one_of("serif", "sans-serif", "monospace"),
        ),
    ] = None,
) -> None:
    del style, plot_width, plot_font


@cache
def _options() -> tuple[Any, ...]:
    """Let Typer make the options of `_with_options`.

    Returns:
        The options, the same objects for all commands.
    """
    carrier = typer.Typer(add_completion=False)
    carrier.command()(_with_options)
    return tuple(each for each in typer.main.get_command(carrier).params if each.name != "help")
