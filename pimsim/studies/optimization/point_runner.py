"""Evaluation of the points of a batch: in this process, in worker processes, or on a Dask cluster.

Every point is computed independently, so that neither the number of workers nor their order changes a result. The
processes stay between batches, with what the points share: base config, memoized steps, exact results of a network.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, ExitStack, closing
from types import TracebackType

from pimsim.studies.sweep.running import worker
from pimsim.studies.sweep.running.evaluate_point import Evaluator, Outcome
from pimsim.studies.sweep.running.local_execution import default_workers, run_alone, worker_pool
from pimsim.studies.sweep.running.worker import Numbered
from pimsim.studies.sweep.space.axes import Point
from pimsim.studies.sweep.space.plan import Plan
from pimsim.studies.sweep.space.sweep_space import Space


class PointRunner(AbstractContextManager["PointRunner"]):
    """Evaluator of batches of points.

    Attributes:
        evaluator: Evaluator of this process.
        workers: Number of worker processes; 1 runs the points in this process.
    """

    def __init__(self, space: Space, workers: int | None = None, scheduler: str | None = None) -> None:
        """Create the runner. Worker processes start with the first batch of several points.

        Args:
            space: Space of the points.
            workers: Number of worker processes; None means one per core.
            scheduler: Address of a Dask scheduler; None runs the points on this machine.
        """
        self.evaluator = Evaluator(space)
        self.workers = workers or default_workers()
        self._space, self._scheduler = space, scheduler
        self._name = secrets.token_hex(8)
        self._opened: ExitStack | None = None
        self._pool: ProcessPoolExecutor | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the worker processes; at once if there is an error, such as Ctrl-C."""
        opened, self._opened, self._pool = self._opened, None, None
        if opened is not None:
            opened.__exit__(kind, error, trace)

    def run(self, points: Sequence[Point]) -> Iterator[Numbered]:
        """Evaluate points.

        Args:
            points: The points.

        Yields:
            Number of a point among `points` and its outcome, in any order.

        Raises:
            SweepError: If workers die before they run a point, or the scheduler cannot be reached.
        """
        plan = Plan(self._space, points, None, 0)
        if self._scheduler is not None:
            yield from self._on_cluster(plan, self._scheduler)
        elif self._pool is None and (self.workers == 1 or len(points) == 1):
            yield from ((number, self.evaluator.evaluate(point)) for number, point in enumerate(points))
        else:
            yield from self._in_pool(plan)

    def _on_cluster(self, plan: Plan, address: str) -> Iterator[Numbered]:
        from pimsim.studies.sweep.running.dask_execution import run_dask

        if len(plan):
            with closing(run_dask(plan, range(len(plan)), address, self._name)) as chunks:
                for chunk in chunks:
                    yield from chunk

    def _in_pool(self, plan: Plan) -> Iterator[Numbered]:
        """Evaluate points in worker processes.

        If a process dies, the points without an outcome run again, each alone in a process.

        Args:
            plan: The points.

        Yields:
            Number and outcome of each point.
        """
        missing = set(range(len(plan)))
        try:
            for number, outcome in self._submitted(plan):
                missing.discard(number)
                yield number, outcome
        except BrokenProcessPool as error:
            self.__exit__(type(error), error, None)
            for number in sorted(missing):
                yield number, run_alone(plan, number)

    def _submitted(self, plan: Plan) -> Iterator[tuple[int, Outcome]]:
        if self._pool is None:
            with ExitStack() as stack:
                empty = Plan(self._space, [], None, 0)
                self._pool, _ = stack.enter_context(worker_pool(empty, self.workers))
                self._opened = stack.pop_all()
        futures: list[Future[list[Numbered]]] = [
            self._pool.submit(worker.evaluate_points, self._name, self._space, [(number, plan[number])])
            for number in range(len(plan))
        ]
        for future in as_completed(futures):
            yield from future.result()
