"""Execution of a search into a result file, which has the format of a sweep's file and one row per suggested point.

Outcomes are appended to a journal beside the file, as in a sweep; trials are stored in Optuna's own file. The trials of
a batch are finished after their outcomes are in the journal. A kill at any moment therefore loses the points that were
running, and the trials of the same batch are suggested again.

After the last trial, points of the front are evaluated in full (`search_stages`). Each evaluation is a row of the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pimsim.base.errors import SweepError, printable
from pimsim.studies.optimization.feasible_points import front_rows, values_to_tell, violation_of
from pimsim.studies.optimization.optuna_study import Study, check_study
from pimsim.studies.optimization.point_runner import PointRunner
from pimsim.studies.optimization.search_spec import Search
from pimsim.studies.sweep.running.code_version import code_hash
from pimsim.studies.sweep.running.evaluate_point import Outcome
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
        failed: Number of evaluations that failed.
        not_allowed: Number of trials whose point violates a constraint on axes and keys.
        repeated: Number of trials whose point was suggested before.
        infeasible: Number of evaluations whose point violates a constraint on metrics.
        evaluations: Number of evaluations that this call has computed, of all stages.
    """

    trials: int
    total: int
    points: int
    failed: int
    not_allowed: int
    repeated: int
    infeasible: int = 0
    evaluations: int = 0


Progress = Callable[[Status], None]


