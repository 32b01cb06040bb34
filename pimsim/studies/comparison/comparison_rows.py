"""Records of a comparison: a row per design and workload, with its figures, its accounting and its intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

from pimsim.base.errors import MAX_LINE_CHARS, printable
from pimsim.base.stored_columns import Column, Kind, Notes, Number, Table
from pimsim.base.units import ps_to_s
from pimsim.generation import GenerationResult
from pimsim.results.accounting import Accounting, StoredAccounting
from pimsim.results.run_result import RunResult

NONE = math.nan
MAX_TEXT_BYTES = 1000


class Measure(NamedTuple):
    """A figure of a row.

    Attributes:
        name: Field of `ComparisonRow`, and column of tables; its suffix is the unit.
        label: Heading of its column.
        higher: Whether a higher value is better.
        ratio: Whether it has a ratio to the baseline.
        ranged: Name of the figure among those that `run_ranges` has intervals of; empty for none.
    """

    name: str
    label: str
    higher: bool
    ratio: bool
    ranged: str


MEASURES = (
    Measure("latency_s", "latency", False, True, "latency_s"),
    Measure("tokens_per_s", "tokens/s", True, True, "tokens_per_s"),
    Measure("energy_j", "energy", False, True, "energy_j"),
    Measure("tokens_per_j", "tokens/J", True, True, "tokens_per_j"),
    Measure("gops", "GOPS", True, True, "gops"),
    Measure("gops_per_w", "GOPS/W", True, True, "gops_per_w"),
    Measure("power_w", "power", False, True, "power_w"),
    Measure("area_mm2", "area", False, True, "area_m2"),
    Measure("time_to_first_token_s", "first token", False, True, ""),
    Measure("macs", "MACs", False, False, ""),
    Measure("memory_read_bytes", "memory reads", False, False, ""),
    Measure("memory_write_bytes", "memory writes", False, False, ""),
    Measure("kv_cache_bytes", "KV cache", False, False, ""),
)
RATIOS = tuple(each.name for each in MEASURES if each.ratio)
OPERATIONS = ("gops", "gops_per_w")
"""Figures in operations, whose number per MAC is a key of the config."""


@dataclass(frozen=True, slots=True)
class RowInterval:
    """The 95 % interval of a figure of a row, and of its ratio to that of the baseline.

    Attributes:
        figure: Name of the figure, a field of `ComparisonRow`.
        low: 2.5 % of the samples lie below.
        median: Half of the samples lie below.
        high: 97.5 % of the samples lie below.
        ratio_low: The same of the ratio; NaN without a ratio.
        ratio_median: Median of the ratio.
        ratio_high: Upper end of the ratio.
        above: Fraction of the samples in which the ratio is above 1.
    """

    figure: str
    low: Number
    median: Number
    high: Number
    ratio_low: Number = NONE
    ratio_median: Number = NONE
    ratio_high: Number = NONE
    above: Number = NONE


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One design on one workload.

    Attributes:
        design: Name of the design.
        model: Name of the model or trace.
        phase: "decode", "prefill", "generate" or "load", or the phase of a trace.
        context_length: Tokens of the KV cache of a decode step, or of the prompt; 0 for a loading of weights.
        error: Why there are no figures; empty if there are.
        error_class: Class of the error, such as "CapacityError".
        exit_code: Exit code of that class; 0 without an error.
        latency_s: Latency of the whole run, seconds; NaN for none, as in the other figures.
        tokens_per_s: Tokens per second, of a generation those of its decode steps.
        energy_j: Energy of the whole run, leakage included as far as it is charged, joules.
        tokens_per_j: Tokens per joule, of a generation those of its decode steps.
        gops: Billions of operations per second.
        gops_per_w: Billions of operations per joule.
        power_w: Mean power, watts.
        area_mm2: Area of all chips, mm^2.
        time_to_first_token_s: Latency of the prefill of a generation, seconds.
        macs: Multiply-accumulates.
        memory_read_bytes: Bytes read from memory.
        memory_write_bytes: Bytes written to memory.
        kv_cache_bytes: Size of the KV caches, of a generation at its end.
        notes: Notes of the run, one sentence each.
        warnings: Warnings about the config, one sentence each.
        accounting: What the figures contain and what they leave out.
        intervals: Intervals of the figures; empty without ranges.
    """

    design: str
    model: str
    phase: str
    context_length: int
    error: str = ""
    error_class: str = ""
    exit_code: int = 0
    latency_s: Number = NONE
    tokens_per_s: Number = NONE
    energy_j: Number = NONE
    tokens_per_j: Number = NONE
    gops: Number = NONE
    gops_per_w: Number = NONE
    power_w: Number = NONE
    area_mm2: Number = NONE
    time_to_first_token_s: Number = NONE
    macs: Number = NONE
    memory_read_bytes: Number = NONE
    memory_write_bytes: Number = NONE
    kv_cache_bytes: Number = NONE
    notes: Notes = ()
    warnings: Annotated[tuple[str, ...], Table(value="warning", optional=True)] = ()
    accounting: StoredAccounting = field(default_factory=Accounting)
    intervals: Annotated[tuple[RowInterval, ...], Table(optional=True)] = ()

    @property
    def workload(self) -> tuple[str, str, int]:
        """What rows are compared by: model, phase and context."""
        return self.model, self.phase, self.context_length

    @property
    def where(self) -> str:
        """The workload in words, such as "opt-6.7b at 128"."""
        return f"{self.model} at {self.context_length:,}" if self.context_length else self.model

    def figure(self, name: str) -> float | None:
        """Return a figure.

        Args:
            name: Name of a measure.

        Returns:
            The value; None if the row does not have it.
        """
        value: float = getattr(self, name)
        return None if math.isnan(value) else value

    def interval(self, name: str) -> RowInterval | None:
        """Return the interval of a figure.

        Args:
            name: Name of a measure.

        Returns:
            The interval; None without ranges, or if the figure does not vary.
        """
        return next((each for each in self.intervals if each.figure == name), None)

    def figures(self) -> dict[str, Any]:
        """Return all figures as plain values.

        Returns:
            Values by name; None where there is none, counts as integers.
        """
        found = {each.name: self.figure(each.name) for each in MEASURES}
        for name in ("macs", "memory_read_bytes", "memory_write_bytes", "kv_cache_bytes"):
            value = found[name]
            found[name] = int(value) if value is not None and value.is_integer() else value
        return found


