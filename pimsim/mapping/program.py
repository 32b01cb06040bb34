"""A trace mapped onto a machine: for every op, the components that execute it and the share of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pimsim.base.errors import WorkloadInputError
from pimsim.hardware.component import Component
from pimsim.hardware.shared.port import PortJob, Stream
from pimsim.steps.step_tree import Parallel, Sequence, Streamed, Work


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource or a medium, by name.

    Attributes:
        name: Name, unique on a chip.
        private: True if every repetition of the block has its own units, or its own medium. False if all blocks on a
            chip share them.
    """

    name: str
    private: bool = False


@dataclass(frozen=True, slots=True)
class Constraints:
    """When an assignment may start, and which hardware it occupies.

    The serial schedule ignores them. The dataflow schedule starts an assignment when everything that `after` names has
    ended and its units are free. Under the contended schedule, `medium` serves the assignment together with others.

    Attributes:
        after: Assignments of the same block, whole tasks of the block, or the block's input, that must end first.
        resource: Resource of which one unit is occupied while the assignment runs; None for none.
        opens: Resource of which one unit is acquired before `resource`; None for none. It is released when all
            assignments that list this one in `closes` have ended. A streamed operand keeps its buffer in this way from
            the start of its transfer to the end of its use.
        closes: Assignments whose opened resource this one helps to release.
        medium: Shared hardware (a mesh, a memory) that serves the assignment under the contended schedule; None for
            none.
    """

    after: tuple[str, ...] = ()
    resource: Resource | None = None
    opens: Resource | None = None
    closes: tuple[str, ...] = ()
    medium: Resource | None = None


UNCONSTRAINED = Constraints()
"""An assignment that starts at once and occupies nothing."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A component and its share of an op, or of a slice of an op.

    The serial schedule runs assignments in program order; the others follow the constraints.

    Attributes:
        name: Name, unique in its block.
        component: Component that executes the share.
        share: The component's share of the op.
        constraints: When the assignment may start, and which hardware it occupies.
        stream: Accesses of the global buffer while the assignment runs, which take at least their time; None if they
            take no time. Under the contended schedule the port serves them together with those of others.
    """

    name: str
    component: Component[Any]
    share: Any
    constraints: Constraints = UNCONSTRAINED
    stream: Stream | None = None

    def work(self) -> Work:
        """Return the steps of the share.

        Returns:
            The step tree of the component, stretched by the port of the global buffer if it streams.
        """
        work = self.component.work(self.share)
        return work if self.stream is None else Streamed(work, self.stream.port_ps, self.component.name)

    def latency_ps(self) -> int:
        """Return the closed-form latency of the share on an idle machine.

        Returns:
            Latency in picoseconds: that of the unit, or of the port if that is longer.

        Reference:
            docs/model.md, eq. (46).
        """
        unit_ps = self.component.latency_ps(self.share)
        return unit_ps if self.stream is None else max(unit_ps, self.stream.port_ps)

    @property
    def media(self) -> str:
        """Names of the media that serve the assignment under the contended schedule, for messages."""
        medium = self.constraints.medium
        return " and ".join(each.name for each in (medium, self.stream) if each is not None)

    def port_job(self) -> PortJob:
        """Return the accesses of the assignment as a job of the port, under the contended schedule.

        Returns:
            Accesses, and the time of the unit that makes them.
        """
        assert self.stream is not None
        return PortJob(self.stream, self.component.latency_ps(self.share))


MAX_ACTIVITIES = 2_000_000
"""Limit on the activities of a run: each takes 1.8 kB and 0.07 ms. Traces and machines are untrusted input."""


def check_activities(count: int) -> None:
    """Check the number of activities of a run.

    Args:
        count: Number of assignments, those of repeated blocks and of micro-batches counted as often as they run.

    Raises:
        WorkloadInputError: If there are more than `MAX_ACTIVITIES`.
    """
    if count > MAX_ACTIVITIES:
        raise WorkloadInputError(
            f"this run would have at least {count:,} activities, more than the {MAX_ACTIVITIES:,} allowed; use a "
            "smaller workload, the serial schedule, or larger pieces (mapping.input_buffer_vectors, "
            "output_buffer_vectors, vector_chunks)"
        )


