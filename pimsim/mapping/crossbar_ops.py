"""Mapping of 1-bit projections to crossbar tiles, and of swapped weights to the write drivers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.component import ceil_div
from pimsim.hardware.crossbar_tile import TilesShare
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.weight_programming import ProgrammingShare
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.occupancy import STREAM, SWAP_REGION
from pimsim.mapping.op_sizes import packed_bytes
from pimsim.mapping.program import Assignment
from pimsim.mapping.tile_plan import MatrixPlan
from workloads.ops import Projection

SWAP = "swap weights"
"""Name of the task that programs a swapped layer. It contains a space, so it cannot be the name of an op."""


def crossbar_projection(layer: LayerMapping, op: Projection, plan: MatrixPlan) -> Iterator[Assignment]:
    """Map a projection on crossbars: read its input, multiply in the tiles, move over the mesh, write its output.

    Args:
        layer: State of the layer.
        op: The projection.
        plan: Tiles of its matrix.

    Yields:
        The issue, then for each chunk of vectors one assignment per stage.
    """
    machine, mapping, swapped = layer.machine, layer.config.mapping, layer.plan.swapped
    assert machine.tile is not None  # a matrix is planned only for a machine with tiles
    assert machine.mesh is not None
    input_bytes = ceil_div(op.in_features * op.activation_bits, 8)
    output_bytes = ceil_div(op.out_features * machine.tile.config.output_bits, 8)
    programmed = (_programmed(op.name),) if swapped else ()
    chunks = tuple(_chunks(layer, op.vectors))
    inputs = _buffer(layer, "input", op.name, chunks[0], mapping.input_buffer_vectors)
    outputs = _buffer(layer, "output", op.name, chunks[0], mapping.output_buffer_vectors)
    yield from (issue := layer.issue(op.name))
    for index, vectors in enumerate(chunks):
        read, tiles, mesh = (f"{op.name}.{stage}[{index}]" for stage in ("read", "tiles", "mesh"))
        fetch = BufferShare(read_bytes=input_bytes, count=vectors)
        yield Assignment(
            read,
            machine.sram,
            fetch,
            (issue[-1].name, *op.inputs),
            machine.sram.name,
            opens=inputs,
            opens_private=True,
        )
        multiply = TilesShare(plan.grid, op.activation_bits, vectors)
        region = (_region_opener(layer),) if swapped else ()
        yield Assignment(
            tiles,
            machine.tile,
            multiply,
            (read, *programmed),
            f"tile:{op.name}",
            private=True,
            opens=outputs,
            opens_private=True,
            closes=(*region, *((read,) if inputs else ())),
        )
        move = replace(plan.mesh, vectors=vectors)
        yield Assignment(
            mesh,
            machine.mesh,
            move,
            (tiles,),
            f"mesh:{op.name}",
            private=True,
            closes=(tiles,) if outputs else (),
            medium=f"mesh {plan.bank}" if layer.links_shared else "",
            medium_private=mapping.provisioning == "per_layer",
        )
        store = BufferShare(write_bytes=output_bytes, count=vectors)
        yield Assignment(f"{op.name}[{index}]", machine.sram, store, (mesh,), machine.sram.name)


def _chunks(layer: LayerMapping, vectors: int) -> Iterator[int]:
    """Cut a batch of vectors into chunks that pass through the crossbars together.

    The next chunk starts when the tiles are free. A finite buffer holds two chunks: one in use and one in transfer.

    Args:
        layer: State of the layer.
        vectors: Number of vectors.

    Yields:
        Number of vectors of each chunk.
    """
    mapping = layer.config.mapping
    chunk = ceil_div(vectors, mapping.vector_chunks) if layer.overlapping else vectors
    if layer.contended:
        buffers = (mapping.input_buffer_vectors, mapping.output_buffer_vectors)
        chunk = min([chunk, *(max(1, each // 2) for each in buffers if each)])
    for first in range(0, vectors, chunk):
        yield min(chunk, vectors - first)


def _buffer(layer: LayerMapping, which: str, matrix: str, chunk: int, vectors: int | None) -> str:
    """Add the input or output buffer of a matrix to the resources.

    Args:
        layer: State of the layer, whose capacities are extended.
        which: "input" or "output".
        matrix: Name of the projection.
        chunk: Vectors per chunk.
        vectors: Vectors that the buffer holds; None means unlimited.

    Returns:
        Name of the resource; "" for an unlimited buffer.
    """
    if not vectors or not layer.contended:
        return ""
    name, slots = f"{which} buffer:{matrix}", max(1, vectors // chunk)
    layer.capacities[name] = min(slots, layer.capacities.get(name, slots))
    return name


def swap_weights(layer: LayerMapping) -> Iterator[Assignment]:
    """Stream the matrices of a swapped layer from memory through the global buffer, and program them into the tiles.

    The first programming acquires the swap region, which the preceding swapped layer must have released. The following
    matrices may wait in the global buffer until then.

    Args:
        layer: State of the layer.

    Yields:
        The issue, then a transfer and a programming per matrix, then the buffer accesses.
    """
    machine, matrices = layer.machine, layer.plan.matrices
    assert machine.programming is not None  # a matrix is planned only for a machine with tiles
    yield from (issue := layer.issue(SWAP, len(matrices)))
    first, size_bytes = _region_opener(layer), 0
    for name, plan in matrices.items():
        stream, program = f"{SWAP}.stream {name}", _programmed(name)
        weights = MemoryShare(packed_bytes(layer.config, plan.grid.in_features * plan.grid.out_features))
        size_bytes += weights.size_bytes
        yield layer.memory_request(stream, weights, (), opens=STREAM)
        yield Assignment(
            program,
            machine.programming,
            ProgrammingShare(plan.grid),
            (issue[-1].name, stream) if program == first else (issue[-1].name, stream, first),
            f"tile:{name}",
            private=True,
            opens=SWAP_REGION if program == first else "",
            closes=(stream,),
        )
    passing = BufferShare(size_bytes, size_bytes, streamed=True)
    yield Assignment(f"{SWAP}.streamed", machine.sram, passing, tuple(map(_programmed, matrices)))


def _programmed(matrix: str) -> str:
    return f"{SWAP}.program {matrix}"


def _region_opener(layer: LayerMapping) -> str:
    return _programmed(next(iter(layer.plan.matrices)))
