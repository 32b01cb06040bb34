"""Report of the environment that pimsim runs in."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape

from pimsim.base.environment import Finding
from pimsim.present.text.tables import console, table


def print_environment(findings: Sequence[Finding]) -> None:
    """Print what was found, and the number of problems and notes.

    Args:
        findings: What `check_environment` returned.
    """
    shown = table("examined", "state", "detail")
    for each in findings:
        shown.add_row(escape(each.subject), each.state, escape(each.detail))
    counts = {state: sum(each.state == state for each in findings) for state in ("problem", "note")}
    words = [f"{count} {state}{'s' if count != 1 else ''}" for state, count in counts.items() if count]
    out = console()
    out.print(shown)
    out.print(", ".join(words) or "no problems")
