"""Warnings about arrays: they compute noise, or drive more rows at once than silicon has shown."""

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


ROWS_SHOWN: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "current": (784, "Liu et al., ISSCC 2020, 33.2"),
        "voltage": (256, "NeuRRAM, Nature 608, 2022"),
    }
)
"""For each `sensing.mode`, the most rows that a ReRAM macro is published to add at once (docs/circuits.md)."""


def array_warnings(config: Config) -> tuple[str, ...]:
    """Warn if the arrays of a config compute noise, or drive more rows at once than silicon has shown.

    Args:
        config: Config of a run.

    Returns:
        A sentence for each; none if projections run on other hardware.

    Reference:
        docs/array.md, section "SNR without a simulation"; docs/circuits.md, section "Rows at once".
    """
    crossbar = config.machine.crossbar_tile
    if crossbar is None or config.mapping.projections != "crossbar":
        return ()
    return (*_noise(crossbar.pair), *_rows(crossbar.pair))


def _rows(pair: CrossbarParams) -> tuple[str, ...]:
    most, macro = ROWS_SHOWN[pair.sensing.mode]
    driven = pair.array.driven_rows
    if driven <= most:
        return ()
    text = f"{driven} rows are driven at once ({PAIR}.array.rows_at_once); the most that a published macro with "
    return (f"{text}{pair.sensing.mode} sensing shows are {most} ({macro})",)


def _noise(pair: CrossbarParams) -> tuple[str, ...]:
    # In these cases a note of the run says that the SNR is not estimated.
    if pair.sensing.integration is not None or pair.encoding.level_bits > 1 or pair.uncommon_correction:
        return ()
    estimate = _estimate(pair)
    if estimate.snr_db >= LOWEST_SNR_DB:
        return ()
    source = estimate.main_source
    snr = f"SNR of about {estimate.snr_db:.1f} dB (needed: {LOWEST_SNR_DB:.0f})"
    return (f"the arrays compute noise: {snr}, mostly because of {source} ({PAIR}.{KEYS[source]}); see pimsim array",)


@lru_cache(64)
def _estimate(pair: CrossbarParams) -> SnrEstimate:
    return estimate_snr(pair)
