"""Report of an explanation: a summary in sentences, then the tables behind it."""

from __future__ import annotations

from typing import IO

from rich.table import Table as RichTable
from rich.text import Text

from pimsim.base.units import ps_to_s
from pimsim.present.text.tables import console, quantity, table
from pimsim.results.explanation import Explanation

SHOWN_CAUSES = 12
SHOWN_CONTENDED = 8


def print_explanation(explanation: Explanation, file: IO[str] | None = None) -> None:
    """Print why a run has its latency: critical path, components, overlap and contention.

    Args:
        explanation: Explanation of the run.
        file: File to write to; None means standard output.
    """
    out = console(file)
    out.print(Text(f"Explanation of the latency of {_time(explanation.latency_ps)}", style="bold"))
    for sentence in explanation.sentences():
        out.print(Text(f"  {sentence}"))
    blocks = [_causes(explanation), _occupations(explanation)]
    if explanation.latency_ps < explanation.serial_ps:
        blocks.append(_hidden(explanation))
    if explanation.contended:
        blocks.append(_contended(explanation))
    for block in blocks:
        out.print()
        out.print(block)


def _causes(explanation: Explanation) -> RichTable:
    shown = table("op on critical path", "component", "time", "share", "share of the op's time", numeric=(2, 3, 4))
    for cause in explanation.causes[:SHOWN_CAUSES]:
        shown.add_row(
            cause.op,
            cause.component,
            _time(cause.critical_ps),
            _share(cause.critical_ps, explanation.latency_ps),
            _share(cause.critical_ps, cause.total_ps, digits=0),
        )
    rest = explanation.causes[SHOWN_CAUSES:]
    if rest:
        rest_ps = sum(cause.critical_ps for cause in rest)
        shown.add_row(f"{len(rest)} more", "", _time(rest_ps), _share(rest_ps, explanation.latency_ps), "")
    return shown


def _occupations(explanation: Explanation) -> RichTable:
    shown = table(
        "component",
        "units",
        "busy",
        "waiting for input",
        "waiting for a resource",
        "resource",
        "queueing time before it",
        numeric=(1, 2, 3, 4, 6),
    )
    for each in sorted(explanation.occupations, key=lambda each: -each.busy_ps / max(each.units, 1)):
        all_ps = each.units * explanation.latency_ps
        shown.add_row(
            each.component,
            f"{each.units:,}",
            _share(each.busy_ps, all_ps),
            _share(each.waiting_for_input_ps, all_ps),
            _share(each.waiting_for_resource_ps, all_ps),
            each.blocked_by,
            _time(each.queued_ps) if each.queued_ps else "",
        )
    return shown


def _contended(explanation: Explanation) -> RichTable:
    shown = table(
        "contended resource", "component", "instances", "busy", "waiting time", "on critical path", numeric=(2, 3, 4, 5)
    )
    for each in explanation.contended[:SHOWN_CONTENDED]:
        shown.add_row(
            each.piece,
            each.component,
            f"{each.media:,}",
            _share(each.busy_ps, each.media * explanation.latency_ps),
            _time(each.waited_ps),
            _time(each.critical_ps) if each.critical_ps else "",
        )
    return shown


def _hidden(explanation: Explanation) -> RichTable:
    shown = table("hidden by overlap", "hidden time", "total time", "share", numeric=(1, 2, 3))
    for each in explanation.hidden:
        if each.hidden_ps:
            shown.add_row(each.part, _time(each.hidden_ps), _time(each.total_ps), _share(each.hidden_ps, each.total_ps))
    return shown


def _time(duration_ps: int) -> str:
    return quantity(ps_to_s(duration_ps), "_s")


def _share(duration_ps: int, whole_ps: int, digits: int = 2) -> str:
    return f"{duration_ps / whole_ps:.{digits}%}" if whole_ps else ""
