"""Report of a trace: its ops, block by block."""

from __future__ import annotations

from typing import IO

from rich.text import Text

from pimsim.present.text.run_report import print_notes
from pimsim.present.text.tables import console
from pimsim.present.text.tables import table as _table
from workloads.trace import Trace


def print_trace(trace: Trace, file: IO[str] | None = None) -> None:
    """Print the ops of a trace, block by block.

    Args:
        trace: Trace to print.
        file: File to write to; None means standard output.
    """
    out = console(file)
    head = f"{trace.model}, {trace.phase} at context {trace.context_length:,}: {trace.macs:,} MACs"
    out.print(Text(head, style="bold"))
    print_notes(out, trace.notes)
    if trace.kv is not None:
        out.print(Text("KV cache: " + ", ".join(f"{key} {value}" for key, value in trace.kv.changed.items())))
    table = _table("block", "op", "kind", "shape", "inputs from", "MACs", numeric=(5,))
    for block, op in trace.ops():
        fields = {
            name: getattr(op, name)
            for name in type(op).__dataclass_fields__
            if name not in ("name", "inputs") and isinstance(getattr(op, name), int | str)
        }
        shape = " ".join(f"{name}={value}" for name, value in fields.items())
        table.add_row(f"{block.name} x{block.repeat}", op.name, op.kind, shape, ", ".join(op.inputs), f"{op.macs:,}")
    out.print(table)
