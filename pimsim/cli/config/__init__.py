"""`pimsim config`: the values of a config and their meanings; one module per subcommand.

A subcommand is added as in `pimsim.cli.app`: one line in `SUBCOMMANDS`, and one module with an `app`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pimsim.cli.lazy_group import LazyGroup, command_app

SUBCOMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "show": ("pimsim.cli.config.show", "Show every value of a config, and where it comes from."),
        "diff": ("pimsim.cli.config.diff", "Show the keys that have different values in two configs."),
        "explain": ("pimsim.cli.config.explain", "Explain a key: meaning, unit, allowed values, default."),
    }
)


class ConfigGroup(LazyGroup):
    """The subcommands of `pimsim config`."""

    table = SUBCOMMANDS
    with_plugins = frozenset(SUBCOMMANDS)


app = command_app(
    name="config",
    cls=ConfigGroup,
    help="Show the values of a config, compare two configs, or explain a key.",
    epilog="Example: pimsim config explain rows_at_once",
    no_args_is_help=True,
)


@app.callback()
def config() -> None:
    """Show the values of a config, compare two configs, or explain a key."""
