"""Machines whose one processor computes every op: names of their sections, and what such a machine must not have."""

from collections.abc import Iterator, Mapping
from typing import Any

PROCESSOR = "processor"
"""Value of `mapping.projections` and `mapping.attention` for a machine whose one processor computes every op."""

PROCESSORS: tuple[str, ...] = (
    "roofline",  # one a line
    "transpim",
    "rom",
    "dram_pim",
)
"""Sections of `machine` that describe such a processor; at most one of them is given."""


_EMPTY: Mapping[str, str] = {
    **dict.fromkeys(("crossbar", "mesh", "host", "near_memory", "sram_cim", "technology_nm"), "null"),
    "kv_tiers": "[]",
    "outside": "{}",
}
"""Sections and keys that would describe other components, each with the value that leaves it out."""


def machine_problems(machine: Any) -> Iterator[str]:
    """Find what contradicts a processor that computes every op.

    Args:
        machine: Section `machine` of a config.

    Yields:
        One message each; none for a machine without such a processor.
    """
    given = [name for name in PROCESSORS if getattr(machine, name) is not None]
    if not given:
        return
    if len(given) > 1:
        yield f"{' and '.join(given)} are both given, but one processor computes every op: set all but one to null"
    for name, empty in _EMPTY.items():
        if getattr(machine, name):
            yield f"{given[0]} computes every op of the machine, so {name} must be {empty}"
    if machine.chips.count > 1:
        yield f"{given[0]} is one processor: chips.count must be 1"
    if machine.transpim is not None and machine.memory.dram is None:
        yield "transpim computes in banks of the memory: memory.dram must be a timing table, as of memory-hbm2-timing"
    if machine.memory.interfaces is not None:
        yield f"{given[0]} has one path to its memory: memory.interfaces must be null"
    if machine.dram_pim is not None and machine.memory.dram is None:
        yield "dram_pim computes at the banks of the memory, whose rows and timings memory.dram must give"


def config_problems(config: Any) -> Iterator[str]:
    """Find what contradicts the processor of a machine, or its absence, in the rest of a config.

    Args:
        config: The config.

    Yields:
        One message each.
    """
    name = config.machine.processor
    if name is None:
        if wrong := [key for key in ("projections", "attention") if getattr(config.mapping, key) == PROCESSOR]:
            keys = " and ".join(f"mapping.{key}" for key in wrong)
            yield (
                f"{keys} {'is' if len(wrong) == 1 else 'are'} 'processor', but the machine has none of the sections "
                f"{', '.join(PROCESSORS)}; give one of them, or choose another component"
            )
        return
    if wrong := [key for key in ("projections", "attention") if getattr(config.mapping, key) != PROCESSOR]:
        values = " and ".join(f"mapping.{key} is {getattr(config.mapping, key)!r}" for key in wrong)
        yield (
            f"{values}, but machine.{name} computes every op; set {' and '.join(f'mapping.{key}' for key in wrong)} to "
            f"processor, or machine.{name} to null"
        )
    if config.schedule == "contended":
        yield (
            f"schedule is 'contended', but machine.{name} computes one op at a time, which shares its memory with no "
            "other; set schedule to serial or dataflow"
        )
