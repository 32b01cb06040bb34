"""PIM-LLM (arXiv:2504.01994): its published numbers, the accounting behind them, its tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from pimsim.studies.paper.paper_tables import Table

Accounting = Literal["published", "corrected"]
ACCOUNTINGS: tuple[Accounting, ...] = get_args(Accounting)


def known_items(accounting: Accounting = "published") -> tuple[str, ...]:
    """The tables and figures of an accounting, by the names that `pimsim reproduce` takes."""
    if accounting == "corrected":
        from pimsim.studies.paper.waterfall import CORRECTED_ITEMS

        return tuple(CORRECTED_ITEMS)
    from pimsim.studies.paper.paper_tables import ITEMS

    return tuple(ITEMS)


def reproduce(items: Iterable[str] = ("all",), accounting: Accounting = "published") -> Mapping[str, Table]:
    """The paper's tables and figures under an accounting, by name.

    `published` counts as the paper does; `corrected` shows what each of its switches changes, and which claims hold.
    `items` are names of `known_items(accounting)`; "all" stands for every one. Raises ValueError for another.
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
