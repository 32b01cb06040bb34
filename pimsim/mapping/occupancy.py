"""What assignments take from one another for a while: names of resources, and how many units there are."""

from __future__ import annotations

from pimsim.config.schema import Config
from pimsim.hardware.machine import Machine

STREAM = "stream buffer"
"""The resource that a streamed operand occupies in the global buffer, from its transfer to the end of its use."""

COMMANDS = "command queue"
"""The resource that a request of the host occupies, until the controller has issued it."""

KV_WRITES = "KV write buffer"
"""The resource that an append to the KV cache occupies until memory has it, where there is such a buffer."""

KV_PORT = "KV write port"
"""The way into that buffer."""

SWAP_REGION = "swap region"
"""The resource that a swapped layer occupies, from its programming to the end of its use."""


def capacities(config: Config, machine: Machine) -> dict[str, int]:
    """Units of the resources that ops share; tiles and meshes are each matrix's own, their buffers cut into chunks."""
    units = {component.name: component.units for component in machine.components()}
    units[STREAM] = config.mapping.stream_buffers * machine.systolic.units
    if config.machine.host:
        units[COMMANDS] = config.machine.host.queue_depth
    if config.mapping.kv_write_entries:
        units[KV_WRITES] = config.mapping.kv_write_entries
    return units
