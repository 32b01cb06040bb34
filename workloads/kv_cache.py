"""PLACEHOLDER of KVNUM until kvtime is merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scales = Literal["per_token", "per_channel", "per_group"]


@dataclass(frozen=True, slots=True)
class KvCacheSpec:
    """Placeholder."""

    key_bits: int = 8
    value_bits: int = 8
    key_scales: Scales = "per_token"
    value_scales: Scales = "per_token"
    group_size: int | None = 64
    scale_bits: int = 32
    keep: str = "all"
    sinks: int = 0
    recent: int | None = None
    budget: int | None = None
    seed: int = 0
    operand_bits: int = 8
