"""Simulation of a whole generation: the prefill of a prompt, then decode steps over a growing KV cache.

An exact generation simulates every decode step. A sampled generation simulates the steps at selected context lengths
and interpolates linearly between them. Under the serial schedule a step over a longer context is never faster. The
sum over the steps between two samples is therefore at least their number times the shorter step, and at most their
number times the longer one. The reported error is half of this interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.base.units import PS_PER_S, ps_to_s
from pimsim.config.schema import Config
from pimsim.engine import Memo
from pimsim.results.run_result import RunResult
from pimsim.simulation import simulate
from workloads.decoder_ops import sampled_contexts

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[int, int], None]
"""Callback after each simulated decode step, with the number of completed steps and their total."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One simulated decode step of a generation.

    Attributes:
        context_length: Tokens in the KV cache, the current one included.
        latency_ps: Latency of the step, picoseconds.
        energy_j: Energy of the step, joules.
        macs: Multiply-accumulates of the step.
    """

    context_length: int
    latency_ps: int
    energy_j: float
    macs: int


@dataclass(frozen=True, repr=False)
class GenerationResult(HeadlineRepr):
    """Result of a generation.

    Attributes:
        config: Configuration of the generation.
        prefill: Result of the prefill.
        steps: The simulated decode steps, in order of context length.
        first_context: Context length of the first decode step.
        last_context: Context length of the last decode step.
        notes: Features of the model that the figures do not describe, one sentence each.
    """

    config: Config
    prefill: RunResult
    steps: tuple[StepRecord, ...]
    first_context: int
    last_context: int
    notes: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the config, one sentence each: arrays that compute noise."""
        return self.prefill.warnings

    @property
    def exact(self) -> bool:
        """True if every decode step was simulated."""
        return len(self.steps) == self.last_context - self.first_context + 1

    @property
    def tokens(self) -> int:
        """Number of decoded tokens of all sequences."""
        return (self.last_context - self.first_context + 1) * self.config.workload.batch

    @cached_property
    def decode_latency_ps(self) -> int:
        """Latency of all decode steps in picoseconds, interpolated between samples."""
        return round(_interpolated_sum(self.steps, [step.latency_ps for step in self.steps]))

    @cached_property
    def latency_error_ps(self) -> int:
        """Largest deviation of `decode_latency_ps` from the exact sum, picoseconds; 0 if exact."""
        return math.ceil(_interpolation_error(self.steps, [step.latency_ps for step in self.steps]))

    @cached_property
    def decode_energy_j(self) -> float:
        """Energy of all decode steps in joules, interpolated between samples."""
        return _interpolated_sum(self.steps, [step.energy_j for step in self.steps])

    @cached_property
    def energy_error_j(self) -> float:
        """Largest deviation of `decode_energy_j` from the exact sum, joules; 0 if exact."""
        return _interpolation_error(self.steps, [step.energy_j for step in self.steps])

    @property
    def latency_ps(self) -> int:
        """Latency of prefill and decode, picoseconds."""
        return self.prefill.latency_ps + self.decode_latency_ps

    @property
    def energy_j(self) -> float:
        """Energy of prefill and decode, joules."""
        return self.prefill.energy_j + self.decode_energy_j

    @property
    def tokens_per_s(self) -> float:
        """Decoded tokens of all sequences per second of decode."""
        return self.tokens * PS_PER_S / self.decode_latency_ps

    @property
    def tokens_per_j(self) -> float:
        """Decoded tokens of all sequences per joule of decode; infinite if the energy is 0."""
        return self.tokens / self.decode_energy_j if self.decode_energy_j else float("inf")

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
            Name, model, lengths, time to first token and speed; in a notebook also energy and simulated steps.
        """
        yield Figure("name", self.config.name)
        yield Figure("model", self.prefill.model)
        yield Figure("prompt length", self.config.workload.prompt_length, "tokens")
        yield Figure("new tokens", self.config.workload.new_tokens)
        yield Figure("batch", self.config.workload.batch, brief=False)
        yield Figure("simulated steps", len(self.steps), brief=False)
        yield Figure("time to first token", ps_to_s(self.prefill.latency_ps), "s")
        yield Figure("latency", ps_to_s(self.latency_ps), "s", brief=False)
        yield Figure("energy", self.energy_j, "J", brief=False)
        yield Figure("throughput", self.tokens_per_s, "tokens/s")
        yield Figure("energy efficiency", self.tokens_per_j, "tokens/J")

    def summary(self) -> dict[str, Any]:
        """Return the main figures for JSON.

        Returns:
            Plain values by name; the unit is the suffix of the name.
        """
        workload = self.config.workload
        return {
            "name": self.config.name,
            "model": self.prefill.model,
            "phase": "generate",
            "prompt_length": workload.prompt_length,
            "new_tokens": workload.new_tokens,
            "batch": workload.batch,
            "steps_simulated": len(self.steps),
            "exact": self.exact,
            "time_to_first_token_s": ps_to_s(self.prefill.latency_ps),
            "prefill_tokens_per_s": self.prefill.tokens_per_s,
            "prefill_energy_j": self.prefill.energy_j,
            "decode_s": ps_to_s(self.decode_latency_ps),
            "decode_error_s": ps_to_s(self.latency_error_ps),
            "decode_energy_j": self.decode_energy_j,
            "decode_energy_error_j": self.energy_error_j,
            "tokens_per_s": self.tokens_per_s,
            "tokens_per_j": self.tokens_per_j,
            "latency_s": ps_to_s(self.latency_ps),
            "energy_j": self.energy_j,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the whole result for JSON.

        Returns:
            "notes", "warnings", "summary", "steps", "prefill" and "config" as plain values.
        """
        return {
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "summary": self.summary(),
            "steps": self.step_rows(),
            "prefill": self.prefill.to_dict(),
            "config": self.config.model_dump(mode="json"),
        }

    def step_rows(self) -> list[dict[str, Any]]:
        """Return one row per simulated decode step.

        Returns:
            Context length, latency in seconds, energy in joules and MACs of each step.
        """
        return [
            {
                "context_length": step.context_length,
                "latency_s": ps_to_s(step.latency_ps),
                "energy_j": step.energy_j,
                "macs": step.macs,
            }
            for step in self.steps
        ]

    def to_dataframe(self) -> pd.DataFrame:
        """Return the simulated decode steps as a table.

        What the rows leave out: the prefill, and decode steps that are interpolated and not simulated. A row is one
        whole decode step of the batch, and its energy includes leakage.

        Returns:
            One row per step, with the columns of `step_rows`.
        """
        import pandas as pd

        return pd.DataFrame(self.step_rows())


