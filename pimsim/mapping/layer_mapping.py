"""State and building blocks that the mapping of all ops of one layer shares.

Under the dataflow schedule ops are cut into slices that overlap in time: attention into its KV heads, whose scores,
softmax and values are independent of other heads, and the vectors of a batch on crossbars into chunks. The latencies of
the slices add up to that of the op, so that the serial schedule does not need to cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pimsim.config.schema import Config
from pimsim.hardware.buffer import BufferShare, Sram
from pimsim.hardware.causal_mask import CausalMask
from pimsim.hardware.controller import CommandShare
from pimsim.hardware.host import RequestShare
from pimsim.hardware.kv_tier import KvTier
from pimsim.hardware.machine import Machine
from pimsim.hardware.memory import Memory, MemoryShare
from pimsim.hardware.shared.port import Stream
from pimsim.mapping.kv_residency import LayerCache
from pimsim.mapping.macro_residency import MacroResidency
from pimsim.mapping.occupancy import COMMANDS
from pimsim.mapping.program import Assignment, Constraints, Resource
from pimsim.mapping.tile_plan import LayerPlan
from workloads.ops import Op


@dataclass(slots=True)
class LayerMapping:
    """State while the ops of one layer are mapped in order.

    Attributes:
        config: Machine, mapping and schedule.
        machine: The machine built from it.
        plan: Tiles of the layer's 1-bit matrices.
        capacities: Number of units by resource name; the buffers of the layer's matrices are added to it.
        slices: Number of slices of the ops so far, so that a slice can wait for the same slice of its input only.
        masks: Scores that exist of the ops so far whose output is scores or probabilities.
        sums: Bits of the sums of matmuls that a dequantise op of the layer reads, by name of the matmul.
        macros: Tiles of the KV cache in compute-in-memory macros; None without macros, or if all of it stays there.
        cache: Tiers in which the KV cache of the layer lies; None for the off-chip memory.
        of_scores: Ops so far whose outputs are scores or attention weights, on a processor that computes every op.
    """

    config: Config
    machine: Machine
    plan: LayerPlan
    capacities: dict[str, int]
    slices: dict[str, int] = field(default_factory=dict)
    masks: dict[str, CausalMask] = field(default_factory=dict)
    sums: Mapping[str, int] = field(default_factory=dict)
    macros: MacroResidency | None = None
    cache: LayerCache | None = None
    of_scores: set[str] = field(default_factory=set)

    @property
    def overlapping(self) -> bool:
        """True if ops overlap in time: under the dataflow and the contended schedule."""
        return self.config.schedule != "serial"

    @property
    def contended(self) -> bool:
        """True under the contended schedule."""
        return self.config.schedule == "contended"

    @property
    def buffers_kv(self) -> bool:
        """True if appends to the KV cache pass a write buffer."""
        return self.contended and self.config.mapping.kv_write_entries is not None

    @property
    def links_shared(self) -> bool:
        """True if messages can contend for links; if not, the closed form of each message is exact."""
        mesh = self.config.machine.mesh
        return self.contended and mesh is not None and mesh.links == "shared"

    @property
    def banked(self) -> bool:
        """True if channels and banks of the memory are modelled."""
        return self.contended and self.config.machine.memory.dram is not None

    @property
    def tiers(self) -> tuple[Memory | KvTier, ...]:
        """The tiers of the KV cache, from the nearest to the farthest."""
        others = {tier.config.name: tier for tier in self.machine.kv_tiers}
        return tuple(others.get(each.name, self.machine.memory) for each in self.config.machine.kv_tiers)

    @property
    def prefetches(self) -> bool:
        """True if entries of the farther tiers are copied to the nearest one before attention needs them."""
        cache, buffers = self.cache, self.config.mapping.kv_tiers.prefetch_buffers
        far = cache is not None and cache.new == 1 and cache.boundaries[0] < cache.entries
        return bool(buffers) and far and not self.loads_stored

    @property
    def loads_stored(self) -> bool:
        """True if the older entries of the cache are loaded from the tier that stores them."""
        return self.cache is not None and self.config.workload.loads_stored

    def tier_name(self, tier: int) -> str:
        """Return the name of a tier.

        Args:
            tier: Index of the tier.

        Returns:
            Its name in the config.
        """
        return self.config.machine.kv_tiers[tier].name

    def issue(self, name: str, commands: int = 1) -> tuple[Assignment, ...]:
        """Issue the commands of an op, after the request of the host if there is one.

        Commands wait for their operands in the queue of their unit. The controller therefore issues them as soon as it
        is free.

        Args:
            name: Name of the op.
            commands: Number of commands.

        Returns:
            The assignments; the last one is the issue.
        """
        controller, host = self.machine.controller, self.machine.host
        if host is None:
            alone = Constraints(resource=Resource(controller.name))
            return (Assignment(f"{name}.issue", controller, CommandShare(commands), alone),)
        requesting = Constraints(resource=Resource(host.name), opens=Resource(COMMANDS))
        request = Assignment(f"{name}.request", host, RequestShare(), requesting)
        issuing = Constraints((request.name,), Resource(controller.name), closes=(request.name,))
        return request, Assignment(f"{name}.issue", controller, CommandShare(commands), issuing)

    def stream(self, read_bytes: int, write_bytes: int, count: int = 1, *, next_chip: bool = False) -> Stream | None:
        """Return the accesses of the global buffer that a unit makes while it works.

        Args:
            read_bytes: Bytes read per matmul, vector or transfer.
            write_bytes: Bytes written, likewise.
            count: Number of matmuls, vectors or transfers.
            next_chip: True if as many bytes pass the port of the next chip at the same time.

        Returns:
            The accesses; None if they take no time: with an unlimited port, or a buffer from outside the package.
        """
        sram = self.machine.sram
        return sram.stream(read_bytes, write_bytes, count, next_chip=next_chip) if isinstance(sram, Sram) else None

    def access(
        self,
        name: str,
        share: BufferShare,
        after: tuple[str, ...],
        opens: Resource | None = None,
    ) -> Assignment:
        """Read from the global buffer, or write to it, in an activity of its own.

        Args:
            name: Name of the assignment.
            share: Bytes read or written.
            after: Assignments or ops that must end first.
            opens: Resource that the access acquires; None for none.

        Returns:
            The assignment.
        """
        sram = self.machine.sram
        stream = sram.blocking(share) if isinstance(sram, Sram) else None
        return Assignment(name, sram, share, Constraints(after, Resource(sram.name), opens), stream)

    def memory_request(
        self,
        name: str,
        share: MemoryShare,
        after: tuple[str, ...],
        *,
        opens: Resource | None = None,
        closes: tuple[str, ...] = (),
        buffered: bool = True,
    ) -> Assignment:
        """Request a memory transfer. Where channels and banks are modelled, requests queue in the memory model.

        Args:
            name: Name of the assignment.
            share: Size and direction of the transfer.
            after: Assignments or ops that must end first.
            opens: Resource that the transfer acquires; None for none.
            closes: Assignments whose opened resource the transfer helps to release.
            buffered: True if the transfer comes from the global buffer or goes to it.

        Returns:
            The assignment.
        """
        memory, banked = self.machine.memory, self.banked
        read, write = (share.size_bytes, 0) if share.write else (0, share.size_bytes)
        stream = self.stream(read, write, share.count) if buffered else None
        resource = Resource(memory.resource(share) if isinstance(memory, Memory) else memory.name)
        medium = Resource(memory.name)
        constraints = Constraints(
            after, None if banked else resource, opens, closes=closes, medium=medium if banked else None
        )
        return Assignment(name, memory, share, constraints, stream)

    def streamed(self, op: Op, read_bytes: int, write_bytes: int, slices: int = 1) -> Assignment:
        """Count the accesses of the global buffer that feed a unit while it computes, when the op has ended.

        Args:
            op: The op.
            read_bytes: Bytes read from the global buffer.
            write_bytes: Bytes written to it.
            slices: Number of slices of the op, all of which must end first.

        Returns:
            An assignment of zero duration.
        """
        share = BufferShare(read_bytes, write_bytes, streamed=True)
        after = tuple(f"{op.name}[{index}]" for index in range(slices))
        return Assignment(f"{op.name}.streamed", self.machine.sram, share, Constraints(after))

    def slice_of(self, name: str, index: int, slices: int) -> str:
        """Return what a slice needs of an input: the same slice of it, or the whole input.

        An append to the KV cache counts as complete once its write buffer holds it.

        Args:
            name: Name of the input op.
            index: Index of the slice.
            slices: Number of slices of the op that has the input.

        Returns:
            Name of an assignment or of an op.
        """
        if name == "kv_append" and self.buffers_kv:
            return f"{name}[0]"
        return f"{name}[{index}]" if slices > 1 and self.slices.get(name) == slices else name
