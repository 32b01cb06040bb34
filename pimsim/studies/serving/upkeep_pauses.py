"""Pauses of a serving machine in which its weights are written again and its aged cells are checked.

Weights are new when the first request arrives, unless machines take turns. From then on, a rewrite and a check are due
at the multiples of their intervals. They begin when they are due, or after the iteration or pause that runs then, and
requests wait for them. Due times that pass in between are made up for by one pause.

Reference:
    docs/lifetime.md, "Pauses while requests are served".
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pimsim.base.errors import WorkloadInputError
from pimsim.base.units import dimension_of_key, format_quantity, ps_to_s

UPKEEP = "upkeep of the cells"
"""Name of the item for all pauses."""

REWRITE, CHECK = "rewrite", "check"
INTERVAL_KEYS = {REWRITE: "machine.crossbar.rewrite_interval_s", CHECK: "machine.crossbar.pair.upkeep.interval_s"}
"""Keys of the intervals, by kind."""

MAX_PAUSES = 1_000_000
"""Largest number of pauses of a machine, which take about 150 bytes each."""


class UpkeepTask(NamedTuple):
    """What a machine does for its cells again and again.

    Attributes:
        kind: "rewrite": all weights that stay on the chip are written; "check": aged cells are measured.
        interval_ps: Time between two due times, ps.
        latency_ps: Time that it takes, ps.
        energy_j: Dynamic energy that it takes, joules.
    """

    kind: str
    interval_ps: int
    latency_ps: int
    energy_j: float

    @property
    def share(self) -> float:
        """Fraction of the time that it takes if it begins whenever it is due."""
        return self.latency_ps / self.interval_ps

    @property
    def power_w(self) -> float:
        """Mean power of it over a long time, watts."""
        return self.energy_j / ps_to_s(self.interval_ps)


class Pause(NamedTuple):
    """A time in which a machine computes no iteration because of its cells.

    Attributes:
        kind: Kind of the task.
        due_ps: Time at which it was due, ps.
        start_ps: Start, ps.
        end_ps: End, ps.
        energy_j: Dynamic energy, joules.
    """

    kind: str
    due_ps: int
    start_ps: int
    end_ps: int
    energy_j: float

    @property
    def duration_ps(self) -> int:
        """Time that it takes, ps."""
        return self.end_ps - self.start_ps

    def row(self) -> dict[str, object]:
        """Return the pause as JSON values.

        Returns:
            Kind, times in seconds, and energy in joules.
        """
        return {
            "kind": self.kind,
            "due_s": ps_to_s(self.due_ps),
            "start_s": ps_to_s(self.start_ps),
            "end_s": ps_to_s(self.end_ps),
            "energy_j": self.energy_j,
        }


class UpkeepClock:
    """The upkeep of one machine while it serves.

    Args:
        tasks: What is due; nothing for a machine without upkeep.
        origin_ps: Time at which the weights are new, ps.
        turn: Number of the machine, from 0, and of the machines that take turns: (1, 4) has a quarter of each interval
            behind it at that time.
    """

    def __init__(self, tasks: Sequence[UpkeepTask], origin_ps: int = 0, turn: tuple[int, int] = (0, 1)) -> None:
        self._tasks = tasks
        number, count = turn
        self._due = [
            (origin_ps + each.interval_ps - each.interval_ps * number // count, place)
            for place, each in enumerate(tasks)
        ]
        """Heap of the next due time of each task, ps, and its place."""
        heapq.heapify(self._due)
        self._pauses: list[Pause] = []

    @property
    def next_due_ps(self) -> int | None:
        """Next time at which something is due, ps; None for a machine without upkeep."""
        return self._due[0][0] if self._due else None

    def pass_until(self, now_ps: int, last_end_ps: int) -> int:
        """Do all that is due up to a time, one pause after another.

        Args:
            now_ps: The time, ps.
            last_end_ps: End of the last iteration of the machine, ps, at most `now_ps`.

        Returns:
            Time from which the machine can do something else, ps, at least `now_ps`. Nothing is due at that time.

        Raises:
            WorkloadInputError: If there are too many pauses.
        """
        free_ps = max(last_end_ps, self._pauses[-1].end_ps) if self._pauses else last_end_ps
        while self._due and self._due[0][0] <= max(now_ps, free_ps):
            due_ps, place = self._due[0]
            task = self._tasks[place]
            start_ps = max(due_ps, free_ps)
            free_ps = start_ps + task.latency_ps
            if len(self._pauses) == MAX_PAUSES:
                raise WorkloadInputError(
                    f"{INTERVAL_KEYS[task.kind]}: {time_text(task.interval_ps)}: more than {MAX_PAUSES:,} pauses while "
                    "the requests are served; use a longer interval or fewer requests"
                )
            self._pauses.append(Pause(task.kind, due_ps, start_ps, free_ps, task.energy_j))
            missed = (start_ps - due_ps) // task.interval_ps
            heapq.heapreplace(self._due, (due_ps + (1 + missed) * task.interval_ps, place))
        return max(now_ps, free_ps)

    def pauses_until(self, end_ps: int, last_end_ps: int) -> tuple[Pause, ...]:
        """Return the pauses of a machine that works no more.

        Args:
            end_ps: End of the run, ps, up to which it exists.
            last_end_ps: End of its last iteration, ps; 0 if it has none.

        Returns:
            All pauses that are over by then, in order.
        """
        self.pass_until(end_ps, last_end_ps)
        return tuple(each for each in self._pauses if each.end_ps <= end_ps)


def pause_figures(tasks: Sequence[UpkeepTask], pauses: Sequence[Pause], machines: int = 1) -> dict[str, float | int]:
    """Return the upkeep of a run as figures.

    Args:
        tasks: What was due, on each of the machines.
        pauses: What was done.
        machines: Number of machines.

    Returns:
        Figures by name for a summary; none for a machine without upkeep.
    """
    if not tasks:
        return {}
    kinds = Counter(each.kind for each in pauses)
    return {
        "upkeep_rewrites": kinds[REWRITE],
        "upkeep_checks": kinds[CHECK],
        "upkeep_s": ps_to_s(sum(each.duration_ps for each in pauses)),
        "upkeep_energy_j": upkeep_energy_j(pauses),
        "upkeep_longest_delay_s": ps_to_s(max((each.start_ps - each.due_ps for each in pauses), default=0)),
        "upkeep_average_share": sum(each.share for each in tasks) / machines,
        "upkeep_average_w": math.fsum(each.power_w for each in tasks),
    }


def pause_inconsistencies(tasks: Sequence[UpkeepTask], pauses: Sequence[Pause]) -> Iterator[str]:
    """Find inconsistent values of a stored run.

    Args:
        tasks: What was due.
        pauses: What was done.

    Yields:
        Description of each problem.
    """
    if any(not each.interval_ps for each in tasks):
        yield "upkeep without an interval"
    for each in pauses:
        if each.kind not in INTERVAL_KEYS or not each.due_ps <= each.start_ps <= each.end_ps:
            yield f"a pause of kind {each.kind!r} is of no known kind, or its times are not in order"


def upkeep_energy_j(pauses: Sequence[Pause]) -> float:
    """Return the energy of pauses.

    Args:
        pauses: The pauses.

    Returns:
        Joules.
    """
    return math.fsum(each.energy_j for each in pauses)


def time_text(duration_ps: int) -> str:
    """Format a time for a message.

    Args:
        duration_ps: The time, ps.

    Returns:
        Number and unit.
    """
    dimension = dimension_of_key("_s")
    assert dimension is not None
    return format_quantity(ps_to_s(duration_ps), dimension)
