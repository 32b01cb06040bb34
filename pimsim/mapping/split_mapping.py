"""Mapping of a trace to several machines with a link: which machine executes which op, and what travels between them.

An op that reads the output of an op of another machine waits for a transfer over the link. Each machine maps its own
ops as it does alone; the components, resources and counts have the role of their machine before their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pimsim.config.schema import Config
from pimsim.config.schema.system_section import LinkSection
from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.causal_mask import CausalMask
from pimsim.hardware.component import ceil_div
from pimsim.hardware.machine import Machine
from pimsim.hardware.machine_link import RING, AllReduceShare, MachineLink, TransferShare, link_to
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.placed_component import LockstepShare, PlacedComponent
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.macro_residency import macro_residencies
from pimsim.mapping.occupancy import capacities
from pimsim.mapping.op_mappings import assignments
from pimsim.mapping.op_sizes import DIGITAL_BYTES, sum_widths
from pimsim.mapping.processor_ops import counted_macs
from pimsim.mapping.program import Assignment, Constraints, Program, ProgramBlock, Resource, Task
from pimsim.mapping.tile_plan import LayerPlan, TilePlan, plan_tiles
from pimsim.mapping.vector_ops import vector_op
from workloads.latent_ops import LatentAppend
from workloads.ops import BLOCK_INPUT, AttentionMatmul, KVAppend, Op, Residual
from workloads.trace import Block, Trace

TRANSFER, ALL_REDUCE = "link_transfer", "all_reduce"
"""Kinds of the tasks of the link."""

Placement = Callable[[Block], Mapping[str, str]]
"""Role of the machine that executes each op of a block, by name of the op."""

CHOICE = "kv_evict"
"""Kind of the ops that choose which tokens a KV cache keeps: before, it is not known what of a cache to send."""


@dataclass(frozen=True, slots=True)
class Part:
    """One machine of a system, or several equal ones that do the same, with its fraction of a trace.

    Attributes:
        role: Role of the machine.
        config: Its config.
        machine: The machine built from it.
        trace: The ops of the machine, and those that it holds weights for; inputs from elsewhere are `BLOCK_INPUT`.
        tiles: Tiles of its weight matrices.
        chips: Number of equal machines.
    """

    role: str
    config: Config
    machine: Machine
    trace: Trace
    tiles: TilePlan
    chips: int = 1

    def placed(self) -> dict[str, PlacedComponent]:
        """Return the components under their names in the system.

        Returns:
            Components by their names in the machine.
        """
        return {each.name: PlacedComponent(self.role, each, self.chips) for each in self.machine.components()}


def make_part(role: str, config: Config, machine: Machine, trace: Trace, place: Placement | None, chips: int) -> Part:
    """Give a machine its fraction of a trace.

    Args:
        role: Role of the machine.
        config: Its config.
        machine: The machine built from it.
        trace: The whole trace.
        place: Role of the machine that executes each op of a block; None: this machine can execute all of them.
        chips: Number of equal machines.

    Returns:
        The part with the tiles of its matrices.

    Raises:
        CapacityError: If the machine has too few tiles.
        ConfigError: If its arrays cannot hold the weights.
    """
    blocks = []
    for block in trace.blocks:
        roles = {} if place is None else place(block)
        kept = [op for op in block.ops if roles.get(op.name, role) == role]
        names = {op.name for op in kept}
        ops = tuple(
            replace(op, inputs=tuple(dict.fromkeys(each if each in names else BLOCK_INPUT for each in op.inputs)))
            for op in kept
        )
        if ops:
            blocks.append(Block(name=block.name, repeat=block.repeat, ops=ops))
    own = replace(trace, blocks=tuple(blocks))
    return Part(role, config, machine, own, plan_tiles(config, own), chips)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What travels over the link.

    Attributes:
        place: Role of the machine that executes each op of a block.
        link: Section `link` of the system.
        summed: Whether all chips of a tensor split add up their outputs of an op.
        sum_bits: Bits of such an output.
        cache_to: Role of the machine to which the KV cache of each layer travels; empty for none.
        store: Memory of that machine, under its name in the system; None for none.
    """

    place: Placement
    link: LinkSection
    summed: Callable[[Op], bool] = field(default=lambda _: False)
    sum_bits: int = 16
    cache_to: str = ""
    store: PlacedComponent | None = None


