"""Mapping of the expansion of latents: cached latents are read, and keys and values are written for the same pass.

Reference:
    docs/experts.md.
"""

from __future__ import annotations

from collections.abc import Iterator

from pimsim.hardware.memory import MemoryShare
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.program import Assignment
from workloads.latent_ops import LatentRead, ScratchWrite


def latent_read(layer: LayerMapping, op: LatentRead) -> Iterator[Assignment]:
    """Read cached latents from memory into the global buffer.

    Args:
        layer: State of the layer.
        op: The read.

    Yields:
        The issue, the transfer and the buffer accesses.
    """
    yield from (issue := layer.issue(op.name))
    yield layer.memory_request(f"{op.name}[0]", MemoryShare(op.bytes), (issue[-1].name, *op.inputs))
    yield layer.streamed(op, 0, op.bytes)


def scratch_write(layer: LayerMapping, op: ScratchWrite) -> Iterator[Assignment]:
    """Write vectors from the global buffer to memory.

    Args:
        layer: State of the layer.
        op: The write.

    Yields:
        The issue, the transfer and the buffer accesses.
    """
    yield from (issue := layer.issue(op.name))
    yield layer.memory_request(f"{op.name}[0]", MemoryShare(op.bytes, write=True), (issue[-1].name, *op.inputs))
    yield layer.streamed(op, op.bytes, 0)
