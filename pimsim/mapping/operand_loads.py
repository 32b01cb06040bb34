"""Bytes that a projection on the systolic array loads from memory and stores there, with buffers that may be too small.

Folds follow one another as in SCALE-Sim 3.0.0 (systolic_compute_*.py): for each fold over the columns of the array, all
folds over its rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from pimsim.config.schema import Config
from pimsim.hardware.component import ceil_div
from pimsim.mapping.op_sizes import DIGITAL_BYTES, stored_bytes
from workloads.ops import Projection


@dataclass(frozen=True, slots=True)
class ProjectionTraffic:
    """Memory traffic of a projection.

    Attributes:
        weight_bytes: Bytes of weights that are loaded.
        input_bytes: Bytes of inputs that are loaded; 0 if they are in the global buffer.
        output_bytes: Bytes of outputs that are stored; 0 if they stay in the global buffer.
    """

    weight_bytes: int
    input_bytes: int = 0
    output_bytes: int = 0


def projection_traffic(config: Config, op: Projection) -> ProjectionTraffic:
    """Return the memory traffic of a projection on the systolic array.

    Args:
        config: `mapping.projection_activations` says where activations are, and `machine.sram.operand_buffers` what the
            buffers of the operands hold.
        op: The projection.

    Returns:
        Bytes loaded and stored.

    Reference:
        docs/model.md, eq. (54) and (55); SCALE-Sim 3.0.0, held against it by benchmarks/compare_scalesim.py.
    """
    where, systolic, buffers = config.mapping.projection_activations, config.machine.systolic, config.machine.sram
    weights = stored_bytes(config, op)
    inputs = (op.vectors * op.in_features if op.input_elements is None else op.input_elements) * DIGITAL_BYTES
    outputs = op.vectors * op.out_features * DIGITAL_BYTES
    if where == "memory_each_fold" and systolic.dataflow != "os":
        outputs *= ceil_div(op.in_features, systolic.rows)
    if buffers.operand_buffers is not None:
        held = buffers.operand_buffers
        slabs, weight_passes, input_passes = 1, 1, 1
        match systolic.dataflow:
            case "os":
                slabs = input_passes = ceil_div(op.out_features, systolic.rows)
                weight_passes = ceil_div(op.vectors, systolic.columns)
            case "ws":
                input_passes = ceil_div(op.out_features, systolic.columns)
            case "is":
                weight_passes = ceil_div(op.vectors, systolic.columns)
        slab = weights if slabs == 1 else ceil_div(weights * systolic.rows, op.out_features)
        weights = loads(slab, weights - (slabs - 1) * slab, slabs, weight_passes, held.weights_bytes)
        inputs = loads(inputs, inputs, 1, input_passes, held.activations_bytes)
    if where == "global_buffer":
        return ProjectionTraffic(weights)
    return ProjectionTraffic(weights, inputs, outputs)


def loads(slab: int, last: int, slabs: int, passes: int, capacity: int) -> int:
    """Count the loads of an operand that is used slab by slab, each of them `passes` times in the same order.

    A buffer keeps each word that it loads, and is emptied when it has loaded `capacity` words. A slab of at least that
    size is loaded in each pass. A smaller one is loaded once, and if the buffer is emptied meanwhile, its beginning is
    loaded a second time. The buffer then holds this slab alone; it is emptied again by the g-th slab after it, where
    g = floor((capacity - 1) / slab) slabs fit.

    Args:
        slab: Words of each slab but the last.
        last: Words of the last slab, at most `slab`.
        slabs: Number of slabs.
        passes: Uses of each slab before the next one follows.
        capacity: Words that are loaded until the buffer is emptied.

    Returns:
        Words loaded.

    Reference:
        docs/model.md, eq. (55); read_buffer_estimate_bw.py of SCALE-Sim 3.0.0.
    """
    if passes == 1:
        return (slabs - 1) * slab + last
    full = slabs - 1
    if slab >= capacity:
        # What whole slabs leave in the buffer when the last one begins, modulo what empties it.
        held = full * passes * slab % capacity
        return full * passes * slab + _last(last, held, passes, capacity)
    fitting = (capacity - 1) // slab
    emptied = (full - 1) // fitting if full else 0
    held = slab * ((full - 1) % fitting + 1) if full else 0
    again = emptied * (capacity - fitting * slab)
    return full * slab + again + _last(last, held, passes, capacity)


def _last(size: int, held: int, passes: int, capacity: int) -> int:
    """Count the loads of the last slab.

    Args:
        size: Its words.
        held: Words that the buffer has loaded since it was emptied.
        passes: Uses of the slab, more than one.
        capacity: Words that are loaded until the buffer is emptied.

    Returns:
        Words loaded.
    """
    if size >= capacity:
        return passes * size
    return size + (capacity - held if held + size >= capacity else 0)
