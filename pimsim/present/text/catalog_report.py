"""Reports of the shipped models, configs and device presets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

from rich.text import Text

from pimsim.base.units import dimension_of_key
from pimsim.config.provenance import CONFIDENCES
from pimsim.present.text.tables import console, quantity, table

if TYPE_CHECKING:
    from pimsim.config.catalog import ConfigEntry, Preset


def print_models(rows: Sequence[dict[str, Any]], file: IO[str] | None = None) -> None:
    """Print the models with their shapes.

    Args:
        rows: Rows of `pimsim.config.model_catalog.model_rows`.
        file: File to write to; None means standard output.
    """
    out = console(file)
    shown = table(
        "model", "layers", "heads", "KV", "d_model", "d_ff", "FFN", "weights", "KV/token", "", "source of the shape",
        numeric=(1, 2, 3, 4, 5, 7, 8),
    )  # fmt: skip
    for row in rows:
        shown.add_row(
            ", ".join((row["name"], *row["aliases"])),
            *(f"{row[key]:,}" for key in ("layers", "heads")),
            f"{row['kv_heads']:,}" if row["latent_elements"] is None else "MLA",
            *(f"{row[key]:,}" for key in ("d_model", "d_ff")),
            _ffn(row),
            _billions(row["projection_weights"]),
            quantity(row["kv_bytes_per_token"], "_bytes"),
            f"[{row['confidence']}]",
            "; ".join((row["source"], *row["notes"])),
        )
    out.print(shown)
    out.print(
        Text(
            "\nweights: number of weights of all projections, those of all experts included; KV/token: size in the KV "
            "cache at 8 bits per element; FFN 2 of 8 x 14,336: experts of a token, of a layer, and their width; MLA: "
            "multi-head latent attention"
        )
    )
    out.print(Text(confidence_letters({row["confidence"] for row in rows})))


def _ffn(row: dict[str, Any]) -> str:
    if row["experts"] is None:
        return "gated" if row["gated"] else "plain"
    return f"{row['experts_per_token']} of {row['experts']} x {row['d_expert']:,}"


def print_configs(entries: Sequence[ConfigEntry], file: IO[str] | None = None) -> None:
    """Print the configs, each with its changes to the defaults.

    Args:
        entries: Entries of `pimsim.config.catalog.config_entries`.
        file: File to write to; None means standard output.
    """
    out = console(file)
    letters: set[str] = set()
    for entry in entries:
        extends = f" Extends {', '.join(entry.extends)}." if entry.extends else ""
        out.print(Text.assemble((entry.name, "bold"), f"  {entry.description}{extends}"))
        if entry.changes:
            shown = table("  changed key", "value", "default", "", "source", numeric=(1, 2))
            for change in entry.changes:
                letters.add(change.confidence)
                shown.add_row(
                    f"  {change.key}",
                    value_text(change.key, change.value),
                    value_text(change.key, change.default),
                    f"[{change.confidence}]" if change.confidence else "",
                    change.source,
                )
            out.print(shown)
        out.print()
    out.print(Text(confidence_letters(letters)))


def print_presets(presets: Sequence[Preset], file: IO[str] | None = None) -> None:
    """Print the presets of cells, ADCs, memories and technologies, with every value and its source.

    Args:
        presets: Presets of `pimsim.config.catalog.presets`.
        file: File to write to; None means standard output.
    """
    out = console(file)
    letters: set[str] = set()
    for preset in presets:
        out.print(Text.assemble((preset.name, "bold"), f"  {preset.description}"))
        shown = table("  key", "value", "", "source", numeric=(1,))
        for setting in preset.settings:
            if setting.own:
                letters.add(setting.confidence)
                confidence = f"[{setting.confidence}]" if setting.confidence else ""
                shown.add_row(f"  {setting.key}", value_text(setting.key, setting.value), confidence, setting.source)
        out.print(shown)
        if rest := _rest(preset):
            out.print(Text(f"  equal to the defaults: {', '.join(rest)}"))
        out.print()
    out.print(Text("to use them in a config: extends: [pim-llm, device-neurosim, adc-isaac-8bit, memory-lpddr5x]"))
    out.print(Text(confidence_letters(letters)))


def _rest(preset: Preset) -> list[str]:
    """List what a preset leaves at the defaults.

    Args:
        preset: The preset.

    Returns:
        Keys with their values, or the name of a section of which the preset sets nothing, such as `noise.drift`.
    """
    changed = {_section_of(each.key) for each in preset.settings if each.own}
    rest: dict[str, None] = {}
    for each in preset.settings:
        whole = _section_of(each.key)
        if not each.own:
            untouched = whole and whole not in changed
            rest[whole if untouched else f"{each.key} {value_text(each.key, each.value)}"] = None
    return list(rest)


def _section_of(key: str) -> str:
    """Return the section of a key, such as `noise.drift` for `noise.drift.age_s`.

    Args:
        key: Dotted key.

    Returns:
        The section; empty for a key with fewer than three parts.
    """
    return ".".join(key.split(".")[:2]) if key.count(".") > 1 else ""


def value_text(key: str, value: Any) -> str:
    """Format a value of a config.

    Args:
        key: Dotted key, whose last step gives the unit.
        value: Value in SI units.

    Returns:
        The value as a table shows it.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and dimension_of_key(key.rpartition(".")[2]):
        return quantity(value, key.rpartition(".")[2])
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        numbers = all(isinstance(each, int | float) for each in value)
        return f"[{', '.join(f'{each:.4g}' for each in value)}]" if numbers else "..."
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def confidence_letters(used: set[str]) -> str:
    """Explain confidence letters.

    Args:
        used: The letters that a table has.

    Returns:
        Each letter with its meaning.
    """
    return "; ".join(f"[{letter}] {meaning}" for letter, meaning in CONFIDENCES.items() if letter in used)


def _billions(number: int) -> str:
    return f"{number / 1e9:.3g} G" if number >= 1e9 else f"{number / 1e6:.3g} M"
