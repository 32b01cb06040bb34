"""Resources that assignments occupy while they run: their names, and the number of units of each."""

from __future__ import annotations

from pimsim.config.schema import MappingConfig
from pimsim.hardware.machine import Machine

STREAM = "stream buffer"
"""Space of a streamed operand in the global buffer, occupied from its transfer to the end of its use."""

COMMANDS = "command queue"
"""Entry of the controller's queue, occupied by a request of the host until the controller has issued it."""

KV_WRITES = "KV write buffer"
"""Entry of the KV write buffer, occupied by an append to the KV cache until memory has completed the write."""

KV_PORT = "KV write port"
"""Write port of the KV write buffer."""

KV_STAGE = "KV prefetch buffer"
"""Room in the nearest tier for the farther entries of a layer, occupied from their transfer to the end of their use."""

SWAP_REGION = "swap region"
"""Tiles that swapped layers share, occupied by a layer from its programming to the end of its use."""


def capacities(mapping: MappingConfig, machine: Machine) -> dict[str, int]:
    """Return the number of units of the resources that ops share.

    Tiles and meshes are not included, since each matrix has its own. Their buffers are added while the trace is mapped.

    Args:
        mapping: Section of a config, with the sizes of buffers between ops.
        machine: The machine.

    Returns:
        Number of units by resource name.
    """
    units = {component.name: component.units for component in machine.components()}
    units[STREAM] = mapping.stream_buffers * machine.systolic.units
    if machine.host:
        units[COMMANDS] = machine.host.config.queue_depth
    if mapping.kv_tiers.prefetch_buffers:
        units[KV_STAGE] = mapping.kv_tiers.prefetch_buffers
    if mapping.kv_write_entries:
        units[KV_WRITES] = mapping.kv_write_entries
    return units
