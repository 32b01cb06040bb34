"""Running a sweep into a file: what is there already is kept, what is missing runs, a kill at any moment loses little.

While it runs, points go to a journal beside the file; at the end all of them become one HDF5 file in one step, and
the journal is deleted.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from pimsim.base.errors import MAX_LINE_CHARS, OutputError, SweepError, printable
from pimsim.base.files import check_target
from pimsim.config.schema import Config
from pimsim.config.validation import validate
from pimsim.studies.sweep.measure.metrics import METRICS
from pimsim.studies.sweep.running.code_version import code_hash
from pimsim.studies.sweep.running.evaluate_point import Evaluator, Outcome
from pimsim.studies.sweep.running.journal import Header, Journal
from pimsim.studies.sweep.running.local_execution import WORKER_DIED, default_workers, run_here, run_pool
from pimsim.studies.sweep.running.worker import Numbered
from pimsim.studies.sweep.space.plan import Plan
from pimsim.studies.sweep.table.sweep_results import AxisColumn, MetricColumn, SweepResults
from pimsim.studies.sweep.table.sweep_store import read_sweep
from pimsim.version import __version__

JOURNAL_SUFFIX = ".journal"


@dataclass(frozen=True, slots=True)
class Status:
    """How far a sweep is: points that are done, those of them that failed, and those that had been done before."""

    done: int
    failed: int
    kept: int
    total: int


Progress = Callable[[Status], None]


class SweepInterrupted(KeyboardInterrupt):
    """Ctrl-C in the middle of a sweep; the text says what is kept and how to go on."""


class Records:
    """Outcomes by key, in little memory: the rows of a table that is not in order yet."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._row: dict[str, int] = {}
        self._values = array("d")
        self._errors: dict[int, str] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._row

    def __len__(self) -> int:
        return len(self._row)

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome; the first of a key stays."""
        row = self._row.setdefault(outcome.key, len(self._row))
        if row * self._width == len(self._values):
            self._values.extend(outcome.values or (float("nan"),) * self._width)
            if outcome.error:
                self._errors[row] = outcome.error

    def error(self, key: str) -> str:
        """The message of a failure, or ""."""
        return self._errors.get(self._row[key], "")

    def value(self, key: str, place: int) -> float:
        """One of its values."""
        return self._values[self._row[key] * self._width + place]

    def keys(self) -> Iterable[str]:
        """All keys."""
        return self._row.keys()


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
    """Run a sweep into an HDF5 file and return what is in it.

    `workers` are processes of this machine (default: its cores); `scheduler` is the address of a Dask scheduler in
    their place. With `resume`, points that the file or its journal has are kept, and only the missing ones run; with
    `force`, both are replaced. What Ctrl-C leaves, `resume` continues.

    Raises:
        SweepError: the file is there, or in use, or has points that are not of this sweep; workers that die.
        OutputError: a file that cannot be written; what had been done is in the journal.
        SweepInterrupted: Ctrl-C.

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
        raise SweepInterrupted(how_to_go_on("interrupted", journal)) from None
    finally:
        close_journal(journal)


class _Run:
    """One call of `run_sweep`."""

    def __init__(self, plan: Plan, target: Path, journal: Journal, progress: Progress | None) -> None:
        self.plan, self.target, self.journal, self.progress = plan, target, journal, progress
        self.records = Records(len(plan.space.metrics))
        self.keys: dict[int, str] = {}
        self.kept = 0
        self.failed = 0

    def begin(self, *, resume: bool) -> None:
        """Take over what is there, or clear it."""
        if resume:
            self._take_over()
        else:
            self.journal.clear()
        self.journal.begin(Header(self.plan.space.metrics, code_hash(), replacing=not resume))

    def _take_over(self) -> None:
        codes = set()
        for code, outcome in stored(self.target, self.journal, self.plan.space.metrics):
            codes.add(code)
            if outcome.error != WORKER_DIED:
                self.records.add(outcome)
        if not len(self.records):
            return
        evaluator = Evaluator(self.plan.space)
        wanted = set()
        for number, point in enumerate(self.plan):
            key = evaluator.key(point)
            wanted.add(key)
            if key in self.records:
                self._note(number, key)
        self.kept = len(self.keys)
        foreign = sum(1 for key in self.records.keys() if key not in wanted)  # noqa: SIM118 - not a dict
        if foreign:
            why = "they were computed by other code" if codes != {code_hash()} else "its axes or its base differ"
            raise SweepError(
                f"{_shown(self.target)}: {foreign:,} of its points are not of this sweep ({why}) and would be lost; "
                "sweep into another file, or let --force replace this one"
            )

    def finish_missing(self, workers: int | None, scheduler: str | None) -> None:
        """Run the points that are not there yet."""
        missing = [number for number in range(len(self.plan)) if number not in self.keys]
        self._tell()
        if not missing:
            return
        with closing(_chunks(self.plan, missing, workers, scheduler)) as chunks:  # an interrupt ends workers at once
            for chunk in chunks:
                import pimsim.studies.sweep.table.sweep_store  # noqa: F401 - HDF5 takes 0.2 s to load, and here workers are at work

                self.journal.append(outcome for _, outcome in chunk)
                for number, outcome in chunk:
                    self.records.add(outcome)
                    self._note(number, outcome.key)
                self._tell()

    def _note(self, number: int, key: str) -> None:
        self.keys[number] = key
        self.failed += bool(self.records.error(key))

    def _tell(self) -> None:
        if self.progress is not None:
            self.progress(Status(len(self.keys), self.failed, self.kept, len(self.plan)))

    def write(self) -> SweepResults:
        """Write the file, and delete the journal."""
        self.journal.sync()
        results = self.results()
        from pimsim.studies.sweep.table.sweep_store import write_sweep

        try:
            write_sweep(results, self.target)
        except OutputError as error:
            raise OutputError(how_to_go_on(str(error), self.journal)) from error
        self.journal.remove()
        return results

    def results(self) -> SweepResults:
        """The table of all points, in their order."""
        space = self.plan.space
        keys = [self.keys[number] for number in range(len(self.plan))]
        columns: dict[str, list[object]] = {column.name: [] for column in space.columns}
        for point in self.plan:
            for column, value in zip(columns.values(), point, strict=True):
                column.append(value)
        for place, name in enumerate(space.metrics):
            columns[name] = [self.records.value(key, place) for key in keys]
        base, problems = validate(space.base, Config)
        assert base is not None, problems  # it was valid when the plan was made
        return SweepResults(
            name=space.name,
            text=space.text,
            config=base,
            version=__version__,
            code_hash=code_hash(),
            axes=tuple(AxisColumn(column.name, column.keys) for column in space.columns),
            metrics=tuple(MetricColumn(name, METRICS[name].unit, METRICS[name].better) for name in space.metrics),
            columns=columns,
            errors=[self.records.error(key) for key in keys],
            keys=keys,
        )


