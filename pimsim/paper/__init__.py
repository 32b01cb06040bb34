"""PIM-LLM (arXiv:2504.01994): its published numbers, the accounting behind them, its tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pimsim.paper.tables import Table


def reproduce(items: Iterable[str] = ("all",)) -> Mapping[str, Table]:
    """The paper's tables and figures under the `published` accounting, by name.

    `items` are names as `pimsim reproduce` takes them; "all" stands for every one. Raises ValueError for another.
    """
    from pimsim.paper.study import Study
    from pimsim.paper.tables import ITEMS

    wanted = list(dict.fromkeys(each for item in items for each in (ITEMS if item == "all" else (item,))))
    for item in wanted:
        if item not in ITEMS:
            raise ValueError(f"unknown item {item!r}; known: {', '.join(ITEMS)}, all")
    study = Study()
    return {item: ITEMS[item](study) for item in wanted}
