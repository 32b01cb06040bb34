"""Record of one simulated decode step of a generation."""

from __future__ import annotations

from dataclasses import dataclass, field

from pimsim.results.accounting import Accounting
from pimsim.results.kv_tier_figures import KvTierFigures
from pimsim.results.memory_traffic import NO_TRAFFIC, MemoryTraffic


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One simulated decode step of a generation.

    Attributes:
        context_length: Tokens in the KV cache, the current one included.
        latency_ps: Latency of the step, picoseconds.
        energy_j: Energy of the step, joules.
        macs: Multiply-accumulates of the step.
        traffic: Bytes read from memory and written to it by the step.
        kv_cache_bytes: Size of the KV caches of all sequences.
        leakage_j: Leakage energy of the step, part of `energy_j`, joules.
        accounting: What the step counts and leaves out; what the trace leaves out is priced for some steps only.
        priced: Whether `accounting` has what the trace leaves out.
        kv_tiers: Figures of the step by tier of the KV cache; empty without tiers.
    """

    context_length: int
    latency_ps: int
    energy_j: float
    macs: int
    traffic: MemoryTraffic = NO_TRAFFIC
    kv_cache_bytes: int = 0
    leakage_j: float = 0.0
    accounting: Accounting = field(default_factory=Accounting, compare=False)
    priced: bool = field(default=False, compare=False)
    kv_tiers: tuple[KvTierFigures, ...] = ()
