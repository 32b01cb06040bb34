"""One point of a sweep: from its values to its metrics, or to the message of its failure.

A point is simulated as `simulate(load_config(base, settings))` would do it, and gives the same bits. What makes it
quicker is what points have in common: the base config is read once, traces are made once, and what one component did
for a share of an op is known to every point that has an equal component.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pimsim.base.errors import PimsimError, SweepError, printable
from pimsim.config.schema import Config, WorkloadConfig
from pimsim.engine import Memo, MemoEntry
from pimsim.generation import generate
from pimsim.hardware.machine import build_machine
from pimsim.simulation import make_trace, simulate
from pimsim.studies.sweep.measure.metrics import METRICS, Metric, Result
from pimsim.studies.sweep.measure.model_accuracy import NAMES as MODEL_METRICS
from pimsim.studies.sweep.measure.model_accuracy import files_digest
from pimsim.studies.sweep.running.code_version import code_hash
from pimsim.studies.sweep.space.axes import Point
from pimsim.studies.sweep.space.sweep_space import Space
from workloads.trace import Trace

MAX_ERROR_CHARS = 400
MAX_SHARES = 50_000
"""Known shares that a process keeps: some 2 KB each without their spans, 100 MB in all."""
MAX_TRACES = 64
POINTS_BETWEEN_TIDYING = 64
"""Spans are most of what a run leaves, some 200 KB; dropping them point by point would take longer than a point."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a point: a value per metric, or a message. `key` names its whole config and the code."""

    key: str
    values: tuple[float, ...]
    error: str = ""


class Evaluator:
    """Evaluates points of one space, one after another, in one process."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._metrics = [_metric(name) for name in space.metrics]
        self._components = _ComponentMemos()
        self._traces: OrderedDict[WorkloadConfig, Trace] = OrderedDict()
        self._inputs: dict[str, bytes] = {}

    def evaluate(self, point: Point) -> Outcome:
        """Simulate a point. An error of pimsim's own is the point's failure; anything else is a bug, and raised."""
        try:
            config = self.space.config(point)
        except PimsimError as error:
            return Outcome(self.key_of_invalid(point), (), _one_line(error))
        key = self.key_of(config)
        try:
            return Outcome(key, self._measured(self._result(config)))
        except PimsimError as error:
            return Outcome(key, (), _one_line(error))

    def key(self, point: Point) -> str:
        """The key that `evaluate` gives a point, without simulating it."""
        try:
            return self.key_of(self.space.config(point))
        except PimsimError:
            return self.key_of_invalid(point)

    def key_of(self, config: Config) -> str:
        """32 hexadecimal digits: a hash of the whole config, of the files that it names, and of the code."""
        digest = _digest()
        digest.update(config.model_dump_json().encode())
        for name in (config.workload.trace, config.workload.model):
            digest.update(self._input(name))
        if not set(MODEL_METRICS).isdisjoint(self.space.metrics):
            digest.update(files_digest(config))
        return str(digest.hexdigest())

    def key_of_invalid(self, point: Point) -> str:
        """As `key_of`, for a point that makes no config: a hash of its values and those of the base."""
        digest = _digest()
        digest.update(repr((self.space.base, self.space.columns, point)).encode())
        return str(digest.hexdigest())

    def _input(self, name: str | None) -> bytes:
        """A hash of the file or folder that a workload names, or nothing for a model by name."""
        if name is None:
            return b""
        if name not in self._inputs:
            path = Path(name)
            path = path / "config.json" if path.is_dir() else path
            try:
                self._inputs[name] = hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
            except (OSError, ValueError):
                self._inputs[name] = b""
        return self._inputs[name]

    def _result(self, config: Config) -> Result:
        memo = self._components.memo(config)
        if config.workload.phase == "generate" and config.workload.trace is None:
            return generate(config, memo=memo)
        return simulate(config, self._trace(config), memo=memo)

    def _trace(self, config: Config) -> Trace:
        """The trace of a config's workload, made once for all points that have the same."""
        trace = self._traces.pop(config.workload, None) or make_trace(config)
        self._traces[config.workload] = trace
        if len(self._traces) > MAX_TRACES:
            self._traces.popitem(last=False)
        return trace

    def _measured(self, result: Result) -> tuple[float, ...]:
        values = (metric.of(result) for metric in self._metrics)
        return tuple(math.nan if value is None else value for value in values)


class _ComponentMemos:
    """What is known of components, by the component: the least recently used are forgotten first.

    A component is pure: everything follows from its parameters and the share it is given (`pimsim.hardware.component`).
    One from outside the package is not ours to vouch for, and starts anew at every point.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[Any, dict[Any, MemoEntry]] = OrderedDict()
        self._since_tidied = 0

    def memo(self, config: Config) -> Memo:
        """What is known of the machine of a config, to be added to."""
        self._since_tidied += 1
        if self._since_tidied > POINTS_BETWEEN_TIDYING:
            self._tidy()
        if config.machine.outside:
            return {}
        memo: Memo = {}
        for component in build_machine(config.machine).components():
            memo[component.name] = self._known.setdefault(component, {})
            self._known.move_to_end(component)
        return memo

    def _tidy(self) -> None:
        """Drop what no metric asks for, and what is too much."""
        self._since_tidied = 0
        for shares in self._known.values():
            for known in shares.values():
                if known.profile is not None and known.profile.spans:
                    known.profile = replace(known.profile, spans=())
        held = sum(map(len, self._known.values()))
        while held > MAX_SHARES:
            _, shares = self._known.popitem(last=False)
            held -= len(shares)


def _metric(name: str) -> Metric:
    """The metric of that name, which the process that made the plan knew. Raises SweepError where this one does not."""
    if name not in METRICS:
        raise SweepError(
            f"a worker knows no metric {name}: register it when a module is imported, not under "
            'if __name__ == "__main__", or use one worker'
        )
    return METRICS[name]


def _digest() -> Any:
    """A hash that has begun with the code."""
    return hashlib.blake2b(code_hash().encode(), digest_size=16)


def _one_line(error: PimsimError) -> str:
    return printable(" ".join(str(error).split()), MAX_ERROR_CHARS)
