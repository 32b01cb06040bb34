"""Mapping of projections to crossbar tiles, and of swapped weights to the write drivers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.component import ceil_div
from pimsim.hardware.matrix_tile import TilesShare
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.mesh import DistributionShare, MeshShare
from pimsim.hardware.weight_programming import ProgrammingShare
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.occupancy import STREAM, SWAP_REGION
from pimsim.mapping.op_sizes import packed_bytes
from pimsim.mapping.program import Assignment, Constraints, Resource
from pimsim.mapping.tile_plan import MatrixPlan
from workloads.ops import Projection

SWAP = "swap weights"
"""Name of the task that programs a swapped layer. It contains a space, so it cannot be the name of an op."""


def crossbar_projection(layer: LayerMapping, op: Projection, plan: MatrixPlan) -> Iterator[Assignment]:
    """Map a projection on crossbars: bring its input to the tiles, multiply there, and move the output over the mesh.

    The input is read from the global buffer and, where routes follow the trace, distributed over the mesh. An input
    that another matrix sends skips both steps, and its sender does not write it to the global buffer.

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
    output_bytes = ceil_div(op.out_features * plan.output_bits, 8)
    programmed = (_programmed(op.name),) if swapped else ()
    region = (_region_opener(layer),) if swapped else ()
    chunks = tuple(_chunks(layer, op.vectors))
    inputs = _buffer(layer, "input", op.name, chunks[0], mapping.input_buffer_vectors)
    outputs = _buffer(layer, "output", op.name, chunks[0], mapping.output_buffer_vectors)
    received = _buffer(layer, "input", plan.receiver, chunks[0], mapping.input_buffer_vectors)
    yield from (issue := layer.issue(op.name))
    for index, vectors in enumerate(chunks):
        tiles, mesh = f"{op.name}.tiles[{index}]", f"{op.name}.mesh[{index}]"
        opener = arrived = f"{plan.sender}.mesh[{index}]"
        if not plan.sender:
            yield from (arriving := _arriving(layer, op, plan, index, vectors, issue[-1].name, inputs))
            opener, arrived = arriving[0].name, arriving[-1].name
        computing = Constraints(
            (*((issue[-1].name,) if plan.sender else ()), arrived, *programmed),
            Resource(f"tile:{op.name}", private=True),
            outputs,
            closes=(*region, *((opener,) if inputs else ())),
        )
        share = TilesShare(plan.grid, op.activation_bits, vectors, plan.weights)
        yield Assignment(tiles, machine.tile, share, computing)
        move = replace(plan.mesh, vectors=vectors)
        yield _on_mesh(layer, plan, mesh, move, (tiles,), f"mesh:{op.name}", received, (tiles,) if outputs else ())
        if not plan.receiver:
            store = BufferShare(write_bytes=output_bytes, count=vectors)
            yield layer.access(f"{op.name}[{index}]", store, (mesh,))


def _arriving(
    layer: LayerMapping, op: Projection, plan: MatrixPlan, index: int, vectors: int, issue: str, inputs: Resource | None
) -> tuple[Assignment, ...]:
    """Bring a chunk of input vectors from the global buffer to the tiles.

    Args:
        layer: State of the layer.
        op: The projection.
        plan: Tiles of its matrix.
        index: Index of the chunk.
        vectors: Vectors of the chunk.
        issue: Assignment that issues the commands of the op.
        inputs: Input buffer of the matrix; None for an unlimited one.

    Returns:
        The read, and the distribution where routes follow the trace.
    """
    read = f"{op.name}.read[{index}]"
    fetch = BufferShare(read_bytes=ceil_div(op.in_features * op.activation_bits, 8), count=vectors)
    reading = layer.access(read, fetch, (issue, *op.inputs), inputs)
    if plan.distribution is None:
        return (reading,)
    share = replace(plan.distribution, vectors=vectors)
    name, resource = f"{op.name}.distribute[{index}]", f"mesh input:{op.name}"
    return reading, _on_mesh(layer, plan, name, share, (read,), resource)


