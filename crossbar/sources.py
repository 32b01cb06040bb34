"""Sources of error, taken one by one: parameters and chips that are ideal but for some of them.

A chip keeps its seed, so what it keeps of its errors is, number by number, what the whole chip has of them.
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
        "variation": "spread of conductances after programming",
        "read_noise": "noise of the cells from one read to the next",
        "drift": "change of conductances since programming",
        "telegraph": "random telegraph noise, slow beside a read",
        "faults": "cells stuck in LRS or HRS",
        "wires": "resistance of word and bit lines (IR drop)",
        "dac": "errors of the levels of the drivers",
        "adc_quantisation": "steps of the ADC",
        "adc_saturation": "ends of the ADC's range",
        "adc_imperfections": "offset, gain, nonlinearity and thermal noise of the ADC",
    }
)
"""Every source by name."""

ADC_SOURCES = frozenset(name for name in SOURCES if name.startswith("adc_"))
_FINEST_BITS = 16
_MOST_BITS = 24
"""float32, in which codes are computed, holds whole numbers of so many bits."""
_HEADROOM = 4
"""Of a range without ends over the largest sum of nominal cells: what varies can be beyond."""


def present(params: CrossbarParams) -> tuple[str, ...]:
    """The sources that these parameters have. An ADC always has steps, and a range with ends."""
    noise, wires, adc = params.noise, params.wires, params.adc
    there = {
        "variation": any(state.sigma > 0 for state in states(params)),
        "read_noise": noise.read.lrs > 0 or noise.read.hrs > 0,
        "drift": drifts(noise.drift),
        "telegraph": noise.telegraph.fraction > 0 and noise.telegraph.amplitude > 0,
        "faults": noise.faults.stuck_lrs > 0 or noise.faults.stuck_hrs > 0,
        "wires": wires.model != "none" and (wires.word_line_ohm > 0 or wires.bit_line_ohm > 0),
        "dac": params.dac.level_error > 0,
        "adc_imperfections": any((adc.offset_lsb, adc.gain_error, adc.inl_lsb, adc.noise_lsb)),
    }
    return tuple(name for name in SOURCES if there.get(name, True))


def ideal_but_for(params: CrossbarParams, kept: Collection[str]) -> CrossbarParams:
    """The same array without the sources that are not `kept`, but for steps and range of its ADCs.

    Those are a matter of a chip (`with_converters`): what an ADC covers follows from its calibration. Where no error of
    the ADC is kept, it gets 16 bits and the full range here.

    Raises:
        CrossbarError: `kept` has a name that is no source.

    """
    _check(kept)
    changes: dict[str, object] = {"noise": _noise(params.noise, kept), "adc": _adc(params.adc, kept)}
    if "wires" not in kept:
        changes["wires"] = params.wires.model_copy(update={"model": "none"})
    if "dac" not in kept:
        changes["dac"] = params.dac.model_copy(update={"level_error": 0.0})
    return params.model_copy(update=changes)


def with_converters(matrix: ProgrammedMatrix, params: CrossbarParams, kept: Collection[str]) -> ProgrammedMatrix:
    """The same cells, behind ADCs of `params` that have, of the errors of ADCs, those that are `kept`.

    An ADC without steps has its steps halved until nothing is left of them; one without ends of its range has codes for
    every sum. Its bow is a curve over the range and has no meaning beyond it: where there is one and it is kept, the
    range keeps its ends as well.

    Raises:
        CrossbarError: `kept` has a name that is no source.

    """
    _check(kept)
    adc = _adc(params.adc, kept)
    draw = replace(matrix.draw, params=matrix.params.model_copy(update={"adc": adc}))
    matrix = replace(matrix, draw=draw).calibrated(matrix.sample)
    ends = "adc_saturation" in kept or ("adc_imperfections" in kept and params.adc.inl_lsb > 0)
    most = _most_codes(params)
    factor = 1 if "adc_quantisation" in kept else _fineness(matrix, most, ends)
    ranges = tuple(_refined(each, factor) for each in matrix.ranges)
    if not ends:
        ranges = tuple(replace(each, codes=CodeRange(-most, most)) for each in ranges)
    adc = adc.model_copy(update={"noise_lsb": adc.noise_lsb * factor})
    return replace(matrix, draw=replace(draw, params=draw.params.model_copy(update={"adc": adc})), ranges=ranges)


def separable(params: CrossbarParams, source: str) -> bool:
    """Whether all but this source can be kept: a bow cannot be kept without the ends of its range."""
    return source != "adc_saturation" or params.adc.inl_lsb == 0


def _check(kept: Collection[str]) -> None:
    for name in kept:
        if name not in SOURCES:
            raise CrossbarError(f"{name!r} is no source of error; the sources are {', '.join(SOURCES)}")


def _noise(noise: NoiseParams, kept: Collection[str]) -> NoiseParams:
    changes: dict[str, object] = {}
    if "variation" not in kept:
        variation = noise.variation
        steady = {"lrs": variation.lrs.model_copy(update={"sigma": 0.0})}
        steady["hrs"] = variation.hrs.model_copy(update={"sigma": 0.0})
        changes["variation"] = variation.model_copy(update={**steady, "sigma_polynomial": None})
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


def _most_codes(params: CrossbarParams) -> int:
    """The largest code that codes of all pulses of an activation can add up with in 32 bits."""
    weight = sum(abs(plane.weight) for plane in planes(params))
    return int(min(2**_MOST_BITS, (2**31 - 1) // weight)) - 1


def _fineness(matrix: ProgrammedMatrix, most: int, ends: bool) -> int:
    """The power of two by which steps are divided, as large as codes up to `most` allow."""
    room = math.inf
    for cells, ranging in zip(matrix.cells, matrix.ranges, strict=True):
        codes = float(max(ranging.codes.highest, -ranging.codes.lowest))
        if not ends:
            codes = _HEADROOM * full_scale(matrix.params, cells.channel) / float(ranging.step.min())
        room = min(room, most / codes)
    return int(2 ** max(0, math.floor(math.log2(room))))


def _refined(ranging: Ranging, factor: int) -> Ranging:
    """The same range in steps that are `factor`, a power of two, times as fine."""
    return Ranging(
        codes=CodeRange(ranging.codes.lowest * factor, ranging.codes.highest * factor),
        step=ranging.step / factor,
        gain=ranging.gain * ranging.gain.dtype.type(factor),
        offset=ranging.offset * ranging.offset.dtype.type(factor),
        bow=ranging.bow * ranging.bow.dtype.type(factor),
    )
