"""Reproduction of PIM-LLM (arXiv:2504.01994): its published values, accounting rules, tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from pimsim.studies.paper.comparison_table import Table

Accounting = Literal["published", "corrected"]
ACCOUNTINGS: tuple[Accounting, ...] = get_args(Accounting)


def known_items(accounting: Accounting = "published") -> tuple[str, ...]:
    """List the tables and figures of an accounting.

    Args:
        accounting: "published" or "corrected".

    Returns:
        Names that `reproduce` and `pimsim reproduce` accept.
    """
    if accounting == "corrected":
        from pimsim.studies.paper.waterfall import CORRECTED_ITEMS

        return tuple(CORRECTED_ITEMS)
    from pimsim.studies.paper.paper_tables import ITEMS

    return tuple(ITEMS)


def reproduce(items: Iterable[str] = ("all",), accounting: Accounting = "published") -> Mapping[str, Table]:
    """Simulate and tabulate the paper's tables and figures under an accounting.

    Args:
        items: Names from `known_items(accounting)`; "all" means all of them.
        accounting: "published" counts time and energy as the paper does; "corrected" shows the effect of each
            correction, and which claims of the paper still hold.

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
    if accounting == "corrected":
        from pimsim.studies.paper.corrected_accounting import Corrected
        from pimsim.studies.paper.waterfall import CORRECTED_ITEMS

        corrected = Corrected(study)
        return {item: CORRECTED_ITEMS[item](corrected) for item in wanted}
    from pimsim.studies.paper.paper_tables import ITEMS

    return {item: ITEMS[item](study) for item in wanted}
