"""Execution of a sweep into a result file: existing points are kept, missing points run, a kill loses little.

While a sweep runs, finished points are appended to a journal beside the result file. At the end all points are written
to one HDF5 file in one step, and the journal is deleted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from pimsim.base.debug_log import DebugLog
from pimsim.base.errors import MAX_LINE_CHARS, OutputError, SweepError, printable
from pimsim.base.files import check_target
from pimsim.base.metric_names import split_metric
from pimsim.base.plugins import changed_records, plugin_records
from pimsim.config.schema import Config
from pimsim.config.validation import validate
from pimsim.results.accounting import Accounting
from pimsim.studies.sweep.measure.metrics import metric_named
from pimsim.studies.sweep.measure.spilled_metrics import SPILLED_METRICS
from pimsim.studies.sweep.running.code_version import code_hash
from pimsim.studies.sweep.running.evaluate_point import Evaluator, Outcome, accounting_of
from pimsim.studies.sweep.running.journal import Header, Journal, check_journal
from pimsim.studies.sweep.running.local_execution import WORKER_DIED, default_workers, run_here, run_pool
from pimsim.studies.sweep.running.outcome_table import OutcomeTable
from pimsim.studies.sweep.running.worker import Numbered
from pimsim.studies.sweep.space.plan import Plan
from pimsim.studies.sweep.table.sweep_results import AxisColumn, MetricColumn, SweepResults
from pimsim.studies.sweep.table.sweep_store import read_sweep
from pimsim.version import __version__

LOG = DebugLog(__name__)

JOURNAL_SUFFIX = ".journal"


@dataclass(frozen=True, slots=True)
class Status:
    """Progress of a sweep.

    Attributes:
        done: Number of finished points.
        failed: Number of finished points that failed.
        kept: Number of points that were finished before this run.
        total: Number of points of the sweep.
    """

    done: int
    failed: int
    kept: int
    total: int


Progress = Callable[[Status], None]


class SweepInterrupted(KeyboardInterrupt):
    """Ctrl-C during a sweep; the message says where the finished points are and how to resume."""


def run_sweep(
    plan: Plan,
    out: str | Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> SweepResults:
    """Run a sweep, write its results to an HDF5 file and return them.

    Args:
        plan: The sweep, from `load_sweep`.
        out: Path of the result file.
        workers: Number of worker processes; None means one per core.
        scheduler: Address of a Dask scheduler whose workers run the points; None runs them on this machine.
        resume: Whether to keep the points of an existing file or journal and to run only the missing ones.
        force: Whether to replace an existing file and journal.
        progress: Function that is called with the progress after each chunk of points.

    Returns:
        Results of all points, equal to the content of the file.

    Raises:
        SweepError: If the file exists, is in use, or has points of another sweep, or if workers die.
        OutputError: If a file cannot be written; the finished points are in the journal.
        SweepInterrupted: If Ctrl-C interrupts the sweep; a call with `resume` continues it.
    """
    target = Path(out)
    journal_path = target.with_name(target.name + JOURNAL_SUFFIX)
    check_files(target, journal_path, resume=resume, force=force)
    journal = Journal(journal_path)
    try:
        run = _Run(plan, target, journal, progress)
        run.begin(resume=resume)
        run.finish_missing(workers, scheduler)
        return run.write()
    except KeyboardInterrupt:
        raise SweepInterrupted(resume_message("interrupted", journal)) from None
    finally:
        close_journal(journal)


class _Run:
    """State of one call of `run_sweep`."""

    def __init__(self, plan: Plan, target: Path, journal: Journal, progress: Progress | None) -> None:
        self.plan, self.target, self.journal, self.progress = plan, target, journal, progress
        self.outcomes = OutcomeTable(len(plan.space.metrics))
        self.keys: dict[int, str] = {}
        self.kept = 0
        self.failed = 0

    def begin(self, *, resume: bool) -> None:
        """Load the existing points, or remove them.

        Args:
            resume: Whether to keep existing points.
        """
        if resume:
            self._load_existing()
        else:
            self.journal.clear()
        self.journal.begin(Header(self.plan.space.metrics, code_hash(), not resume, self.plan.space.records))

    def _load_existing(self) -> None:
        codes = set()
        for code, outcome in stored_outcomes(self.target, self.journal, self.plan.space.metrics):
            codes.add(code)
            if outcome.error != WORKER_DIED:
                self.outcomes.add(outcome)
        if not len(self.outcomes):
            return
        evaluator = Evaluator(self.plan.space)
        wanted = set()
        for number, point in enumerate(self.plan):
            key = evaluator.key(point)
            wanted.add(key)
            if key in self.outcomes:
                self._note(number, key)
        self.kept = len(self.keys)
        foreign = sum(1 for key in self.outcomes.keys() if key not in wanted)  # noqa: SIM118 - not a dict
        if foreign:
            why = "another version of the code computed them" if codes != {code_hash()} else self._other_records()
            why = why or "its axes or its base config differ"
            raise SweepError(
                f"{_shown(self.target)}: {foreign:,} of its points do not belong to this sweep ({why}) "
                "and would be lost; write to another file, or replace this one with --force"
            )

    def _other_records(self) -> str:
        """Compare the plugins, data and packages of the existing points with those of the sweep.

        Returns:
            What differs; empty if nothing does.
        """
        stored = [record for header, _ in self.journal.read() for record in header.records]
        if self.target.exists() and not self.journal.replacing:
            stored += read_sweep(self.target).plugins
        for record, now in changed_records(stored):
            if now is not None:
                return f"another version of {record.thing} computed them"
            return f"they were computed with {record.thing}, which is not loaded now"
        names = {each.thing for each in stored}
        more = next((each.thing for each in self.plan.space.records if each.thing not in names), "")
        return more and f"they were computed without {more}"

    def finish_missing(self, workers: int | None, scheduler: str | None) -> None:
        """Run the missing points.

        Args:
            workers: Number of worker processes; None means one per core.
            scheduler: Address of a Dask scheduler; None runs the points on this machine.
        """
        missing = [number for number in range(len(self.plan)) if number not in self.keys]
        self._report()
        if not missing:
            return
        with closing(
            _execute(self.plan, missing, workers, scheduler)
        ) as chunks:  # an interrupt ends the workers at once
            for chunk in chunks:
                # Importing HDF5 takes 0.2 s, which is hidden here because the workers are running.
                import pimsim.studies.sweep.table.sweep_store  # noqa: F401

                self.journal.append(outcome for _, outcome in chunk)
                for number, outcome in chunk:
                    self.outcomes.add(outcome)
                    self._note(number, outcome.key)
                self._report()

    def _note(self, number: int, key: str) -> None:
        self.keys[number] = key
        self.failed += bool(self.outcomes.error(key))

    def _report(self) -> None:
        LOG("%d of %d points: %d kept, %d failed", len(self.keys), len(self.plan), self.kept, self.failed)
        if self.progress is not None:
            self.progress(Status(len(self.keys), self.failed, self.kept, len(self.plan)))

    def write(self) -> SweepResults:
        """Write the result file and delete the journal.

        Returns:
            Results of all points.

        Raises:
            OutputError: If the file cannot be written.
        """
        self.journal.sync()
        results = self.results()
        from pimsim.studies.sweep.table.sweep_store import write_sweep

        try:
            write_sweep(results, self.target)
        except OutputError as error:
            raise OutputError(resume_message(str(error), self.journal)) from error
        self.journal.remove()
        return results

    def results(self) -> SweepResults:
        """Build the result table.

        Returns:
            Results of all points, in the order of the plan.
        """
        space = self.plan.space
        keys = [self.keys[number] for number in range(len(self.plan))]
        columns: dict[str, list[object]] = {column.name: [] for column in space.columns}
        for point in self.plan:
            for column, value in zip(columns.values(), point, strict=True):
                column.append(value)
        for place, name in enumerate(space.metrics):
            columns[name] = [self.outcomes.value(key, place) for key in keys]
        base, problems = validate(space.base, Config)
        assert base is not None, problems  # it was valid when the plan was built
        workload = split_metric(space.metrics[0])[1]
        first = next((point for point, key in zip(self.plan, keys, strict=True) if not self.outcomes.error(key)), None)
        return SweepResults(
            name=space.name,
            text=space.text,
            config=base,
            version=__version__,
            code_hash=code_hash(),
            axes=tuple(AxisColumn(column.name, column.keys) for column in space.columns),
            metrics=tuple(
                MetricColumn(name, metric_named(name).unit, metric_named(name).better) for name in space.metrics
            ),
            columns=columns,
            errors=[self.outcomes.error(key) for key in keys],
            keys=keys,
            accounting=Accounting() if first is None else accounting_of(space.config(first, workload)),
            plugins=tuple(dict.fromkeys((*space.records, *plugin_records()))),
        )


def stored_outcomes(target: Path, journal: Journal, metrics: tuple[str, ...]) -> Iterator[tuple[str, Outcome]]:
    """Read the outcomes of a result file and of its journal.

    Args:
        target: Path of the result file, which need not exist.
        journal: The journal of the sweep.
        metrics: Names of the metrics that the sweep needs.

    Yields:
        Hash of the source code that computed the point, and the outcome.

    Raises:
        SweepError: If the file or the journal lacks a metric.
        ResultFileError: If the file cannot be read.
    """
    # The journal of an unfinished sweep with --force: the file contains the points that were to be replaced.
    if target.exists() and not journal.replacing:
        yield from _file_outcomes(read_sweep(target), metrics, target)
    for header, outcome in journal.read():
        if missing := set(metrics) - set(header.metrics):
            raise SweepError(_missing_metrics(journal.path, missing))
        places = [header.metrics.index(name) for name in metrics]
        values = tuple(outcome.values[place] for place in places) if outcome.values else ()
        yield header.code_hash, Outcome(outcome.key, values, outcome.error)


def _file_outcomes(results: SweepResults, metrics: tuple[str, ...], path: Path) -> Iterator[tuple[str, Outcome]]:
    known = [metric.name for metric in results.metrics]
    missing = set(metrics) - set(known)
    # A file of a version without the metrics of spilled activations: its points are computed again in any case.
    if missing and (missing - set(SPILLED_METRICS) or results.code_hash == code_hash()):
        raise SweepError(_missing_metrics(path, missing))
    for row, (key, error) in enumerate(zip(results.keys, results.errors, strict=True)):
        values = () if error else tuple(math.nan if name in missing else results.columns[name][row] for name in metrics)
        yield results.code_hash, Outcome(key, values, error)


def _missing_metrics(path: Path, missing: set[str]) -> str:
    return (
        f"{_shown(path)}: its points lack {', '.join(sorted(missing))}, which this sweep computes; "
        "write to another file, or replace this one with --force"
    )


def _execute(plan: Plan, missing: list[int], workers: int | None, scheduler: str | None) -> Generator[list[Numbered]]:
    if scheduler is not None:
        from pimsim.studies.sweep.running.dask_execution import run_dask

        LOG("the workers of %s run the points; they do not log here", scheduler)
        return run_dask(plan, missing, scheduler)
    workers = min(workers or default_workers(), len(missing))
    if workers == 1:
        return run_here(plan, missing)
    LOG("%d worker processes run the points; they do not log", workers)
    return run_pool(plan, missing, workers)


def check_files(target: Path, journal: Path, *, resume: bool, force: bool) -> None:
    """Check before the sweep starts that the files can be written and that no results are overwritten.

    Args:
        target: Path of the result file.
        journal: Path of its journal.
        resume: Whether existing points are kept.
        force: Whether existing files are replaced.

    Raises:
        SweepError: If the journal is not one of pimsim, if a file exists and neither `resume` nor `force` is given, or
            if both are.
        OutputError: If the result file cannot be written.
    """
    check_target(target)
    check_journal(journal)
    if resume and force:
        raise SweepError("--resume keeps existing points and --force replaces them: give one of them")
    if not (resume or force):
        if target.exists():
            raise SweepError(
                f"{_shown(target)}: already exists; --resume adds missing points, --force replaces the file"
            )
        if journal.exists() and journal.stat().st_size:
            raise SweepError(
                f"{_shown(journal)}: belongs to an unfinished sweep; --resume continues it, --force starts again"
            )


def resume_message(what: str, journal: Journal) -> str:
    """Write the message of a sweep that stopped early.

    Args:
        what: Reason of the stop.
        journal: Journal of the sweep.

    Returns:
        The reason, the place of the finished points, and how to resume.
    """
    if journal.empty:
        return f"{what}; no new point was finished"
    return f"{what}; finished points are in {_shown(journal.path)}: run the same command with --resume to continue"


def close_journal(journal: Journal) -> None:
    """Close a journal after any outcome: synchronize it to the disk, or delete it if it is empty.

    Args:
        journal: Journal of the sweep.
    """
    with suppress(OutputError, ValueError):  # ValueError: the journal was removed and is closed
        if journal.empty:
            journal.remove()
        else:
            journal.sync()
    journal.close()


def _shown(path: Path) -> str:
    return printable(str(path), MAX_LINE_CHARS // 2)
