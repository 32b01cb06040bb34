"""Mapping of projections to crossbar tiles, and of swapped weights to the write drivers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import lcm

from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.component import ceil_div
from pimsim.hardware.matrix_tile import TilesShare
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.mesh import DistributionShare, MeshShare
from pimsim.hardware.weight_programming import ProgrammingShare
from pimsim.hardware.weight_slices import Rounds
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.occupancy import STREAM, SWAP_REGION
from pimsim.mapping.op_sizes import packed_bytes
from pimsim.mapping.program import Assignment, Constraints, Resource
from pimsim.mapping.replicas import part_vectors as parts
from pimsim.mapping.replicas import set_rounds
from pimsim.mapping.tile_plan import MatrixPlan
from workloads.expert_ops import GroupedProjection
from workloads.ops import Projection

SWAP = "swap weights"
"""Name of the task that programs a swapped layer. It contains a space, so it cannot be the name of an op."""


def crossbar_projection(layer: LayerMapping, op: Projection, plan: MatrixPlan) -> Iterator[Assignment]:
    """Map a projection on crossbars: bring its input to the tiles, multiply there, and move the output over the mesh.

    The input is read from the global buffer and, where routes follow the trace, distributed over the mesh. An input
    that another matrix sends skips both steps, and its sender does not write it to the global buffer. Replicas take
    the vectors of a chunk in turn: their tiles work in parallel, and each has messages of its own.

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
    chunks, rounds = tuple(_chunks(layer, op)), set_rounds(op, plan.replicas)
    inputs = _buffer(layer, "input", op.name, chunks[0], mapping.input_buffer_vectors, plan.replicas)
    outputs = _buffer(layer, "output", op.name, chunks[0], mapping.output_buffer_vectors, plan.replicas)
    to_matrix = layer.plan.matrices.get(plan.receiver, plan).replicas
    yield from (issue := layer.issue(op.name))
    for index, vectors in enumerate(chunks):
        tiles = f"{op.name}.tiles[{index}]"
        if plan.sender:
            turns = len(layer.plan.matrices[plan.sender].meshes)
            openers = arrived = tuple(_numbered(f"{plan.sender}.mesh[{index}]", p) for p, _ in parts(vectors, turns))
        else:
            yield from (arriving := _arriving(layer, op, plan, index, vectors, issue[-1].name, inputs, rounds))
            openers = (arriving[0].name,)
            arrived = tuple(each.name for each in arriving[1:]) or openers
        computing = Constraints(
            (*((issue[-1].name,) if plan.sender else ()), *arrived, *programmed),
            Resource(f"tile:{op.name}", private=True),
            outputs,
            closes=(*region, *(openers if inputs else ())),
        )
        share = TilesShare(plan.grid, op.activation_bits, vectors, plan.weights, plan.replicas, rounds)
        yield Assignment(tiles, machine.tile, share, computing)
        moves = []
        for part, count in parts(vectors, 1 if rounds else len(plan.meshes)):
            name, resource = _numbered(f"{op.name}.mesh[{index}]", part), _numbered(f"mesh:{op.name}", part)
            to, held = _numbered(plan.receiver, part), mapping.input_buffer_vectors
            received = _buffer(layer, "input", to, chunks[0], held, to_matrix)
            move = replace(plan.meshes[part], vectors=count, rounds=rounds)
            yield _on_mesh(layer, plan, name, move, (tiles,), resource, received, (tiles,) if outputs else ())
            moves.append(name)
        if not plan.receiver:
            store = BufferShare(write_bytes=output_bytes, count=vectors)
            yield layer.access(f"{op.name}[{index}]", store, tuple(moves))


