"""Changes of a config with their effect on time, energy and area, ranked, with a bound for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.base.units import dimension_of_key, format_quantity, ps_to_s
from pimsim.results.run_result import RunResult
from pimsim.studies.what_if.candidates import KeyChange

SMALLEST_GAIN = 1.0005
"""Factor from which a change counts as an improvement."""

OBJECTIVES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "time": ("makes the run {factor:.4g}x as fast", "makes the run faster"),
        "energy": ("divides the energy by {factor:.4g}", "reduces the energy"),
        "area": ("divides the area by {factor:.4g}", "reduces the area"),
    }
)
"""What can be improved, with the words for a change that does and for none that does."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is compared: latency in picoseconds, energy in joules and area in m^2."""

    latency_ps: int
    energy_j: float
    area_m2: float

    @classmethod
    def of(cls, result: RunResult) -> Figures:
        """Read the figures of a run.

        Args:
            result: The run.

        Returns:
            Its figures.
        """
        return cls(result.latency_ps, result.energy_j, result.area_m2)

    def value(self, objective: str) -> float:
        """Return one figure.

        Args:
            objective: A key of `OBJECTIVES`.

        Returns:
            Seconds, joules or m^2.
        """
        return {"time": ps_to_s(self.latency_ps), "energy": self.energy_j, "area": self.area_m2}[objective]

    def better_than(self, other: Figures, objective: str) -> float:
        """Return the factor by which these figures are better.

        Args:
            other: Figures to compare with.
            objective: A key of `OBJECTIVES`.

        Returns:
            Ratio of the other value to this one: above 1 if this one is smaller, 1 if both are 0.
        """
        before, after = other.value(objective), self.value(objective)
        if after:
            return before / after
        return float("inf") if before else 1.0


@dataclass(frozen=True, slots=True)
class Tried:
    """A change that was tried.

    Attributes:
        changes: The changed keys; the first one is the change, the others follow from it.
        figures: Figures of the run with the change.
        limit: The largest speed-up that it could have, from the time of the parts that it shortens on the critical path
            (Amdahl's law); None if it can shorten all parts.
        note: What the figures do not say.
    """

    changes: tuple[KeyChange, ...]
    figures: Figures
    limit: float | None
    note: str

    @property
    def text(self) -> str:
        """The changes in words, such as "machine.mesh.multicast false -> true"."""
        text = ", ".join(self._spelled())
        following = [change.key.rpartition(".")[2] for change in self.changes if change.follows]
        return f"{text} (with {', '.join(following)})" if following else text

    def _spelled(self) -> Iterator[str]:
        section = ""
        for change in self.changes:
            if change.follows:
                continue
            own, _, last = change.key.rpartition(".")
            name = last if own == section else change.key
            section = own
            before, after = (format_setting(change.key, value) for value in (change.before, change.after))
            yield f"{name} {before} -> {after}"


@dataclass(frozen=True, slots=True)
class Bound:
    """Time of one part of the latency breakdown on the critical path.

    Attributes:
        part: A key of `pimsim.steps.step_tree.PARTS`.
        share: Fraction of the latency.
    """

    part: str
    share: float

    @property
    def limit(self) -> float:
        """Speed-up if this part took no time: 1 / (1 - share), Amdahl's law."""
        return amdahl(self.share)


@dataclass(frozen=True, slots=True, repr=False)
class Improvements(HeadlineRepr):
    """Changes of a config that were tried.

    Attributes:
        base: Figures of the run itself.
        schedule: Its schedule.
        tried: Changes with their figures under this schedule, in the order of `CANDIDATES`.
        screened: Number of further changes that were compared under the serial schedule only.
        refused: Number of changes that the config or the machine does not allow.
        bounds: Parts of the latency, the longest first.
        reason: Why nothing was tried; empty if something was.
        spilling: Number of changes that are not proposed, since more activations would not fit into the global buffer.
    """

    base: Figures
    schedule: str
    tried: tuple[Tried, ...]
    screened: int
    refused: int
    bounds: tuple[Bound, ...]
    reason: str = ""
    spilling: int = 0

    def best(self, objective: str) -> tuple[Tried, ...]:
        """Rank the changes that improve one figure.

        Args:
            objective: A key of `OBJECTIVES`.

        Returns:
            The changes, the one that helps most first; empty if none helps.
        """
        better = (each for each in self.tried if each.figures.better_than(self.base, objective) >= SMALLEST_GAIN)
        return tuple(sorted(better, key=lambda each: -each.figures.better_than(self.base, objective)))

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
            Number of tried changes; in a notebook also the sentences.
        """
        yield Figure("changes tried", len(self.tried))
        for sentence in self.sentences():
            yield Figure("finding", sentence, brief=False)

    def sentences(self) -> Iterator[str]:
        """Describe the best change for time, energy and area, and the bound of the longest part.

        Yields:
            One sentence each.
        """
        if self.reason:
            yield self.reason
            return
        for objective, (words, nothing) in OBJECTIVES.items():
            if best := self.best(objective):
                factor = best[0].figures.better_than(self.base, objective)
                yield f"{objective}: {best[0].text} {words.format(factor=factor)}"
            else:
                yield f"{objective}: no change that was tried {nothing}"
        for bound in self.bounds[:1]:
            yield (
                f"bound: {bound.part} takes {bound.share:.1%} of the critical path, so that no change of it "
                f"alone makes the run more than {bound.limit:.4g}x as fast"
            )

    def to_dict(self) -> dict[str, Any]:
        """Convert the improvements to plain values for JSON.

        Returns:
            Sentences, bounds, and all tried changes with their figures, factors and settings.
        """
        return {
            "sentences": list(self.sentences()),
            "schedule": self.schedule,
            "screened_under_serial_only": self.screened,
            "refused": self.refused,
            "bounds": [{"part": b.part, "share": b.share, "largest_speed_up": b.limit} for b in self.bounds],
            "tried": [self._tried_dict(each) for each in self.tried],
            "best": {name: [each.text for each in self.best(name)] for name in OBJECTIVES},
        }

    def _tried_dict(self, each: Tried) -> dict[str, Any]:
        return {
            "changes": [{"key": c.key, "from": c.before, "to": c.after} for c in each.changes],
            "latency_s": ps_to_s(each.figures.latency_ps),
            "energy_j": each.figures.energy_j,
            "area_mm2": each.figures.area_m2 * 1e6,
            **{f"{name}_factor": each.figures.better_than(self.base, name) for name in OBJECTIVES},
            "largest_speed_up": each.limit,
            "note": each.note,
        }


def amdahl(share: float) -> float:
    """Return the speed-up if a fraction of the time took no time at all.

    Args:
        share: Fraction of the time, 0 to 1.

    Returns:
        1 / (1 - share); infinite if it is all of the time.

    Reference:
        Amdahl, AFIPS 1967; docs/model.md, "Power and density".
    """
    return 1 / (1 - share) if share < 1 else float("inf")


def format_setting(key: str, value: object) -> str:
    """Write the value of a key as a config does.

    Args:
        key: Dotted key, whose suffix is the unit.
        value: Value in SI units, text, boolean or None.

    Returns:
        Text such as "20 Gb/s", "true" or "null".
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    dimension = dimension_of_key(key.rpartition(".")[2])
    if dimension is not None and isinstance(value, int | float):
        return format_quantity(value, dimension)
    return str(value)
