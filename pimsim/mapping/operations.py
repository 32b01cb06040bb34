"""From ops to components: which part of the chip does what share of an op, and after what. Pure.

Under the dataflow schedule ops are cut into slices that overlap: attention into its KV heads (scores, softmax and
values of one head depend on nothing of the others), batches of vectors through crossbars into chunks. The slices' times
add up to the op's, so that the serial schedule need not cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from pimsim.base.errors import WorkloadInputError
from pimsim.config.schema import Config
from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.component import ceil_div
from pimsim.hardware.controller import CommandShare
from pimsim.hardware.crossbar_tile import TilesShare
from pimsim.hardware.host import RequestShare
from pimsim.hardware.link import LinkShare
from pimsim.hardware.machine import Machine
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.systolic import MatmulShare, Systolic
from pimsim.hardware.vector import VectorShare
from pimsim.hardware.weight_programming import ProgrammingShare
from pimsim.mapping.occupancy import COMMANDS, KV_PORT, KV_WRITES, STREAM, SWAP_REGION, capacities
from pimsim.mapping.op_sizes import DIGITAL_BYTES, output_elements, packed_bytes, stored_bytes
from pimsim.mapping.program import Assignment, Program, ProgramBlock, Task
from pimsim.mapping.tile_plan import LayerPlan, MatrixPlan, TilePlan, plan_tiles
from workloads.ops import (
    Activation,
    AttentionMatmul,
    Embedding,
    KVAppend,
    MatmulOp,
    Multiply,
    Norm,
    Op,
    Projection,
    Residual,
    Rotary,
    Softmax,
)
from workloads.trace import Trace

NORM_PASSES = 2
"""One pass gathers a vector's statistics (sum and sum of squares together), one normalises."""

ROTARY_PASSES = 2
"""Two products per element, then their sum."""


