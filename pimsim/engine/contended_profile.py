"""Profiles of activities in shared media: their closed form without others, and waiting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pimsim.hardware.shared.medium import Completion
from pimsim.mapping.program import Assignment
from pimsim.steps.records import Profile, SpanRecord
from pimsim.steps.step_tree import PORT_EXCESS, WAITING, action_counts, steps


class ClosedForm(NamedTuple):
    """What an activity in media would be without others.

    Attributes:
        part: Part of the latency breakdown.
        unit_ps: Time of its unit, picoseconds.
        own_ps: The same, or that of the port of the global buffer if it is longer, picoseconds.
        counts: Action counts.
        in_medium: Whether its component is a medium, not the port of a buffer alone.
    """

    part: str
    unit_ps: int
    own_ps: int
    counts: dict[str, int]
    in_medium: bool

    @classmethod
    def of(cls, assignment: Assignment) -> ClosedForm:
        """Compute it from the steps and closed forms of the component.

        Args:
            assignment: Component and share.

        Returns:
            The closed form.
        """
        work = assignment.work()
        return cls(
            next((step.part for step in steps(work)), WAITING),
            assignment.component.latency_ps(assignment.share),
            assignment.latency_ps(),
            dict(action_counts(work)),
            assignment.constraints.medium is not None,
        )


def contended_profile(alone: ClosedForm, completions: Sequence[Completion], duration_ps: int) -> Profile:
    """Return the profile of an activity in media: its closed form, and the rest of its duration as waiting.

    Args:
        alone: What it would be without others.
        completions: Completion from each medium, at least one.
        duration_ps: Duration until the last of them, picoseconds.

    Returns:
        The profile.
    """
    part, unit_ps, own_ps = alone.part, min(duration_ps, alone.unit_ps), min(duration_ps, alone.own_ps)
    longest = max(completions, key=lambda each: each.waited_ps)
    counts = next((dict(each.counts) for each in completions if each.counts is not None), None)
    spans = [SpanRecord(part, "alone", 0, unit_ps, 1, 1, 1)]
    parts_ps = {part: unit_ps} if unit_ps else {}
    if unit_ps < own_ps:
        parts_ps[PORT_EXCESS] = parts_ps.get(PORT_EXCESS, 0) + own_ps - unit_ps
        spans.append(SpanRecord(PORT_EXCESS, "port of the global buffer", unit_ps, own_ps, 1, 1, 1))
    if own_ps < duration_ps:
        parts_ps[WAITING] = duration_ps - own_ps
        why = f"waits for {longest.waited_for}" if longest.waited_for else "waits"
        spans.append(SpanRecord(WAITING, why, own_ps, duration_ps, 1, 1, 1))
    counts = dict(alone.counts) if counts is None else counts
    # What waits for the port alone is idle meanwhile; the port is busy with others.
    busy_ps = duration_ps if alone.in_medium else own_ps
    return Profile(duration_ps, busy_ps, parts_ps, counts, tuple(spans), longest.waited_for)
