"""Connection to Optuna: it suggests points of a space, receives their objectives, and stores its trials in a file.

A suggestion depends only on the seed, on the trials of earlier batches, and on the points before it in its batch. Each
trial has a sampler with its own seed, derived from the seed of the search and the number of trials before it. A search
that is resumed after a kill therefore suggests the same points as an uninterrupted search, and the same seed gives the
same trials, for any number of workers. Trials of a batch that was not finished are removed from the file when it is
opened, and are suggested again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pimsim.base.errors import OutputError, PimsimError, SweepError, printable
from pimsim.base.optional_dependencies import import_optional
from pimsim.studies.analysis.point_columns import is_number
from pimsim.studies.optimization.search_spec import Search
from pimsim.studies.sweep.running.files_beside import check_beside
from pimsim.studies.sweep.space.axes import Axis, Point, rounded

if TYPE_CHECKING:
    import optuna

_NAME = "pimsim"
_IDENTITY = "search"


class Study:
    """Optuna's trials of a search.

    Attributes:
        trials_before: Number of finished trials of the file when it was opened.
    """

    def __init__(self, search: Search, identity: str, path: Path | None) -> None:
        """Open the study of a search, or create it.

        Args:
            search: The search.
            identity: Hash of everything that determines the suggestions.
            path: Optuna's file, created if it does not exist; None keeps the trials in memory.

        Raises:
            MissingExtraError: If Optuna is not installed.
            SweepError: If the file is damaged or belongs to another search.
            OutputError: If the file cannot be read or written.
        """
        self._optuna: Any = import_optional("optuna", "optimize", "pimsim optimize")
        self._search, self._path = search, path
        self._running = 0
        self._dropped: tuple[Point, ...] = ()
        self.trials_before = 0
        self._optuna.logging.set_verbosity(logging.ERROR)
        directions = ["maximize" if better == "higher" else "minimize" for better in search.objectives.values()]
        with self._guarded():
            self._study = self._opened(path, directions)
            known = self._study.user_attrs.get(_IDENTITY)
            if known is None:
                self._study.set_user_attr(_IDENTITY, identity)
            elif known != identity:
                raise SweepError(
                    f"{_shown(path)}: belongs to another search (another file, or another version of pimsim, "
                    "a plugin or a package); choose another --out, or remove the file"
                )
            self._states = self._optuna.trial.TrialState
            self.trials_before = len(self._complete())
            if path is not None and self._drop_unfinished_batch(path):
                self._study = self._opened(path, directions)
            self._close_unfinished()

    def _opened(self, path: Path | None, directions: Sequence[str]) -> optuna.Study:
        storage = None if path is None else self._storage(path)
        study: optuna.Study = self._optuna.create_study(
            study_name=_NAME, directions=list(directions), storage=storage, load_if_exists=True
        )
        return study

    def finished(self) -> Iterator[Point]:
        """List the points of the finished trials.

        Yields:
            Points in the order of the trials.
        """
        for trial in self._complete():
            with self._guarded():
                point = self._point(_KnownParameters(trial.params))
            yield point

    def abandoned(self) -> Iterator[Point]:
        """List the points of trials that an interrupt or a kill left unfinished.

        Yields:
            Points in the order of the trials.
        """
        yield from self._dropped
        for trial in self._study.get_trials(deepcopy=False, states=[self._states.FAIL]):
            with suppress(KeyError):  # a trial without all of its parameters has no point
                yield self._point(_KnownParameters(trial.params))

    def ask(self) -> tuple[optuna.Trial, Point]:
        """Start a trial.

        Returns:
            The trial and the suggested point.
        """
        with self._guarded():
            self._study.sampler = self._sampler(len(self._complete()) + self._running)
            trial = self._study.ask()
            point = self._point(trial)
        self._running += 1
        return trial, point

    def tell(self, trial: optuna.Trial, values: Sequence[float] | None, violation: float = 0.0) -> None:
        """Finish a trial.

        Args:
            trial: The trial.
            values: One value per objective; None if the point was not simulated, failed or lacks an objective.
            violation: How much the point violates the constraints on metrics; 0 if it satisfies them.
        """
        self._running -= 1
        with self._guarded():
            trial.set_constraint("possible", 1.0 if values is None else 0.0)
            if self._search.stages[0].limits:
                trial.set_constraint("limits", violation)
            # For an infeasible trial only the constraint matters, but Optuna requires values for every trial.
            self._study.tell(trial, [0.0] * len(self._search.objectives) if values is None else list(values))

    def _point(self, source: optuna.Trial | _KnownParameters) -> Point:
        return tuple(value for axis in self._search.axes for value in _suggested(source, axis))

    def _complete(self) -> list[optuna.trial.FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=[self._states.COMPLETE])

    def _sampler(self, done: int) -> optuna.samplers.BaseSampler:
        text = f"{self._search.seed} {done}".encode()
        seed = int.from_bytes(hashlib.blake2b(text, digest_size=4).digest())
        samplers = self._optuna.samplers
        match self._search.sampler:
            case "random":
                sampler = samplers.RandomSampler(seed=seed)
            case "nsga2":
                sampler = samplers.NSGAIISampler(seed=seed, population_size=self._search.population)
            case _:
                sampler = samplers.TPESampler(seed=seed)
        return sampler  # type: ignore[no-any-return]

    def _storage(self, path: Path) -> Any:
        """Open Optuna's journal without a lock file, which would remain after a kill.

        The lock of pimsim's own journal already excludes other processes.

        Args:
            path: Optuna's file.

        Returns:
            Optuna's storage.
        """
        journal = import_optional("optuna.storages.journal", "optimize", "pimsim optimize")

        check_study(path)
        _remove_incomplete_line(path)
        _check_lines(path)
        return self._optuna.storages.JournalStorage(journal.JournalFileBackend(str(path), lock_obj=_NoLock()))

    def _drop_unfinished_batch(self, path: Path) -> bool:
        """Remove the trials after the last finished batch, which depend on how far this batch was.

        Args:
            path: Optuna's file.

        Returns:
            Whether there were such trials.
        """
        if self._search.batch == 1:
            return False
        finished, end = _last_batch(path, self._search.batch)
        if end == path.stat().st_size:
            return False
        points = []
        for trial in self._study.get_trials(deepcopy=False)[finished:]:
            with suppress(KeyError):  # a trial without all of its parameters has no point
                points.append(self._point(_KnownParameters(trial.params)))
        self._dropped = tuple(points)
        with path.open("r+b") as file:
            file.truncate(end)
        return True

    def _close_unfinished(self) -> None:
        """Mark unfinished trials as failed. They do not count, so that the same points are suggested again."""
        for trial in self._study.get_trials(deepcopy=False, states=[self._states.RUNNING]):
            self._study.tell(trial.number, state=self._states.FAIL)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Suppress Optuna's warnings and convert errors of its file.

        Raises:
            OutputError: If the file cannot be read or written.
            SweepError: If the file is damaged.
            PimsimError: Unchanged.
            Exception: Unchanged, if there is no file.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                yield
            except OSError as error:
                raise OutputError(f"{_shown(self._path)}: cannot be written: {error.strerror or error}") from error
            except PimsimError:
                raise
            except Exception as error:  # Optuna expects its own lines: others end in errors of many classes
                if self._path is None:
                    raise
                raise SweepError(_damaged(self._path, str(error) or type(error).__name__)) from error


class _NoLock:
    """Lock for Optuna's journal that does nothing."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


