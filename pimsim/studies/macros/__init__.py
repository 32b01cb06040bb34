"""Published in-memory-compute macros and designs: their printed values beside what their configs give here.

Each macro is a config `configs/macro-*.yaml` and a data file of the same name in `data/`, which states every published
quantity with its source, and whether the config was built with it (docs/macros.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pimsim.studies.macros.macro_table import MacroRow, MacroTable

Progress = Callable[[int, int], None]


def macro_names() -> tuple[str, ...]:
    """List the macros that have a data file.

    Returns:
        Sorted names, such as "macro-isaac".
    """
    from pimsim.studies.macros.macro_file import macro_names as names

    return names()


def macro_tables(names: Iterable[str] = (), progress: Progress | None = None) -> tuple[MacroTable, ...]:
    """Simulate macros and compare them with their published values.

    Args:
        names: Names of macros, as `macro_names` lists them, or paths of data files; none means all shipped macros.
        progress: Function of the number of finished macros and of all, called after each; None means no reports.

    Returns:
        One table per macro, in the order of `names`.

    Raises:
        ConfigError: If a name is unknown, or a data file or a config is not valid.
    """
    from pimsim.studies.macros.macro_file import load_macro
    from pimsim.studies.macros.macro_table import macro_table

    files = [load_macro(name) for name in dict.fromkeys(names) or macro_names()]
    tables = []
    for file in files:
        tables.append(macro_table(file))
        if progress is not None:
            progress(len(tables), len(files))
    return tuple(tables)


def macro_rows(names: Iterable[str] = (), progress: Progress | None = None) -> tuple[MacroRow, ...]:
    """Return the rows of all tables.

    Args:
        names: As for `macro_tables`.
        progress: As for `macro_tables`.

    Returns:
        One row per printed value and operating point.

    Raises:
        ConfigError: As for `macro_tables`.
    """
    return tuple(row for table in macro_tables(names, progress) for row in table.rows)
