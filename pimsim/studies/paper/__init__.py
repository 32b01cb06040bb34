"""Reproduction of PIM-LLM (arXiv:2504.01994): its published values, accounting rules, tables and figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from pimsim.studies.paper.comparison_table import Table
    from pimsim.studies.paper.paper_runs import Study

Accounting = Literal["published", "corrected", "machines"]
Progress = Callable[[int, int], None]
ACCOUNTINGS: tuple[Accounting, ...] = get_args(Accounting)

SUMMARY = "summary"
"""Item of the published accounting that summarises the agreement of all others."""


def known_items(accounting: Accounting = "published") -> tuple[str, ...]:
    """List the tables and figures of an accounting.

    Args:
        accounting: "published", "corrected" or "machines".

    Returns:
        Names that `reproduce` and `pimsim reproduce` accept.
    """
    if accounting == "machines":
        from pimsim.studies.paper.machine_claims import MACHINE_ITEMS

        return tuple(MACHINE_ITEMS)
    if accounting == "corrected":
        from pimsim.studies.paper.waterfall import CORRECTED_ITEMS

        return tuple(CORRECTED_ITEMS)
    from pimsim.studies.paper.paper_tables import ITEMS

    return (SUMMARY, *ITEMS)


def reproduce(
    items: Iterable[str] = ("all",), accounting: Accounting = "published", progress: Progress | None = None
) -> Mapping[str, Table]:
    """Simulate and tabulate the paper's tables and figures under an accounting.

    Args:
        items: Names from `known_items(accounting)`; "all" means all of them.
        accounting: "published" counts time and energy as the paper does; "corrected" shows the effect of each
            correction, and which claims of the paper still hold; "machines" puts machines in place of the printed
            numbers of other designs, and counts all of them alike.
        progress: Function of the number of finished tables and of all, called after each table; None means no reports.

    Returns:
        Tables by name, in the order of `items`.

    Raises:
        ValueError: If a name is unknown.
    """
    known = known_items(accounting)
    wanted = list(dict.fromkeys(each for item in items for each in (known if item == "all" else (item,))))
    for item in wanted:
        if item not in known:
            raise ValueError(f"unknown item {item!r}; known: {', '.join(known)}, all")
    from pimsim.studies.paper.paper_runs import Study

    study = Study()
    if accounting == "machines":
        from pimsim.studies.paper.machine_claims import MACHINE_ITEMS, MachineRuns

        runs = MachineRuns(study=study)
        return _tables({item: partial(MACHINE_ITEMS[item], runs) for item in wanted}, progress)
    if accounting == "corrected":
        from pimsim.studies.paper.corrected_accounting import Corrected
        from pimsim.studies.paper.waterfall import CORRECTED_ITEMS

        corrected = Corrected(study)
        return _tables({item: partial(CORRECTED_ITEMS[item], corrected) for item in wanted}, progress)
    return _published_tables(wanted, study, progress)


def _tables(makers: Mapping[str, Callable[[], Table]], progress: Progress | None) -> dict[str, Table]:
    tables = {}
    for number, (name, make) in enumerate(makers.items(), 1):
        tables[name] = make()
        if progress is not None:
            progress(number, len(makers))
    return tables


def _published_tables(wanted: Sequence[str], study: Study, progress: Progress | None) -> dict[str, Table]:
    """Tabulate items of the published accounting; the summary needs the tables of most others.

    Args:
        wanted: Names of items.
        study: Simulations of both machines.
        progress: As for `reproduce`.

    Returns:
        Tables by name, in the order of `wanted`.
    """
    from pimsim.studies.paper.agreement import SUMMARISED, summary
    from pimsim.studies.paper.paper_tables import ITEMS

    needed = dict.fromkeys([*wanted, *(SUMMARISED if SUMMARY in wanted else ())])
    tables = _tables({item: partial(ITEMS[item], study) for item in needed if item != SUMMARY}, progress)
    return {item: summary(tables) if item == SUMMARY else tables[item] for item in wanted}
