"""A whole generation: the prefill of a prompt, then decode steps over a KV cache that grows by one entry each.

Exact, every step is simulated. Sampled, the steps at chosen contexts are, and those between two of them are taken to
lie on the line through them. A step over a longer context is never faster under the serial schedule, so each sum
between two samples lies between its number of steps times the shorter and times the longer one: half that width is
the stated error.
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
"""Told after each simulated step how many are done, of how many."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One simulated decode step of a generation."""

    context_length: int
    latency_ps: int
    energy_j: float
    macs: int


@dataclass(frozen=True, repr=False)
class GenerationResult(HeadlineRepr):
    """A generation: its prefill as a result of its own, the decode steps that were simulated, and their sums.

    `first_context` and `last_context` are the contexts of the first and the last decode step.
    """

    config: Config
    prefill: RunResult
    steps: tuple[StepRecord, ...]
    first_context: int
    last_context: int

    @property
    def exact(self) -> bool:
        """Whether every step was simulated."""
        return len(self.steps) == self.last_context - self.first_context + 1

    @property
    def tokens(self) -> int:
        """Tokens that decode produced, of all sequences."""
        return (self.last_context - self.first_context + 1) * self.config.workload.batch

    @cached_property
    def decode_latency_ps(self) -> int:
        """Sum of all decode steps, those between samples interpolated."""
        return round(_interpolated_sum(self.steps, [step.latency_ps for step in self.steps]))

    @cached_property
    def latency_error_ps(self) -> int:
        """How far the exact sum may lie from `decode_latency_ps`; 0 if exact."""
        return math.ceil(_interpolation_error(self.steps, [step.latency_ps for step in self.steps]))

    @cached_property
    def decode_energy_j(self) -> float:
        """Sum of all decode steps, those between samples interpolated."""
        return _interpolated_sum(self.steps, [step.energy_j for step in self.steps])

    @cached_property
    def energy_error_j(self) -> float:
        """How far the exact sum may lie from `decode_energy_j`; 0 if exact."""
        return _interpolation_error(self.steps, [step.energy_j for step in self.steps])

    @property
    def latency_ps(self) -> int:
        """Prefill and decode."""
        return self.prefill.latency_ps + self.decode_latency_ps

    @property
    def energy_j(self) -> float:
        """Prefill and decode."""
        return self.prefill.energy_j + self.decode_energy_j

    @property
    def tokens_per_s(self) -> float:
        """Decoded tokens per second of decode."""
        return self.tokens * PS_PER_S / self.decode_latency_ps

    @property
    def tokens_per_j(self) -> float:
        """Decoded tokens per joule of decode; infinite if nothing costs energy."""
        return self.tokens / self.decode_energy_j if self.decode_energy_j else float("inf")

    def headline(self) -> Iterable[Figure]:
        """Return the figures that `repr()` and a notebook show.

        Returns:
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
        """The headline figures, as plain values for JSON."""
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
        """The summary, every simulated step, the prefill and the config, as plain values for JSON."""
        return {
            "summary": self.summary(),
            "steps": self.step_rows(),
            "prefill": self.prefill.to_dict(),
            "config": self.config.model_dump(mode="json"),
        }

    def step_rows(self) -> list[dict[str, Any]]:
        """One flat row per simulated step."""
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
        """One row per simulated step."""
        import pandas as pd

        return pd.DataFrame(self.step_rows())


def generate(config: Config, progress: Progress | None = None, memo: Memo | None = None) -> GenerationResult:
    """Simulate the generation that a config's workload asks for, whatever its phase says. `memo` is as of `simulate`.

    Raises as `simulate` does.
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
    for context_length in chosen:
        result = simulate(_with_workload(config, phase="decode", context_length=context_length), memo=memo)
        steps.append(StepRecord(context_length, result.latency_ps, result.energy_j, result.macs))
        if progress is not None:
            progress(len(steps), len(chosen))
    return GenerationResult(config, prefill, tuple(steps), first, last)


def _with_workload(config: Config, **changes: object) -> Config:
    return config.model_copy(update={"workload": config.workload.model_copy(update=changes)})


def _interpolated_sum(steps: Sequence[StepRecord], values: Sequence[float]) -> float:
    """Values of all contexts from the first to the last step, on straight lines between the steps."""
    between = sum(
        (b.context_length - a.context_length - 1) * (x + y) / 2
        for (a, b), (x, y) in zip(pairwise(steps), pairwise(values), strict=True)
    )
    return sum(values) + between


def _interpolation_error(steps: Sequence[StepRecord], values: Sequence[float]) -> float:
    """Half of what lies between the least and the most that the contexts between steps can add up to."""
    return sum(
        (b.context_length - a.context_length - 1) * abs(y - x) / 2
        for (a, b), (x, y) in zip(pairwise(steps), pairwise(values), strict=True)
    )
