"""Section of a config: the value of each key with its unit, its place, its source and its confidence letter."""

from __future__ import annotations

from pimsim.config.given_keys import leaves
from pimsim.config.provenance import CONFIDENCES
from pimsim.config.schema import Config
from pimsim.present.report.page_blocks import Column, Section, Table
from pimsim.present.report.row_tables import Cell, cell
from pimsim.present.text.catalog_report import confidence_letters, value_text
from pimsim.studies.difference.key_differences import shipped_values

COLUMNS = (
    *(Column("key"), Column("value"), Column("value in SI units"), Column("set in"), Column("confidence")),
    Column("source"),
)


def config_section(config: Config, name: str = "config", title: str = "Config") -> Section:
    """Return the section of the config of a result.

    A result holds the values of its config and not the files that they are from: places and sources are those of the
    shipped config of the same name, and of the defaults, as far as these have the same values.

    Args:
        config: The config.
        name: Name of the section in the page.
        title: Heading of the section.

    Returns:
        The section, with one table.
    """
    places = (shipped_values(config.name), shipped_values("defaults"))
    rows: list[list[Cell]] = []
    for key, value in leaves(config.model_dump(mode="json")):
        origin = next((each[key] for each in places if key in each and each[key].value == value), None)
        number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
        known = ("", "", "") if origin is None else (origin.origin, origin.confidence, origin.source)
        rows.append([key, value_text(key, value), cell(number if number is not None else value), *known])
    letters = confidence_letters(set(CONFIDENCES))
    note = (
        f"A key without a place has another value than the shipped config {config.name!r} and the defaults of this "
        f"version of pimsim. {letters}"
    )
    return Section(name, title, [Table(f"{name}-table", "Values of all keys", COLUMNS, rows, note)])
