"""What would help: a run is repeated with one change of its config at a time.

Area and the counts of actions do not depend on the schedule, and a run under the serial schedule takes milliseconds.
Under the dataflow schedule the changes are therefore compared under the serial one first, and those that help most are
run again under dataflow; only their figures are reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pimsim.base.errors import PimsimError
from pimsim.config.ineffective_keys import ineffective_keys
from pimsim.config.schema import Config
from pimsim.engine import Memo
from pimsim.hardware.machine import build_machine
from pimsim.results.run_result import RunResult
from pimsim.simulation import make_trace, simulate
from pimsim.steps.step_tree import WAITING
from pimsim.studies.what_if.candidates import CANDIDATES, Candidate, KeyChange, changed_config
from pimsim.studies.what_if.improvements import OBJECTIVES, SMALLEST_GAIN, Bound, Figures, Improvements, Tried, amdahl
from workloads.trace import Trace

MAX_ACTIVITIES = 25_000
"""Activities that all runs under the dataflow schedule may have together: some 0.6 seconds."""

MIN_RERUNS = len(OBJECTIVES)
"""Runs under the dataflow schedule, however large one is: the best change for each figure."""

_CONTENDED = (
    "not computed under the contended schedule, where each run takes as long as this one; use --schedule dataflow, or "
    "call pimsim.find_improvements with a limit"
)


def find_improvements(result: RunResult, trace: Trace | None = None, limit: int | None = None) -> Improvements:
    """Run a chip again with one change at a time, and compare time, energy and area.

    Args:
        result: The run. Its config is changed.
        trace: The trace of the run; None means the trace of its workload.
        limit: Number of runs under a schedule other than serial; None means as many as take less than a second under
            dataflow, and none under contended.

    Returns:
        The changes that were tried, with their figures under the schedule of the run.

    Raises:
        WorkloadInputError: If the trace of the workload cannot be made or read.

    Example:
        >>> from pimsim import load_config, simulate
        >>> found = find_improvements(simulate(load_config("pim-llm", ["workload.model=gpt2-small"])))
        >>> found.schedule, found.base.latency_ps > found.best("time")[0].figures.latency_ps
        ('serial', True)
    """
    config, figures = result.config, Figures.of(result)
    shares = {part: duration_ps / result.latency_ps for part, duration_ps in result.parts_ps.items()}
    bounds = tuple(Bound(part, share) for part, share in sorted(shares.items(), key=lambda item: -item[1]))
    if config.schedule == "contended" and limit is None:
        return Improvements(figures, config.schedule, (), 0, 0, bounds, _CONTENDED)
    search = _Search(result, trace)
    tried = search.serial() if config.schedule == "serial" else search.overlapping(limit)
    return Improvements(
        figures, config.schedule, tuple(tried), search.screened, search.refused, bounds, spilling=search.spilling
    )


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A candidate that the config allows, with the changed keys."""

    candidate: Candidate
    changes: tuple[KeyChange, ...]
    config: Config