class _KnownParameters:
    """Replacement for an Optuna trial whose parameters are already known."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._parameters = parameters

    def suggest_int(self, name: str, *_: Any, **__: Any) -> int:
        return int(self._parameters[name])

    def suggest_float(self, name: str, *_: Any, **__: Any) -> float:
        return float(self._parameters[name])

    def suggest_categorical(self, name: str, _: Any) -> int:
        return int(self._parameters[name])


def _suggested(trial: optuna.Trial | _KnownParameters, axis: Axis) -> Point:
    """Let a trial suggest the values of an axis.

    For a list of numbers the trial suggests the index, so that the sampler knows which values are neighbours.

    Args:
        trial: A trial of Optuna, or known parameters.
        axis: The axis.

    Returns:
        One value per column of the axis.
    """
    interval = axis.range
    if interval is not None and interval.whole:
        return (trial.suggest_int(axis.name, int(interval.start), int(interval.stop), log=interval.log),)
    if interval is not None:
        return (rounded(trial.suggest_float(axis.name, interval.start, interval.stop, log=interval.log)),)
    last = len(axis.choices) - 1
    if all(is_number(choice[0]) for choice in axis.choices):
        return axis.choices[trial.suggest_int(axis.name, 0, last)]
    return axis.choices[trial.suggest_categorical(axis.name, list(range(last + 1)))]


def check_study(path: Path) -> None:
    """Check that a path can be used as a study: it is missing or empty, or begins as a study of pimsim.

    Args:
        path: Path of the file.

    Raises:
        SweepError: If it is a link or a FIFO, or has other content.
    """
    check_beside(path, "the study of a search of pimsim", _begins_study)


def _begins_study(head: bytes) -> bool:
    line, newline, _ = head.partition(b"\n")
    if not newline:  # a full disk has cut off the first line, which holds nothing but the name
        return line.startswith(b'{"op_code":0,"worker_id":')
    try:
        content = json.loads(line)
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("op_code") == 0 and content.get("study_name") == _NAME


def _check_lines(path: Path) -> None:
    """Check that each line is an object with the number of an operation, as Optuna's journal has them.

    Args:
        path: Optuna's file.

    Raises:
        SweepError: If a line is something else.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                content = json.loads(line)
            except (ValueError, RecursionError):
                content = None
            if not isinstance(content, dict) or type(content.get("op_code")) is not int:
                raise SweepError(_damaged(path, f"line {number} is not an operation of Optuna"))


_CREATE_TRIAL, _SET_STATE = 4, 6
"""Numbers of operations in Optuna's journal (`optuna.storages.journal._storage.JournalOperation`)."""


def _last_batch(path: Path, batch: int) -> tuple[int, int]:
    """Find the end of the last finished batch in Optuna's journal.

    Args:
        path: The file, of which each line is an operation.
        batch: Number of trials of a batch.

    Returns:
        Number of trials, of any state, up to this end; offset of the first operation of the next batch in bytes, or the
        size of the file if there is none.
    """
    from optuna.trial import TrialState

    created = complete = offset = 0
    trials, end = 0, None
    with path.open("rb") as file:
        for line in file:
            content = json.loads(line)
            if content["op_code"] == _CREATE_TRIAL:
                if end is None and complete % batch == 0:
                    trials, end = created, offset
                created += 1
            elif content["op_code"] == _SET_STATE and content.get("state") == TrialState.COMPLETE.value:
                complete += 1
                if complete % batch == 0:
                    end = None
            offset += len(line)
    return (created, offset) if end is None else (trials, end)


def _damaged(path: Path, why: str) -> str:
    return f"{_shown(path)}: is damaged ({printable(why, 200)}); remove it to start again"


def _remove_incomplete_line(path: Path) -> None:
    """Remove an incomplete last line, which a kill may leave and which the next line would continue."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        data = file.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            file.truncate(whole)


def _shown(path: Path | None) -> str:
    return printable(str(path), 200)
