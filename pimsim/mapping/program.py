"""A trace mapped onto a machine: for every op, which component does what share of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pimsim.hardware.component import Component
from pimsim.steps.step_tree import Sequence, Work


@dataclass(frozen=True, slots=True)
class Assignment:
    """A component and its share of an op, or of a slice of an op.

    The serial schedule runs assignments in the order in which they stand. The dataflow schedule starts one when all
    that `after` names has ended: assignments of the same block by name, whole ops by theirs, or the block's input.
    While it runs, it has one unit of `resource`; hardware that every repetition of a block has for itself is `private`.
    `opens` takes a unit of another resource before that (of the repetition's own if `opens_private`), which is given
    back when all assignments that name it in `closes` have ended: so a streamed operand keeps its buffer from the start
    of its transfer to the end of its use. `medium` names the hardware in which the contended schedule has it worked on
    together with others, the repetition's own if `medium_private`.
    """

    name: str
    component: Component[Any]
    share: Any
    after: tuple[str, ...] = ()
    resource: str = ""
    private: bool = False
    opens: str = ""
    opens_private: bool = False
    closes: tuple[str, ...] = ()
    medium: str = ""
    medium_private: bool = False

    def work(self) -> Work:
        """The steps of the share."""
        return self.component.work(self.share)

    def latency_ps(self) -> int:
        """Closed form of the share's time on an idle machine."""
        return self.component.latency_ps(self.share)


@dataclass(frozen=True, slots=True)
class Task:
    """One op on the machine: its assignments, one after another, once all `inputs` are there."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    macs: int
    assignments: tuple[Assignment, ...]

    def work(self) -> Work:
        """The steps of all assignments."""
        return Sequence(tuple(assignment.work() for assignment in self.assignments))

    def latency_ps(self) -> int:
        """Closed form of the op's time on an idle machine."""
        return sum(assignment.latency_ps() for assignment in self.assignments)


@dataclass(frozen=True, slots=True)
class ProgramBlock:
    """Tasks in topological order, `repeat` times on end, on one chip: what resources they share, each chip has."""

    name: str
    repeat: int
    tasks: tuple[Task, ...]
    chip: int = 0


@dataclass(frozen=True, slots=True)
class Program:
    """All blocks, one after another. `capacities` has the units of every shared resource; all others have one.

    In `lanes` the same happens side by side, to micro-batches that need nothing of one another: each has a chain of
    blocks of its own, and a block's private hardware serves all of them in turn.
    """

    blocks: tuple[ProgramBlock, ...]
    capacities: Mapping[str, int] = field(default_factory=dict)
    lanes: int = 1

    def serial_latency_ps(self) -> int:
        """Closed form of the whole program, one task after another on an idle machine."""
        of_blocks = (block.repeat * sum(task.latency_ps() for task in block.tasks) for block in self.blocks)
        return self.lanes * sum(of_blocks)

    def in_turn(self) -> Program:
        """The same program in one lane: each block as often as there were lanes."""
        blocks = tuple(replace(block, repeat=self.lanes * block.repeat) for block in self.blocks)
        return Program(blocks, self.capacities)

    def grouped(self) -> Program:
        """The same program with equal consecutive blocks as one block with a repeat count."""
        merged: list[ProgramBlock] = []
        for block in self.blocks:
            if merged and replace(merged[-1], repeat=block.repeat) == block:
                merged[-1] = replace(block, repeat=merged[-1].repeat + block.repeat)
            else:
                merged.append(block)
        return Program(tuple(merged), self.capacities, self.lanes)

    def ungrouped(self) -> Program:
        """The same program with every repetition of a block written out."""
        blocks = tuple(replace(block, repeat=1) for block in self.blocks for _ in range(block.repeat))
        return Program(blocks, self.capacities, self.lanes)

    def tasks(self) -> Iterator[tuple[ProgramBlock, Task]]:
        """Every task with its block, once for all repetitions."""
        return ((block, task) for block in self.blocks for task in block.tasks)