def split_program(parts: Sequence[Part], trace: Trace, traffic: Traffic) -> Program:
    """Map a trace to the machines of a system.

    Args:
        parts: The machines.
        trace: The whole trace.
        traffic: What travels between them.

    Returns:
        The program, whose transfers are tasks of the resource of the link in their direction.

    Raises:
        CapacityError: If the macros of a machine are too few for the KV cache and swap nothing.
        WorkloadInputError: If no component computes an op.
    """
    units: dict[str, int] = {}
    of_part = {part.role: capacities(part.config.mapping, part.machine) for part in parts}
    # A machine of a system is one chip.
    macros = {part.role: next(iter(macro_residencies(part.config, part.trace, part.tiles)), None) for part in parts}
    blocks = []
    for block in trace.blocks:
        plans = {part.role: _plans(part, block) for part in parts}
        rows = max(map(len, plans.values()))
        for row in range(rows):
            slices: dict[str, int] = {}
            masks: dict[str, CausalMask] = {}
            layers = {
                part.role: LayerMapping(
                    part.config,
                    part.machine,
                    plans[part.role][row if len(plans[part.role]) > 1 else 0],
                    of_part[part.role],
                    slices,
                    masks,
                    sum_widths(part.config, block.ops),
                    macros[part.role],
                )
                for part in parts
            }
            mapper = _BlockMapper({part.role: part for part in parts}, layers, traffic, block)
            blocks.append(ProgramBlock(block.name, block.repeat // rows, tuple(mapper.tasks(block))))
    for part in parts:
        units |= {f"{part.role}.{name}": count for name, count in of_part[part.role].items()}
    return Program(tuple(blocks), units)


def _cache_sender(block: Block) -> str:
    """Return the op after which the KV cache of a layer can be sent.

    Args:
        block: The layer.

    Returns:
        The last append; if tokens are chosen by their attention, the last op that has a part of the cache; empty for a
        block without a cache.
    """
    chosen = any(op.kind == CHOICE for op in block.ops)
    names = [op.name for op in block.ops if (op.cache_bytes if chosen else isinstance(op, KVAppend | LatentAppend))]
    return names[-1] if names else ""


def _kept_bytes(op: Op) -> int:
    """Return the size of the cache that an op leaves: of a prompt longer than the window, that of the window."""
    if isinstance(op, AttentionMatmul) and op.cached is not None:
        op = replace(op, cached=None)
    return op.cache_bytes


def _plans(part: Part, block: Block) -> tuple[LayerPlan, ...]:
    """Return the plans of the repetitions of a block on one machine; one without matrices if it has none of its ops."""
    for own, layers in zip(part.trace.blocks, part.tiles.blocks, strict=True):
        if own.name == block.name:
            return layers
    return (LayerPlan(block.repeat, {}),)


class _BlockMapper:
    """Mapping of one repetition of a block."""

    def __init__(
        self,
        parts: Mapping[str, Part],
        layers: Mapping[str, LayerMapping],
        traffic: Traffic,
        block: Block,
    ) -> None:
        self.parts, self.layers, self.traffic = parts, layers, traffic
        self.ops = {op.name: op for op in block.ops}
        self.sends_cache, self.cache_bytes = _cache_sender(block), sum(map(_kept_bytes, block.ops))
        self.placed = {role: part.placed() for role, part in parts.items()}
        self.place = traffic.place(block)
        self.reached: dict[tuple[str, str], str] = {}

    def tasks(self, block: Block) -> Iterator[Task]:
        """Map the ops of the block in order.

        Args:
            block: The block.

        Yields:
            Transfers before the ops that need them, the ops, and what follows an op over the link.
        """
        for op in block.ops:
            role = self.place[op.name]
            for name in op.inputs:
                yield from self._brought(name, role)
            here = replace(op, inputs=tuple(self.reached.get((name, role), name) for name in op.inputs))
            layer = self.layers[role]
            macs = self.parts[role].chips * counted_macs(layer, here)
            mapped = tuple(self._renamed(role, each) for each in assignments(layer, here))
            yield Task(op.name, op.kind, here.inputs, macs, mapped)
            yield from self._after(op, role)

    def _brought(self, name: str, role: str) -> Iterator[Task]:
        """Bring an input to the machine that needs it, once.

        Args:
            name: Name of the op whose output is needed.
            role: Role of the machine.

        Yields:
            The transfer, if the output is elsewhere.
        """
        if name == BLOCK_INPUT or self.place[name] == role or (name, role) in self.reached:
            return
        if self.traffic.link.bandwidth_bps is None:
            return  # the machines share their buffers
        self.reached[name, role] = f"{name}.to_{role}"
        size_bytes = self.ops[name].output_elements * DIGITAL_BYTES
        yield self._transfer(self.ops[name], role, TransferShare(size_bytes), size_bytes)

    def _after(self, op: Op, role: str) -> Iterator[Task]:
        """Send what the link takes from an op in any case.

        Args:
            op: The op.
            role: Role of its machine.

        Yields:
            The all-reduce of its outputs, or the transfer of the keys and values that it appends.
        """
        traffic = self.traffic
        if traffic.summed(op):
            yield from self._summed(op, role)
        elif op.name == self.sends_cache and traffic.cache_to and traffic.link.bandwidth_bps is not None:
            share = TransferShare(self.cache_bytes, MemoryShare(self.cache_bytes, write=True))
            yield self._transfer(op, traffic.cache_to, share, self.cache_bytes)

    def _transfer(self, op: Op, role: str, share: TransferShare, size_bytes: int) -> Task:
        """Send the output of an op, from global buffer to global buffer, or to the memory that stores it.

        Args:
            op: The op.
            role: Role of the receiving machine.
            share: The message.
            size_bytes: Its size.

        Returns:
            The task of the link.
        """
        name, here = f"{op.name}.to_{role}", self.place[op.name]
        store = None if share.stored is None else self.traffic.store
        link = MachineLink(self.traffic.link, link_to(role), store)
        sent = Assignment(f"{name}[0]", link, share, Constraints((op.name,), Resource(link.name)))
        read = self._buffer(here, BufferShare(size_bytes, 0, streamed=True), f"{name}.read", f"{name}[0]")
        written = self._buffer(role, BufferShare(0, size_bytes, streamed=True), f"{name}.written", f"{name}[0]")
        both = (read,) if share.stored is not None else (read, written)
        return Task(name, TRANSFER, (op.name,), 0, (sent, *both))

    def _summed(self, op: Op, role: str) -> Iterator[Task]:
        """Sum the outputs of an op over all chips: a ring over the link, and the additions of its first half.

        Args:
            op: The op.
            role: Role of the chips.

        Yields:
            The task of the link and that of the vector units. The additions follow the ring; a chip that adds while
            pieces arrive would hide them.
        """
        chips, layer = self.parts[role].chips, self.layers[role]
        share = AllReduceShare(ceil_div(op.output_elements * self.traffic.sum_bits, 8), chips)
        name, half = f"{op.name}.all_reduce", (chips - 1) * share.piece_bytes
        link = MachineLink(self.traffic.link, RING)
        ring = Assignment(f"{name}[0]", link, share, Constraints((op.name,), Resource(RING)))
        # Each step reads the piece that it sends and writes the one that arrives.
        accesses = BufferShare(2 * half, 2 * half, streamed=True)
        yield Task(name, ALL_REDUCE, (op.name,), 0, (ring, self._buffer(role, accesses, f"{name}.streamed", ring.name)))
        elements = (chips - 1) * ceil_div(op.output_elements, chips)
        adding = Residual(f"{op.name}.added", (name,), vectors=1, elements=elements)
        added = vector_op(layer, adding, "residual", 1, elements, operands=2)
        yield Task(adding.name, adding.kind, adding.inputs, 0, tuple(self._renamed(role, each) for each in added))
        self.reached[op.name, role] = adding.name

    def _buffer(self, role: str, share: BufferShare, name: str, after: str) -> Assignment:
        sram = self.parts[role].machine.sram
        return self._renamed(role, Assignment(name, sram, share, Constraints((after,))))

    def _renamed(self, role: str, assignment: Assignment) -> Assignment:
        """Return an assignment of a machine with the names of the system.

        Args:
            role: Role of the machine.
            assignment: The assignment as the machine alone has it.

        Returns:
            The same with the component and the resources under their names in the system.
        """

        def renamed(resource: Resource | None) -> Resource | None:
            return None if resource is None else replace(resource, name=f"{role}.{resource.name}")

        given = assignment.constraints
        constraints = replace(given, resource=renamed(given.resource), opens=renamed(given.opens), medium=None)
        component, share, stream = self.placed[role][assignment.component.name], assignment.share, assignment.stream
        if self.parts[role].chips > 1:
            share, stream = LockstepShare(share, stream.port_ps if stream else 0), None
        return replace(assignment, component=component, share=share, stream=stream, constraints=constraints)
