"""Evaluation of one point of a sweep: from its values to its metrics, or to the message of its failure.

A point gives bit for bit the same result as `simulate(load_config(base, settings))`, with the settings of each workload
that its metrics read. It runs faster because points
share work: the base config is read once, each trace is made once, and the simulated steps of a component are memoized
for all points that have an equal component.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pimsim.base.errors import PimsimError, SweepError, printable
from pimsim.base.metric_names import split_metric
from pimsim.base.plugins import changed_records, install_plugin
from pimsim.config.schema import Config, WorkloadConfig
from pimsim.engine import Memo, MemoEntry
from pimsim.generation import PRICED_STEPS, generate
from pimsim.hardware.machine import build_machine
from pimsim.mapping.pass_options import number_formats
from pimsim.results.accounting import Accounting
from pimsim.simulation import make_trace, simulate
from pimsim.steps.records import Profile
from pimsim.studies.sweep.measure.accuracy_metrics import MODEL_METRICS, files_digest
from pimsim.studies.sweep.measure.metrics import METRICS, Metric, Result
from pimsim.studies.sweep.running.code_version import code_hash
from pimsim.studies.sweep.space.axes import Point
from pimsim.studies.sweep.space.sweep_space import Space
from workloads.gguf_files import is_gguf
from workloads.trace import Trace

MAX_ERROR_CHARS = 400
MAX_MEMO_ENTRIES = 40_000
"""Maximum number of memo entries that a process keeps: about 2.5 KB each without their spans, 100 MB in total."""
MAX_TRACES = 64
POINTS_BETWEEN_TRIMS = 16
"""Number of points after which the memo is trimmed. Spans are most of the memory of a run, about 200 KB; dropping them
after every point takes longer."""


TraceKey = tuple[WorkloadConfig, int, int]
"""What a trace follows from: the workload, the number of micro-batches, of which it holds one, and the bits of
activations."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a point.

    Attributes:
        key: Hash of the config of the point and of the source code.
        values: One value per metric, SI units, NaN if the point does not have it; empty if the point failed.
        error: Message of the failure; empty if the point succeeded.
    """

    key: str
    values: tuple[float, ...]
    error: str = ""


class Evaluator:
    """Evaluator of the points of one space, with the memo that they share in one process."""

    def __init__(self, space: Space) -> None:
        """Create the evaluator.

        Args:
            space: Space of the sweep.

        Raises:
            SweepError: If this process does not know a metric of the space, or has another version of a package or of
                registered data.
            PluginError: If this process cannot load a plugin of the space.
        """
        for plugin in space.plugins:
            install_plugin(plugin)
        _check_records(space)
        self.space = space
        self._metrics = _by_workload(space.metrics)
        self._components = _ComponentMemos()
        self._traces: OrderedDict[TraceKey, Trace] = OrderedDict()
        self._inputs: dict[str, bytes] = {}

    def evaluate(self, point: Point) -> Outcome:
        """Simulate a point. A `PimsimError` is a failure of the point; any other exception is a bug and propagates.

        Args:
            point: One value per column.

        Returns:
            Metrics of the point, or the message of its failure.
        """
        try:
            configs = self._configs(point)
        except PimsimError as error:
            return Outcome(self.key_of_invalid(point), (), _one_line(error))
        key = self.key_of(*configs.values())
        values = [math.nan] * len(self.space.metrics)
        for workload, config in configs.items():
            try:
                result = self._result(config)
                for place, metric in self._metrics[workload]:
                    value = metric.of(result)
                    values[place] = math.nan if value is None else value
            except PimsimError as error:
                return Outcome(key, (), _one_line(error, workload))
        return Outcome(key, tuple(values))

    def key(self, point: Point) -> str:
        """Compute the key that `evaluate` gives a point, without simulating it.

        Args:
            point: One value per column.

        Returns:
            32 hexadecimal digits.
        """
        try:
            return self.key_of(*self._configs(point).values())
        except PimsimError:
            return self.key_of_invalid(point)

    def _configs(self, point: Point) -> dict[str, Config]:
        """Build the configs of a point.

        Args:
            point: One value per column.

        Returns:
            Config of each workload that a metric reads, by its name; "" is that of the point itself.

        Raises:
            ConfigError: If a config is invalid.
        """
        return {workload: self.space.config(point, workload) for workload in self._metrics}

    def key_of(self, *configs: Config) -> str:
        """Compute the key of a point: a hash of its configs, of the files that they name, and of the source code.

        Args:
            *configs: Configs of the point, one per workload.

        Returns:
            32 hexadecimal digits.
        """
        digest = self._digest()
        for config, metrics in zip(configs, self._metrics.values(), strict=True):
            digest.update(config.model_dump_json().encode())
            for name in (config.workload.trace, config.workload.model, config.workload.routing.trace):
                digest.update(self._input(name))
            if any(_reads_model(metric) for _, metric in metrics):
                digest.update(files_digest(config))
        return str(digest.hexdigest())

    def key_of_invalid(self, point: Point) -> str:
        """Compute the key of a point whose config is invalid: a hash of its values, of the base config and of the code.

        Args:
            point: One value per column.

        Returns:
            32 hexadecimal digits.
        """
        digest = self._digest()
        digest.update(repr((self.space.base, self.space.columns, point)).encode())
        return str(digest.hexdigest())

    def _digest(self) -> Any:
        """Start a hash with the hash of the source code, those of plugins and data, and the versions of packages.

        Returns:
            A hash object.
        """
        code = "".join((code_hash(), *(each.sha256 or each.name for each in self.space.records)))
        return hashlib.blake2b(code.encode(), digest_size=16)

    def _input(self, name: str | None) -> bytes:
        """Compute a hash of the file that a workload names.

        Args:
            name: Path of a trace file, a model file or a model folder, or a name of a preset; None if not set.

        Returns:
            Digest of 16 bytes; empty if there is no such file.
        """
        if name is None:
            return b""
        if name not in self._inputs:
            path = Path(name)
            path = path / "config.json" if path.is_dir() else path
            try:
                content = path.read_bytes() if not is_gguf(path) else _stamp(path)
                self._inputs[name] = hashlib.blake2b(content, digest_size=16).digest()
            except (OSError, ValueError):
                self._inputs[name] = b""
        return self._inputs[name]

    def _result(self, config: Config) -> Result:
        memo = self._components.memo(config)
        if config.workload.phase == "generate" and config.workload.trace is None:
            return generate(config, memo=memo)
        return simulate(config, self._trace(config), memo=memo)

    def _trace(self, config: Config) -> Trace:
        """Return the trace of a config's workload; points with equal workloads, micro-batches and bits share it.

        Args:
            config: Config of a point.

        Returns:
            The trace.
        """
        key = (config.workload, config.mapping.microbatches, number_formats(config)["activation_bits"])
        trace = self._traces.pop(key, None) or make_trace(config)
        self._traces[key] = trace
        if len(self._traces) > MAX_TRACES:
            self._traces.popitem(last=False)
        return trace


def accounting_of(config: Config) -> Accounting:
    """Return what the metrics of a point count and leave out.

    The times are those of steps one after another on an idle machine, whatever the schedule, so that the serial
    schedule, which is the fastest to simulate, has all of them.

    Args:
        config: Config of the point.

    Returns:
        The accounting; without items for a point that fails.
    """
    workload = config.workload
    if workload.phase == "generate":
        samples = min(PRICED_STEPS, workload.samples or PRICED_STEPS)
        workload = workload.model_copy(update={"samples": samples})
    serial = config.model_copy(update={"schedule": "serial", "workload": workload})
    try:
        if workload.phase == "generate" and workload.trace is None:
            return generate(serial).accounting
        return simulate(serial).accounting
    except PimsimError:
        return Accounting()


class _Hashed:
    """A component as a key: hashing one, with its section of the config, takes longer than finding it.

    Attributes:
        component: The component.
    """

    __slots__ = ("_hash", "component")

    def __init__(self, component: Any) -> None:
        self.component, self._hash = component, hash(component)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashed) and bool(self.component == other.component)


class _ComponentMemos:
    """Memos of simulated steps by component. The least recently used components are dropped first.

    A component is pure: its steps follow from its parameters and its share of the work (`pimsim.hardware.component`).
    This is not guaranteed for components from outside the package. A machine with such a component gets a new memo at
    every point.
    """

    def __init__(self) -> None:
        self._memos: dict[_Hashed, dict[Any, MemoEntry]] = {}
        """By component, the least recently used first. Iterating over an OrderedDict would hash each key again."""
        self._used: dict[int, dict[Any, MemoEntry]] = {}
        """Memos since the last trim, by identity: only these can have new entries."""
        self._points_since_trim = 0

    def memo(self, config: Config) -> Memo:
        """Return the memo of a machine. The simulation adds entries to it.

        Args:
            config: Config of a point.

        Returns:
            Memo by name of the component.
        """
        self._points_since_trim += 1
        if self._points_since_trim > POINTS_BETWEEN_TRIMS:
            self._trim()
        if config.machine.outside:
            return {}
        memo: Memo = {}
        for component in build_machine(config.machine).components():
            key = _Hashed(component)
            entries = memo[component.name] = self._memos[key] = self._memos.pop(key, {})
            self._used[id(entries)] = entries
        return memo

    def _trim(self) -> None:
        """Drop spans, which no metric needs, and the memos of components beyond `MAX_MEMO_ENTRIES`."""
        self._points_since_trim = 0
        for entries in self._used.values():
            for entry in entries.values():
                if (full := entry.profile) is not None and full.spans:
                    entry.profile = Profile(
                        full.duration_ps, full.busy_ps, full.parts_ps, full.counts, (), full.contended_for
                    )
        self._used.clear()
        excess = sum(map(len, self._memos.values())) - MAX_MEMO_ENTRIES
        oldest = []
        for key, entries in self._memos.items():
            if excess <= 0:
                break
            excess -= len(entries)
            oldest.append(key)
        for key in oldest:
            del self._memos[key]


def _by_workload(names: Sequence[str]) -> dict[str, list[tuple[int, Metric]]]:
    """Group metrics by the workload whose result they read.

    Args:
        names: Names of metrics, with or without a workload.

    Returns:
        Place among the names and metric, by workload. Workloads whose accuracy is evaluated, which takes longest, are
        the last ones, so that a machine without room for another workload fails first.

    Raises:
        SweepError: If this process does not know a metric.
    """
    found: dict[str, list[tuple[int, Metric]]] = {}
    for place, name in enumerate(names):
        metric, workload = split_metric(name)
        found.setdefault(workload, []).append((place, _metric(metric)))
    return dict(sorted(found.items(), key=lambda item: any(_reads_model(metric) for _, metric in item[1])))


def _reads_model(metric: Metric) -> bool:
    return metric.name in MODEL_METRICS


def _metric(name: str) -> Metric:
    """Find a metric that the process that built the plan knew.

    Args:
        name: Name of the metric.

    Returns:
        The metric.

    Raises:
        SweepError: If this process does not know the metric.
    """
    if name not in METRICS:
        raise SweepError(
            f"a worker does not know the metric {name}: register it when a module is imported, not under "
            'if __name__ == "__main__", or use one worker'
        )
    return METRICS[name]


def _check_records(space: Space) -> None:
    """Refuse to compute in a process that has another version of what the space was built with.

    Args:
        space: Space of the sweep.

    Raises:
        SweepError: If a package or registered data differs. What is missing is reported by the points that need it.
    """
    for record, now in changed_records(space.records):
        if now is not None:
            raise SweepError(
                f"a worker has another version of {record.thing}: {now.version}, not {record.version}; "
                "give it the same one"
            )


def _one_line(error: PimsimError, workload: str = "") -> str:
    text = " ".join(str(error).split())
    return printable(f"{workload}: {text}" if workload else text, MAX_ERROR_CHARS)


def _stamp(path: Path) -> bytes:
    """Return the size and time of a file that is too large to be read for a digest."""
    status = path.stat()
    return f"{status.st_size}, {status.st_mtime_ns}".encode()