def generate(config: Config, progress: Progress | None = None, memo: Memo | None = None) -> GenerationResult:
    """Simulate the prefill and the decode steps of a generation.

    The phase of the workload is not used. If `workload.samples` is set and smaller than `workload.new_tokens`, only as
    many decode steps are simulated and the others are interpolated.

    Args:
        config: Machine, mapping and workload (`prompt_length`, `new_tokens`, `samples`, `batch`).
        progress: Called after each simulated decode step with the number of completed steps and their total; None
            means no calls.
        memo: Memo of simulated components, as in `simulate`; None means a new one for this generation.

    Returns:
        The prefill, the simulated decode steps and their sums.

    Raises:
        WorkloadInputError: If the model is unknown, the batch cannot be divided into micro-batches, an op is not
            supported, or a step has more events than the engine allows.
        CapacityError: If the machine has too few tiles.
        ConfigError: If the encoding needs several cells per weight, or a registered component is not valid.
        StalledError: If the engine stops with unfinished work.

    Example:
        >>> from pimsim import generate, load_config
        >>> config = load_config("pim-llm", ["workload.model=gpt2-small", "workload.new_tokens=4"])
        >>> result = generate(config)
        >>> result.tokens, result.exact
        (4, True)
    """
    workload = config.workload
    first, last = workload.prompt_length + 1, workload.prompt_length + workload.new_tokens
    contexts = range(first, last + 1)
    if workload.samples is not None and workload.samples < len(contexts):
        chosen: Sequence[int] = sampled_contexts(first, last, workload.samples)
    else:
        chosen = contexts
    memo = {} if memo is None else memo
    prefill = simulate(_with_workload(config, phase="prefill"), memo=memo)
    steps = []
    notes = prefill.notes
    for context_length in chosen:
        result = simulate(_with_workload(config, phase="decode", context_length=context_length), memo=memo)
        steps.append(StepRecord(context_length, result.latency_ps, result.energy_j, result.macs))
        notes = result.notes  # the last step has the longest context
        if progress is not None:
            progress(len(steps), len(chosen))
    return GenerationResult(config, prefill, tuple(steps), first, last, notes)


def _with_workload(config: Config, **changes: object) -> Config:
    return config.model_copy(update={"workload": config.workload.model_copy(update=changes)})


def _interpolated_sum(steps: Sequence[StepRecord], values: Sequence[float]) -> float:
    """Sum a quantity over all context lengths, with linear interpolation between the simulated steps.

    Args:
        steps: The simulated steps, in order of context length.
        values: Value of the quantity for each step.

    Returns:
        Sum over all context lengths from the first to the last step.
    """
    between = sum(
        (b.context_length - a.context_length - 1) * (x + y) / 2
        for (a, b), (x, y) in zip(pairwise(steps), pairwise(values), strict=True)
    )
    return sum(values) + between


def _interpolation_error(steps: Sequence[StepRecord], values: Sequence[float]) -> float:
    """Return the largest error of `_interpolated_sum` for a quantity that is monotonic in the context length.

    Args:
        steps: The simulated steps, in order of context length.
        values: Value of the quantity for each step.

    Returns:
        Half of the distance between the smallest and the largest possible sum.
    """
    return sum(
        (b.context_length - a.context_length - 1) * abs(y - x) / 2
        for (a, b), (x, y) in zip(pairwise(steps), pairwise(values), strict=True)
    )
