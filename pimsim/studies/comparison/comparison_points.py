"""Computation of the rows of a comparison, in this process or in a pool of processes, with equal results.

Rows of one design share the steps of its machine that do not depend on the workload: `simulate` keeps them with the
machine, so that a further context of a model takes a small fraction of the first one.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pimsim.base.errors import SYSTEM_EXIT_CODE, PimsimError
from pimsim.base.plugins import Plugin, install_plugin, loaded_plugins
from pimsim.base.summaries import counted
from pimsim.config.schema import Config
from pimsim.generation import GenerationResult, generate
from pimsim.results.run_result import RunResult
from pimsim.simulation import simulate
from pimsim.studies.comparison.compared_designs import LoadedDesign, workload_texts
from pimsim.studies.comparison.compared_workloads import Workload
from pimsim.studies.comparison.comparison_rows import ComparisonRow, generation_figures, one_line, run_figures
from pimsim.studies.ranges.ranges_run import run_ranges
from pimsim.studies.sweep.running.worker import begin_worker
from pimsim.studies.sweep.running.worker_processes import process_context, start_early

WORKER_DIED = "the worker process died while it ran this point, as it does without enough memory"
Samples = Mapping[str, NDArray[np.float64]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class RangeOptions:
    """How intervals are computed.

    Attributes:
        samples: Number of samples; 0 means that there are no intervals.
        seed: Seed of the random numbers.
        unknown: Keys or patterns of numbers that are taken as unknown.
    """

    samples: int = 0
    seed: int = 0
    unknown: tuple[str, ...] = ()


class Point(NamedTuple):
    """One row to compute: a design, and a workload.

    Attributes:
        design: The design.
        workload: The workload.
    """

    design: LoadedDesign
    workload: Workload


class Computed(NamedTuple):
    """A computed row.

    Attributes:
        row: The row.
        samples: Samples of its figures by name, [samples] float64; empty without ranges.
    """

    row: ComparisonRow
    samples: Samples


def compute(point: Point, options: RangeOptions) -> Computed:
    """Compute a row.

    Args:
        point: Design and workload.
        options: How intervals are computed.

    Returns:
        The row, with figures or with the reason why there are none.
    """
    design, workload = point
    labels = design.name, workload.model, workload.phase, workload.context_length
    try:
        config = design.with_workload(workload.changes)
        result = _result(config)
        samples, notes = _samples(design, config, workload, options)
    except PimsimError as error:
        failed = ComparisonRow(*labels, one_line(str(error)), type(error).__name__, error.exit_code)
        return Computed(failed, {})
    figures: dict[str, Any] = run_figures(result) if isinstance(result, RunResult) else generation_figures(result)
    row = ComparisonRow(
        *labels,
        **figures,
        notes=(*result.notes, *notes),
        warnings=result.warnings,
        accounting=result.accounting,
    )
    return Computed(row, samples)


def _result(config: Config) -> RunResult | GenerationResult:
    if config.workload.phase == "generate" and config.workload.trace is None:
        return generate(config)
    return simulate(config)


def _samples(
    design: LoadedDesign, config: Config, workload: Workload, options: RangeOptions
) -> tuple[Samples, tuple[str, ...]]:
    """Return the samples of a row and the notes about them; nothing without ranges."""
    if not options.samples:
        return {}, ()
    found = run_ranges(
        config,
        [*design.settings, *workload_texts(workload.changes)],
        samples=options.samples,
        seed=options.seed,
        unknown=options.unknown,
        source=design.origin,
    )
    exact = [key for key in found.exact if not key.startswith("workload.")]
    numbers = counted(len(exact), "number")
    sentence = f"ranges: the config or a setting gives {numbers} without a range, taken as exact: {', '.join(exact)}"
    return found.samples, (*found.notes, *([one_line(sentence)] if exact else []))


def compute_rows(
    points: Sequence[Point], options: RangeOptions, workers: int, progress: Progress | None, done: dict[int, Computed]
) -> None:
    """Compute rows, and keep those that are finished when an interrupt comes.

    Args:
        points: What to compute.
        options: How intervals are computed.
        workers: Number of processes; 1 means this process.
        progress: Called with the number of finished rows and of all; or None.
        done: Gets the rows by number of the point.

    Raises:
        KeyboardInterrupt: At an interrupt; `done` has the finished rows.
    """
    for number, computed in _in_pool(points, options, workers) if workers > 1 else _here(points, options):
        done[number] = computed
        if progress is not None:
            progress(len(done), len(points))


def _here(points: Sequence[Point], options: RangeOptions) -> Iterator[tuple[int, Computed]]:
    for number, point in enumerate(points):
        yield number, compute(point, options)


def _in_pool(points: Sequence[Point], options: RangeOptions, workers: int) -> Iterator[tuple[int, Computed]]:
    with _pool(min(workers, len(points)), options) as pool:
        # An interrupt waits until all processes are known that the pool starts: only those can be ended.
        with _interrupts_wait():
            futures: dict[Future[Computed], int] = {pool.submit(_compute, point): at for at, point in enumerate(points)}
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenProcessPool:
                design, workload = points[futures[future]]
                labels = design.name, workload.model, workload.phase, workload.context_length
                row = ComparisonRow(*labels, WORKER_DIED, "BrokenProcessPool", SYSTEM_EXIT_CODE)
                yield futures[future], Computed(row, {})


@contextmanager
def _pool(workers: int, options: RangeOptions) -> Iterator[ProcessPoolExecutor]:
    """Create a pool of processes, all of which end with the `with` block, also at an interrupt."""
    before = {process.pid for process in multiprocessing.active_children()}
    start_early()
    pool = ProcessPoolExecutor(workers, process_context(), _start, (options, loaded_plugins()))
    try:
        yield pool
        pool.shutdown()
    except BaseException:
        for process in multiprocessing.active_children():
            if process.pid not in before:
                process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)
        raise


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the end of the `with` block.

    A mask of signals would not do: it is that of one thread, and any other one may receive the signal.

    Yields:
        Nothing.

    Raises:
        KeyboardInterrupt: At the end, if a signal came.
    """
    received: list[int] = []
    before = {}
    with suppress(ValueError):  # not in the main thread
        for number in (signal.SIGINT, signal.SIGTERM):
            if callable(signal.getsignal(number)):  # neither ignored nor the end of the process
                before[number] = signal.signal(number, lambda caught, _: received.append(caught))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        raise KeyboardInterrupt


_options: list[RangeOptions] = []
"""Options of the comparison that this worker process belongs to; at most one."""


def _start(options: RangeOptions, plugins: Sequence[Plugin]) -> None:
    begin_worker()
    for plugin in plugins:
        install_plugin(plugin)
    _options[:] = [options]


def _compute(point: Point) -> Computed:
    return compute(point, _options[0])