def run_figures(result: RunResult) -> dict[str, Any]:
    """Return the figures of a run for a row, equal to those that `pimsim run --json` prints.

    Args:
        result: The run.

    Returns:
        Values by field; those that a run does not have are absent.
    """
    figures: dict[str, float | None] = {
        "latency_s": result.latency_s,
        "energy_j": result.energy_j,
        "power_w": result.power.total_w,
        "area_mm2": result.area_m2 * 1e6,
        "macs": result.macs,
        "kv_cache_bytes": result.kv_cache_bytes,
        **_traffic(result),
    }
    if result.tokens:
        figures |= {name: getattr(result, name) for name in ("tokens_per_s", "tokens_per_j", *OPERATIONS)}
    return {name: float(value) for name, value in figures.items() if value is not None}


def generation_figures(result: GenerationResult) -> dict[str, Any]:
    """Return the figures of a generation for a row, equal to those that `pimsim run --json` prints.

    Args:
        result: The generation.

    Returns:
        Values by field; those that a generation does not have are absent.
    """
    latency_s = ps_to_s(result.latency_ps)
    figures: dict[str, float | None] = {
        "latency_s": latency_s,
        "energy_j": result.energy_j,
        "power_w": result.power.total_w,
        "area_mm2": result.prefill.area_m2 * 1e6,
        "macs": result.macs,
        "kv_cache_bytes": result.kv_cache_bytes,
        "time_to_first_token_s": ps_to_s(result.prefill.latency_ps),
        "tokens_per_s": result.tokens_per_s,
        "tokens_per_j": result.tokens_per_j,
        "gops": result.config.operations_per_mac * result.macs / latency_s / 1e9 if latency_s else math.inf,
        "gops_per_w": 1000 * result.tops_per_w,
        **_traffic(result),
    }
    return {name: float(value) for name, value in figures.items() if value is not None}


def _traffic(result: RunResult | GenerationResult) -> dict[str, float]:
    summary = result.memory_traffic.summary()
    return {name: summary[name] for name in ("memory_read_bytes", "memory_write_bytes")}


@dataclass(frozen=True, slots=True)
class ComparedDesign:
    """A design of a comparison, as its result keeps it.

    Attributes:
        name: Name of the design.
        source: What the user gave: a name, a path, or "a mapping".
        description: Description of its config in one line.
        operations_per_mac: Operations that a MAC counts as.
        config_text: Its config with its own workload and all settings, as YAML.
        settings: Settings on top of the config, each "key=value".
    """

    name: str
    source: str
    description: str
    operations_per_mac: int
    config_text: Annotated[str, Column("config", Kind.DOCUMENT)]
    settings: Annotated[tuple[str, ...], Table("design_settings", value="setting", optional=True)] = ()


def one_line(text: str) -> str:
    """Return a text as one line that a result file can store.

    Args:
        text: Any text.

    Returns:
        A printable line of at most `MAX_TEXT_BYTES` bytes.
    """
    line = printable(" ".join(text.split()), MAX_LINE_CHARS)
    return line.encode()[:MAX_TEXT_BYTES].decode(errors="ignore")
