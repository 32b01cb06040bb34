"""Optuna at work on a space: it suggests points, is told what became of them, and keeps its file beside the results.

Every suggestion follows from the seed and the finished trials alone: each trial has a sampler with a seed of its own,
made of the search's seed and the number of trials finished before. So a search that was killed and goes on suggests
what it would have suggested undisturbed, and the same seed gives the same trials.
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

from pimsim.base.errors import OutputError, SweepError, printable
from pimsim.base.optional_dependencies import import_optional
from pimsim.studies.analysis.point_columns import is_number
from pimsim.studies.optimization.search_spec import Search
from pimsim.studies.sweep.space.axes import Axis, Point, rounded

if TYPE_CHECKING:
    import optuna

_NAME = "pimsim"
_IDENTITY = "search"


class Study:
    """The trials of a search. `path` is Optuna's file, made if it is not there; None keeps the trials in memory.

    Raises MissingExtraError without Optuna, SweepError for the file of another search, OutputError for one that
    cannot be read or written.
    """

    def __init__(self, search: Search, identity: str, path: Path | None) -> None:
        self._optuna: Any = import_optional("optuna", "optimize", "pimsim optimize")
        self._search, self._path = search, path
        self._optuna.logging.set_verbosity(logging.ERROR)
        directions = ["maximize" if better == "higher" else "minimize" for better in search.objectives.values()]
        with self._guarded():
            storage = None if path is None else self._storage(path)
            self._study: optuna.Study = self._optuna.create_study(
                study_name=_NAME, directions=directions, storage=storage, load_if_exists=True
            )
            known = self._study.user_attrs.get(_IDENTITY)
            if known is None:
                self._study.set_user_attr(_IDENTITY, identity)
            elif known != identity:
                raise SweepError(
                    f"{_shown(path)}: belongs to another search (another file, or another version of pimsim); "
                    "give another --out, or remove it"
                )
            self._states = self._optuna.trial.TrialState
            self._close_unfinished()

    def finished(self) -> Iterator[Point]:
        """The points of the trials that are finished, in order."""
        for trial in self._study.get_trials(deepcopy=False, states=[self._states.COMPLETE]):
            yield self._point(_Given(trial.params))

    def abandoned(self) -> Iterator[Point]:
        """The points of trials that an interrupt or a kill left unfinished."""
        for trial in self._study.get_trials(deepcopy=False, states=[self._states.FAIL]):
            with suppress(KeyError):  # one that came before all of its parameters were chosen has no point
                yield self._point(_Given(trial.params))

    def ask(self) -> tuple[optuna.Trial, Point]:
        """The next trial and its point."""
        with self._guarded():
            done = len(self._study.get_trials(deepcopy=False, states=[self._states.COMPLETE]))
            self._study.sampler = self._sampler(done)
            trial = self._study.ask()
            return trial, self._point(trial)

    def tell(self, trial: optuna.Trial, values: Sequence[float] | None) -> None:
        """What a trial came to: a number per objective, or None for a point that is not allowed or has failed."""
        with self._guarded():
            trial.set_constraint("possible", 1.0 if values is None else 0.0)
            # Of an impossible trial only the constraint counts, but Optuna takes no trial without values.
            self._study.tell(trial, [0.0] * len(self._search.objectives) if values is None else list(values))

    def _point(self, source: optuna.Trial | _Given) -> Point:
        return tuple(value for axis in self._search.space.axes for value in _suggested(source, axis))

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
        """Optuna's journal. The results' lock keeps others away, so it needs none, and none stays after a kill."""
        journal = import_optional("optuna.storages.journal", "optimize", "pimsim optimize")

        _cut_torn_line(path)
        return self._optuna.storages.JournalStorage(journal.JournalFileBackend(str(path), lock_obj=_NoLock()))

    def _close_unfinished(self) -> None:
        """Trials that a kill left unfinished are given up; as they do not count, they are suggested again."""
        for trial in self._study.get_trials(deepcopy=False, states=[self._states.RUNNING]):
            self._study.tell(trial.number, state=self._states.FAIL)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Optuna's warnings are for those who call it; its file's errors become ours."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                yield
            except OSError as error:
                raise OutputError(f"{_shown(self._path)}: cannot be written: {error.strerror or error}") from error
            except (json.JSONDecodeError, KeyError, ValueError) as error:
                if self._path is None:
                    raise
                raise SweepError(f"{_shown(self._path)}: is damaged ({error}); remove it to start anew") from error


class _NoLock:
    """For Optuna's journal."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


class _Given:
    """Stands in for a trial whose parameters are known."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._parameters = parameters

    def suggest_int(self, name: str, *_: Any, **__: Any) -> int:
        return int(self._parameters[name])

    def suggest_float(self, name: str, *_: Any, **__: Any) -> float:
        return float(self._parameters[name])

    def suggest_categorical(self, name: str, _: Any) -> int:
        return int(self._parameters[name])


def _suggested(trial: optuna.Trial | _Given, axis: Axis) -> Point:
    """An axis's values at a trial. Of a list of numbers the place is suggested, so that neighbours are near."""
    interval = axis.interval
    if interval is not None and interval.whole:
        return (trial.suggest_int(axis.name, int(interval.start), int(interval.stop), log=interval.log),)
    if interval is not None:
        return (rounded(trial.suggest_float(axis.name, interval.start, interval.stop, log=interval.log)),)
    last = len(axis.choices) - 1
    if all(is_number(choice[0]) for choice in axis.choices):
        return axis.choices[trial.suggest_int(axis.name, 0, last)]
    return axis.choices[trial.suggest_categorical(axis.name, list(range(last + 1)))]


def _cut_torn_line(path: Path) -> None:
    """Take away the half line that a kill may have left at the end, which the next line would be joined to."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        data = file.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            file.truncate(whole)


def _shown(path: Path | None) -> str:
    return printable(str(path), 200)
