"""Steps of consecutive accesses to the SRAM buffers of a tile."""

from __future__ import annotations

from pimsim.steps.step_tree import Sequence, Step, Work


def buffer_accesses(
    component: str, buffer: str, what: str, cycle_ps: int, accesses: int, total: int | None = None
) -> Work:
    """Return consecutive buffer accesses; `total` accesses of parallel buffers are counted with them.

    Args:
        component: Name of the component.
        buffer: "pe_buffer" or "tile_buffer".
        what: "read" or "write".
        cycle_ps: Time of one access, picoseconds.
        accesses: Consecutive accesses of the slowest buffer, which set the duration.
        total: Accesses of all buffers that work in parallel; None means `accesses`.

    Returns:
        The steps, with the counts distributed evenly over them.
    """
    action = f"tile.{buffer}_{what}"
    each, rest = divmod(accesses if total is None else total, accesses)
    label = f"{buffer.replace('_', ' ')} {what}"
    if not rest:
        return Step(component, "tile_buffer", label, cycle_ps, ((action, each),), accesses)
    runs = ((each + 1, rest), (each, accesses - rest))
    return Sequence(
        tuple(Step(component, "tile_buffer", label, cycle_ps, ((action, n),), repeat) for n, repeat in runs)
    )