@dataclass(frozen=True, slots=True)
class Task:
    """One op on the machine.

    Attributes:
        name: Name of the op.
        kind: Kind of the op.
        inputs: Names of the ops whose outputs it needs.
        macs: Multiply-accumulates of the op.
        assignments: Shares of the components, in the order of the serial schedule.
        parallel: True if the assignments start together under the serial schedule, each on hardware of its own, such
            as the write drivers of different tiles. False if they run one after another.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    macs: int
    assignments: tuple[Assignment, ...]
    parallel: bool = False

    def work(self) -> Work:
        """Return the steps of all assignments under the serial schedule.

        Returns:
            The step tree of the op.
        """
        works = tuple(assignment.work() for assignment in self.assignments)
        return Parallel(works) if self.parallel and works else Sequence(works)

    def latency_ps(self) -> int:
        """Return the closed-form latency of the op on an idle machine under the serial schedule.

        Returns:
            Latency in picoseconds.
        """
        latencies = [assignment.latency_ps() for assignment in self.assignments]
        return max(latencies, default=0) if self.parallel else sum(latencies)


@dataclass(frozen=True, slots=True)
class ProgramBlock:
    """Tasks that are executed `repeat` times consecutively on one chip. Every chip has its own shared resources.

    Attributes:
        name: Name of the block in the trace.
        repeat: Number of repetitions.
        tasks: Tasks in topological order.
        chip: Index of the chip.
    """

    name: str
    repeat: int
    tasks: tuple[Task, ...]
    chip: int = 0


@dataclass(frozen=True, slots=True)
class Program:
    """All blocks in order.

    Attributes:
        blocks: The blocks, executed one after another.
        capacities: Number of units of every shared resource; a resource that is not listed has one.
        lanes: Number of micro-batches that pass through the blocks side by side. They are independent of each other,
            and the private hardware of a block serves them in turn.
    """

    blocks: tuple[ProgramBlock, ...]
    capacities: Mapping[str, int] = field(default_factory=dict)
    lanes: int = 1

    def serial_latency_ps(self) -> int:
        """Return the closed-form latency of the program on an idle machine, one task after another.

        Returns:
            Latency in picoseconds.
        """
        of_blocks = (block.repeat * sum(task.latency_ps() for task in block.tasks) for block in self.blocks)
        return self.lanes * sum(of_blocks)

    def port_ps(self) -> int:
        """Return the time that all accesses of the program need of the port of the global buffer, one after another.

        A run with one port per chip that all units share is never faster.

        Returns:
            Picoseconds, for the chip whose port is busiest; 0 with an unlimited port.

        Reference:
            docs/model.md, eq. (46).
        """
        return max(self.port_ps_of_chips(), default=0)

    def port_ps_of_chips(self) -> tuple[int, ...]:
        """Return the time that all accesses need of the port of each chip, one after another.

        Returns:
            Picoseconds, for each chip whose port has accesses.

        Reference:
            docs/model.md, eq. (46).
        """
        of_chip: Counter[int] = Counter()
        for block, following in zip(self.blocks, [*self.blocks[1:], *self.blocks[-1:]], strict=True):
            for task in block.tasks:
                for stream in (assignment.stream for assignment in task.assignments if assignment.stream):
                    of_chip[block.chip] += self.lanes * block.repeat * stream.port_ps
                    if stream.next_chip:
                        of_chip[following.chip] += self.lanes * block.repeat * stream.port_ps
        return tuple(of_chip.values())

    def port_busy_ps(self, latency_ps: int) -> int:
        """Return the time in which the ports of all chips have accesses, those of busy units included.

        Args:
            latency_ps: Latency of a run of the program, picoseconds.

        Returns:
            Picoseconds, summed over chips, each at most busy for the whole run; 0 with an unlimited port.

        Reference:
            docs/model.md, eq. (3) and (46).
        """
        return sum(min(each, latency_ps) for each in self.port_ps_of_chips())

    def in_turn(self) -> Program:
        """Return the same program in one lane.

        Returns:
            A program whose blocks are repeated once more for every lane.
        """
        blocks = tuple(replace(block, repeat=self.lanes * block.repeat) for block in self.blocks)
        return Program(blocks, self.capacities)

    def grouped(self) -> Program:
        """Merge equal consecutive blocks.

        Returns:
            The same program with one block and a repeat count in place of equal consecutive blocks.
        """
        merged: list[ProgramBlock] = []
        for block in self.blocks:
            if merged and replace(merged[-1], repeat=block.repeat) == block:
                merged[-1] = replace(block, repeat=merged[-1].repeat + block.repeat)
            else:
                merged.append(block)
        return Program(tuple(merged), self.capacities, self.lanes)

    def ungrouped(self) -> Program:
        """Write out every repetition of every block.

        Returns:
            The same program, in which every block has a repeat count of 1.
        """
        blocks = tuple(replace(block, repeat=1) for block in self.blocks for _ in range(block.repeat))
        return Program(blocks, self.capacities, self.lanes)

    def tasks(self) -> Iterator[tuple[ProgramBlock, Task]]:
        """Return every task with its block.

        Returns:
            An iterator with one pair per task, independent of the repeat counts.
        """
        return ((block, task) for block in self.blocks for task in block.tasks)
