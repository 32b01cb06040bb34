"""Result of a run of a system: its passes, what the link costs, and the machines alone for comparison."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.base.units import ps_to_s
from pimsim.config.system_file import System
from pimsim.generation import GenerationResult
from pimsim.mapping.split_mapping import ALL_REDUCE, TRANSFER
from pimsim.results.array_warnings import array_warnings
from pimsim.results.run_result import RunResult

LINK_KINDS = (TRANSFER, ALL_REDUCE)


@dataclass(frozen=True, slots=True)
class LinkFigures:
    """What the link does in a run. Sums over a generation are interpolated between the simulated steps.

    Attributes:
        size_bytes: Bytes that all machines send.
        messages: Number of transfers and all-reduces.
        busy_ps: Time in which the link works, summed over its directions, picoseconds.
        exposed_ps: Time for which the run waits for the link, or for a memory that stores what it brings: its time on
            the critical path, picoseconds.
        energy_j: Energy of its bits, joules.
    """

    size_bytes: float
    messages: float
    busy_ps: float
    exposed_ps: float
    energy_j: float

    def to_dict(self) -> dict[str, float]:
        """Return the figures as plain values for JSON.

        Returns:
            Values by key; the suffixes are units.
        """
        return {
            "bytes": self.size_bytes,
            "messages": self.messages,
            "busy_s": self.busy_ps / 1e12,
            "exposed_s": self.exposed_ps / 1e12,
            "energy_j": self.energy_j,
        }


def link_figures(result: RunResult) -> LinkFigures:
    """Read the use of the link off one pass.

    Args:
        result: Result of the pass.

    Returns:
        The figures.
    """
    exposed = 0
    for activity in result.critical_path:
        op = result.ops[activity.op]
        if op.kind in LINK_KINDS and activity.component.startswith("link."):
            exposed += op.repeat * (activity.end_ps - activity.start_ps)
    return LinkFigures(
        size_bytes=sum(count for action, count in result.counts.items() if action.startswith("link.")) // 8,
        messages=sum(op.repeat for op in result.ops if op.kind in LINK_KINDS),
        busy_ps=sum(each.busy_ps for each in result.components if each.name.startswith("link.")),
        exposed_ps=exposed,
        energy_j=math.fsum(each for action, each in result.energies_j.items() if action.startswith("link.")),
    )


def machine_energies_j(result: RunResult) -> dict[str, float]:
    """Add up the energy of each machine in one pass, and that of the link.

    Args:
        result: Result of the pass.

    Returns:
        Joules by role, leakage included.
    """
    found: dict[str, list[float]] = {}
    for action, energy_j in result.energies_j.items():
        found.setdefault(action.partition(".")[0], []).append(energy_j)
    return {role: math.fsum(each) for role, each in found.items()}


@dataclass(frozen=True, slots=True)
class AloneRun:
    """One of the machines with the whole work.

    Attributes:
        role: Role of the machine in the system.
        name: Name of its config.
        latency_ps: Latency, picoseconds; None if it cannot do the work.
        energy_j: Energy, joules; None likewise.
        why_not: Why it cannot; empty if it can.
    """

    role: str
    name: str
    latency_ps: int | None
    energy_j: float | None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The bandwidth of the link from which the system is faster than the fastest of its machines alone.

    Attributes:
        bandwidth_bps: Bits per second and direction; None if there is none, or if it was not computed.
        without_transfers_ps: Latency of the system with transfers that take no time, picoseconds; None if unknown.
        sentence: What the figure means, and how it was computed.
    """

    bandwidth_bps: float | None
    without_transfers_ps: int | None
    sentence: str


@dataclass(frozen=True, repr=False)
class SplitResult(HeadlineRepr):
    """Result of a run of a system.

    Attributes:
        system: The system.
        result: Its pass or its generation. Names of components, resources and actions begin with the role of their
            machine.
        link: Use of the link.
        energies_j: Energy of each machine and of the link by role, joules.
        alone: The machines alone.
        break_even: The bandwidth from which the split pays.
    """

    system: System
    result: RunResult | GenerationResult
    link: LinkFigures
    energies_j: Mapping[str, float]
    alone: tuple[AloneRun, ...]
    break_even: BreakEven

    @property
    def latency_ps(self) -> int:
        """Latency of the pass or of the generation, picoseconds."""
        return self.result.latency_ps

    @property
    def energy_j(self) -> float:
        """Energy of all machines and of the link, leakage included, joules."""
        return self.result.energy_j

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the configs, one sentence each: arrays that compute noise."""
        machines = self.system.machines.items()
        return tuple(f"{role}: {warning}" for role, config in machines for warning in array_warnings(config))

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
            Name, split, latency, energy and the fraction of the link.
        """
        yield Figure("name", self.system.name)
        yield Figure("split", self.system.split)
        yield Figure("latency", ps_to_s(self.latency_ps), "s")
        yield Figure("energy", self.energy_j, "J")
        yield Figure("fraction of the link", self.link.exposed_ps / self.latency_ps if self.latency_ps else 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the whole result for JSON.

        Returns:
            The system, the link, the machines alone, the break-even, and the pass or the generation.
        """
        own = self.result.to_dict() | {"warnings": list(self.warnings)}
        one = self.result if isinstance(self.result, RunResult) else self.result.prefill
        # These describe a single machine.
        for tree in (own, own.get("prefill", {})):
            for key in ("config", "feasibility", "adc_series"):
                tree.pop(key, None)
            for key in one.feasibility.summary():
                tree["summary"].pop(key, None)
        return {
            "system": self.system.to_dict(),
            "link": self.link.to_dict(),
            "alone": [asdict(each) for each in self.alone],
            "break_even": asdict(self.break_even),
            "energy_j_by_machine": dict(self.energies_j),
            **own,
        }
