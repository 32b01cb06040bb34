"""Report of a run of a system: its figures, the link, the machines alone, and from where the split pays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from rich.table import Table as RichTable
from rich.text import Text

from pimsim.base.units import ps_to_s
from pimsim.generation import GenerationResult
from pimsim.present.text.accounting_lines import print_accounting, print_plugins
from pimsim.present.text.run_report import leakage_text, print_notes, print_warnings, sequences_text
from pimsim.present.text.tables import console, quantity, table
from pimsim.results.run_result import RunResult
from pimsim.steps.step_tree import PARTS
from pimsim.studies.splitting.split_result import SplitResult

Row = tuple[str, str, str]


def print_split(split: SplitResult, file: IO[str] | None = None) -> None:
    """Print a run of a system.

    Args:
        split: Result of the run.
        file: File to write to; None means standard output.
    """
    out = console(file)
    result = split.result
    out.print(Text(_title(split), style="bold"))
    print_accounting(out, result.accounting)
    print_plugins(out, result.plugins)
    print_notes(out, result.notes)
    print_warnings(out, split.warnings)
    out.print()
    grid = RichTable.grid(padding=(0, 2))
    for row in (*_headline(split), *_link(split)):
        grid.add_row(*row)
    out.print(grid)
    out.print()
    out.print(_comparison(split))
    if isinstance(result, RunResult):
        out.print()
        out.print(_latency(result))
    out.print()
    out.print(_energy(split))


def _title(split: SplitResult) -> str:
    system, result = split.system, split.result
    machines = " and ".join(f"{role} on {config.name}" for role, config in system.machines.items())
    if system.split == "tensor":
        machines = f"{system.chips:,} chips of {system.first.name}"
    workload = system.first.workload
    if isinstance(result, GenerationResult):
        what = f"generate {workload.new_tokens:,} tokens after a prompt of {workload.prompt_length:,}"
        model = result.prefill.model
    else:
        length = result.context_length
        what = f"prefill of {length:,} tokens" if result.phase == "prefill" else f"decode at context {length:,}"
        model = result.model
    return (
        f"{system.name}: {machines}, {model}, {what}{sequences_text(workload.batch)}, "
        f"{system.first.schedule} schedule, {leakage_text(system.first.leakage_gating)}"
    )


def _headline(split: SplitResult) -> Iterator[Row]:
    result = split.result
    yield "time", _time(split.latency_ps), ""
    if isinstance(result, GenerationResult):
        yield "  prefill", _time(result.prefill.latency_ps), "with the transfers that it waits for"
        steps = result.decode_steps
        yield "  decode", _time(result.decode_latency_ps), f"{_time(result.decode_latency_ps / steps)} per step, mean"
        if not result.exact:
            error = f"{_time(result.latency_error_ps)}"
            yield "", f"{len(result.steps):,} of {steps:,} steps", f"others interpolated; error at most {error}"
        rates = result.tokens_per_s, result.tokens_per_j
        if rates[0] is not None and rates[1] is not None:
            yield "speed", f"{rates[0]:.4g} tokens/s", f"{rates[1]:.4g} tokens/J of decode"
    else:
        yield "speed", f"{result.tokens_per_s:.4g} tokens/s", f"{result.tokens_per_j:.4g} tokens/J"
    yield "energy", quantity(split.energy_j, "_j"), "all machines and the link"
    area_m2 = result.prefill.area_m2 if isinstance(result, GenerationResult) else result.area_m2
    yield "area", f"{area_m2 * 1e6:,.4g} mm^2", "all machines, without the link"


def _link(split: SplitResult) -> Iterator[Row]:
    link, section = split.link, split.system.link
    yield "link", section.part, "" if section.bandwidth_bps is None else _rates(split)
    if section.bandwidth_bps is None:
        return
    share = link.exposed_ps / split.latency_ps if split.latency_ps else 0.0
    yield "  sent", f"{link.size_bytes:,.0f} bytes", f"in {link.messages:,.0f} messages"
    yield "  busy", _time(link.busy_ps), ""
    yield "  waited for", _time(link.exposed_ps), f"{share:.2%} of the time"
    fraction = link.energy_j / split.energy_j if split.energy_j else 0.0
    yield "  energy", quantity(link.energy_j, "_j"), f"{fraction:.2%} of the energy"


def _rates(split: SplitResult) -> str:
    section = split.system.link
    assert section.bandwidth_bps is not None
    return (
        f"{quantity(section.bandwidth_bps, '_bps')} a direction, {quantity(section.latency_s, '_s')}, "
        f"{quantity(section.energy_j_per_bit, '_j_per_bit')}"
    )


def _comparison(split: SplitResult) -> RichTable:
    """Return the table of the system beside its machines alone, and the bandwidth from which it pays."""
    rows = table("compared with", "time", "energy", "", numeric=(1, 2))
    rows.add_row("this system", _time(split.latency_ps), quantity(split.energy_j, "_j"), "")
    for each in split.alone:
        if each.latency_ps is None or each.energy_j is None:
            rows.add_row(f"{each.role} ({each.name}) alone", "", "", each.why_not)
            continue
        ratio = f"{each.latency_ps / split.latency_ps:.4g} times that of the system" if split.latency_ps else ""
        rows.add_row(f"{each.role} ({each.name}) alone", _time(each.latency_ps), quantity(each.energy_j, "_j"), ratio)
    found = split.break_even
    if found.without_transfers_ps is not None:
        rows.add_row("transfers at infinite bandwidth", _time(found.without_transfers_ps), "", "")
    bandwidth = "" if found.bandwidth_bps is None else quantity(found.bandwidth_bps, "_bps")
    rows.add_row("pays from", bandwidth, "", found.sentence)
    return rows


def _latency(result: RunResult) -> RichTable:
    rows = table("latency", "time", "share", "contents", numeric=(1, 2))
    for part, duration_ps in sorted(result.parts_ps.items(), key=lambda item: -item[1]):
        share = f"{duration_ps / result.latency_ps:.2%}"
        rows.add_row(part, quantity(ps_to_s(duration_ps), "_s"), share, PARTS[part])
    return rows


def _energy(split: SplitResult) -> RichTable:
    result = split.result
    rows = table("energy of", "energy", "share", numeric=(1, 2))
    total = result.energy_j or 1.0
    for role, energy_j in split.energies_j.items():
        rows.add_row(role, quantity(energy_j, "_j"), f"{energy_j / total:.2%}")
        if isinstance(result, GenerationResult):
            continue
        parts = {c.name: result.component_energy_j(c.name) for c in result.components if c.name.startswith(f"{role}.")}
        for name, each in sorted(parts.items(), key=lambda item: -item[1]):
            if each:
                rows.add_row(f"  {name}", quantity(each, "_j"), f"{each / total:.2%}")
    return rows


def _time(duration_ps: float) -> str:
    return quantity(duration_ps / 1e12, "_s")
