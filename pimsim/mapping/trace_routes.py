"""Receivers of the outputs of matrices: the port of the mesh, or another matrix of the placement group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from workloads.ops import Projection
from workloads.trace import Block

Receivers = tuple[int | None, ...]
"""For each matrix of a placement group, the index of the matrix that receives its output; None for the port."""


def chain(group: Sequence[Projection]) -> Receivers:
    """Return the receivers of MNSIM's chain: each matrix sends to the next one of its group.

    Args:
        group: Matrices of a placement group in execution order.

    Returns:
        The receivers; None for the last matrix.
    """
    return (*range(1, len(group)), None)


def by_trace(block: Block, group: Sequence[Projection]) -> Receivers:
    """Return the receivers by the trace: the matrix that alone reads the output of another, else the port.

    A matrix receives the output of another directly if that output is its only input and is read by nothing else, the
    next block included. The vector unit is at the global buffer, so an output that it processes leaves by the port.

    Args:
        block: Block of the trace.
        group: Matrices of one of its placement groups in execution order.

    Returns:
        The receivers.
    """
    readers = Counter(name for op in block.ops for name in set(op.inputs))
    readers[block.ops[-1].name] += 1
    index_of = {op.name: index for index, op in enumerate(group)}
    receivers: list[int | None] = [None] * len(group)
    for index, op in enumerate(group):
        sender = index_of.get(op.inputs[0]) if len(set(op.inputs)) == 1 else None
        if sender is None or readers[group[sender].name] > 1:
            continue
        if (group[sender].out_features, group[sender].vectors) == (op.in_features, op.vectors):
            receivers[sender] = index
    return tuple(receivers)
