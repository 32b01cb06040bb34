"""Notes on a run that is faster than the port of the global buffer allows, or that needs more than the buffer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pimsim.base.units import ps_to_s
from pimsim.config.schema import Config
from pimsim.mapping.memory_footprint import size_text

_SHORT_OF_PORT = "all accesses of the global buffer need"
_WHY = "ops that share the port wait for one another only under the schedule contended"


def port_notes(schedule: str, port_ps: int, latency_ps: int) -> Iterator[str]:
    """Say when a run is faster than the port of the global buffer allows, because ops share it without waiting.

    Args:
        schedule: Schedule of the run; under `serial` and `contended` a run is never faster.
        port_ps: Time that all accesses need of the busiest port, one after another, picoseconds.
        latency_ps: Latency of the run, picoseconds.

    Yields:
        At most one sentence.
    """
    if schedule == "dataflow" and port_ps > latency_ps:
        yield (
            f"{_SHORT_OF_PORT} {ps_to_s(port_ps):.4g} s of its port (machine.sram.ports), more than the latency: {_WHY}"
        )


def is_short_of_port(notes: Iterable[str]) -> bool:
    """Return whether `port_notes` has said that a run is faster than the port allows.

    Args:
        notes: Notes of the run.

    Returns:
        True if one of them is from `port_notes`, also with the machine of a system before it.
    """
    return any(_SHORT_OF_PORT in note for note in notes)


def port_notes_of_iterations(short: int, iterations: int, name: str = "iterations") -> Iterator[str]:
    """Say that iterations of a serving run, or passes of a generation, are faster than the global buffer's port.

    Args:
        short: Number of such iterations.
        iterations: Number of all iterations.
        name: What they are called.

    Yields:
        At most one sentence.
    """
    if short:
        yield (
            f"in {short:,} of {iterations:,} {name} the accesses of the global buffer need its port "
            f"(machine.sram.ports) for longer than they take: {_WHY}"
        )


def spill_notes(config: Config, activation_bytes: int) -> Iterator[str]:
    """Say when activations are larger than the global buffer.

    Args:
        config: Its `machine.sram.capacity_bytes`, and where activations are.
        activation_bytes: Activations that are kept in memory because they do not fit, bytes.

    Yields:
        At most one sentence.

    Reference:
        docs/model.md, eq. (49).
    """
    in_memory = config.mapping.projection_activations != "global_buffer" or config.machine.processor is not None
    if activation_bytes and not in_memory:
        size = size_text(config.machine.sram.capacity_bytes)
        yield (
            f"the global buffer of {size} (machine.sram.capacity_bytes) is too small by {size_text(activation_bytes)} "
            "for the activations; memory has room for them, but their way there and back is left out of time and energy"
        )
