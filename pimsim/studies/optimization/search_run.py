"""Execution of a search into a result file, which has the format of a sweep's file and one row per suggested point.

Outcomes are appended to a journal beside the file, as in a sweep; trials are stored in Optuna's own file. A trial is
finished after its outcome is in the journal. A kill at any moment therefore loses one trial at most, and the same trial
is suggested again.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pimsim.base.errors import SweepError, printable
from pimsim.studies.optimization.optuna_study import Study, check_study
from pimsim.studies.optimization.search_spec import Search
from pimsim.studies.sweep.running.code_version import code_hash
from pimsim.studies.sweep.running.evaluate_point import Evaluator, Outcome
from pimsim.studies.sweep.running.journal import Header, Journal
from pimsim.studies.sweep.running.sweep_run import (
    JOURNAL_SUFFIX,
    SweepInterrupted,
    check_files,
    close_journal,
    resume_message,
    run_sweep,
    stored_outcomes,
)
from pimsim.studies.sweep.space.axes import Point
from pimsim.studies.sweep.space.plan import Plan
from pimsim.studies.sweep.table.sweep_results import SweepResults

STUDY_SUFFIX = ".study"


@dataclass(frozen=True, slots=True)
class Status:
    """Progress of a search.

    Attributes:
        trials: Number of finished trials.
        total: Number of trials of the search.
        points: Number of simulated points.
        failed: Number of simulated points that failed.
        not_allowed: Number of trials whose point violates a constraint.
        repeated: Number of trials whose point was suggested before.
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
    """Run a search, write its points to an HDF5 file and return them.

    Args:
        search: The search, from `load_search`.
        out: Path of the result file. Its journal and Optuna's file are created beside it.
        resume: Whether to keep the points and trials of existing files and to continue up to the number of trials,
            which may be higher than before.
        force: Whether to replace existing files.
        progress: Function that is called with the progress after each trial.

    Returns:
        Results of the simulated points, in the order in which they were first suggested.

    Raises:
        SweepError: If the file exists, is in use or belongs to another search, or if no suggested point satisfies the
            constraints.
        MissingExtraError: If Optuna is not installed.
        OutputError: If a file cannot be written; finished trials are kept.
        SweepInterrupted: If Ctrl-C interrupts the search; a call with `resume` continues it.
    """
    target = Path(out)
    journal_path, study_path = (target.with_name(target.name + suffix) for suffix in (JOURNAL_SUFFIX, STUDY_SUFFIX))
    check_files(target, journal_path, resume=resume, force=force)
    check_study(study_path)
    new_study = force or not (study_path.exists() and study_path.stat().st_size)
    if not (new_study or resume):
        name = printable(str(study_path), 200)
        raise SweepError(f"{name}: belongs to an earlier search; --resume continues it, --force starts again")
    journal = Journal(journal_path)
    run = None
    try:
        if not resume:
            study_path.unlink(missing_ok=True)
        run = _Run(search, Study(search, _identity(search), study_path), journal, progress)
        run.begin(target, resume=resume)
        run.finish()
    except KeyboardInterrupt:
        raise SweepInterrupted(resume_message("interrupted", journal)) from None
    finally:
        if new_study and (run is None or not run.status.trials):
            study_path.unlink(missing_ok=True)  # a full disk or an interrupt before the first trial
        close_journal(journal)
    if not run.points:
        raise SweepError(f"none of the {run.status.trials:,} points that were suggested satisfies the constraints")
    return run_sweep(Plan(search.space, run.points, None, 0), target, workers=1, resume=True)


class _Run:
    """State of one call of `optimize`."""

    def __init__(self, search: Search, study: Study, journal: Journal, progress: Progress | None) -> None:
        self._search, self._study, self._journal, self._progress = search, study, journal, progress
        self._evaluator = Evaluator(search.space)
        self._places = [search.space.metrics.index(name) for name in search.objectives]
        self._kept: dict[str, Outcome] = {}
        self._seen: dict[str, Outcome] = {}
        self.points: list[Point] = []
        self.status = Status(0, search.trials, 0, 0, 0, 0)

    def begin(self, target: Path, *, resume: bool) -> None:
        """Load existing outcomes and trials, or remove the outcomes.

        Args:
            target: Path of the result file.
            resume: Whether to keep existing outcomes.
        """
        metrics = self._search.space.metrics
        if resume:
            for code, outcome in stored_outcomes(target, self._journal, metrics):
                if code == code_hash():
                    self._kept[outcome.key] = outcome
        else:
            self._journal.clear()
        self._journal.begin(Header(metrics, code_hash(), replacing=not resume))
        for point in self._study.finished():
            self._evaluate(point)
        if self._progress is not None:
            self._progress(self.status)

    def finish(self) -> None:
        """Run the remaining trials."""
        while self.status.trials < self._search.trials:
            trial, point = self._study.ask()
            self._study.tell(trial, self._values(self._evaluate(point)))
            if self._progress is not None:
                self._progress(self.status)
        self._remove_abandoned()

    def _remove_abandoned(self) -> None:
        """Remove from the journal the outcomes of trials that were not finished and not suggested again."""
        used = {outcome.key for outcome in self._seen.values()}
        if not any(self._evaluator.key(point) in self._kept.keys() - used for point in self._study.abandoned()):
            return
        header = Header(self._search.space.metrics, code_hash(), self._journal.replacing)
        self._journal.clear()
        self._journal.begin(header)
        self._journal.append(self._seen.values())

    def _evaluate(self, point: Point) -> Outcome | None:
        """Evaluate a suggested point, or reuse its known outcome, and update the progress.

        Args:
            point: One value per column.

        Returns:
            Outcome of the point; None if it violates a constraint.
        """
        name = repr(point)
        outcome = self._seen.get(name)
        repeated = outcome is not None
        allowed = repeated or self._search.space.satisfied(point)
        if allowed and outcome is None:
            outcome = self._seen[name] = self._outcome(point)
            self.points.append(point)
        failed = bool(outcome is not None and outcome.error and not repeated)
        previous = self.status
        self.status = Status(
            previous.trials + 1,
            max(previous.total, previous.trials + 1),
            len(self.points),
            previous.failed + failed,
            previous.not_allowed + (not allowed),
            previous.repeated + repeated,
        )
        return outcome

    def _outcome(self, point: Point) -> Outcome:
        if self._kept and (kept := self._kept.get(self._evaluator.key(point))):
            return kept
        outcome = self._evaluator.evaluate(point)
        self._journal.append([outcome])
        return outcome

    def _values(self, outcome: Outcome | None) -> list[float] | None:
        """Extract the objectives of an outcome.

        Args:
            outcome: Outcome of a point; None if the point violates a constraint.

        Returns:
            One value per objective; None if the point failed or an objective is not finite.
        """
        if outcome is None or outcome.error:
            return None
        values = [outcome.values[place] for place in self._places]
        return values if all(map(math.isfinite, values)) else None


def _identity(search: Search) -> str:
    """Compute a hash of everything that determines the suggestions, the source code included.

    The number of trials is not part of it, so that a search can be continued with more trials.

    Args:
        search: The search.

    Returns:
        32 hexadecimal digits.
    """
    space = search.space
    constraints = [constraint.text for constraint in space.constraints]
    population = search.population if search.sampler == "nsga2" else 0
    plugins = [each.sha256 or each.name for each in space.records]
    parts = (*plugins, space.base, space.axes, constraints, search.objectives, search.sampler, population, search.seed)
    return hashlib.blake2b(f"{code_hash()} {parts!r}".encode(), digest_size=16).hexdigest()
