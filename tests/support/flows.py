"""The assignments that single ops are mapped to."""

from __future__ import annotations

from pimsim.config.loading import load_config
from pimsim.hardware.machine import build_machine
from pimsim.mapping.operations import map_trace
from pimsim.mapping.program import Assignment, Constraints, Program, Resource
from workloads.ops import Op
from workloads.trace import Block, Trace

Timing = tuple[int, int]
"""Picoseconds and bytes of the accesses of the global buffer that an assignment makes meanwhile."""


def program(*ops: Op, settings: tuple[str, ...] = (), base: str = "defaults", repeat: int = 1) -> Program:
    """The program of a trace with one block of these ops."""
    config = load_config(base, settings)
    block = Block(name="b", repeat=repeat, ops=ops)
    trace = Trace(model="any", phase="decode", context_length=1000, tokens=1, blocks=(block,))
    return map_trace(config, build_machine(config.machine), trace).program


def flow(*ops: Op, settings: tuple[str, ...] = (), base: str = "defaults") -> dict[str, Assignment]:
    """The assignments of one block by name."""
    tasks = program(*ops, settings=settings, base=base).tasks()
    return {each.name: each for _, task in tasks for each in task.assignments}


def after(found: dict[str, Assignment]) -> dict[str, tuple[str, ...]]:
    """What each assignment waits for."""
    return {name: each.constraints.after for name, each in found.items()}


def port(assignment: Assignment) -> Timing | None:
    """Time and bytes on the port of the global buffer; None for none."""
    stream = assignment.stream
    return None if stream is None else (stream.port_ps, stream.size_bytes)


def on(resource: str, *needs: str, opens: str = "", closes: tuple[str, ...] = ()) -> Constraints:
    """Constraints of an assignment on a shared resource."""
    return Constraints(needs, Resource(resource), Resource(opens) if opens else None, closes)
