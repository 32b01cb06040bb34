"""Courses that busy periods took, by what was submitted when: a tree whose paths are sequences of jobs.

The same jobs at the same distances in time take the same course on an idle network, so that of layers that are alike
one is simulated. A node knows its sequence's completions up to a time (`known_ps`), which is for ever once a period
ended there.
"""

from __future__ import annotations

from collections.abc import Mapping

from pimsim.hardware.shared.busy_period import CompletedJob
from pimsim.hardware.shared.link_rules import LinkTally
from pimsim.hardware.shared.messages import Job
from pimsim.steps.records import Use

FOREVER = 1 << 62
MOST_NODES = 1 << 14
"""A tree that has grown past this is forgotten: some tens of megabytes."""


class MemoNode:
    """A sequence of jobs with their times, as a node of the tree."""

    __slots__ = ("done", "following", "known_ps", "tally")

    def __init__(self, known_ps: int = -1, done: list[CompletedJob] | None = None) -> None:
        self.known_ps = known_ps
        self.done: list[CompletedJob] = done or []
        self.following: dict[tuple[int, Job], MemoNode] = {}
        self.tally: Mapping[int, LinkTally] | None = None


class BusyPeriodMemo:
    """The tree of a kind of network."""

    def __init__(self) -> None:
        self.root = MemoNode()
        self.nodes = 0
        self.simulated = self.repeated = 0  # busy periods
        self.uses: dict[frozenset[tuple[MemoNode, int]], tuple[Use, ...]] = {}

    def begin(self) -> MemoNode:
        """Where a period starts."""
        if self.nodes > MOST_NODES:
            self.root, self.nodes = MemoNode(), 0
            self.uses.clear()
        return self.root

    def follow(self, course: MemoNode, time_ps: int, job: Job) -> MemoNode:
        """The sequence with one job more."""
        found = course.following.get((time_ps, job))
        if found is None:
            self.nodes += 1
            known = min(course.known_ps, time_ps - 1)
            before = [done for done in course.done if done.end_ps <= time_ps]
            found = course.following[time_ps, job] = MemoNode(known, before)
        return found
