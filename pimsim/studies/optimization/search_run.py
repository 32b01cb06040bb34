"""Running a search into a file, the same kind of file that a sweep writes: a row per point that was suggested.

Outcomes go to a journal beside the file as those of a sweep do, trials to Optuna's own file. A trial is finished after
its outcome is in the journal, so that a kill at any moment loses one trial at most, which is then suggested again.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pimsim.base.errors import SweepError, printable
from pimsim.studies.optimization.optuna_study import Study
from pimsim.studies.optimization.search_spec import Search
from pimsim.studies.sweep.running.code_version import code_hash
from pimsim.studies.sweep.running.evaluate_point import Evaluator, Outcome
from pimsim.studies.sweep.running.journal import Header, Journal
from pimsim.studies.sweep.running.sweep_run import (
    JOURNAL_SUFFIX,
    SweepInterrupted,
    check_files,
    close_journal,
    how_to_go_on,
    run_sweep,
    stored,
)
from pimsim.studies.sweep.space.axes import Point
from pimsim.studies.sweep.space.plan import Plan
from pimsim.studies.sweep.table.sweep_results import SweepResults

STUDY_SUFFIX = ".study"


@dataclass(frozen=True, slots=True)
class Status:
    """How far a search is: trials of `total`; `points` that were simulated, `failed` of them; trials whose point was
    not allowed by a constraint, and those whose point had been suggested before.
    """

    trials: int
    total: int
    points: int
    failed: int
    not_allowed: int
    repeated: int


Progress = Callable[[Status], None]


def optimize(
    search: Search,
    out: str | Path,
    *,
    resume: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> SweepResults:
    """Run a search into an HDF5 file and return its points, in the order in which they were first suggested.

    With `resume`, what the file, its journal and its study have is kept, and the search goes on to its number of
    trials; it may be raised. With `force`, they are replaced. What Ctrl-C leaves, `resume` continues.

    Raises:
        SweepError: the file is there, or in use, or of another search; no trial was allowed by the constraints.
        MissingExtraError: without Optuna.
        OutputError: a file that cannot be written; what had been done is kept.
        SweepInterrupted: Ctrl-C.

    """
    target = Path(out)
    journal_path, study_path = (target.with_name(target.name + suffix) for suffix in (JOURNAL_SUFFIX, STUDY_SUFFIX))
    check_files(target, journal_path, resume=resume, force=force)
    if study_path.exists() and not (resume or force):
        name = printable(str(study_path), 200)
        raise SweepError(f"{name}: is of an earlier search; --resume continues it, --force starts anew")
    journal = Journal(journal_path)
    try:
        if not resume:
            study_path.unlink(missing_ok=True)
        run = _Run(search, Study(search, _identity(search), study_path), journal, progress)
        run.begin(target, resume=resume)
        run.finish()
    except KeyboardInterrupt:
        raise SweepInterrupted(how_to_go_on("interrupted", journal)) from None
    finally:
        close_journal(journal)
    if not run.points:
        raise SweepError(f"none of the {run.status.trials:,} points that were suggested satisfies the constraints")
    return run_sweep(Plan(search.space, run.points, None, 0), target, workers=1, resume=True)


class _Run:
    """One call of `optimize`."""

    def __init__(self, search: Search, study: Study, journal: Journal, progress: Progress | None) -> None:
        self._search, self._study, self._journal, self._progress = search, study, journal, progress
        self._evaluator = Evaluator(search.space)
        self._places = [search.space.metrics.index(name) for name in search.objectives]
        self._kept: dict[str, Outcome] = {}
        self._seen: dict[str, Outcome] = {}
        self.points: list[Point] = []
        self.status = Status(0, search.trials, 0, 0, 0, 0)

    def begin(self, target: Path, *, resume: bool) -> None:
        """Take over what is there, or clear it."""
        metrics = self._search.space.metrics
        if resume:
            for code, outcome in stored(target, self._journal, metrics):
                if code == code_hash():
                    self._kept[outcome.key] = outcome
        else:
            self._journal.clear()
        self._journal.begin(Header(metrics, code_hash(), replacing=not resume))
        for point in self._study.finished():
            self._take(point)
        if self._progress is not None:
            self._progress(self.status)

    def finish(self) -> None:
        """Go on to the last trial."""
        while self.status.trials < self._search.trials:
            trial, point = self._study.ask()
            self._study.tell(trial, self._values(self._take(point)))
            if self._progress is not None:
                self._progress(self.status)
        self._forget_abandoned()

    def _forget_abandoned(self) -> None:
        """Take from the journal what trials had come to that were never finished and not suggested again."""
        ours = {outcome.key for outcome in self._seen.values()}
        if not any(self._evaluator.key(point) in self._kept.keys() - ours for point in self._study.abandoned()):
            return
        header = Header(self._search.space.metrics, code_hash(), self._journal.replacing)
        self._journal.clear()
        self._journal.begin(header)
        self._journal.append(self._seen.values())

    def _take(self, point: Point) -> Outcome | None:
        """What comes of a suggested point: known, or simulated now; None if it is not allowed."""
        name = repr(point)
        outcome = self._seen.get(name)
        repeated = outcome is not None
        allowed = repeated or self._search.space.satisfied(point)
        if allowed and outcome is None:
            outcome = self._seen[name] = self._outcome(point)
            self.points.append(point)
        failed = bool(outcome is not None and outcome.error and not repeated)
        was = self.status
        self.status = Status(
            was.trials + 1,
            max(was.total, was.trials + 1),
            len(self.points),
            was.failed + failed,
            was.not_allowed + (not allowed),
            was.repeated + repeated,
        )
        return outcome

    def _outcome(self, point: Point) -> Outcome:
        if self._kept and (kept := self._kept.get(self._evaluator.key(point))):
            return kept
        outcome = self._evaluator.evaluate(point)
        self._journal.append([outcome])
        return outcome

    def _values(self, outcome: Outcome | None) -> list[float] | None:
        """The objectives of an outcome, or None if it has not all of them."""
        if outcome is None or outcome.error:
            return None
        values = [outcome.values[place] for place in self._places]
        return values if all(map(math.isfinite, values)) else None


def _identity(search: Search) -> str:
    """A hash of all that decides what is suggested, and of the code; not of the number of trials."""
    space = search.space
    constraints = [constraint.text for constraint in space.constraints]
    population = search.population if search.sampler == "nsga2" else 0
    parts = (space.base, space.axes, constraints, search.objectives, search.sampler, population, search.seed)
    return hashlib.blake2b(f"{code_hash()} {parts!r}".encode(), digest_size=16).hexdigest()
