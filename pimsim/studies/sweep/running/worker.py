"""Functions that run in a worker process: they evaluate points of a plan by number."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Sequence

from pimsim.studies.sweep.running.code_version import code_hash
from pimsim.studies.sweep.running.evaluate_point import Evaluator, Outcome
from pimsim.studies.sweep.space.axes import Point
from pimsim.studies.sweep.space.plan import Plan
from pimsim.studies.sweep.space.sweep_space import Space

Numbered = tuple[int, Outcome]
"""Number of a point and its outcome."""
NEW_OBJECTS = 50_000
"""Objects between two searches for unused cycles, as in the main process: what a point makes is freed without them."""

_plans: dict[str, Plan] = {}
_evaluators: dict[str, Evaluator] = {}
"""Plan and evaluator of the current sweep, by its name in the pool or cluster; at most one entry each."""


def start(name: str, plan: Plan) -> None:
    """Initialize a process of a pool.

    Args:
        name: Name of the sweep in the pool.
        plan: The sweep.
    """
    begin_worker()
    _plans[name] = plan


def begin_worker() -> None:
    """Let this process ignore interrupts, end with its parent, and search for unused objects less often."""
    # The terminal sends Ctrl-C to all processes. Only the main process handles it, and stops the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    gc.freeze()  # what is imported stays
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])


def evaluate(name: str, numbers: Sequence[int]) -> list[Numbered]:
    """Evaluate points of a plan that this process has received by `start`.

    Args:
        name: Name of the sweep in the pool or cluster.
        numbers: Numbers of the points.

    Returns:
        Number and outcome of each point.
    """
    plan = _plans[name]
    if name not in _evaluators:  # not in `start`, where an exception would end the process without a message
        _evaluators[name] = Evaluator(plan.space)
    return [(number, _evaluators[name].evaluate(plan[number])) for number in numbers]


def evaluate_points(name: str, space: Space, points: Sequence[tuple[int, Point]]) -> list[Numbered]:
    """Evaluate points in a process that may not have seen their sweep before.

    Args:
        name: Name of the sweep; one evaluator with its memo serves all calls of the same name.
        space: What the points have in common.
        points: The number of each point in its plan, and its values.

    Returns:
        Number and outcome of each point.
    """
    evaluator = _evaluators.get(name)
    if evaluator is None:
        evaluator = Evaluator(space)
        _evaluators.clear()  # an evaluator of an earlier sweep would only take memory
        _evaluators[name] = evaluator
    return [(number, evaluator.evaluate(point)) for number, point in points]


def code_of_worker() -> str:
    """Return the hash of the source code of this process.

    Returns:
        32 hexadecimal digits.
    """
    return code_hash()


def _end_with_parent() -> None:
    """End this process when its parent ends. Otherwise a worker would wait forever for a parent that was killed."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
