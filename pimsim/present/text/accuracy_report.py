"""Report of an accuracy study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from crossbar.intervals import Interval
from pimsim.base.errors import printable
from pimsim.present.text.accounting_lines import print_accounting, print_plugins
from pimsim.present.text.adc_lines import adc_notes, adc_rows
from pimsim.present.text.kv_lines import kv_text
from pimsim.present.text.run_report import print_notes
from pimsim.present.text.tables import console, quantity, table
from pimsim.studies.accuracy.accuracy_result import AccuracyResult
from pimsim.studies.accuracy.accuracy_study import AccuracyStudy
from pimsim.studies.accuracy.paired_ratio import cost_text, verdict

LOUD_DB = 10.0
"""SNR of the logits below which the report names the command that shows the sources of the errors."""
_NAME_CHARS = 60


def print_accuracy(study: AccuracyStudy, file: IO[str] | None = None) -> None:
    """Print the result of the config itself, and a table for each parameter that was varied.

    Args:
        study: Accuracy study.
        file: File to write to; None means standard output.
    """
    out = console(file)
    base = study.base
    if base is not None:
        _print_result(base, out)
    for parameter in study.parameters:
        out.print()
        out.print(Text(f"{printable(parameter, _NAME_CHARS)} varied, all other parameters unchanged", style="bold"))
        out.print(_by_value(study, parameter))
        for note in adc_notes(point.result.config.machine.adc_scaling for point in study.of(parameter)):
            out.print(Text(f"  {note}"))


def _print_result(result: AccuracyResult, out: Console) -> None:
    out.print(Text(_title(result), style="bold"))
    print_accounting(out, result.accounting)
    out.print(Text(f"{kv_text(result.config.workload.kv)}{_kv_size(result)}"))
    print_plugins(out, result.plugins)
    print_notes(out, result.notes)
    for block in (_headline(result), _machine(result), _projections(result)):
        out.print()
        out.print(block)
    if result.logit_snr_db.mean < LOUD_DB:
        out.print(
            Text(f"  to see the sources of the errors: pimsim array {printable(result.config.name, _NAME_CHARS)}")
        )
    for warning in result.warnings:
        out.print(Text(f"  note: {printable(warning, 400)}"))


def _title(result: AccuracyResult) -> str:
    name = printable(result.config.name, _NAME_CHARS)
    text = (
        f"{result.tokens:,} tokens of {printable(result.text, _NAME_CHARS)} in {_count(len(result.windows), 'window')}"
    )
    return f"{name}: {result.model}, {text}, {_count(len(result.chips), 'chip')}, seed {result.seed}"


def _kv_size(result: AccuracyResult) -> str:
    figures = result.kv_cache
    if figures is None:
        return ""
    share = figures.kv_bytes / figures.kv_bytes_full
    kept = "" if figures.kv_kept == figures.kv_tokens else f", {figures.kv_kept:,.6g} kept"
    after = f"{figures.kv_bytes:,} bytes after {figures.kv_tokens:,} tokens{kept}"
    return f"; {after}: {share:.1%} of 16 bits and all tokens"


def _headline(result: AccuracyResult) -> RichTable:
    shown = table("perplexity", "per token", "interval", "per character", "nats per token", "", numeric=(1, 3, 4))
    text, chips = "windows of text", "chips"
    for name, nats, sample in (
        ("float", result.float_nll, text),
        ("exact integers", result.exact_nll, text),
        ("on the analog arrays", result.nll, chips),
    ):
        perplexity = {
            "float": result.float_perplexity,
            "exact integers": result.exact_perplexity,
            "on the analog arrays": result.perplexity,
        }[name]
        shown.add_row(
            name,
            _number(perplexity.mean),
            _ends(perplexity, sample),
            _number(result.per_character(nats).mean),
            f"{nats.mean:.4f}",
            "",
        )
    grid = RichTable.grid(padding=(0, 2))
    grid.add_row(shown)
    grid.add_row("")
    facts = RichTable.grid(padding=(0, 2))
    for row in _facts(result):
        facts.add_row(*row)
    grid.add_row(facts)
    return grid


def _facts(result: AccuracyResult) -> Iterator[tuple[str, str, str]]:
    yield "increase by the arrays", f"{result.increase.mean:+.4f} nats per token", _half(result.increase, "chips")
    yield "", "", _half(result.increase_over_text, "windows of text, averaged over chips")
    ratio = result.perplexity_ratio
    yield "cost in perplexity", cost_text(ratio), "against exact integers, same tokens; over chips and windows of text"
    if result.sampled_layers is None:
        yield "", "", verdict(ratio)
    else:
        yield "", "", f"an estimate from {result.sampled_layers} of {len(result.layers)} layers, which proves no limit"
    yield "next token", f"{result.agreement.mean:.1%} agreement", "with the most likely token of the exact model"
    yield "divergence", f"{result.kl.mean:.4g} nats per token", "Kullback-Leibler divergence from the exact model"
    yield "logits", _decibels(result.logit_snr_db.mean), "SNR with respect to the exact model"
    yield "saturated", f"{result.saturated:.3%}", "of the ADC conversions are out of range"


def _machine(result: AccuracyResult) -> RichTable:
    machine, written = result.machine, result.summary()["write_energy_j"]
    grid = RichTable.grid(padding=(0, 2))
    context = f"{machine.phase} at context {machine.context_length:,}" if machine.phase == "decode" else machine.phase
    for row in (
        ("speed", f"{machine.tokens_per_s:,.4g} tokens/s", f"the same config and model, {context}"),
        ("energy", f"{machine.tokens_per_j:,.4g} tokens/J", f"{quantity(machine.energy_j, '_j')} per run"),
        ("efficiency", f"{machine.gops_per_w:,.4g} GOPS/W", f"{machine.gops:,.4g} GOPS"),
        (
            "programming",
            quantity(machine.weight_load_s, "_s"),
            f"to load the weights once; at most {quantity(written, '_j')} for the write pulses",
        ),
        *adc_rows(result.config),
    ):
        grid.add_row(*row)
    return grid


def _projections(result: AccuracyResult) -> RichTable:
    roles = list(dict.fromkeys(site.role for site in result.sites))
    shown = table("SNR (dB)", *roles, "residual", numeric=range(1, len(roles) + 2))
    residual = {layer.layer: layer.snr_db for layer in result.layers}
    values = {(site.layer, site.role): site.snr_db for site in result.sites}
    for layer in sorted(residual):
        cells = [_plain_decibels(values[layer, role]) if (layer, role) in values else "" for role in roles]
        shown.add_row(f"layer {layer}", *cells, _plain_decibels(residual[layer]))
    return shown


def _by_value(study: AccuracyStudy, parameter: str) -> RichTable:
    shown = table(
        "value", "perplexity", "interval", "exact", "cost", "agreement", "logit SNR", "saturated", "tokens/s",
        "tokens/J", "GOPS/W",
        numeric=(0, 1, 3, 4, 5, 6, 7, 8, 9, 10),
    )  # fmt: skip
    for point in study.of(parameter):
        result, machine = point.result, point.result.machine
        shown.add_row(
            printable(point.value, _NAME_CHARS),
            _number(result.perplexity.mean),
            _ends(result.perplexity, "chips"),
            _number(result.exact_perplexity.mean),
            cost_text(result.perplexity_ratio),
            f"{result.agreement.mean:.1%}",
            _decibels(result.logit_snr_db.mean),
            f"{result.saturated:.3%}",
            f"{machine.tokens_per_s:,.4g}",
            f"{machine.tokens_per_j:,.4g}",
            f"{machine.gops_per_w:,.4g}",
        )
    return shown


def _ends(interval: Interval, sample: str) -> str:
    if interval.ends is None:
        return "no interval: one chip" if sample == "chips" else "no interval: one window"
    return f"{' to '.join(map(_number, interval.ends))} over {sample}"


def _half(interval: Interval, sample: str) -> str:
    if interval.half_width is None:
        return f"no interval: only one of the {sample}"
    return f"+- {interval.half_width:.2g} over {sample}, at {interval.confidence:.0%} confidence"


def _number(value: float) -> str:
    return f"{value:,.4g}" if value < 1e6 else f"{value:.3e}"


def _decibels(value: float) -> str:
    if value == float("inf"):
        return "exact"
    return "no signal" if value == float("-inf") else f"{value:.2f} dB"


def _plain_decibels(value: float) -> str:
    return f"{value:.1f}" if value != float("inf") else "exact"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
