"""Separation of error sources: parameters and chips that are ideal except for some sources.

A chip keeps its seed, so each source that is kept has exactly the same random errors as on the complete chip.

Reference:
    docs/array.md, section "Definitions of the figures", "by source".
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType

from crossbar.array_errors import CrossbarError
from crossbar.converters import CodeRange, full_scale
from crossbar.device import drifts, states
from crossbar.encoding import planes
from crossbar.params import AdcParams, CrossbarParams, NoiseParams, StateNoise
from crossbar.programmed_matrix import ProgrammedMatrix
from crossbar.ranging import Ranging

SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "variation": "programming variation of the conductances",
        "read_noise": "read noise of the cells",
        "drift": "conductance drift since programming",
        "telegraph": "random telegraph noise, slow compared with a read",
        "faults": "cells stuck in LRS or HRS",
        "wires": "wire resistance (IR drop)",
        "dac": "level errors of the DACs",
        "adc_quantisation": "quantisation by the ADC",
        "adc_saturation": "clipping at the ends of the ADC range",
        "adc_imperfections": "offset, gain error, nonlinearity and thermal noise of the ADC",
    }
)
"""All error sources with a description."""

ADC_SOURCES = frozenset(name for name in SOURCES if name.startswith("adc_"))
_FINEST_BITS = 16
_FLOAT32_BITS = 24
"""Codes are computed in float32, which holds integers of up to 24 bits exactly."""
_HEADROOM = 4
"""Range without ends, relative to the largest sum of nominal cells; cells that vary can exceed it."""


def present(params: CrossbarParams) -> tuple[str, ...]:
    """Return the sources that these parameters have; ADC quantisation and saturation are always present.

    Args:
        params: Parameters of the arrays, with noise, wires, DAC and ADC.

    Returns:
        Names of sources, in the order of `SOURCES`.
    """
    noise, wires, adc = params.noise, params.wires, params.adc
    is_present = {
        "variation": any(state.sigma > 0 for state in states(params)),
        "read_noise": noise.read.lrs > 0 or noise.read.hrs > 0,
        "drift": drifts(noise.drift),
        "telegraph": noise.telegraph.fraction > 0 and noise.telegraph.amplitude > 0,
        "faults": noise.faults.stuck_lrs > 0 or noise.faults.stuck_hrs > 0,
        "wires": wires.model != "none" and (wires.word_line_ohm > 0 or wires.bit_line_ohm > 0),
        "dac": params.dac.level_error > 0,
        "adc_imperfections": any((adc.offset_lsb, adc.gain_error, adc.inl_lsb, adc.noise_lsb)),
    }
    return tuple(name for name in SOURCES if is_present.get(name, True))


def ideal_except(params: CrossbarParams, kept: Collection[str]) -> CrossbarParams:
    """Return the parameters without the sources that are not in `kept`, except for ADC quantisation and saturation.

    These two are removed from a chip by `with_converters`, because the range of an ADC follows from its calibration. If
    no ADC error is kept, the ADC has 16 bits and the full range here.

    Args:
        params: parameters of the array.
        kept: names of sources.

    Returns:
        The parameters.

    Raises:
        CrossbarError: If `kept` has an unknown name.
    """
    _check_names(kept)
    changes: dict[str, object] = {"noise": _noise(params.noise, kept), "adc": _adc(params.adc, kept)}
    if "wires" not in kept:
        changes["wires"] = params.wires.model_copy(update={"model": "none"})
    if "dac" not in kept:
        changes["dac"] = params.dac.model_copy(update={"level_error": 0.0})
    return params.model_copy(update=changes)


def with_converters(matrix: ProgrammedMatrix, params: CrossbarParams, kept: Collection[str]) -> ProgrammedMatrix:
    """Return `matrix` with its ADCs replaced by ADCs of `params` that keep only the error sources in `kept`.

    Without quantisation, the ADC steps are halved until the error is negligible. Without saturation, every sum has a
    code. The bow is a curve over the range and is undefined outside: if it is kept, the ends of the range are kept as
    well.

    Args:
        matrix: the programmed matrix.
        params: parameters of the ADCs.
        kept: names of sources; only those of ADCs matter.

    Returns:
        The matrix with new ADCs.

    Raises:
        CrossbarError: If `kept` has an unknown name.
    """
    _check_names(kept)
    adc = _adc(params.adc, kept)
    draw = replace(matrix.draw, params=matrix.params.model_copy(update={"adc": adc}))
    matrix = replace(matrix, draw=draw).calibrated(matrix.sample)
    clips = "adc_saturation" in kept or ("adc_imperfections" in kept and params.adc.inl_lsb > 0)
    largest_code = _largest_code(params)
    factor = 1 if "adc_quantisation" in kept else _refinement_factor(matrix, largest_code, clips)
    ranges = tuple(_refined(each, factor) for each in matrix.ranges)
    if not clips:
        ranges = tuple(replace(each, codes=CodeRange(-largest_code, largest_code)) for each in ranges)
    adc = adc.model_copy(update={"noise_lsb": adc.noise_lsb * factor})
    return replace(matrix, draw=replace(draw, params=draw.params.model_copy(update={"adc": adc})), ranges=ranges)


def separable(params: CrossbarParams, source: str) -> bool:
    """Return whether all sources except this one can be kept; a bow cannot be kept without the ends of its range.

    Args:
        params: parameters of the array.
        source: name of the source.

    Returns:
        True if the source can be removed alone.
    """
    return source != "adc_saturation" or params.adc.inl_lsb == 0


def _check_names(kept: Collection[str]) -> None:
    for name in kept:
        if name not in SOURCES:
            raise CrossbarError(f"{name!r} is not an error source; the sources are {', '.join(SOURCES)}")


def _noise(noise: NoiseParams, kept: Collection[str]) -> NoiseParams:
    changes: dict[str, object] = {}
    if "variation" not in kept:
        variation = noise.variation
        no_spread = {"lrs": variation.lrs.model_copy(update={"sigma": 0.0})}
        no_spread["hrs"] = variation.hrs.model_copy(update={"sigma": 0.0})
        changes["variation"] = variation.model_copy(update={**no_spread, "sigma_polynomial": None})
        changes["write_verify"] = noise.write_verify.model_copy(update={"tolerance": None})
    if "read_noise" not in kept:
        changes["read"] = StateNoise(lrs=0.0, hrs=0.0)
    if "drift" not in kept:
        changes["drift"] = noise.drift.model_copy(update={"age_s": 0.0})
    if "telegraph" not in kept:
        changes["telegraph"] = noise.telegraph.model_copy(update={"fraction": 0.0})
    if "faults" not in kept:
        changes["faults"] = noise.faults.model_copy(update={"stuck_lrs": 0.0, "stuck_hrs": 0.0})
    return noise.model_copy(update=changes)


def _adc(adc: AdcParams, kept: Collection[str]) -> AdcParams:
    changes: dict[str, object] = {}
    if "adc_imperfections" not in kept:
        changes = dict.fromkeys(("offset_lsb", "gain_error", "inl_lsb", "noise_lsb"), 0.0)
        if not ADC_SOURCES & set(kept):
            changes |= {"bits": _FINEST_BITS, "range": "full"}
    return adc.model_copy(update=changes)


def _largest_code(params: CrossbarParams) -> int:
    """Return the largest code for which the weighted codes of all pulses of an activation fit in 32 bits.

    Returns:
        Largest code.
    """
    weight = sum(abs(plane.weight) for plane in planes(params))
    return int(min(2**_FLOAT32_BITS, (2**31 - 1) // weight)) - 1


def _refinement_factor(matrix: ProgrammedMatrix, largest_code: int, clips: bool) -> int:
    """Return the power of two that ADC steps are divided by, as large as codes up to `largest_code` allow.

    Args:
        matrix: the programmed matrix.
        largest_code: largest code.
        clips: whether the range keeps its ends.

    Returns:
        The factor, at least 1.
    """
    limit = math.inf
    for cells, ranging in zip(matrix.cells, matrix.ranges, strict=True):
        codes = float(max(ranging.codes.highest, -ranging.codes.lowest))
        if not clips:
            codes = _HEADROOM * full_scale(matrix.params, cells.channel) / float(ranging.step.min())
        limit = min(limit, largest_code / codes)
    return int(2 ** max(0, math.floor(math.log2(limit))))


def _refined(ranging: Ranging, factor: int) -> Ranging:
    """Return the same range with finer ADC steps.

    Args:
        ranging: the ADCs.
        factor: division of the steps, a power of two.

    Returns:
        The new ADCs.
    """
    return replace(
        ranging,
        codes=CodeRange(ranging.codes.lowest * factor, ranging.codes.highest * factor),
        step=ranging.step / factor,
        gain=ranging.gain * ranging.gain.dtype.type(factor),
        offset=ranging.offset * ranging.offset.dtype.type(factor),
        bow=ranging.bow * ranging.bow.dtype.type(factor),
    )
