"""Report of requests that several machines served: the whole, each machine and the link."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import IO

from rich.table import Table as RichTable
from rich.text import Text

from pimsim.base.summaries import counted
from pimsim.base.units import ps_to_s
from pimsim.present.text.accounting_lines import print_accounting, print_plugins
from pimsim.present.text.pause_lines import pause_rows
from pimsim.present.text.run_report import leakage_text, print_notes, print_warnings
from pimsim.present.text.serving_report import METHOD_TEXTS, checked_texts, distribution_table
from pimsim.present.text.tables import console, power_row, quantity, table
from pimsim.studies.cluster.cluster_result import ClusterResult

MAX_MACHINE_ROWS = 40
"""Machines that are printed; all of them are in the JSON output."""


def print_cluster(result: ClusterResult, file: IO[str] | None = None) -> None:
    """Print a serving run of a system.

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
    out.print()
    out.print(_headline(result))
    out.print()
    out.print(_machines(result))
    if result.transfers or result.shares:
        out.print()
        out.print(_links(result))
    out.print()
    out.print(distribution_table(result.distributions))


def _title(result: ClusterResult) -> str:
    system, first = result.system, result.config
    served = counted(len(result.requests), "request")
    if not result.complete:
        served = f"{len(result.requests):,} of {counted(result.offered, 'request')}"
    of_role: dict[str, list[str]] = {}
    for each in result.machines if not result.shares else ():
        of_role.setdefault(each.role, []).append(each.config_name)
    for share in result.shares:
        of_role |= {share.name: [share.config_name] * share.machines} if share.machines else {}
    machines = " and ".join(
        f"{role} on {names[0]}" if len(names) == 1 else f"{role} on {len(names):,} of {names[0]}"
        for role, names in of_role.items()
    )
    routing = f"routing {system.cluster.routing}"
    if result.shares:
        routing = f"split {system.split}"
    if system.split == "phases":
        routing = f"{routing} to prefill and {system.cluster.decode_routing} to decode"
    return (
        f"{system.name}: {result.model}, {served}, {machines}, {routing}, {first.schedule} schedule, "
        f"{leakage_text(first.leakage_gating)}"
    )


def _headline(result: ClusterResult) -> RichTable:
    grid = RichTable.grid(padding=(0, 2))
    summary, traffic = result.summary(), result.memory_traffic
    iterations = sum(len(each.iterations) for each in result.machines)
    for row in (
        ("throughput", f"{result.tokens_per_s:.4g} tokens/s", f"{result.requests_per_s:.4g} requests/s"),
        (
            "load",
            f"{result.utilisation:.1%} of {quantity(ps_to_s(result.span_ps), '_s')} busy",
            "of machines that serve as one" if result.shares else f"mean of {counted(len(result.machines), 'machine')}",
        ),
        ("waiting", f"{result.mean_waiting:.3g} requests, on average", "for their first admission"),
        (
            "memory reads",
            quantity(traffic.read_bytes, "_bytes"),
            "of all machines" + (", transfers included" if result.transfers else ""),
        ),
        ("memory writes", quantity(traffic.write_bytes, "_bytes"), ""),
        (
            "energy",
            f"{quantity(summary['energy_j_per_request'], '_j')} per request",
            f"{quantity(summary['energy_j_per_token'], '_j')} per output token",
        ),
        ("", f"{quantity(result.energy_j, '_j')} in total", f"{quantity(result.idle_energy_j, '_j')} while idle"),
        *pause_rows(result.upkeep_tasks, [each.pause for each in result.pauses], len(result.machines)),
        power_row(result.power, charged=result.config.leakage_gating != "not_charged"),
        *_service_rows(result),
        ("iterations", f"{iterations:,}", f"{_method_text(result)} ({result.simulations:,} runs)"),
        ("checked", *checked_texts(result.method, result.check)),
        *((("link", *_link_texts(result)),) if result.transfers or result.shares else ()),
    ):
        grid.add_row(*row)
    return grid


