"""Memo of simulated busy periods: a prefix tree keyed by (submission time, job).

Equal jobs at equal times from the start have equal results on an idle network, so identical layers are simulated once.
A node stands for a sequence of submitted jobs. It knows all completions up to a time (`known_ps`), which is `FOREVER`
once a simulation of exactly this sequence has ended.
"""

from __future__ import annotations

from collections.abc import Mapping

from pimsim.hardware.shared.busy_period import CompletedJob
from pimsim.hardware.shared.link_statistics import LinkStatistics
from pimsim.hardware.shared.messages import Job
from pimsim.steps.records import Use

FOREVER = 1 << 62
MOST_NODES = 1 << 14
"""Nodes beyond which the tree is emptied when the next busy period starts; they need some tens of megabytes."""


class MemoNode:
    """A sequence of jobs with their submission times.

    Attributes:
        known_ps: Time up to which all completions are known, picoseconds from the start of the period.
        completed: The known completions, in order of time.
        children: Longer sequences, by the (submission time, job) that comes next.
        statistics: Link statistics of the whole period, by link; None until a simulation has ended here.
    """

    __slots__ = ("children", "completed", "known_ps", "statistics")

    def __init__(self, known_ps: int = -1, completed: list[CompletedJob] | None = None) -> None:
        """Create a node without children.

        Args:
            known_ps: Time up to which all completions are known; -1 means that nothing is known.
            completed: The known completions; None means none.
        """
        self.known_ps = known_ps
        self.completed: list[CompletedJob] = completed or []
        self.children: dict[tuple[int, Job], MemoNode] = {}
        self.statistics: Mapping[int, LinkStatistics] | None = None


class BusyPeriodMemo:
    """Prefix tree of the busy periods of networks with equal parameters.

    Attributes:
        simulated: Number of busy periods that were simulated to their end.
        repeated: Number of busy periods whose results came from the tree.
        uses: Uses of a network, by the number of times that it went through each node.
    """

    def __init__(self) -> None:
        """Create an empty memo."""
        self.root = MemoNode()
        self.nodes = 0
        self.simulated = self.repeated = 0
        self.uses: dict[frozenset[tuple[MemoNode, int]], tuple[Use, ...]] = {}

    def begin(self) -> MemoNode:
        """Start a busy period; a tree that has grown beyond `MOST_NODES` is emptied first.

        Returns:
            The root, which stands for the empty sequence of jobs.
        """
        if self.nodes > MOST_NODES:
            self.root, self.nodes = MemoNode(), 0
            self.uses.clear()
        return self.root

    def follow(self, node: MemoNode, time_ps: int, job: Job) -> MemoNode:
        """Return the node of a sequence with one more job; it is created if it is new.

        Args:
            node: Node of the sequence so far.
            time_ps: Submission time of the job, picoseconds from the start of the period.
            job: The job; it is found again only if it is the same object.

        Returns:
            The child node. A new one knows what `node` knows from before `time_ps`.
        """
        child = node.children.get((time_ps, job))
        if child is None:
            self.nodes += 1
            known = min(node.known_ps, time_ps - 1)
            before = [each for each in node.completed if each.end_ps <= time_ps]
            child = node.children[time_ps, job] = MemoNode(known, before)
        return child
