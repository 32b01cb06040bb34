"""What the designs of a comparison count: what all of them count, and where they differ.

Every design runs the same trace of the same workload, so that an op, a MAC and a byte are the same for all. Designs may
still differ in which ops a config includes, in the leakage that it charges, and in how many operations a MAC counts as.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pimsim.base.errors import show
from pimsim.config.given_keys import leaves
from pimsim.config.ineffective_keys import ineffective_keys
from pimsim.config.schema import Config
from pimsim.results.accounting import CostItem
from pimsim.studies.comparison.comparison_rows import ComparisonRow

COUNTED_KEYS = (
    "operations_per_mac",
    "leakage_gating",
    "schedule",
    "mapping.masked_folds",
    "machine.technology_nm",
    "workload.",
)
"""Keys that decide what a result counts; one that ends in a dot stands for all keys below it."""

VARIED_KEYS = (
    "workload.model",
    "workload.trace",
    "workload.phase",
    "workload.context_length",
    "workload.prompt_length",
)
"""Keys that a comparison sets for all designs."""

COUNTED, LEFT_OUT, ABSENT = "counted", "left out", "none"


@dataclass(frozen=True, slots=True)
class CountedSetting:
    """Value of a key in which designs differ, and which decides what is counted.

    Attributes:
        key: Dotted key.
        design: Name of the design.
        value: Its value as a config spells it.
    """

    key: str
    design: str
    value: str


@dataclass(frozen=True, slots=True)
class ItemUse:
    """What one design does with an item of the accounting.

    Attributes:
        design: Name of the design.
        use: "counted", "left out", or "none" if it has no such work.
        example: The item at the first workload that has it; None for "none".
        where: That workload in words.
    """

    design: str
    use: str
    example: CostItem | None = None
    where: str = ""


def differing_settings(configs: Mapping[str, Config]) -> tuple[CountedSetting, ...]:
    """Find the keys in which designs differ and that decide what is counted.

    Args:
        configs: Config of each design by name, at one workload.

    Returns:
        One record per key and design, in the order of the keys; none for a key without effect in all designs.
    """
    flat = {name: dict(leaves(config.model_dump(mode="json"))) for name, config in configs.items()}
    keys = dict.fromkeys(key for values in flat.values() for key in values)
    found = []
    for rule in COUNTED_KEYS:
        for key in keys:
            named = key.startswith(rule) if rule.endswith(".") else key == rule
            if not named or key in VARIED_KEYS or len({repr(values.get(key)) for values in flat.values()}) == 1:
                continue
            if not all(ineffective_keys(config, [key]) for config in configs.values()):
                found += [CountedSetting(key, name, _spelled(values.get(key))) for name, values in flat.items()]
    return tuple(found)


def _spelled(value: object) -> str:
    return value if isinstance(value, str) and value.isidentifier() else show(value)


def item_uses(rows: Iterable[ComparisonRow], designs: Sequence[str]) -> dict[str, tuple[ItemUse, ...]]:
    """Collect what each design does with each item of the accounting, over all workloads.

    Args:
        rows: Rows of the comparison; those without figures are not used.
        designs: Names of the designs.

    Returns:
        Uses by name of the item, in the order in which items occur first; one use per design with figures, two for an
        item that a design counts in part.
    """
    uses: dict[str, dict[tuple[str, str], ItemUse]] = {}
    present = []
    for row in rows:
        if row.error:
            continue
        present.append(row.design)
        for use, items in ((COUNTED, row.accounting.counted), (LEFT_OUT, row.accounting.left_out)):
            for item in items:
                uses.setdefault(item.name, {}).setdefault((row.design, use), ItemUse(row.design, use, item, row.where))
    found = {}
    for name, of_item in uses.items():
        by_design = []
        for design in (each for each in designs if each in present):
            own = [use for (owner, _), use in of_item.items() if owner == design]
            by_design += own or [ItemUse(design, ABSENT)]
        found[name] = tuple(by_design)
    return found


def items_of_all(uses: Mapping[str, Sequence[ItemUse]], use: str) -> list[str]:
    """Return the items that all designs count, or that all leave out.

    Args:
        uses: Result of `item_uses`.
        use: "counted" or "left out".

    Returns:
        Names of items.
    """
    return [name for name, of_item in uses.items() if {each.use for each in of_item} == {use}]


def differing_items(uses: Mapping[str, Sequence[ItemUse]]) -> dict[str, tuple[ItemUse, ...]]:
    """Return the items that not all designs count, and not all leave out.

    Args:
        uses: Result of `item_uses`.

    Returns:
        Uses by name of the item. An item that some leave out and the others do not have is not among them: none of the
        figures contains it.
    """
    found = {}
    for name, of_item in uses.items():
        by_design: dict[str, set[str]] = {}
        for each in of_item:
            by_design.setdefault(each.design, set()).add(each.use)
        same = all(own == by_design[of_item[0].design] for own in by_design.values())
        if not same and COUNTED in {each.use for each in of_item}:
            found[name] = tuple(of_item)
    return found


def in_part_by_all(uses: Mapping[str, Sequence[ItemUse]]) -> list[str]:
    """Return the items of which all designs count a part and leave out the rest.

    Args:
        uses: Result of `item_uses`.

    Returns:
        Names of items.
    """
    differing = differing_items(uses)
    return [
        name
        for name, of_item in uses.items()
        if name not in differing and {each.use for each in of_item} == {COUNTED, LEFT_OUT}
    ]


def left_out_by_some(uses: Mapping[str, Sequence[ItemUse]]) -> dict[str, tuple[str, ...]]:
    """Return the items that some designs leave out and the others do not have.

    Args:
        uses: Result of `item_uses`.

    Returns:
        Names of the designs that leave it out, by name of the item.
    """
    return {
        name: tuple(each.design for each in of_item if each.use == LEFT_OUT)
        for name, of_item in uses.items()
        if {each.use for each in of_item} == {LEFT_OUT, ABSENT}
    }


def differing_macs(rows: Iterable[ComparisonRow], baseline: str) -> list[tuple[str, str, float]]:
    """Find designs whose workload has other MACs than that of the baseline, so that their times are not comparable.

    Args:
        rows: Rows of the comparison.
        baseline: Name of the baseline.

    Returns:
        Name of the design, first workload in words, and ratio of its MACs to those of the baseline, once per design.
    """
    kept = [row for row in rows if not row.error]
    base = {row.workload: row.macs for row in kept if row.design == baseline}
    found: dict[str, tuple[str, str, float]] = {}
    for row in kept:
        expected = base.get(row.workload)
        if expected and row.macs != expected and row.design not in found:
            found[row.design] = row.design, row.where, row.macs / expected
    return [*found.values()]
