"""A trace mapped onto a machine: for every op, which component does what share of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pimsim.activity import Sequence, Work
from pimsim.components.base import Component


@dataclass(frozen=True, slots=True)
class Assignment:
    """A component and its share of an op."""

    component: Component[Any]
    share: Any

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
    """Tasks in topological order, `repeat` times on end."""

    name: str
    repeat: int
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """All blocks, one after another."""

    blocks: tuple[ProgramBlock, ...]

    def serial_latency_ps(self) -> int:
        """Closed form of the whole program, one task after another on an idle machine."""
        return sum(block.repeat * sum(task.latency_ps() for task in block.tasks) for block in self.blocks)

    def grouped(self) -> Program:
        """The same program with equal consecutive blocks as one block with a repeat count."""
        merged: list[ProgramBlock] = []
        for block in self.blocks:
            if merged and (merged[-1].name, merged[-1].tasks) == (block.name, block.tasks):
                merged[-1] = ProgramBlock(block.name, merged[-1].repeat + block.repeat, block.tasks)
            else:
                merged.append(block)
        return Program(tuple(merged))

    def ungrouped(self) -> Program:
        """The same program with every repetition of a block written out."""
        return Program(tuple(ProgramBlock(b.name, 1, b.tasks) for b in self.blocks for _ in range(b.repeat)))

    def tasks(self) -> Iterator[tuple[ProgramBlock, Task]]:
        """Every task with its block, once for all repetitions."""
        return ((block, task) for block in self.blocks for task in block.tasks)