def _arriving(
    layer: LayerMapping,
    op: Projection,
    plan: MatrixPlan,
    index: int,
    vectors: int,
    issue: str,
    inputs: Resource | None,
    rounds: Rounds,
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
        rounds: Vectors of the sets of tiles of several matrices.

    Returns:
        The read, and the distribution to each replica where routes follow the trace.
    """
    read = f"{op.name}.read[{index}]"
    fetch = BufferShare(read_bytes=ceil_div(op.in_features * op.activation_bits, 8), count=vectors)
    reading = layer.access(read, fetch, (issue, *op.inputs), inputs)
    if not plan.distributions:
        return (reading,)
    name, resource = f"{op.name}.distribute[{index}]", f"mesh input:{op.name}"
    divided = parts(vectors, 1 if rounds else plan.replicas)
    return reading, *(
        _on_mesh(layer, plan, _numbered(name, part), replace(share, vectors=count, rounds=rounds), (read,), resource)
        for (part, count), share in zip(divided, plan.distributions, strict=False)
    )


def _numbered(name: str, part: int) -> str:
    """Return the name for the vectors of a part: that of the first part is the name without replicas."""
    return f"{name}.{part + 1}" if name and part else name


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
    # Matrices side by side, such as experts, are taken to have meshes of their own.
    medium = links if layer.links_shared and not share.rounds else None
    return Assignment(
        name,
        layer.machine.mesh,
        share,
        Constraints(after, Resource(resource, private=True), opens, closes, medium),
    )


LEAST_PER_CHUNK = 2
"""Assignments that each chunk has at least: the tiles and the mesh."""


def chunk_vectors(layer: LayerMapping, op: Projection) -> int:
    """Return the size of the chunks of the vectors of a matrix.

    Args:
        layer: State of the layer.
        op: Projection on crossbars.

    Returns:
        Number of vectors of each chunk but the last, which may have fewer. It is a multiple of the replicas, also of
        those of the matrices that send vectors to this one or receive them, and of the turns of the routes, as far as
        the batch is one.
    """
    if isinstance(op, GroupedProjection):
        return op.vectors  # its matrices take their vectors side by side, so a chunk would not end with a matrix
    mapping, replicas = layer.config.mapping, _linked_replicas(layer, op.name)
    chunk = ceil_div(op.vectors, mapping.vector_chunks) if layer.overlapping else op.vectors
    if layer.contended:
        buffers = (mapping.input_buffer_vectors, mapping.output_buffer_vectors)
        chunk = min([chunk, *(max(1, each // 2) * min(replicas) for each in buffers if each)])
    # Routes in a chain also reach the replicas of a matrix behind attention, which receives no vector of this one.
    turn = lcm(*replicas, len(layer.plan.matrices[op.name].meshes))
    return ceil_div(chunk, turn) * turn


def _linked_replicas(layer: LayerMapping, name: str) -> tuple[int, ...]:
    """Return the replicas of a matrix and of all that its vectors pass before or after it without the global buffer."""
    matrices = layer.plan.matrices
    before, after = matrices[name].sender, matrices[name].receiver
    found = [matrices[name].replicas]
    while before:
        found.append(matrices[before].replicas)
        before = matrices[before].sender
    while after:
        found.append(matrices[after].replicas)
        after = matrices[after].receiver
    return tuple(found)


def _chunks(layer: LayerMapping, op: Projection) -> Iterator[int]:
    """Cut a batch of vectors into chunks that pass through the crossbars together.

    The next chunk starts when the tiles are free. A finite buffer holds two chunks: one in use and one in transfer.

    Args:
        layer: State of the layer.
        op: Projection on crossbars.

    Yields:
        Number of vectors of each chunk.
    """
    chunk = chunk_vectors(layer, op)
    for first in range(0, op.vectors, chunk):
        yield min(chunk, op.vectors - first)


def _buffer(
    layer: LayerMapping, which: str, matrix: str, chunk: int, vectors: int | None, replicas: int
) -> Resource | None:
    """Add the input or output buffer of a matrix to the resources.

    Args:
        layer: State of the layer, whose capacities are extended.
        which: "input" or "output".
        matrix: Name of the projection; "" for none, which has no buffer.
        chunk: Vectors per chunk.
        vectors: Vectors that the buffer of a replica holds; None means unlimited.
        replicas: Replicas of the matrix, which share a chunk.

    Returns:
        The resource; None for an unlimited buffer.
    """
    if not matrix or not vectors or not layer.contended:
        return None
    name, slots = f"{which} buffer:{matrix}", max(1, vectors * replicas // chunk)
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
        held = plan.matrices * plan.grid.in_features * plan.grid.out_features
        packed = packed_bytes(layer.config, held, plan.weights)
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
        share = ProgrammingShare(plan.grid, plan.sets, plan.weights)
        yield Assignment(program, machine.programming, share, programming, accesses)
    passing = BufferShare(size_bytes, size_bytes, streamed=True)
    yield Assignment(f"{SWAP}.streamed", machine.sram, passing, Constraints(tuple(map(_programmed, matrices))))


def _programmed(matrix: str) -> str:
    return f"{SWAP}.program {matrix}"


def _region_opener(layer: LayerMapping) -> str:
    return _programmed(next(iter(layer.plan.matrices)))
