"""Report of a generation, and its progress bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import IO

from rich.table import Table as RichTable
from rich.text import Text

from pimsim.base.units import ps_to_s
from pimsim.generation import GenerationResult, Progress
from pimsim.present.text.accounting_lines import print_accounting, print_plugins
from pimsim.present.text.adc_lines import adc_rows
from pimsim.present.text.memory_lines import memory_rows, tier_rows
from pimsim.present.text.run_report import leakage_text, per_mac_text, print_notes, print_warnings, sequences_text
from pimsim.present.text.tables import console, operation_rate, power_row, progress_bar, quantity, table

SHOWN_STEPS = 8


def progress_on_terminal() -> AbstractContextManager[Progress | None]:
    """Return a progress bar for the decode steps of a generation.

    Returns:
        Context manager that yields the function to report progress to; None if standard error is not a terminal.
    """
    return progress_bar("decode steps")


def print_generation(result: GenerationResult, file: IO[str] | None = None) -> None:
    """Print a generation: prefill, decode, both together, and which decode steps were simulated.

    Args:
        result: Result of the generation.
        file: File to write to; None means standard output.
    """
    out = console(file)
    config, workload = result.config, result.config.workload
    head = (
        f"{config.name}: {result.prefill.model}, generate {_count(workload.new_tokens, 'token')} after a prompt of "
        f"{workload.prompt_length:,}{sequences_text(workload.batch)}, {config.schedule} schedule, "
        f"{leakage_text(config.leakage_gating)}"
    )
    out.print(Text(head, style="bold"))
    print_accounting(out, result.accounting)
    print_plugins(out, result.plugins)
    print_notes(out, result.notes)
    print_warnings(out, result.warnings)
    out.print()
    out.print(_headline(result))
    if result.steps:
        out.print()
        out.print(_steps(result))


def _headline(result: GenerationResult) -> RichTable:
    prefill, config = result.prefill, result.config
    per_mac = per_mac_text(config.operations_per_mac)
    grid = RichTable.grid(padding=(0, 2))
    for row in (
        ("prefill", f"{_time(prefill.latency_ps)} to the first token", _count(prefill.tokens, "prompt token")),
        ("", f"{prefill.tokens_per_s:.4g} prompt tokens/s", f"{quantity(prefill.energy_j, '_j')}"),
        *_decode(result),
        ("total", _time(result.latency_ps), quantity(result.energy_j, "_j")),
        power_row(result.power, charged=config.leakage_gating != "not_charged"),
        ("efficiency", operation_rate(result.tops_per_w, "W"), f"{result.tops_per_w:.4g} TOPS/W; {per_mac}"),
        ("density", operation_rate(result.tops_per_mm2, "mm^2"), f"{result.tops_per_mm2:.4g} TOPS/mm^2; {per_mac}"),
        *([("steps", *_exactness(result))] if result.steps else []),
        *memory_rows(result.kv_cache_bytes, result.memory_traffic, result.config),
        *tier_rows(result.kv_tiers),
        *adc_rows(result.config),
    ):
        grid.add_row(*row)
    return grid


def _decode(result: GenerationResult) -> Iterator[tuple[str, str, str]]:
    """Yield the rows of decode: rates with means per step, and sums."""
    steps, batch = result.decode_steps, result.config.workload.batch
    if result.tokens_per_s is None or result.tokens_per_j is None:
        yield "decode", "no step", "the prefill computes the only new token"
        return
    each = "per token" if batch == 1 else f"per step of {batch:,} sequences"
    yield "decode", f"{result.tokens_per_s:.4g} tokens/s", f"{_time(result.decode_latency_ps // steps)} {each}, mean"
    yield "", f"{result.tokens_per_j:.4g} tokens/J", f"{quantity(result.decode_energy_j / steps, '_j')} {each}, mean"
    yield "", f"{_time(result.decode_latency_ps)}{_error(result)}", _energy(result)


def _error(result: GenerationResult) -> str:
    return "" if result.exact else f" +- {_time(result.latency_error_ps)}"


def _energy(result: GenerationResult) -> str:
    error = "" if result.exact else f" +- {quantity(result.energy_error_j, '_j')}"
    return quantity(result.decode_energy_j, "_j") + error


def _exactness(result: GenerationResult) -> tuple[str, str]:
    steps = result.decode_steps
    if result.exact:
        return f"all {steps:,} simulated" if steps > 1 else "simulated", "exact"
    time = result.latency_error_ps / result.decode_latency_ps
    energy = result.energy_error_j / result.decode_energy_j if result.decode_energy_j else 0.0
    return (
        f"{len(result.steps):,} of {steps:,} simulated",
        f"others interpolated linearly; error at most {time:.2%} of the decode time and {energy:.2%} of its energy",
    )


def _steps(result: GenerationResult) -> RichTable:
    last = len(result.steps) - 1
    shown = sorted({round(index * last / (SHOWN_STEPS - 1)) for index in range(SHOWN_STEPS)})
    rows = table("context length", "step latency", "energy", numeric=(0, 1, 2))
    for step in (result.steps[index] for index in shown):
        rows.add_row(f"{step.context_length:,}", _time(step.latency_ps), quantity(step.energy_j, "_j"))
    return rows


def _time(duration_ps: int) -> str:
    return quantity(ps_to_s(duration_ps), "_s")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
