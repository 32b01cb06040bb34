"""Notes on what energy and area of a machine with one processor contain, which tables of several machines need."""

from __future__ import annotations

from collections.abc import Iterator

from pimsim.config.schema import Config


def processor_notes(config: Config) -> Iterator[str]:
    """Say what the energy and the area of the processor are, as far as their names do not.

    Args:
        config: Its `machine` has one processor, or none.

    Yields:
        At most three sentences.
    """
    machine = config.machine
    if machine.roofline is not None:
        unit = machine.roofline
        apart = machine.memory.read_energy_j_per_bit > 0
        yield (
            f"the energy is a share of the design power while an op runs, not a sum over actions: "
            f"{unit.active_share:g} of {unit.tdp_w:g} W (machine.roofline.active_share), "
            f"{'and the bits of the memory apart' if apart else 'memory included'}; an idle device is not charged"
        )
    if machine.transpim is not None or machine.dram_pim is not None:
        yield "the area is that of the units beside the banks, without the DRAM that computes"
    section = getattr(machine, machine.processor) if machine.processor else None
    areas = [name for name in type(section).model_fields if name.endswith("area_m2")] if section else []
    if zero := [name for name in areas if not getattr(section, name)]:
        keys = ", ".join(f"machine.{machine.processor}.{name}" for name in zero)
        yield f"the area is too small: {keys} {'is' if len(zero) == 1 else 'are'} 0"
