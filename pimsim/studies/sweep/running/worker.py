"""What runs in a worker process: chunks of a plan's points, by number."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence

from pimsim.studies.sweep.running.code_version import code_hash
from pimsim.studies.sweep.running.evaluate_point import Evaluator, Outcome
from pimsim.studies.sweep.space.plan import Plan

Numbered = tuple[int, Outcome]
"""The outcome of the point of that number."""

_plans: dict[str, Plan] = {}
_evaluators: dict[str, Evaluator] = {}
"""One of each at most: of the sweep that this process works for, by its name in the pool or cluster."""


def start(name: str, plan: Plan) -> None:
    """Make a process of a pool ready to work on a plan."""
    # Ctrl-C reaches all processes of a terminal; the one that started us decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _plans[name] = plan


def evaluate(name: str, numbers: Sequence[int]) -> list[Numbered]:
    """The outcomes of the points of these numbers, of a plan that `start` or `evaluate_plan` was given."""
    plan = _plans[name]
    if name not in _evaluators:  # not in `start`: what is wrong there kills the process without a word
        _evaluators[name] = Evaluator(plan.space)
    return [(number, _evaluators[name].evaluate(plan[number])) for number in numbers]


def evaluate_plan(name: str, plan: Plan, numbers: Sequence[int]) -> list[Numbered]:
    """As `evaluate`, for a process that may not have seen the plan before."""
    if name not in _plans:
        _plans.clear()
        _evaluators.clear()
        _plans[name] = plan
    return evaluate(name, numbers)


def code_of_worker() -> str:
    """The hash of the code that this process has."""
    return code_hash()


def _end_with_parent() -> None:
    """Without this, workers would wait for ever for a parent that was killed."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