SWAP = "swap weights"
TO_NEXT_CHIP = "to next chip"
"""Tasks that are no ops of the trace; with a space, which no op's name has."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """A program, and the tiles that hold its weights."""

    program: Program
    tiles: TilePlan


def map_trace(config: Config, machine: Machine, trace: Trace) -> Mapped:
    """Assign every op of a trace to the machine's parts.

    Raises CapacityError when the machine has too few tiles, WorkloadInputError for an op that no part can compute.
    """
    plan = plan_tiles(config, trace)
    planned = [(block, layer) for block, layers in zip(trace.blocks, plan.blocks, strict=True) for layer in layers]
    chips = [layer.chip for _, layer in planned]
    units = capacities(config, machine)
    blocks = tuple(
        ProgramBlock(
            block.name,
            layer.repeat,
            _Mapper(config, machine, layer, units).tasks(block.ops, leaving=layer.chip != next_chip),
            layer.chip,
        )
        for (block, layer), next_chip in zip(planned, [*chips[1:], chips[-1]], strict=True)
    )
    return Mapped(Program(blocks, units, config.mapping.microbatches), plan)


@dataclass(slots=True)
class _Mapper:
    """Maps the ops of one layer in order. 1-bit matrices lie where its plan says; `slices` remembers how many slices
    the ops so far are cut into, so that a slice can wait for its counterpart alone. Chunks that a matrix's buffers hold
    are added to `capacities`.
    """

    config: Config
    machine: Machine
    layer: LayerPlan
    capacities: dict[str, int]
    slices: dict[str, int] = field(default_factory=dict)

    def tasks(self, ops: Sequence[Op], *, leaving: bool) -> tuple[Task, ...]:
        """The layer's ops; before them its weights if it is swapped, after them the way out if it is `leaving`."""
        tasks = [Task(op.name, op.kind, op.inputs, op.macs, tuple(self._assignments(op))) for op in ops]
        if self.layer.swapped and self.layer.matrices:
            tasks.insert(0, Task(SWAP, "weight_swap", (), 0, tuple(self._swap())))
        if leaving:
            tasks.append(Task(TO_NEXT_CHIP, "chip_link", (ops[-1].name,), 0, tuple(self._to_next_chip(ops[-1]))))
        return tuple(tasks)

    def _assignments(self, op: Op) -> Iterator[Assignment]:
        match op:
            case Projection() if op.name in self.layer.matrices:
                return self._crossbar_projection(op, self.layer.matrices[op.name])
            case Projection():
                return self._systolic_projection(op)
            case AttentionMatmul():
                return self._attention(op)
            case KVAppend():
                return self._kv_append(op)
            case Embedding():
                return self._embedding(op)
            case Norm():
                return self._vector(op, op.norm, op.vectors, op.elements, passes=NORM_PASSES)
            case Softmax():
                return self._softmax(op)
            case Rotary():
                return self._vector(op, "rotary", op.vectors, op.elements, passes=ROTARY_PASSES)
            case Activation():
                return self._vector(op, op.function, op.vectors, op.elements)
            case Residual():
                return self._vector(op, "residual", op.vectors, op.elements, operands=2)
            case Multiply():
                return self._vector(op, "gate", op.vectors, op.elements, operands=2)
            case _:
                raise WorkloadInputError(f"op {op.name!r}: no part of the machine computes ops of kind {op.kind!r}")

    def _crossbar_projection(self, op: Projection, plan: MatrixPlan) -> Iterator[Assignment]:
        """Input out of the global buffer, through the tiles, over the mesh, output into the global buffer."""
        machine = self.machine
        assert machine.tile is not None  # a matrix is planned only for a machine with tiles
        assert machine.mesh is not None
        input_bytes = ceil_div(op.in_features * op.activation_bits, 8)
        output_bytes = ceil_div(op.out_features * machine.tile.config.output_bits, 8)
        programmed = (self._programmed(op.name),) if self.layer.swapped else ()
        chunks = tuple(self._chunks(op.vectors))
        inputs = self._buffer("input", op.name, chunks[0], self.config.mapping.input_buffer_vectors)
        outputs = self._buffer("output", op.name, chunks[0], self.config.mapping.output_buffer_vectors)
        yield from (issue := self._issue(op.name))
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
            region = (self._region_opener(),) if self.layer.swapped else ()
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
                medium=f"mesh {plan.bank}" if self._links_shared else "",
                medium_private=self.config.mapping.provisioning == "per_layer",
            )
            store = BufferShare(write_bytes=output_bytes, count=vectors)
            yield Assignment(f"{op.name}[{index}]", machine.sram, store, (mesh,), machine.sram.name)

    def _swap(self) -> Iterator[Assignment]:
        """Matrix after matrix out of memory through the global buffer, into the tiles that the layer before has left.

        The first one to be programmed takes the region, and the next may wait in the buffer until then.
        """
        machine = self.machine
        assert machine.programming is not None  # a matrix is planned only for a machine with tiles
        yield from (issue := self._issue(SWAP, len(self.layer.matrices)))
        first, size_bytes = self._region_opener(), 0
        for name, plan in self.layer.matrices.items():
            stream, program = f"{SWAP}.stream {name}", self._programmed(name)
            weights = MemoryShare(packed_bytes(plan))
            size_bytes += weights.size_bytes
            yield self._from_memory(stream, weights, (), opens=STREAM)
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
        yield Assignment(f"{SWAP}.streamed", machine.sram, passing, tuple(map(self._programmed, self.layer.matrices)))

    def _programmed(self, matrix: str) -> str:
        return f"{SWAP}.program {matrix}"

    def _region_opener(self) -> str:
        return self._programmed(next(iter(self.layer.matrices)))

    def _to_next_chip(self, last: Op) -> Iterator[Assignment]:
        """What a layer puts out goes from the global buffer of its chip to that of the next."""
        machine = self.machine
        assert machine.link is not None  # layers are planned on several chips only for a machine that has them
        size_bytes = output_elements(last) * DIGITAL_BYTES
        yield from (issue := self._issue(TO_NEXT_CHIP))
        name = f"{TO_NEXT_CHIP}[0]"
        yield Assignment(name, machine.link, LinkShare(size_bytes), (issue[-1].name, last.name), machine.link.name)
        yield Assignment(
            f"{TO_NEXT_CHIP}.streamed", machine.sram, BufferShare(size_bytes, size_bytes, streamed=True), (name,)
        )

    def _chunks(self, vectors: int) -> Iterator[int]:
        """Vectors that go through the crossbars together; the next chunk follows when the tiles are free. A finite
        buffer holds two of them, one in use and one on its way.
        """
        mapping = self.config.mapping
        chunk = ceil_div(vectors, mapping.vector_chunks) if self._overlapping else vectors
        if self._contended:
            buffers = (mapping.input_buffer_vectors, mapping.output_buffer_vectors)
            chunk = min([chunk, *(max(1, each // 2) for each in buffers if each)])
        for first in range(0, vectors, chunk):
            yield min(chunk, vectors - first)

    def _systolic_projection(self, op: Projection) -> Iterator[Assignment]:
        """Weights out of memory through the global buffer, then the matmul. 1-bit weights are stored as configured."""
        return self._streamed_matmul(op, stored_bytes(self.config, op))

    def _attention(self, op: AttentionMatmul) -> Iterator[Assignment]:
        """K or V out of memory through the global buffer, then the matmul, head by head.

        A decode step reads what earlier steps left there, so nothing but its buffer holds the transfer back; a prefill
        reads what it has just written.
        """
        heads = op.matmul.count
        most = min(heads, self.config.mapping.attention_slices) if self._overlapping else 1
        self.slices[op.name] = next(slices for slices in range(most, 0, -1) if heads % slices == 0)
        written_now = ("kv_append",) if op.queries > 1 and "kv_append" in op.inputs else ()
        return self._streamed_matmul(op, ceil_div(op.kv_bytes, heads), heads, self.slices[op.name], written_now)

    def _streamed_matmul(
        self, op: MatmulOp, operand_bytes: int, operands: int = 1, slices: int = 1, after: tuple[str, ...] = ()
    ) -> Iterator[Assignment]:
        """`operands` operands come out of memory, each for its matmuls; a slice takes its share of them."""
        machine, shape = self.machine, op.matmul
        matmul = MatmulShare(shape.m, shape.n, shape.k, shape.count // slices)
        yield from (issue := self._issue(op.name, shape.count))
        for index in range(slices):
            inputs = tuple(self._slice_of(each, index, slices) for each in op.inputs)
            before: tuple[str, ...] = ()
            pieces = self._pieces(matmul, operand_bytes, operands // slices)
            for number, (transfer, part) in enumerate(pieces):
                last = number == len(pieces) - 1
                where = f"[{index}]" if last else f"[{index}.{number}]"
                operand = f"{op.name}.operand{where}"
                yield self._from_memory(operand, transfer, after, opens=STREAM)
                needs = (issue[-1].name, operand, *inputs, *before)
                yield Assignment(
                    f"{op.name}{where}", machine.systolic, part, needs, machine.systolic.name, closes=(operand,)
                )
                before = (f"{op.name}{where}",)
        read_bytes, write_bytes = machine.systolic.operand_bytes(replace(matmul, count=shape.count))
        yield self._streamed(op, read_bytes, write_bytes + operand_bytes * operands, slices)

    def _pieces(
        self, matmul: MatmulShare, operand_bytes: int, operands: int
    ) -> tuple[tuple[MemoryShare, MatmulShare], ...]:
        """A slice's operands with their matmuls, cut between folds into pieces that fit into a buffer if buffers are
        finite; a piece is never less than a fold.
        """
        whole = MemoryShare(operand_bytes, count=operands)
        most = self.config.machine.sram.capacity_bytes // self.capacities[STREAM]
        systolic, total = self.machine.systolic, operand_bytes * operands
        folds = systolic.folds(matmul) * matmul.count if isinstance(systolic, Systolic) else 1
        count = min(ceil_div(total, max(most, 1)), folds) if self._contended else 1
        if count <= 1:
            return ((whole, matmul),)
        edges = [folds * number // count for number in range(count + 1)]
        return tuple(
            (
                MemoryShare(total * stop // folds - total * start // folds),
                replace(matmul, folds=(start, stop)),
            )
            for start, stop in pairwise(edges)
        )

    def _from_memory(
        self, name: str, share: MemoryShare, after: tuple[str, ...], *, opens: str = "", closes: tuple[str, ...] = ()
    ) -> Assignment:
        """A request to memory. Where channels and banks are modelled, requests queue there and not before it."""
        memory, banked = self.machine.memory, self._banked
        resource = "" if banked else memory.name
        medium = memory.name if banked else ""
        return Assignment(name, memory, share, after, resource, opens=opens, closes=closes, medium=medium)

    def _slice_of(self, name: str, index: int, slices: int) -> str:
        """What a slice needs of an input: its counterpart, or all of it. An append is there once its buffer has it."""
        if name == "kv_append" and self._buffers_kv:
            return f"{name}[0]"
        return f"{name}[{index}]" if slices > 1 and self.slices.get(name) == slices else name

    def _kv_append(self, op: KVAppend) -> Iterator[Assignment]:
        """New K and V into memory; through a write buffer if there is one, that drains while attention goes on."""
        write = MemoryShare(op.bytes, write=True)
        yield from (issue := self._issue(op.name))
        needs = (issue[-1].name, *op.inputs)
        if self._buffers_kv:
            accept = BufferShare(write_bytes=op.bytes)
            yield Assignment(f"{op.name}[0]", self.machine.sram, accept, needs, KV_PORT, opens=KV_WRITES)
            drain = f"{op.name}.drain[0]"
            yield self._from_memory(drain, write, (f"{op.name}[0]",), closes=(f"{op.name}[0]",))
        else:
            yield self._from_memory(f"{op.name}[0]", write, needs)
        yield self._streamed(op, op.bytes, 0)

    def _embedding(self, op: Embedding) -> Iterator[Assignment]:
        yield from (issue := self._issue(op.name))
        yield self._from_memory(f"{op.name}[0]", MemoryShare(op.bytes), (issue[-1].name, *op.inputs))
        yield self._streamed(op, 0, op.bytes)

    def _softmax(self, op: Softmax) -> Iterator[Assignment]:
        """Slice by slice where the scores come so."""
        slices = self.slices.get(op.inputs[0], 1)
        self.slices[op.name] = slices = slices if op.rows % slices == 0 else 1
        return self._vector(op, "softmax", op.rows, op.row_length, self.machine.vector.softmax_passes(), slices=slices)

    def _vector(
        self, op: Op, label: str, vectors: int, elements: int, passes: int = 1, *, operands: int = 1, slices: int = 1
    ) -> Iterator[Assignment]:
        """Elements stream out of the global buffer on each pass, and back once."""
        unit = self.machine.vector
        yield from (issue := self._issue(op.name))
        share = VectorShare(label, vectors // slices, elements, passes)
        for index in range(slices):
            inputs = (self._slice_of(each, index, slices) for each in op.inputs)
            yield Assignment(f"{op.name}[{index}]", unit, share, (issue[-1].name, *inputs), unit.name)
        size_bytes = vectors * elements * DIGITAL_BYTES
        yield self._streamed(op, size_bytes * passes * operands, size_bytes, slices)

    def _issue(self, name: str, commands: int = 1) -> tuple[Assignment, ...]:
        """Commands wait in their unit's queue for their operands, so they are issued as soon as the controller can; it
        must have been asked to, by a host if there is one.
        """
        controller, host = self.machine.controller, self.machine.host
        if host is None:
            return (Assignment(f"{name}.issue", controller, CommandShare(commands), (), controller.name),)
        request = Assignment(f"{name}.request", host, RequestShare(), (), host.name, opens=COMMANDS)
        share = CommandShare(commands)
        issue = Assignment(f"{name}.issue", controller, share, (request.name,), controller.name, closes=(request.name,))
        return request, issue

    def _buffer(self, which: str, matrix: str, chunk: int, vectors: int | None) -> str:
        """The resource of a matrix's input or output buffers, or none where they are unlimited."""
        if not vectors or not self._contended:
            return ""
        name, slots = f"{which} buffer:{matrix}", max(1, vectors // chunk)
        self.capacities[name] = min(slots, self.capacities.get(name, slots))
        return name

    def _streamed(self, op: Op, read_bytes: int, write_bytes: int, slices: int = 1) -> Assignment:
        """Accesses of the global buffer that feed a unit while it computes: counted when it is done."""
        share = BufferShare(read_bytes, write_bytes, streamed=True)
        after = tuple(f"{op.name}[{index}]" for index in range(slices))
        return Assignment(f"{op.name}.streamed", self.machine.sram, share, after)

    @property
    def _overlapping(self) -> bool:
        return self.config.schedule != "serial"

    @property
    def _buffers_kv(self) -> bool:
        return self._contended and self.config.mapping.kv_write_entries is not None

    @property
    def _links_shared(self) -> bool:
        """Whether messages can meet at all; where none do, the closed form is the course of each."""
        mesh = self.config.machine.mesh
        return self._contended and mesh is not None and mesh.links == "shared"

    @property
    def _banked(self) -> bool:
        return self._contended and self.config.machine.memory.dram is not None

    @property
    def _contended(self) -> bool:
        return self.config.schedule == "contended"