def stored(target: Path, journal: Journal, metrics: tuple[str, ...]) -> Iterator[tuple[str, Outcome]]:
    """The outcomes that a file and its journal have, each with the hash of the code that computed it.

    Raises SweepError if they lack a metric, ResultFileError for a file that cannot be read.
    """
    # Of a sweep with force that was not finished, the file is what it was to replace.
    if target.exists() and not journal.replacing:
        yield from _outcomes(read_sweep(target), metrics, target)
    for header, outcome in journal.read():
        if missing := set(metrics) - set(header.metrics):
            raise _other_metrics(journal.path, missing)
        places = [header.metrics.index(name) for name in metrics]
        values = tuple(outcome.values[place] for place in places) if outcome.values else ()
        yield header.code_hash, Outcome(outcome.key, values, outcome.error)


def _outcomes(results: SweepResults, metrics: tuple[str, ...], path: Path) -> Iterator[tuple[str, Outcome]]:
    known = [metric.name for metric in results.metrics]
    if missing := set(metrics) - set(known):
        raise _other_metrics(path, missing)
    for row, (key, error) in enumerate(zip(results.keys, results.errors, strict=True)):
        values = () if error else tuple(results.columns[name][row] for name in metrics)
        yield results.code_hash, Outcome(key, values, error)


def _other_metrics(path: Path, missing: set[str]) -> SweepError:
    return SweepError(
        f"{_shown(path)}: its points lack {', '.join(sorted(missing))}, which this sweep measures; "
        "sweep into another file, or let --force replace this one"
    )


def _chunks(plan: Plan, missing: list[int], workers: int | None, scheduler: str | None) -> Generator[list[Numbered]]:
    if scheduler is not None:
        from pimsim.studies.sweep.running.dask_execution import run_dask

        return run_dask(plan, missing, scheduler)
    workers = min(workers or default_workers(), len(missing))
    return run_here(plan, missing) if workers == 1 else run_pool(plan, missing, workers)


def check_files(target: Path, journal: Path, *, resume: bool, force: bool) -> None:
    """Refuse what would overwrite something, or fail at the end of it all."""
    check_target(target)
    if resume and force:
        raise SweepError("--resume keeps what is there and --force replaces it: give one of them")
    if not (resume or force):
        if target.exists():
            raise SweepError(f"{_shown(target)}: is there already; --resume adds what is missing, --force replaces it")
        if journal.exists() and journal.stat().st_size:
            raise SweepError(
                f"{_shown(journal)}: is of a sweep that was not finished; --resume continues it, --force starts anew"
            )


def how_to_go_on(what: str, journal: Journal) -> str:
    """What has happened, and what is left of it."""
    if journal.empty:
        return f"{what}; nothing had been done yet"
    return f"{what}; what is done is in {_shown(journal.path)}: run the same command with --resume to go on"


def close_journal(journal: Journal) -> None:
    """Whatever has happened: what there is, on the disk; a journal of nothing is none."""
    with suppress(OutputError, ValueError):  # ValueError: it is closed, since it has been removed
        if journal.empty:
            journal.remove()
        else:
            journal.sync()
    journal.close()


def _shown(path: Path) -> str:
    return printable(str(path), MAX_LINE_CHARS // 2)
