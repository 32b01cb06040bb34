"""What came out: killed, hung, survived and equivalent mutants by module, as a table and as a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tools.mutants.choosing import Equivalent, Mutant, changed_lines, equivalent_of


@dataclass(frozen=True)
class Outcome:
    """How the run of one mutant ended: killed, timeout or survived; `diff` is the change."""

    mutant: Mutant
    end: str
    diff: str


@dataclass(frozen=True)
class Tally:
    """Numbers of mutants of a module or an area.

    possible: mutants worth a run. timeouts: killed by the limit of time, since the mutant loops or waits forever.
    equivalent: survived, and listed in `equivalents.py`.
    """

    name: str
    possible: int
    killed: int
    timeouts: int
    survived: int
    equivalent: int

    @property
    def share(self) -> float | None:
        """Killed mutants and timeouts over all that were run and are not equivalent; None if there are none."""
        noticed = self.killed + self.timeouts
        return noticed / (noticed + self.survived) if noticed + self.survived else None

    def row(self) -> tuple[str, ...]:
        """Return the cells of a table."""
        run = self.killed + self.timeouts + self.survived + self.equivalent
        share = "" if self.share is None else f"{self.share:.1%}"
        counts = (self.possible, run, self.killed, self.timeouts, self.survived, self.equivalent)
        return (self.name, *map(str, counts), share)


HEAD = ("module", "mutants", "run", "killed", "timeouts", "survived", "equivalent", "share killed")


def survivors(outcomes: Iterable[Outcome], known: Iterable[Equivalent]) -> list[Outcome]:
    """Return the mutants that survived and are not known to be equivalent."""
    entries = tuple(known)
    return [
        each
        for each in outcomes
        if each.end == "survived" and not equivalent_of(each.mutant.module, each.diff, entries)
    ]


def tallies(
    area: str, possible: Mapping[str, int], outcomes: Sequence[Outcome], known: Sequence[Equivalent]
) -> list[Tally]:
    """Count the outcomes of each module, and of the area in the last tally.

    Args:
        area: Name of the area.
        possible: Mutants worth a run, by module.
        outcomes: Outcomes of those that were run.
        known: Equivalent mutants.

    Returns:
        One tally per module, and the sum.
    """
    left = survivors(outcomes, known)

    def tally(name: str, modules: Sequence[str]) -> Tally:
        own = [each for each in outcomes if each.mutant.module in modules]
        ends = [each.end for each in own]
        survived = sum(each.mutant.module in modules for each in left)
        return Tally(
            name,
            sum(possible[module] for module in modules),
            ends.count("killed"),
            ends.count("timeout"),
            survived,
            ends.count("survived") - survived,
        )

    return [*(tally(module, [module]) for module in possible), tally(area, [*possible])]


def described(outcome: Outcome) -> str:
    """Return one paragraph about a mutant: its place and the change."""
    removed, added = changed_lines(outcome.diff)
    line, _ = outcome.mutant.start
    return f"{outcome.end}: {outcome.mutant.module}:{line}\n  - {removed}\n  + {added}"
