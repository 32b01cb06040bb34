"""Note on a DRAM whose banks hold elements of one width, where a trace has others."""

from __future__ import annotations

from collections.abc import Iterator

from pimsim.config.schema import Config
from pimsim.mapping.op_sizes import activation_bits
from workloads.ops import AttentionMatmul, Projection
from workloads.trace import Trace


def element_notes(config: Config, trace: Trace) -> Iterator[str]:
    """Say that the banks compute with other elements than those whose bytes are counted.

    Args:
        config: Its `machine.dram_pim.element_bits` is the width at the banks, and its `mapping.processor_weight_bits`
            that of weights, if it is given.
        trace: The ops.

    Yields:
        At most one sentence.
    """
    if config.machine.dram_pim is None:
        return
    width, stated = config.machine.dram_pim.element_bits, config.mapping.processor_weight_bits
    found: dict[str, set[float]] = {"weights": set(), "cached entries": set(), "activations": {activation_bits(config)}}
    for op in (op for block in trace.blocks for op in block.ops):
        if isinstance(op, Projection):
            found["weights"].add(op.weight_bits if stated is None else stated)
        elif isinstance(op, AttentionMatmul):
            found["cached entries"].add(op.bits)
    others = {what: sorted(bits - {width}) for what, bits in found.items()}
    if counted := [f"{what} of {' and '.join(map('{:g}'.format, bits))}" for what, bits in others.items() if bits]:
        yield (
            f"the banks hold and multiply elements of {width} bits (machine.dram_pim.element_bits); sizes are those of "
            f"{', '.join(counted)} bits"
        )
