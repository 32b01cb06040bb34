"""Template of a config: the keys that users change most, each with its meaning, its default and the source of that.

The text consists of the descriptions in the schema and of lines from configs/defaults.yaml, so that it always agrees
with them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel

from pimsim.base.shipped_files import defaults_path
from pimsim.config.provenance import CONFIDENCES, read_provenance
from pimsim.config.schema import SCHEMA_VERSION, Config
from pimsim.config.yaml_tree import LOADER

KEYS = (
    "workload.model",
    "workload.phase",
    "workload.context_length",
    "workload.prompt_length",
    "workload.new_tokens",
    "workload.batch",
    "workload.lm_head",
    "mapping.projections",
    "mapping.provisioning",
    "mapping.weight_storage_bits",
    "schedule",
    "leakage_gating",
    "operations_per_mac",
    "machine.chips.count",
    "machine.systolic.count",
    "machine.systolic.rows",
    "machine.systolic.columns",
    "machine.systolic.dataflow",
    "machine.systolic.clock_hz",
    "machine.crossbar.pair.cell.lrs_ohm",
    "machine.crossbar.pair.cell.hrs_ohm",
    "machine.crossbar.pair.cell.read_pulse_s",
    "machine.crossbar.pair.cell.endurance_writes",
    "machine.crossbar.pair.array.rows",
    "machine.crossbar.pair.array.columns",
    "machine.crossbar.pair.array.rows_at_once",
    "machine.crossbar.pair.array.adcs",
    "machine.crossbar.pair.adc.bits",
    "machine.crossbar.pair.adc.sample_rate_hz",
    "machine.crossbar.pair.adc.conversion_energy_j",
    "machine.crossbar.pair.adc.range",
    "machine.crossbar.pair.encoding.readout",
    "machine.crossbar.pair.encoding.polarity",
    "machine.crossbar.pair.noise.variation.lrs.sigma",
    "machine.crossbar.pair.noise.variation.hrs.sigma",
    "machine.crossbar.pair.noise.drift.age_s",
    "machine.crossbar.pair.noise.faults.stuck_lrs",
    "machine.crossbar.pair.noise.faults.stuck_hrs",
    "machine.crossbar.pair.wires.model",
    "machine.crossbar.banks",
    "machine.mesh.rows",
    "machine.mesh.columns",
    "machine.mesh.link_bandwidth_bps",
    "machine.sram.capacity_bytes",
    "machine.memory.part",
    "machine.memory.channels",
    "machine.memory.channel_bandwidth_bytes_per_s",
    "machine.memory.read_energy_j_per_bit",
    "machine.memory.write_energy_j_per_bit",
    "machine.memory.capacity_bytes",
)
WIDTH = 120


def template_text(name: str = "mine") -> str:
    """Return a config with the default values, as commented YAML.

    Args:
        name: Name of the config.

    Returns:
        The text of a valid config file.
    """
    defaults = _Defaults()
    lines = [*_head(name)]
    open_sections: list[str] = []
    for key in KEYS:
        *sections, last = key.split(".")
        depth = next(
            (i for i, pair in enumerate(zip(sections, open_sections, strict=False)) if pair[0] != pair[1]),
            min(len(sections), len(open_sections)),
        )
        if depth == 0 and sections != open_sections:
            lines.append("")
        for level, section in list(enumerate(sections))[depth:]:
            lines.append(f"{'  ' * level}{section}:")
        open_sections = sections
        lines += _entry(defaults, key, last, "  " * len(sections))
    return "\n".join(lines) + "\n"


def _head(name: str) -> Iterator[str]:
    quoted = yaml.safe_dump(name, allow_unicode=True, width=10_000).removesuffix("\n...\n").strip()
    letters = "; ".join(f"[{letter}] {meaning}" for letter, meaning in CONFIDENCES.items())
    yield "# Every key below has its default value. Change what differs in your machine, and delete the other keys."
    yield from textwrap.wrap(
        f"The comment after a value is its source, with the confidence in brackets: {letters}.",
        WIDTH,
        initial_indent="# ",
        subsequent_indent="# ",
    )
    yield "# All other keys: configs/defaults.yaml. Shipped configs to extend: `pimsim configs` and `pimsim devices`."
    yield "# extends: [pim-llm, memory-lpddr5x]"
    yield f"schema_version: {SCHEMA_VERSION}  # {read_provenance(defaults_path())['schema_version'].source} [S]"
    yield f"name: {quoted}"


def _entry(defaults: _Defaults, key: str, last: str, indent: str) -> Iterator[str]:
    """Iterate over the lines of one key.

    Args:
        defaults: The file of defaults.
        key: Dotted key.
        last: Its last part.
        indent: Spaces before it.

    Yields:
        The description as comment lines, then the key with its default and the comment of the default.
    """
    value, comment = defaults.line(key)
    yield from textwrap.wrap(
        _description(key), WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ", break_on_hyphens=False
    )
    setting = f"{indent}{last}: {value}"
    yield f"{setting:<35}  {comment}".rstrip()


class _Defaults:
    """The lines and the YAML nodes of configs/defaults.yaml."""

    def __init__(self) -> None:
        text = defaults_path().read_text(encoding="utf-8")
        self.lines = text.splitlines()
        self.root: Any = yaml.compose(text, Loader=LOADER)

    def line(self, key: str) -> tuple[str, str]:
        """Return a value with its comment.

        Args:
            key: Dotted key.

        Returns:
            The value as the file spells it, and the comment behind it.
        """
        node = self.root
        for step in key.split("."):
            node = next(value for name, value in node.value if name.value == step)
        line, start, end = self.lines[node.end_mark.line], node.start_mark.column, node.end_mark.column
        _, sign, comment = line[end:].partition("#")
        return line[start:end], sign + comment.rstrip()


def _description(key: str) -> str:
    """Return the description of a key in the schema.

    Args:
        key: Dotted key.

    Returns:
        The description, followed by the valid choices if it does not name them; empty if the schema has neither.
    """
    model: Any = Config
    *sections, last = key.split(".")
    for section in sections:
        annotation = model.model_fields[section].annotation
        choices = (annotation, *get_args(annotation))
        model = next(each for each in choices if isinstance(each, type) and issubclass(each, BaseModel))
    field = model.model_fields[last]
    described = field.description or ""
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    missing = "" if all(str(choice) in described for choice in choices) else " or ".join(map(str, choices))
    return "; ".join(each for each in (described, missing) if each)
