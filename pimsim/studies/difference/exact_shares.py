"""Shares of the time, energy and area of a run without rounding, so that their differences add up exactly.

A float is a rational number, and so is a count times a float. Sums of fractions do not depend on their order: the
shares by op and those by action have the same sum. `RunResult.energy_j` is this sum, rounded.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

from pimsim.results.memory_traffic import op_traffic
from pimsim.results.run_result import RunResult

REMAINDER = "(outside of all activities)"
"""Row of the time that no activity of a run has; runs of pimsim have none, files that others changed may."""

LEAKAGE = "leakage"
"""Row of the energy that belongs to no op."""


@dataclass(frozen=True, slots=True)
class OpShare:
    """Share of an op in a run, over all its executions.

    Attributes:
        count: Number of executions.
        time_ps: Time on the critical path, picoseconds.
        energy_j: Dynamic energy, joules; of the row `LEAKAGE`, the leakage.
        macs: Multiply-accumulates.
        read_bytes: Bytes read from memory.
        write_bytes: Bytes written to memory.
    """

    count: int = 0
    time_ps: int = 0
    energy_j: Fraction = Fraction(0)
    macs: int = 0
    read_bytes: int = 0
    write_bytes: int = 0

    def __add__(self, other: OpShare) -> OpShare:
        return OpShare(
            self.count + other.count,
            self.time_ps + other.time_ps,
            self.energy_j + other.energy_j,
            self.macs + other.macs,
            self.read_bytes + other.read_bytes,
            self.write_bytes + other.write_bytes,
        )


NO_SHARE = OpShare()
"""Share of an op that a run does not have."""


@dataclass(frozen=True, slots=True)
class ActionShare:
    """Share of an action in the energy of a run.

    Attributes:
        count: Number of actions.
        each_j: Energy of one action, joules; None for leakage, which has no count.
        energy_j: Energy of all of them, joules.
    """

    count: int = 0
    each_j: float | None = None
    energy_j: Fraction = Fraction(0)


NO_ACTION = ActionShare()
"""Share of an action that a run does not have."""


def op_shares(result: RunResult) -> dict[tuple[str, str], OpShare]:
    """Divide a run into its ops.

    Args:
        result: The run.

    Returns:
        Shares by name and kind of the op, in program order, then leakage and a remainder if there are any. Their times
        add up to the latency, and their energies to `exact_energy_j`.
    """
    critical: Counter[int] = Counter()
    for activity in result.critical_path:
        critical[activity.op] += activity.end_ps - activity.start_ps
    shares: dict[tuple[str, str], OpShare] = {}
    for index, op in enumerate(result.ops):
        energy_j = sum(
            (count * Fraction(result.action_energies_j[action]) for action, count in op.counts.items()), Fraction(0)
        )
        read, written = op_traffic(op)
        share = OpShare(
            op.repeat,
            op.repeat * critical[index],
            op.repeat * energy_j,
            op.repeat * op.macs,
            op.repeat * read,
            op.repeat * written,
        )
        key = op.name, op.kind
        shares[key] = shares.get(key, NO_SHARE) + share
    leakage_j = sum((Fraction(each.leakage_j) for each in result.components), Fraction(0))
    if leakage_j:
        shares[LEAKAGE, LEAKAGE] = OpShare(energy_j=leakage_j)
    if rest_ps := result.latency_ps - sum(share.time_ps for share in shares.values()):
        shares[REMAINDER, ""] = OpShare(time_ps=rest_ps)
    return shares


def part_shares(result: RunResult) -> dict[str, int]:
    """Divide the latency of a run by kind of work.

    Args:
        result: The run.

    Returns:
        Picoseconds by part, and a remainder if there is one; they add up to the latency.
    """
    shares = dict(result.parts_ps)
    rest_ps = result.latency_ps - sum(shares.values())
    return shares | ({REMAINDER: rest_ps} if rest_ps else {})


def action_shares(result: RunResult) -> dict[str, ActionShare]:
    """Divide the energy of a run by action, and by component for leakage.

    Args:
        result: The run.

    Returns:
        Shares by "component.action"; they add up to `exact_energy_j`.
    """
    shares = {}
    for action, count in result.counts.items():
        each_j = result.action_energies_j[action]
        shares[action] = ActionShare(count, each_j, count * Fraction(each_j))
    leaks = {
        f"{each.name}.{LEAKAGE}": ActionShare(energy_j=Fraction(each.leakage_j))
        for each in result.components
        if each.leakage_j
    }
    return shares | leaks


def area_shares(result: RunResult) -> dict[str, Fraction]:
    """Divide the area of a machine by component and item.

    Args:
        result: A run of the machine.

    Returns:
        Square metres by "component.item".
    """
    return {
        f"{component.name}.{item}": Fraction(area_m2)
        for component in result.components
        for item, area_m2 in component.area_m2.items()
    }


def exact_energy_j(result: RunResult) -> Fraction:
    """Return the energy of a run without rounding.

    Args:
        result: The run.

    Returns:
        Joules; `RunResult.energy_j` is this value, rounded.
    """
    return sum((each.energy_j for each in action_shares(result).values()), Fraction(0))
