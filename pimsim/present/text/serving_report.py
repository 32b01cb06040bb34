"""Report of a serving run, and its progress bar."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import IO

from rich.table import Table as RichTable
from rich.text import Text

from pimsim.base.summaries import counted
from pimsim.base.units import ps_to_s
from pimsim.present.text.accounting_lines import print_accounting, print_plugins
from pimsim.present.text.adc_lines import adc_rows
from pimsim.present.text.memory_lines import traffic_rows
from pimsim.present.text.pause_lines import pause_rows
from pimsim.present.text.run_report import leakage_text, print_notes, print_warnings
from pimsim.present.text.tables import console, power_row, progress_bar, quantity, table
from pimsim.studies.serving.distribution import BATCHES, PERCENTILES, Distribution
from pimsim.studies.serving.iteration_costs import StepCheck
from pimsim.studies.serving.scheduler import Progress
from pimsim.studies.serving.serving_result import ServingResult

TIME_NAMES = {
    "wait_s": "wait for admission",
    "ttft_s": "time to first token",
    "tpot_s": "time per later token",
    "latency_s": "request latency",
    "energy_j": "energy per request",
    "transfer_wait_s": "wait for space and link",
    "transfer_s": "KV cache on the link",
}
"""Words for the times and energies of requests."""

METHOD_TEXTS = {
    "parts": "each iteration is the sum of simulated slices",
    "whole": "each distinct iteration was simulated",
    "grid": "some iterations were interpolated between simulated ones",
}


def progress_on_terminal() -> AbstractContextManager[Progress | None]:
    """Return a progress bar for the served requests.

    Returns:
        Context manager that yields the function to report progress to; None if standard error is not a terminal.
    """
    return progress_bar("requests served")


def print_serving(result: ServingResult, file: IO[str] | None = None) -> None:
    """Print a serving run: throughput, load, energy, and the distributions of times over requests.

    Args:
        result: Result of the serving run.
        file: File to write to; None means standard output.
    """
    out = console(file)
    serving = result.config.serving
    served = f"{len(result.requests):,} request{'s' * (len(result.requests) != 1)}"
    if not result.complete:
        served = f"{len(result.requests):,} of {counted(result.offered, 'request')}"
    title = (
        f"{result.config.name}: {result.model}, {served}, {serving.policy}, batches of at most {serving.max_batch:,}, "
        f"{result.config.schedule} schedule, {leakage_text(result.config.leakage_gating)}"
    )
    out.print(Text(title, style="bold"))
    print_accounting(out, result.accounting)
    print_plugins(out, result.plugins)
    print_notes(out, result.notes)
    print_warnings(out, result.warnings)
    out.print()
    out.print(_headline(result))
    out.print()
    out.print(distribution_table(result.distributions))


def _headline(result: ServingResult) -> RichTable:
    grid = RichTable.grid(padding=(0, 2))
    summary = result.summary()
    kv_cache = f"{summary['max_kv_bytes'] / 2**20:,.4g} MiB of KV cache at most"
    capacity = result.config.machine.memory.capacity_bytes
    for row in (
        ("throughput", f"{result.tokens_per_s:.4g} tokens/s", f"{result.requests_per_s:.4g} requests/s"),
        (
            "load",
            f"{result.utilisation:.1%} of {_time(result.span_ps)} busy",
            f"{result.mean_batch:.3g} sequences per iteration, on average",
        ),
        ("waiting", f"{result.mean_waiting:.3g} requests, on average", f"{summary['max_waiting']:,} at most"),
        (
            "memory",
            kv_cache,
            "no limit" if capacity is None else f"of a memory of {quantity(capacity, '_bytes')} per chip",
        ),
        *_kv_rows(result),
        *traffic_rows(result.memory_traffic, result.config),
        (
            "energy",
            f"{quantity(summary['energy_j_per_request'], '_j')} per request",
            f"{quantity(summary['energy_j_per_token'], '_j')} per output token",
        ),
        ("", f"{quantity(result.energy_j, '_j')} in total", f"{quantity(result.idle_energy_j, '_j')} while idle"),
        *pause_rows(result.upkeep, result.pauses),
        power_row(result.power, charged=result.config.leakage_gating != "not_charged"),
        *_level_rows(result),
        *_speculation_rows(result),
        ("iterations", f"{len(result.iterations):,}", f"{METHOD_TEXTS[result.method]} ({result.simulations:,} runs)"),
        ("checked", *checked_texts(result.method, result.check)),
        *adc_rows(result.config),
    ):
        grid.add_row(*row)
    return grid


def _kv_rows(result: ServingResult) -> Iterator[tuple[str, str, str]]:
    usage, tokens = result.kv_usage, result.config.serving.kv_block_tokens
    if usage is None:
        return
    yield (
        "KV blocks",
        f"{usage.kv_largest_blocks:,} of {usage.kv_blocks:,} at most",
        f"of {counted(tokens or 0, 'token')}; {usage.fragmentation:.1%} of the room of sequences stayed empty",
    )
    if result.config.serving.prefix_sharing:
        yield (
            "prefixes",
            f"{usage.hit_rate:.1%} of prompt tokens kept",
            f"{usage.prefix_shared_tokens:,} of {usage.prefix_asked_tokens:,} tokens not computed again",
        )
    if usage.kv_preemptions:
        yield (
            "preemptions",
            f"{usage.kv_preemptions:,}",
            f"{usage.kv_recomputed_tokens:,} KV entries computed again",
        )
    if usage.swaps_out:
        moved = f"{quantity(usage.swap_out_bytes, '_bytes')} out, {quantity(usage.swap_in_bytes, '_bytes')} back"
        cost = f"{_time(usage.swap_ps)}, {quantity(usage.swap_energy_j, '_j')}"
        refused = f"; no room for {usage.swaps_refused:,}" if usage.swaps_refused else ""
        yield "swaps", moved, f"{cost}; {quantity(usage.swap_largest_bytes, '_bytes')} at most in the tier{refused}"
    if (wear := result.swap_wear) is not None:
        days = f"worn out after {wear.lifetime_s / 86_400:.4g} days of such a load"
        yield "wear of swaps", f"{wear.writes_per_cell:.3g} writes per cell, on average", days


def _level_rows(result: ServingResult) -> Iterator[tuple[str, str, str]]:
    if (goodput := result.goodput) is not None:
        yield (
            "goodput",
            f"{goodput.share:.1%} of requests in time",
            f"{goodput.requests_per_s:.4g} requests/s",
        )
    if result.cancelled:
        energy_j = math.fsum(each.energy_j for each in result.cancelled)
        tokens = sum(each.produced_tokens for each in result.cancelled)
        yield (
            "cancelled",
            counted(len(result.cancelled), "request"),
            f"{counted(tokens, 'output token')} and {quantity(energy_j, '_j')} until then",
        )


def _speculation_rows(result: ServingResult) -> Iterator[tuple[str, str, str]]:
    figures = result.speculation
    if figures is None:
        return
    summary = figures.summary(result.busy_ps, result.energy_j)
    drafts = f"drafts {_time(figures.draft_ps)}, {quantity(figures.draft_energy_j, '_j')}"
    yield (
        "speculation",
        f"{figures.tokens_per_step:.3g} tokens per verifying step",
        f"{figures.accepted_tokens:,} of {figures.drafted_tokens:,} drafted tokens accepted",
    )
    if not figures.plain_busy_ps:
        yield "", "not compared with a run without it", f"requests were cancelled; {drafts}"
        return
    yield (
        "",
        f"{summary['speculation_speedup']:.3g} times as fast as without it",
        f"{summary['speculation_energy_ratio']:.3g} times the energy; {drafts}",
    )


def checked_texts(method: str, check: StepCheck) -> tuple[str, str]:
    """Say how the costs of iterations compare with full simulations.

    Args:
        method: Method that determined them.
        check: The comparison.

    Returns:
        Number of compared iterations, and the largest deviation.
    """
    if method == "whole":
        return "", "exact"
    if not check.steps:
        return "none", "interrupted before the check"
    if not check.latency_error and check.energy_error < 1e-9:
        return f"{check.steps} in full", "exact"
    return (
        f"{check.steps} in full",
        f"error of time at most {check.latency_error:.2%}, of energy {check.energy_error:.2%}",
    )


def distribution_table(distributions: Mapping[str, Distribution]) -> RichTable:
    """Return the table of distributions over requests.

    Args:
        distributions: Distributions by the name of their quantity.

    Returns:
        The table.
    """
    headings = ("", "mean", "95 % interval", *(f"p{percent}" for percent in PERCENTILES), "max")
    rows = table(*headings, numeric=range(1, len(headings)))
    for name, each in distributions.items():
        unit = name[-2:]
        mean = each.mean
        interval = "" if mean.half_width is None else f"+- {quantity(mean.half_width, unit)}"
        percentiles = (quantity(value, unit) for _, value in each.percentiles)
        rows.add_row(TIME_NAMES[name], quantity(mean.mean, unit), interval, *percentiles, quantity(each.largest, unit))
    if all(each.mean.low is None for each in distributions.values()):
        rows.caption = f"too few requests for confidence intervals, which use {BATCHES} batch means"
        rows.caption_justify = "left"
    return rows


def _time(duration_ps: int) -> str:
    return quantity(ps_to_s(duration_ps), "_s")