class _Search:
    """The runs behind `find_improvements`.

    Attributes:
        screened: Number of changes that were run under the serial schedule only.
        refused: Number of changes that the schema or the machine does not allow.
        spilling: Number of changes with which more activations do not fit into the global buffer.
    """

    def __init__(self, result: RunResult, trace: Trace | None) -> None:
        """Prepare the candidates that the config allows.

        Args:
            result: The run.
            trace: Its trace; None means the trace of its workload.
        """
        self.result, self.base = result, result.config
        self.own_trace = trace is None
        self.trace = trace or make_trace(result.config)
        self.screened = self.refused = self.spilling = 0
        self.memo: Memo = {}
        self.components = {each.name: each for each in build_machine(self.base.machine, self.base.name).components()}
        self.prepared = list(self._prepare())

    def _prepare(self) -> Iterator[_Prepared]:
        tree = self.base.model_dump()
        alone = self.base.machine.processor is not None  # then keys of the other components change nothing
        for candidate in CANDIDATES:
            if alone and ineffective_keys(self.base, (candidate.key,)):
                continue
            try:
                changes = candidate.changes(tree)
                if changes:
                    yield _Prepared(candidate, changes, changed_config(self.base, changes))
            except ValueError:
                self.refused += 1

    def serial(self) -> list[Tried]:
        """Try all changes that have an effect under the serial schedule.

        Returns:
            The changes that run, in the order of the candidates.
        """
        too_long = self._activities() > MAX_ACTIVITIES // 2
        chosen = (
            each
            for each in self.prepared
            if not each.candidate.overlapping and not (too_long and each.config.schedule != "serial")
        )
        return self._run_all(chosen)

    def overlapping(self, limit: int | None) -> list[Tried]:
        """Try the most promising changes under the schedule of the run.

        Args:
            limit: Number of changes; None means as many as `MAX_ACTIVITIES` allows.

        Returns:
            The changes that run, in the order of the candidates.
        """
        serial = simulate(_serial(self.base), self.trace, memo=self.memo)
        before = Figures.of(serial)
        if limit is None:
            # With the memo, a run under the serial schedule takes half as long per activity.
            left = MAX_ACTIVITIES - len(self.prepared) * len(serial.activities) // 2
            limit = max(MIN_RERUNS, left // max(len(self.result.activities), 1))
        screened = []
        for index, each in enumerate(self.prepared):
            if not each.candidate.overlapping and (figures := self._run(each, _serial(each.config))) is not None:
                screened.append((index, figures))
        chosen = self._ranked(before, screened)[:limit]
        overlapping = sum(each.candidate.overlapping for each in self.prepared)
        self.screened = len(screened) + overlapping - len(chosen)
        return self._run_all(self.prepared[index] for index in sorted(chosen))

    def _ranked(self, before: Figures, screened: Sequence[tuple[int, Figures]]) -> list[int]:
        """Order the changes by what they promise under another schedule than serial.

        The best for time, energy and area come first, then the next ones, two for time against one each for the others,
        which hardly depend on the schedule. The gain in time counts up to its limit under the schedule of the run. Of
        several changes of one key only the best is ranked. Those that have an effect only where ops overlap come after
        the first of each.

        Args:
            before: Figures of the unchanged run under the serial schedule.
            screened: Indices of prepared candidates with their figures under the serial schedule.

        Returns:
            Indices of prepared candidates.
        """
        order = [(1.0, index) for index, each in enumerate(self.prepared) if each.candidate.overlapping]
        for objective in OBJECTIVES:
            best: dict[str, tuple[float, int]] = {}
            for index, figures in screened:
                candidate = self.prepared[index].candidate
                gain, key = figures.better_than(before, objective), candidate.key
                if objective == "time":
                    gain = min(gain, self._limit(candidate) or gain)
                if gain >= SMALLEST_GAIN and gain > best.get(key, (0.0, 0))[0]:
                    best[key] = (gain, index)
            ranked = sorted(best.values(), key=lambda each: -each[0])
            order += [(rank / 2 if objective == "time" else rank, index) for rank, (_, index) in enumerate(ranked)]
        return list(dict.fromkeys(index for _, index in sorted(order, key=lambda each: each[0])))

    def _activities(self) -> int:
        """Return about how many activities the run would have under the dataflow schedule."""
        mapping, ops = self.base.mapping, self.result.ops
        vectors = self.result.tokens // mapping.microbatches
        slices = min(max(mapping.attention_slices, mapping.vector_chunks), 4 * vectors)
        return sum(ops[each.op].repeat * slices for each in self.result.activities) // 2

    def _run_all(self, chosen: Iterable[_Prepared]) -> list[Tried]:
        runs = ((each, self._run(each, each.config)) for each in chosen)
        return [self._tried(each, figures) for each, figures in runs if figures is not None]

    def _run(self, each: _Prepared, config: Config) -> Figures | None:
        """Run the chip with a change.

        Args:
            each: The change.
            config: The changed config, with the schedule to run.

        Returns:
            Its figures; None if the machine cannot run it, or if more activations are beyond the global buffer.
        """
        other_trace = any(change.key.startswith(("workload.", "mapping.microbatches")) for change in each.changes)
        if other_trace and not self.own_trace:
            self.refused += 1  # the trace of the caller is that of the unchanged workload
            return None
        try:
            result = simulate(config, None if other_trace else self.trace, memo=self._memo_for(config))
        except (PimsimError, ValueError):
            self.refused += 1
            return None
        if _activation_bytes(result) > _activation_bytes(self.result):
            # Their way to memory and back is not in the figures, so a smaller buffer would always look better.
            self.spilling += 1
            return None
        return Figures.of(result)

    def _memo_for(self, config: Config) -> Memo:
        """Return the memo for a changed machine: shared with all runs for the components that are as they were.

        Args:
            config: The changed config.

        Returns:
            The memo, without entries for components that differ.
        """
        machine = build_machine(config.machine, config.name)
        same = [each.name for each in machine.components() if each == self.components.get(each.name)]
        return {name: self.memo.setdefault(name, {}) for name in same}

    def _tried(self, each: _Prepared, figures: Figures) -> Tried:
        return Tried(each.changes, figures, self._limit(each.candidate), each.candidate.note)

    def _limit(self, candidate: Candidate) -> float | None:
        """Return the largest speed-up that a change could have; None if it can shorten all parts."""
        parts_ps, latency_ps = self.result.parts_ps, self.result.latency_ps
        if not candidate.parts or not latency_ps:
            return None
        return amdahl(sum(parts_ps.get(part, 0) for part in (*candidate.parts, WAITING)) / latency_ps)


def _activation_bytes(result: RunResult) -> int:
    return 0 if result.memory_use is None else result.memory_use.activation_bytes


def _serial(config: Config) -> Config:
    return config.model_copy(update={"schedule": "serial"})
