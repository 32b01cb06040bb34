"""Warning about a config whose arrays compute noise, by the closed form of their signal-to-noise ratio."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from crossbar.snr_estimate import SnrEstimate, estimate_snr

if TYPE_CHECKING:
    from crossbar.params import CrossbarParams
    from pimsim.config.schema import Config

LOWEST_SNR_DB = 10.0
"""SNR below which a config gets a warning.

At about 10 dB the perplexity of kjv-bitnet is 20 % above that of its exact model (a variation of 20 %), at 6 dB several
times as high, and at 1 dB it is higher than that of a uniform guess (docs/accuracy.md; table in docs/array.md).
"""
PAIR = "machine.crossbar.pair"
KEYS: Mapping[str, str] = MappingProxyType(
    {
        "wires": "wires",
        "variation": "noise.variation",
        "read noise": "noise.read",
        "faults": "noise.faults",
        "drift": "noise.drift",
        "telegraph": "noise.telegraph",
        "drift and telegraph": "noise.drift",
        "DAC levels": "dac.level_error",
        "ADC imperfections": "adc",
        "ADC resolution": "adc.bits",
        "ADC range": "adc.range_coverage",
        "cells": "cell",
    }
)
"""For each source of noise, the key below `PAIR` that it comes from."""


def array_warnings(config: Config) -> tuple[str, ...]:
    """Warn if the arrays of a config compute noise.

    Args:
        config: Config of a run.

    Returns:
        One sentence; none if projections run on other hardware, or the SNR is at least `LOWEST_SNR_DB`.

    Reference:
        docs/array.md, section "SNR without a simulation".
    """
    crossbar = config.machine.crossbar_tile
    if crossbar is None or config.mapping.projections != "crossbar":
        return ()
    estimate = _estimate(crossbar.pair)
    if estimate.snr_db >= LOWEST_SNR_DB:
        return ()
    source = estimate.main_source
    snr = f"SNR of about {estimate.snr_db:.1f} dB (needed: {LOWEST_SNR_DB:.0f})"
    return (f"the arrays compute noise: {snr}, mostly because of {source} ({PAIR}.{KEYS[source]}); see pimsim array",)


@lru_cache(64)
def _estimate(pair: CrossbarParams) -> SnrEstimate:
    return estimate_snr(pair)