def _on_mesh(
    layer: LayerMapping,
    plan: MatrixPlan,
    name: str,
    share: MeshShare | DistributionShare,
    after: tuple[str, ...],
    resource: str,
    opens: Resource | None = None,
    closes: tuple[str, ...] = (),
) -> Assignment:
    """Move vectors of a matrix over the mesh of its bank.

    Args:
        layer: State of the layer.
        plan: Tiles of the matrix.
        name: Name of the assignment.
        share: Traffic.
        after: Assignments that must end first.
        resource: Resource that serves the chunks of the matrix one after another.
        opens: Input buffer of the receiving matrix; None for none.
        closes: Assignments whose opened resource the transfer releases.

    Returns:
        The assignment.
    """
    assert layer.machine.mesh is not None
    links = Resource(f"mesh {plan.bank}", private=layer.config.mapping.provisioning == "per_layer")
    medium = links if layer.links_shared else None
    return Assignment(
        name,
        layer.machine.mesh,
        share,
        Constraints(after, Resource(resource, private=True), opens, closes, medium),
    )


LEAST_PER_CHUNK = 2
"""Assignments that each chunk has at least: the tiles and the mesh."""


def chunk_vectors(layer: LayerMapping, vectors: int) -> int:
    """Return the size of the chunks of a batch of vectors.

    Args:
        layer: State of the layer.
        vectors: Number of vectors.

    Returns:
        Number of vectors of each chunk but the last, which may have fewer.
    """
    mapping = layer.config.mapping
    chunk = ceil_div(vectors, mapping.vector_chunks) if layer.overlapping else vectors
    if layer.contended:
        buffers = (mapping.input_buffer_vectors, mapping.output_buffer_vectors)
        chunk = min([chunk, *(max(1, each // 2) for each in buffers if each)])
    return chunk


def _chunks(layer: LayerMapping, vectors: int) -> Iterator[int]:
    """Cut a batch of vectors into chunks that pass through the crossbars together.

    The next chunk starts when the tiles are free. A finite buffer holds two chunks: one in use and one in transfer.

    Args:
        layer: State of the layer.
        vectors: Number of vectors.

    Yields:
        Number of vectors of each chunk.
    """
    chunk = chunk_vectors(layer, vectors)
    for first in range(0, vectors, chunk):
        yield min(chunk, vectors - first)


def _buffer(layer: LayerMapping, which: str, matrix: str, chunk: int, vectors: int | None) -> Resource | None:
    """Add the input or output buffer of a matrix to the resources.

    Args:
        layer: State of the layer, whose capacities are extended.
        which: "input" or "output".
        matrix: Name of the projection; "" for none, which has no buffer.
        chunk: Vectors per chunk.
        vectors: Vectors that the buffer holds; None means unlimited.

    Returns:
        The resource; None for an unlimited buffer.
    """
    if not matrix or not vectors or not layer.contended:
        return None
    name, slots = f"{which} buffer:{matrix}", max(1, vectors // chunk)
    layer.capacities[name] = min(slots, layer.capacities.get(name, slots))
    return Resource(name, private=True)


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
        packed = packed_bytes(layer.config, plan.grid.in_features * plan.grid.out_features, plan.weights)
        weights = MemoryShare(packed)
        size_bytes += weights.size_bytes
        yield layer.memory_request(stream, weights, (), opens=Resource(STREAM))
        programming = Constraints(
            (issue[-1].name, stream) if program == first else (issue[-1].name, stream, first),
            Resource(f"tile:{name}", private=True),
            Resource(SWAP_REGION) if program == first else None,
            closes=(stream,),
        )
        accesses = layer.stream(weights.size_bytes, 0)
        share = ProgrammingShare(plan.grid, weights=plan.weights)
        yield Assignment(program, machine.programming, share, programming, accesses)
    passing = BufferShare(size_bytes, size_bytes, streamed=True)
    yield Assignment(f"{SWAP}.streamed", machine.sram, passing, Constraints(tuple(map(_programmed, matrices))))


def _programmed(matrix: str) -> str:
    return f"{SWAP}.program {matrix}"


def _region_opener(layer: LayerMapping) -> str:
    return _programmed(next(iter(layer.plan.matrices)))
