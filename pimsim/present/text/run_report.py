"""Report of a run: headline figures, latency, energy, components and feasibility."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from pimsim.base.errors import MAX_LINE_CHARS, printable
from pimsim.base.summaries import counted
from pimsim.base.units import ps_to_s
from pimsim.config.schema import Gating
from pimsim.present.text.accounting_lines import print_accounting, print_plugins
from pimsim.present.text.adc_lines import adc_rows
from pimsim.present.text.memory_lines import memory_rows, tier_rows
from pimsim.present.text.tables import console, operation_rate, power_row
from pimsim.present.text.tables import quantity as _quantity
from pimsim.present.text.tables import table as _table
from pimsim.present.text.upkeep_lines import upkeep_rows
from pimsim.results.kv_tier_figures import tier_figures
from pimsim.results.run_result import RunResult
from pimsim.steps.step_tree import PARTS


def print_run(result: RunResult, file: IO[str] | None = None) -> None:
    """Print a run: headline figures, breakdowns of latency and energy, components and feasibility.

    Args:
        result: Result of the run.
        file: File to write to; None means standard output.
    """
    out = console(file)
    out.print(Text(_title(result), style="bold"))
    print_accounting(out, result.accounting)
    print_plugins(out, result.plugins)
    print_notes(out, result.notes)
    print_warnings(out, result.warnings)
    for block in (_headline(result), _latency(result), _energy(result), _components(result), _feasibility(result)):
        out.print()
        out.print(block)


def print_notes(out: Console, notes: Iterable[str]) -> None:
    """Print what the figures of a result do not describe, below its title.

    Args:
        out: Console to print to.
        notes: One sentence each.
    """
    for note in notes:
        out.print(Text(f"note: {printable(note, MAX_LINE_CHARS)}"))


def print_warnings(out: Console, warnings: Iterable[str]) -> None:
    """Print warnings about the config of a result, below its title.

    Args:
        out: Console to print to.
        warnings: One sentence each.
    """
    for warning in warnings:
        out.print(Text(f"warning: {printable(warning, MAX_LINE_CHARS)}"))


def _title(result: RunResult) -> str:
    config = result.config
    return (
        f"{config.name}: {result.model}, {_phase(result)}, "
        f"{config.schedule} schedule, {leakage_text(config.leakage_gating)}"
    )


def _phase(result: RunResult) -> str:
    if result.phase == "prefill":
        sequences = result.tokens // max(result.context_length, 1)
        return f"prefill of {counted(result.context_length, 'token')}{sequences_text(sequences)}"
    if result.phase == "load":
        return "loading the weights"
    return f"{result.phase} at context {result.context_length:,}{sequences_text(result.tokens)}"


def leakage_text(gating: Gating) -> str:
    """Return what leakage a result contains, as words of its title.

    Args:
        gating: `leakage_gating` of the config.

    Returns:
        Text such as "leakage not charged".
    """
    return {
        "ungated": "leakage charged for the whole run",
        "idle_gated": "leakage charged while busy",
        "not_charged": "leakage not charged",
    }[gating]


def per_mac_text(operations_per_mac: int) -> str:
    """Return the convention of counting operations, as words beside an operation rate.

    Args:
        operations_per_mac: The config's `operations_per_mac`.

    Returns:
        Text such as "a MAC counts as one operation".
    """
    return "a MAC counts as one operation" if operations_per_mac == 1 else "a MAC counts as two operations"


def sequences_text(sequences: int) -> str:
    """Return the batch size as words that follow the description of a workload.

    Args:
        sequences: Number of sequences in the batch.

    Returns:
        Text such as ", batch of 4 sequences"; empty for a single sequence.
    """
    return f", batch of {sequences:,} sequences" if sequences > 1 else ""


def _headline(result: RunResult) -> RichTable:
    per_mac = per_mac_text(result.config.operations_per_mac)
    tiles = result.tiles
    table = RichTable.grid(padding=(0, 2))
    power = power_row(result.power, charged=result.config.leakage_gating != "not_charged")
    if result.phase == "load":
        rows = [
            ("time", _quantity(result.latency_s, "_s"), "once, before the first token"),
            ("energy", _quantity(result.energy_j, "_j"), "once"),
            power,
        ]
    else:
        tokens, each = _tokens(result)
        density = f"{result.tops_per_mm2:.4g} TOPS/mm^2; {per_mac}"
        rows = [
            ("speed", f"{result.tokens_per_s:.4g} {tokens}/s", f"{_quantity(result.latency_s, '_s')} {each}"),
            ("energy", f"{result.tokens_per_j:.4g} {tokens}/J", f"{_quantity(result.energy_j, '_j')} {each}"),
            power,
            ("throughput", f"{result.gops:.4g} GOPS", per_mac),
            ("efficiency", f"{result.gops_per_w:.4g} GOPS/W", f"{result.tops_per_w:.4g} TOPS/W; {per_mac}"),
            ("density", operation_rate(result.tops_per_mm2, "mm^2"), density),
        ]
    rows.append(("area", f"{result.area_m2 * 1e6:,.4g} mm^2", "all provisioned silicon"))
    if tiles.tiles_available:
        share = tiles.pairs_used / tiles.pairs_available
        what = "crossbar pairs" if result.config.machine.crossbar_tile else "blocks of tiles"
        rows += [
            ("tiles", f"{tiles.tiles_used:,} used", f"of {tiles.tiles_available:,} available"),
            (what, f"{tiles.pairs_used:,} used", f"of {tiles.pairs_available:,} available, {share:.1%}"),
        ]
    memory = memory_rows(result.kv_cache_bytes, result.memory_traffic, result.config)
    rows += [_weights_row(result), *memory, *tier_rows(tier_figures(result)), *adc_rows(result.config)]
    for row in rows:
        table.add_row(*row)
    return table


def _tokens(result: RunResult) -> tuple[str, str]:
    """Return the words for the tokens of a run and for the run as a whole.

    Args:
        result: Result of the run.

    Returns:
        Name of the tokens, and the words that follow latency and energy of the run.
    """
    if result.phase == "prefill":
        return "prompt tokens", f"for all {result.tokens:,} tokens" if result.tokens > 1 else "for the token"
    single = result.tokens == 1
    return "tokens", "per token" if single else f"per step, one token for each of {result.tokens:,} sequences"


_WEIGHTS_STAY = {
    "transpim": "in the banks that compute; they do not pass the port of the memory",
    "rom": "in ROM, those of more than one bit as machine.rom.wide_weights says",
    "dram_pim": "multiplied at the banks of the memory, where they lie",
}
"""Where weights stay, by the section of a processor that does not read them from memory."""


def _weights_row(result: RunResult) -> tuple[str, str, str]:
    size = _quantity(result.weight_bytes, "_bytes")
    if where := _WEIGHTS_STAY.get(result.config.machine.processor or ""):
        return "weights", size, where
    if not result.weight_load_ps:
        decode = "for every token" if result.tokens == 1 else "for every step"
        when = "once for the prompt" if result.phase == "prefill" else decode
        return "weights", size, f"not stored on the chip; read {when} (included in the latency of memory)"
    of_ops = {result.ops[each.op].kind for each in result.activities if each.component == "systolic"}
    which = "those on crossbars once" if of_ops & {"projection", "grouped_projection"} else "once"
    load = _quantity(ps_to_s(result.weight_load_ps), "_s")
    if result.phase == "load":
        return "weights", size, "those on crossbars, and those that every pass reads from memory"
    return "weights", size, f"{load} to load {which} (not included in the run)"


def _latency(result: RunResult) -> RichTable:
    table = _table("latency", "time", "share", "contents", numeric=(1, 2))
    for part, duration_ps in sorted(result.parts_ps.items(), key=lambda item: -item[1]):
        share = duration_ps / result.latency_ps
        table.add_row(part, _quantity(ps_to_s(duration_ps), "_s"), f"{share:.2%}", PARTS[part])
    return table


def _energy(result: RunResult) -> RichTable:
    table = _table("energy of", "energy", "share", "actions (share of the total energy)", numeric=(1, 2))
    components = {c.name: result.component_energy_j(c.name) for c in result.components}
    total = result.energy_j or 1.0
    for name, energy_j in sorted(components.items(), key=lambda item: -item[1]):
        actions = sorted(
            (
                (action.partition(".")[2], each)
                for action, each in result.energies_j.items()
                if action.startswith(f"{name}.")
            ),
            key=lambda item: -item[1],
        )
        detail = ", ".join(f"{action} {each / total:.1%}" for action, each in actions if each / total >= 0.0005)
        table.add_row(name, _quantity(energy_j, "_j"), f"{energy_j / total:.2%}", detail)
    return table


def _components(result: RunResult) -> RichTable:
    table = _table("component", "units", "busy", "area", "largest area item", numeric=(1, 2, 3))
    for component in result.components:
        area_m2 = sum(component.area_m2.values())
        items = sorted(component.area_m2.items(), key=lambda item: -item[1])
        none = "off the chip" if component.name == "memory" else ""
        largest = f"{items[0][0]} {items[0][1] / area_m2:.0%}" if area_m2 else none
        table.add_row(
            component.name,
            f"{component.units:,}",
            f"{component.utilisation(result.latency_ps):.2%}",
            f"{area_m2 * 1e6:,.4g} mm^2" if area_m2 else "",
            largest,
        )
    return table


def _feasibility(result: RunResult) -> RichTable:
    feasibility = result.feasibility
    reticle = f"{feasibility.reticle_area_m2 * 1e6:,.4g} mm^2"
    chips = "one chip" if feasibility.chips == 1 else f"{feasibility.chips:,} chips, {feasibility.chips_used:,} used"
    fits = "fits into one" if feasibility.reticles_per_chip <= 1 else "does not fit into one"
    table = _table("feasibility", "", "")
    each = "" if feasibility.chips == 1 else " each"
    size = f"{feasibility.chip_area_m2 * 1e6:,.4g} mm^2{each}"
    table.add_row(chips, size, f"{feasibility.reticles_per_chip:,.3g} reticles of {reticle}: {fits}")
    for item in feasibility.areas[:4]:
        area_m2 = item.area_m2 / feasibility.chips
        if area_m2 >= 0.01 * feasibility.chip_area_m2:
            reticles = area_m2 / feasibility.reticle_area_m2
            table.add_row(f"  {item.item}", f"{area_m2 * 1e6:,.4g} mm^2{each}", f"{reticles:,.3g} reticles")
    # The run of a load has its time and energy at the head.
    if feasibility.layers > feasibility.layers_swapped and result.phase != "load":
        load = f"{_quantity(feasibility.weight_load_s, '_s')}, {_quantity(feasibility.weight_load_energy_j, '_j')}"
        table.add_row("weights", load, "to load and program once (not included in the run)")
    if feasibility.layers and feasibility.pulses_per_write > 1:
        pulses = f"{feasibility.pulses_per_write:.4g} pulses per write"
        table.add_row("  write-verify", pulses, "each followed by a read; a row takes as long as its slowest cell")
    if feasibility.test_s:
        test = f"{_quantity(feasibility.test_s, '_s')}, {_quantity(feasibility.test_energy_j, '_j')}"
        table.add_row("  test for faults", test, "included in the above; every cell is written and read in both states")
    if feasibility.calibration_s:
        needed = f"{_quantity(feasibility.calibration_s, '_s')}, {_quantity(feasibility.calibration_energy_j, '_j')}"
        table.add_row("  ADC calibration", needed, "included in the above; sample vectors are multiplied in each layer")
    if feasibility.layers_swapped:
        swapped = f"{feasibility.layers_swapped:,} of {feasibility.layers:,} layers"
        table.add_row("weight swapping", swapped, f"{feasibility.writes_per_token:.4g} writes per cell and token")
    if feasibility.lifetime_tokens is not None:
        lifetime = f"{feasibility.lifetime_tokens:.3g} tokens, {feasibility.lifetime_days:.3g} days"
        table.add_row(
            "cell lifetime", lifetime, f"at this speed, with {feasibility.endurance_writes:.3g} writes per cell"
        )
    if feasibility.upkeep is not None:
        for row in upkeep_rows(feasibility.upkeep):
            table.add_row(*row)
    return table
