"""Mapping of ops to the vector unit, which reads vectors from the global buffer in passes and writes them once."""

from __future__ import annotations

from collections.abc import Iterator

from pimsim.base.errors import PluginError, show
from pimsim.hardware.causal_mask import CausalMask
from pimsim.hardware.component import ceil_div
from pimsim.hardware.shared.port import Stream
from pimsim.hardware.vector import VectorShare
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.op_sizes import DIGITAL_BYTES
from pimsim.mapping.program import Assignment, Constraints, Resource
from workloads.ops import Op


def rows_op(
    layer: LayerMapping,
    op: Op,
    label: str,
    vectors: int,
    elements: int,
    passes: int = 1,
    *,
    operands: int = 1,
    input_bits: int = 8 * DIGITAL_BYTES,
    output_bytes: int = DIGITAL_BYTES,
    after: tuple[str, ...] = (),
) -> Iterator[Assignment]:
    """Map a softmax, a quantisation, or another op on scores, with the slices and the mask of its input.

    It has the slices of its input if its vectors can be divided evenly among them, and only the scores that exist if
    its vectors are the rows of scores: those that the mask leaves, or that a prediction keeps.

    Args:
        layer: State of the layer; the number of slices of the op and its mask are added to it.
        op: The op.
        label: Name of the operation in timelines.
        vectors: Number of vectors.
        elements: Elements per vector.
        passes: Passes over each vector.
        operands: Number of operands of the size of the output.
        input_bits: Bits per element that is read.
        output_bytes: Bytes per element that is written.
        after: Assignments of the op that must end first, such as a read from memory.

    Returns:
        An iterator over the assignments.
    """
    if (kept := next((layer.kept[name] for name in op.inputs if name in layer.kept), None)) is not None:
        layer.kept[op.name] = elements = kept
    slices = layer.slices.get(op.inputs[0], 1)
    masks = (mask for name in op.inputs if (mask := layer.masks.get(name)) is not None)
    mask = next((mask for mask in masks if elements == mask.context and vectors % mask.queries == 0), None)
    if mask is not None:
        layer.masks[op.name] = mask
    tokens = 1 if mask is None else mask.queries
    layer.slices[op.name] = slices = slices if vectors // tokens % slices == 0 else 1
    return vector_op(
        layer,
        op,
        label,
        vectors,
        elements,
        passes,
        operands=operands,
        slices=slices,
        mask=mask,
        input_bits=input_bits,
        output_bytes=output_bytes,
        after=after,
    )


def vector_op(
    layer: LayerMapping,
    op: Op,
    label: str,
    vectors: int,
    elements: int,
    passes: int = 1,
    *,
    operands: int = 1,
    slices: int = 1,
    mask: CausalMask | None = None,
    input_bits: int = 8 * DIGITAL_BYTES,
    output_bytes: int = DIGITAL_BYTES,
    after: tuple[str, ...] = (),
) -> Iterator[Assignment]:
    """Map an op to the vector unit; elements are read from the global buffer in each pass and written once.

    Args:
        layer: State of the layer.
        op: The op.
        label: Name of the operation in timelines.
        vectors: Number of vectors.
        elements: Elements per vector.
        passes: Passes over each vector.
        operands: Number of operands of the size of the output.
        slices: Number of slices of the op; each has an equal share of the vectors.
        mask: Scores that exist, if the vectors are rows of scores.
        input_bits: Bits per element that is read.
        output_bytes: Bytes per element that is written.
        after: Assignments of the op that must end first, such as a read from memory.

    Yields:
        The issue, one assignment per slice and the buffer accesses.

    Raises:
        PluginError: If a number is not a whole number of at least 1, in a mapping of a registered kind.
    """
    for what, number in (("vectors", vectors), ("elements", elements), ("passes", passes), ("operands", operands)):
        if type(number) is not int or number < 1:
            wanted = "a whole number (an int of Python) of at least 1"
            raise PluginError(
                f"op {op.name!r} of kind {op.kind!r}: vector_op needs {wanted} as {what}, not {show(number)}"
            )
    unit = layer.machine.vector
    yield from (issue := layer.issue(op.name))
    share = VectorShare(label, vectors // slices, elements, passes, mask)
    stream = _passes_stream(layer, share, operands * input_bits, output_bytes)
    for index in range(slices):
        inputs = (layer.slice_of(each, index, slices) for each in op.inputs)
        constraints = Constraints((issue[-1].name, *inputs, *after), Resource(unit.name))
        yield Assignment(f"{op.name}[{index}]", unit, share, constraints, stream)
    size = VectorShare(label, vectors, elements, mask=mask).size
    yield layer.streamed(op, ceil_div(size * input_bits, 8) * passes * operands, size * output_bytes, slices)


def _passes_stream(layer: LayerMapping, share: VectorShare, read_bits: int, write_bytes: int) -> Stream | None:
    """Return the accesses of the global buffer by the vector unit during its passes.

    Args:
        layer: State of the layer.
        share: Vectors and passes. The masked scores of a head lie one after another in the buffer, so they are read
            and written as one vector.
        read_bits: Bits that are read per element of the output in each pass.
        write_bytes: Bytes that are written per element of the output.

    Returns:
        The accesses; None if they take no time.
    """
    elements, count = (share.elements, share.vectors) if share.mask is None else (share.mask.scores, share.rows)
    return layer.stream(ceil_div(elements * read_bits, 8) * share.passes, elements * write_bytes, count)