def _method_text(result: ClusterResult) -> str:
    if result.shares and result.method == "parts":
        return "each iteration is a sum of simulated passes"
    return METHOD_TEXTS[result.method]


def _service_rows(result: ClusterResult) -> Iterator[tuple[str, str, str]]:
    if (goodput := result.goodput) is not None:
        rate = f"{goodput.requests_per_s:.4g} requests/s"
        yield "goodput", f"{goodput.share:.1%} of requests in time", rate
    if result.cancelled:
        tokens = sum(each.produced_tokens for each in result.cancelled)
        yield "cancelled", counted(len(result.cancelled), "request"), f"{counted(tokens, 'output token')} until then"
    if (rate_of := result.prefix_hit_rate) is not None:
        shared = sum(each.usage.prefix_shared_tokens for each in result.kv_usages)
        yield "prefixes", f"{rate_of:.1%} of prompt tokens kept", f"{shared:,} tokens not computed again"
    if preemptions := sum(each.usage.kv_preemptions for each in result.kv_usages):
        again = sum(each.usage.kv_recomputed_tokens for each in result.kv_usages)
        yield "preemptions", f"{preemptions:,}", f"{again:,} KV entries computed again"
    usages = [each.usage for each in result.kv_usages if each.usage.swaps_out]
    if usages:
        out, back = sum(each.swap_out_bytes for each in usages), sum(each.swap_in_bytes for each in usages)
        took_ps, energy_j = sum(each.swap_ps for each in usages), math.fsum(each.swap_energy_j for each in usages)
        cost = f"{quantity(ps_to_s(took_ps), '_s')}, {quantity(energy_j, '_j')}"
        yield "swaps", f"{quantity(out, '_bytes')} out, {quantity(back, '_bytes')} back", cost


def _machines(result: ClusterResult) -> RichTable:
    sends = bool(result.transfers)
    headings = ("machine", "config", "requests", "tokens", "busy", "batch", "KV cache", "energy", "of it idle")
    rows = table(*headings, *(("of it caches",) if sends else ()), numeric=range(2, len(headings) + sends))
    for number, each in enumerate(result.machine_rows()):
        if number == MAX_MACHINE_ROWS:
            rows.caption = f"and {len(result.machines) - number:,} more (--json)"
            rows.caption_justify = "left"
            break
        cells = [
            f"{each['machine']} ({each['machines']:,})" if each.get("machines", 1) > 1 else each["machine"],
            each["config"],
            f"{each['requests']:,}",
            f"{each['output_tokens']:,}",
            f"{each['utilisation']:.1%}",
            f"{each['mean_batch']:.3g}",
            quantity(each["max_kv_bytes"], "_bytes"),
            quantity(each["energy_j"], "_j"),
            quantity(each["idle_energy_j"], "_j"),
        ]
        rows.add_row(*cells, *((quantity(each["transfer_energy_j"], "_j"),) if sends else ()))
    return rows


def _links(result: ClusterResult) -> RichTable:
    rows = table("link", "transfers", "bytes", "busy", "energy", numeric=range(1, 5))
    for each in result.link_rows():
        if each["transfers"]:
            rows.add_row(
                each["link"],
                f"{each['transfers']:,}",
                f"{each['bytes']:,}",
                f"{each['utilisation']:.2%}",
                quantity(each["energy_j"], "_j"),
            )
    return rows


def _link_texts(result: ClusterResult) -> tuple[str, str]:
    link = result.system.link
    assert link.bandwidth_bps is not None  # transfers need a link
    shared = result.system.cluster.ports == "shared"
    order = "one cache after another" if shared else "a cache uses the ports of both machines"
    for row in result.link_rows() if result.shares else ():
        order = f"{row['time_share']:.2%} of the time of iterations"
    rates = quantity(link.bandwidth_bps, "_bps"), quantity(link.latency_s, "_s")
    return link.part, f"{', '.join(rates)}, {quantity(link.energy_j_per_bit, '_j_per_bit')}; {order}"