def optimize(
    search: Search,
    out: str | Path,
    *,
    workers: int | None = 1,
    scheduler: str | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> SweepResults:
    """Run a search, write its points to an HDF5 file and return them.

    Args:
        search: The search, from `load_search`.
        out: Path of the result file. Its journal and Optuna's file are created beside it.
        workers: Number of worker processes for the points of a batch; None means one per core. The result does not
            depend on it.
        scheduler: Address of a Dask scheduler whose workers run the points; None runs them on this machine.
        resume: Whether to keep the points and trials of existing files and to continue up to the number of trials,
            which may be higher than before.
        force: Whether to replace existing files.
        progress: Function that is called with the progress after each evaluation and after each trial.

    Returns:
        Results of the simulated points, in the order in which they were first suggested, followed by those of later
        stages. `feasible_front` selects the front from them.

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
        study = Study(search, _identity(search), study_path)
        with PointRunner(search.space, workers, scheduler) as runner:
            run = _Run(search, study, journal, runner, progress)
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

    def __init__(
        self, search: Search, study: Study, journal: Journal, runner: PointRunner, progress: Progress | None
    ) -> None:
        self._search, self._study, self._journal, self._runner = search, study, journal, runner
        self._progress = progress
        self._kept: dict[str, Outcome] = {}
        self._seen: dict[str, Outcome] = {}
        """Outcomes by the text of a point, because its values may be lists."""
        self._suggested: dict[str, Point] = {}
        self.points: list[Point] = []
        self.total = max(search.trials, study.trials_before)
        self.status = Status(0, self.total, 0, 0, 0, 0)

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
        finished = list(self._study.finished())
        self._run(point for point in finished if self._search.space.satisfied(self._staged(point, 0)))
        for point in finished:
            self._count(point)
        self._report()

    def finish(self) -> None:
        """Run the remaining trials, and evaluate the points of the front in full."""
        while self.status.trials < self.total:
            asked = [self._study.ask() for _ in range(min(self._search.batch, self.total - self.status.trials))]
            self._run(point for _, point in asked if self._search.space.satisfied(self._staged(point, 0)))
            for trial, point in asked:
                outcome = self._count(point)
                values = values_to_tell(self._search, outcome)
                self._study.tell(trial, values, 0.0 if values is None else self._violation(point, 0))
                self._report()
        self._promote()
        self._keep_earlier()
        self._remove_abandoned()

    def _promote(self) -> None:
        """Evaluate the points of the front in the next stage, until each of them has passed the full evaluation."""
        points = list(self._suggested.values())
        reached = [0] * len(points)
        last = len(self._search.stages) - 1
        while last:
            left = [number for number, point in enumerate(points) if self._survives(point, reached[number])]
            values = [self._outcome(points[number], reached[number]).values for number in left]
            waiting = [left[row] for row in front_rows(self._search, values) if reached[left[row]] < last]
            if not waiting:
                return
            stage = 1 + min(reached[number] for number in waiting)
            chosen = [number for number in waiting if reached[number] == stage - 1]
            self._run((points[number] for number in chosen), stage)
            for number in chosen:
                reached[number] = stage
                failed = bool(self._outcome(points[number], stage).error)
                self._update(failed=failed, infeasible=not failed and self._violation(points[number], stage) > 0)
            self._report()

    def _keep_earlier(self) -> None:
        """Keep the rows of points that an earlier, shorter search evaluated in a later stage."""
        if not self._kept:
            return
        for point in self._suggested.values():
            for stage in range(1, len(self._search.stages)):
                if self._runner.evaluator.key(self._staged(point, stage)) in self._kept:
                    self._run([point], stage)

    def _survives(self, point: Point, stage: int) -> bool:
        values = values_to_tell(self._search, self._outcome(point, stage))
        return values is not None and not self._violation(point, stage)

    def _violation(self, point: Point, stage: int) -> float:
        space, metrics = self._search.space, self._outcome(point, stage).values
        return violation_of(space, self._search.stages[stage], self._staged(point, stage), metrics)

    def _outcome(self, point: Point, stage: int) -> Outcome:
        return self._seen[repr(self._staged(point, stage))]

    def _staged(self, point: Point, stage: int) -> Point:
        return (*point, *self._search.stages[stage].values)

    def _remove_abandoned(self) -> None:
        """Remove from the journal the outcomes of trials that were not finished and not suggested again."""
        used = {outcome.key for outcome in self._seen.values()}
        abandoned = (self._staged(point, 0) for point in self._study.abandoned())
        if not any(self._runner.evaluator.key(point) in self._kept.keys() - used for point in abandoned):
            return
        header = Header(self._search.space.metrics, code_hash(), self._journal.replacing)
        self._journal.clear()
        self._journal.begin(header)
        self._journal.append(self._seen.values())

    def _run(self, points: Iterable[Point], stage: int = 0) -> None:
        """Evaluate points, except for those whose outcome is known.

        Args:
            points: Values of the columns that the sampler suggests.
            stage: Number of the stage.
        """
        staged = {repr(point): point for point in (self._staged(point, stage) for point in points)}
        new = {name: point for name, point in staged.items() if name not in self._seen}
        missing: dict[str, Point] = {}
        for name, point in new.items():
            kept = self._kept.get(self._runner.evaluator.key(point)) if self._kept else None
            if kept is None:
                missing[name] = point
            else:
                self._seen[name] = kept
        names = list(missing)
        for number, outcome in self._runner.run(list(missing.values())) if missing else ():
            self._journal.append([outcome])
            self._seen[names[number]] = outcome
            self._update(evaluations=1)
            self._report()
        self.points += new.values()

    def _count(self, point: Point) -> Outcome | None:
        """Count a trial.

        Args:
            point: Its point.

        Returns:
            Outcome of the point in the first stage; None if it violates a constraint on axes and keys.
        """
        outcome = self._seen.get(repr(self._staged(point, 0)))
        repeated = repr(point) in self._suggested
        new = outcome is not None and not repeated
        if new:
            self._suggested[repr(point)] = point
        failed = new and bool(outcome and outcome.error)
        infeasible = new and not failed and self._violation(point, 0) > 0
        self._update(
            trials=1, points=new, failed=failed, not_allowed=outcome is None, repeated=repeated, infeasible=infeasible
        )
        return outcome

    def _update(self, **counts: int) -> None:
        self.status = replace(self.status, **{name: getattr(self.status, name) + n for name, n in counts.items()})

    def _report(self) -> None:
        if self._progress is not None:
            self._progress(self.status)


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
    stages = [(stage.values, [limit.expression.text for limit in stage.limits]) for stage in search.stages]
    population = search.population if search.sampler == "nsga2" else 0
    plugins = [each.sha256 or each.name for each in space.records]
    parts = (
        *(*plugins, space.base, space.axes, constraints, search.objectives, search.sampler, population, search.seed),
        *(search.batch, space.workloads, stages),
    )
    return hashlib.blake2b(f"{code_hash()} {parts!r}".encode(), digest_size=16).hexdigest()
