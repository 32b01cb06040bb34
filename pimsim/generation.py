"""Simulation of a whole generation: the prefill of a prompt, then decode steps over a growing KV cache.

The prefill computes the first new token, so N new tokens take N - 1 decode steps, as they do when requests are served.

An exact generation simulates every decode step. A sampled generation simulates the steps at selected context lengths
and interpolates linearly between them. Under the serial schedule a step over a longer context is never faster. The
sum over the steps between two samples is therefore at least their number times the shorter step, and at most their
number times the longer one. The reported error is half of this interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pimsim.base.plugins import PluginRecord
from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.base.units import PS_PER_S, ps_to_s
from pimsim.config.schema import Config
from pimsim.engine import Memo
from pimsim.hardware.measured_energies import DIFFERENCE
from pimsim.mapping.kv_reserve import with_reserve
from pimsim.mapping.macro_residency import prompt_notes
from pimsim.mapping.port_notes import is_short_of_port, port_notes_of_iterations, spill_notes
from pimsim.results.accounting import Accounting
from pimsim.results.kv_tier_figures import KvTierFigures, summed_figures, tier_figures
from pimsim.results.memory_traffic import MemoryTraffic
from pimsim.results.power import Power
from pimsim.results.run_result import RunResult
from pimsim.results.step_interpolation import (
    check_interpolable,
    interpolated_sum,
    interpolation_error,
    interpolation_weights,
)
from pimsim.results.step_record import StepRecord
from pimsim.simulation import check_memory, make_trace, simulate
from workloads.decoder_ops import sampled_contexts

if TYPE_CHECKING:
    import pandas as pd

PRICED_STEPS = 8
"""Number of decode steps for which what the trace leaves out is priced, which takes as long as a memoized step."""

RunPass = Callable[..., RunResult]
Progress = Callable[[int, int], None]
"""Callback after each simulated decode step, with the number of completed steps and their total."""


@dataclass(frozen=True, repr=False)
class GenerationResult(HeadlineRepr):
    """Result of a generation.

    Attributes:
        config: Configuration of the generation.
        prefill: Result of the prefill.
        steps: The simulated decode steps, in order of context length; none if only one token is generated.
        first_context: Context length of the first decode step.
        last_context: Context length of the last decode step; less than `first_context` if there is none.
        notes: Features of the model that the figures do not describe, one sentence each.
    """

    config: Config
    prefill: RunResult
    steps: tuple[StepRecord, ...]
    first_context: int
    last_context: int
    notes: tuple[str, ...] = ()

    @property
    def plugins(self) -> tuple[PluginRecord, ...]:
        """Plugins and packages whose code was loaded when the result was made."""
        return self.prefill.plugins

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the config, one sentence each: arrays that compute noise."""
        return self.prefill.warnings

    @property
    def exact(self) -> bool:
        """True if every decode step was simulated."""
        return len(self.steps) == self.decode_steps

    @property
    def decode_steps(self) -> int:
        """Number of decode steps, simulated or interpolated: one per token after the first."""
        return self.last_context - self.first_context + 1

    @property
    def tokens(self) -> int:
        """Number of new tokens of all sequences; the prefill computes the first one of each."""
        return (self.decode_steps + 1) * self.config.workload.batch

    @cached_property
    def decode_latency_ps(self) -> int:
        """Latency of all decode steps in picoseconds, interpolated between samples."""
        return round(interpolated_sum(self._contexts, [step.latency_ps for step in self.steps]))

    @cached_property
    def latency_error_ps(self) -> int:
        """Largest deviation of `decode_latency_ps` from the exact sum, picoseconds; 0 if exact."""
        return math.ceil(interpolation_error(self._contexts, [step.latency_ps for step in self.steps]))

    @cached_property
    def decode_energy_j(self) -> float:
        """Energy of all decode steps in joules, interpolated between samples."""
        return interpolated_sum(self._contexts, [step.energy_j for step in self.steps])

    @cached_property
    def energy_error_j(self) -> float:
        """Largest deviation of `decode_energy_j` from the exact sum, joules; 0 if exact."""
        return interpolation_error(self._contexts, [step.energy_j for step in self.steps])

    @property
    def _contexts(self) -> list[int]:
        return [step.context_length for step in self.steps]

    @cached_property
    def memory_traffic(self) -> MemoryTraffic:
        """Bytes read from memory and written to it by prefill and decode, interpolated between samples."""
        of_steps = {
            kind: interpolated_sum(self._contexts, [getattr(step.traffic, kind) for step in self.steps])
            for kind in MemoryTraffic.__dataclass_fields__
        }
        return self.prefill.memory_traffic + MemoryTraffic(**of_steps)

    @property
    def kv_tiers(self) -> tuple[KvTierFigures, ...]:
        """Figures by tier of the KV cache over prefill and decode, interpolated between samples."""
        steps = [(step.context_length, step.kv_tiers) for step in self.steps]
        return summed_figures(self.config, tier_figures(self.prefill), steps, ps_to_s(self.latency_ps))

    @property
    def kv_cache_bytes(self) -> int:
        """Size of the KV caches of all sequences at the last step."""
        return self.steps[-1].kv_cache_bytes if self.steps else self.prefill.kv_cache_bytes or 0

    @cached_property
    def accounting(self) -> Accounting:
        """What prefill and decode steps count and leave out; interpolated between the steps for which it is known."""
        counted = interpolation_weights([(step.context_length, step.accounting) for step in self.steps])
        priced = [(step.context_length, step.accounting) for step in self.steps if step.priced]
        return Accounting(
            Accounting.weighted_sum([(self.prefill.accounting, 1), *counted]).counted,
            Accounting.weighted_sum([(self.prefill.accounting, 1), *interpolation_weights(priced)]).left_out,
        ).longest_first()

    @property
    def latency_ps(self) -> int:
        """Latency of prefill and decode, picoseconds."""
        return self.prefill.latency_ps + self.decode_latency_ps

    @property
    def energy_j(self) -> float:
        """Energy of prefill and decode, joules."""
        return self.prefill.energy_j + self.decode_energy_j

    @property
    def leakage_j(self) -> float:
        """Leakage energy of prefill and decode, joules; part of `energy_j`."""
        return self.prefill.leakage_j + interpolated_sum(self._contexts, [step.leakage_j for step in self.steps])

    @property
    def power(self) -> Power:
        """Average power over prefill and decode, watts, dynamic and static."""
        return Power.of(self.energy_j, self.leakage_j, self.latency_ps)

    @property
    def macs(self) -> float:
        """Multiply-accumulates of prefill and decode, interpolated between samples."""
        return self.prefill.macs + interpolated_sum(self._contexts, [step.macs for step in self.steps])

    @property
    def tops_per_w(self) -> float:
        """Trillions of operations of prefill and decode per joule, equal to TOPS per watt; infinite without energy."""
        operations = self.config.operations_per_mac * self.macs
        return operations / self.energy_j / 1e12 if self.energy_j else float("inf")

    @property
    def tops_per_mm2(self) -> float:
        """Trillions of operations per second, over prefill and decode, per mm^2 of all chips; infinite without area."""
        operations, area_mm2 = self.config.operations_per_mac * self.macs, self.prefill.area_m2 * 1e6
        return operations / self.latency_ps / area_mm2 if self.latency_ps and area_mm2 else float("inf")

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens of the decode steps of all sequences per second of decode; None without decode steps."""
        tokens = self.decode_steps * self.config.workload.batch
        return tokens * PS_PER_S / self.decode_latency_ps if tokens else None

    @property
    def tokens_per_j(self) -> float | None:
        """The same tokens per joule of decode; infinite if the energy is 0, None without decode steps."""
        tokens = self.decode_steps * self.config.workload.batch
        if not tokens:
            return None
        return tokens / self.decode_energy_j if self.decode_energy_j else float("inf")

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
        if self.tokens_per_s is not None:
            yield Figure("throughput", self.tokens_per_s, "tokens/s")
        if self.tokens_per_j is not None:
            yield Figure("energy efficiency", self.tokens_per_j, "tokens/J")
        yield Figure("dynamic power", self.power.dynamic_w, "W", brief=False)
        yield Figure("static power", self.power.static_w, "W", brief=False)

    def summary(self) -> dict[str, Any]:
        """Return the main figures for JSON.

        Returns:
            Plain values by name; the unit is the suffix of the name. Rates of decode are None without decode steps.
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
            "kv_cache_bytes": self.kv_cache_bytes,
            **self.memory_traffic.summary(),
            **self.power.summary(),
            "operations_per_mac": self.config.operations_per_mac,
            "tops_per_w": self.tops_per_w,
            "tops_per_mm2": self.tops_per_mm2,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the whole result for JSON.

        Returns:
            "notes", "warnings", "plugins", "counted", "left_out", "summary", "kv_tiers", "steps", "prefill" and
            "config" as plain values.
        """
        return {
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "plugins": [each._asdict() for each in self.plugins],
            **self.accounting.to_dict(),
            "summary": self.summary(),
            "kv_tiers": [asdict(each) for each in self.kv_tiers],
            "steps": self.step_rows(),
            "prefill": self.prefill.to_dict(),
            "config": self.config.model_dump(mode="json"),
        }

    def step_rows(self) -> list[dict[str, Any]]:
        """Return one row per simulated decode step.

        Returns:
            Context length, latency in seconds, energy in joules, MACs, leakage energy in joules, size of the KV caches,
            and bytes read from memory and written to it, of each step.
        """
        return [
            {
                "context_length": step.context_length,
                "latency_s": ps_to_s(step.latency_ps),
                "energy_j": step.energy_j,
                "macs": step.macs,
                "leakage_j": step.leakage_j,
                "kv_cache_bytes": step.kv_cache_bytes,
                "memory_read_bytes": step.traffic.read_bytes,
                "memory_write_bytes": step.traffic.write_bytes,
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
        from pimsim.base.pandas_library import pd

        return pd.DataFrame(self.step_rows())


def generate(
    config: Config, progress: Progress | None = None, memo: Memo | None = None, run_pass: RunPass | None = None
) -> GenerationResult:
    """Simulate the prefill and the decode steps of a generation.

    The phase of the workload is not used. There is one decode step for every new token after the first, which the
    prefill computes. If `workload.samples` is set and smaller than their number, only as many are simulated and the
    others are interpolated.

    Args:
        config: Machine, mapping and workload (`prompt_length`, `new_tokens`, `samples`, `batch`).
        progress: Called after each simulated decode step with the numbers of completed and of all steps; or None.
        memo: Memo of simulated components, as in `simulate`; None means a new one for this generation.
        run_pass: Simulation of a pass on several machines, memories checked; None means `simulate`.

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
        >>> result.tokens, len(result.steps), result.exact
        (4, 3, True)
    """
    workload = config.workload
    first, last = workload.prompt_length + 1, workload.prompt_length + workload.new_tokens - 1
    contexts = range(first, last + 1)
    if workload.samples is not None and workload.samples < len(contexts):
        check_interpolable(config, "workload.samples", "set workload.samples=null")
        chosen: Sequence[int] = sampled_contexts(first, last, workload.samples)
    else:
        chosen = contexts
    memo = {} if memo is None else memo
    config = with_reserve(config, last)
    if contexts and run_pass is None:
        check_memory(_with_workload(config, phase="decode", context_length=last))
    prefill = (run_pass or simulate)(_with_workload(config, phase="prefill"), memo=memo)
    steps = []
    notes, short_of_port = prefill.notes, int(is_short_of_port(prefill.notes))
    priced = {chosen[each - 1] for each in sampled_contexts(1, len(chosen), PRICED_STEPS)} if contexts else set()
    for context_length in chosen:
        step = _with_workload(config, phase="decode", context_length=context_length)
        with_prices = context_length in priced
        result = (run_pass or simulate)(step, None if with_prices or run_pass else make_trace(step), memo=memo)
        steps.append(
            StepRecord(
                context_length,
                result.latency_ps,
                result.energy_j,
                result.macs,
                result.memory_traffic,
                result.kv_cache_bytes or 0,
                leakage_j=result.leakage_j,
                accounting=result.accounting,
                priced=with_prices,
                kv_tiers=tier_figures(result),
            )
        )
        notes = result.notes  # the last step has the longest context
        short_of_port += is_short_of_port(notes)
        if progress is not None:
            progress(len(steps), len(chosen))
    assert prefill.memory_use is not None  # only results of old versions are without
    of_port = port_notes_of_iterations(short_of_port, 1 + len(steps), "simulated passes")
    notes_of_prompt = *prompt_notes(config), *spill_notes(config, prefill.memory_use.activation_bytes)
    spilled = notes_of_prompt if run_pass is None else prefill.notes
    notes, spilled = (tuple(each for each in some if not _is_of_pass(each)) for some in (notes, spilled))
    notes = tuple(dict.fromkeys((*notes, *of_port, *spilled)))
    return GenerationResult(config, prefill, tuple(steps), first, last, notes)


def _is_of_pass(note: str) -> bool:
    """Return whether a note states something about one pass alone, which a generation says of all its passes."""
    return is_short_of_port([note]) or note.startswith(DIFFERENCE)


def _with_workload(config: Config, **changes: object) -> Config:
    return config.model_copy(update={"workload": config.workload.model_copy(update=changes)})
