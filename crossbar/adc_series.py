"""Series of ADC designs: energy, rate and area of a converter at another resolution than that of its own design.

The series of MNSIM 2.0 are the four designs of its ADC table with different resolutions. The law `walden` doubles the
energy with every bit. Outside their range both double energy and area per bit, and the result is called extrapolated.
The law `linear` is that of a converter of kind `serial`, which stops after the bits that are needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

SeriesName = Literal["mnsim", "mnsim_small", "walden", "linear"]
SERIES: tuple[SeriesName, ...] = get_args(SeriesName)[:3]
"""Series of different converters. The other one, linear, is of one converter of kind serial at different bits."""
RANGE = (4, 10)
"""Lowest and highest resolution of every series but linear, bits. MNSIM's designs have these ends. Walden's figure of
merit is a constant of designs up to about 10 bits; above, thermal noise makes the energy fourfold with every bit."""
LINEAR_RANGE = (1, 16)
"""Lowest and highest resolution of the series linear, bits: all that a config can state."""


@dataclass(frozen=True, slots=True)
class AdcFactors:
    """Energy, rate and area of a converter, relative to another one.

    Attributes:
        energy: ratio of the energies per conversion.
        rate: ratio of the rates of the internal steps.
        area: ratio of the areas.
    """

    energy: float
    rate: float
    area: float


@dataclass(frozen=True, slots=True)
class AdcScaling:
    """Derivation of the figures of an ADC from a design of another resolution.

    Attributes:
        series: name of the series.
        bits: resolution of the ADC.
        design_bits: resolution of the design that the config states.
        basis: design: `bits` is the resolution of a design of the series; interpolated: it lies between two designs;
            law: it lies in the range of a law; extrapolated: it, or `design_bits`, lies outside the range.
        lowest_bits: lowest resolution of the series.
        highest_bits: highest resolution of the series.
    """

    series: SeriesName
    bits: int
    design_bits: int
    basis: Literal["design", "interpolated", "law", "extrapolated"]
    lowest_bits: int
    highest_bits: int

    @property
    def text(self) -> str:
        """The derivation in one line, without the resolution itself."""
        what = {
            "design": "a design of the series",
            "interpolated": "interpolated in log energy",
            "law": (
                "energy proportional to the bits"
                if self.series == "linear"
                else "energy and area double with every bit"
            ),
            "extrapolated": "extrapolated, energy and area double with every bit outside",
        }[self.basis]
        series = f"series {self.series} ({self.lowest_bits} to {self.highest_bits} bits)"
        return f"energy, rate and area from {self.design_bits} bits by {series}: {what}"

    def to_dict(self) -> dict[str, Any]:
        """Return the derivation as plain values for JSON.

        Returns:
            Series, resolutions, basis and factors by name, and the sentence `text`.
        """
        return asdict(self) | {"text": self.text}


@dataclass(frozen=True, slots=True)
class _Design:
    energy_j: float
    rate_hz: float
    area_m2: float


def _mnsim(bits: int, power_mw: float, rate_ghz: float, area_um2: float) -> _Design:
    """Return a design of MNSIM's ADC table, which takes its power for bits + 2 steps.

    Args:
        bits: resolution.
        power_mw: power.
        rate_ghz: rate of the steps.
        area_um2: area.

    Returns:
        The design in SI units.
    """
    return _Design(power_mw * 1e-3 * (bits + 2) / (rate_ghz * 1e9), rate_ghz * 1e9, area_um2 * 1e-12)


# MNSIM 2.0, MNSIM/Hardware_Model/ADC.py [A]: ADC choices 7, 6, 3 and 1. Choice 5 is equal to 3; 2 is the one of ISAAC.
_STOCK = {
    4: _mnsim(4, 0.7, 1.0, 500),
    6: _mnsim(6, 1.26, 1.0, 1650),
    8: _mnsim(8, 4.0, 1.1, 1650),
    10: _mnsim(10, 6.92, 1.5, 1600),
}
_DESIGNS: Mapping[str, Mapping[int, _Design]] = {
    "mnsim": _STOCK,
    "mnsim_small": _STOCK | {6: _mnsim(6, 1.26, 1.0, 580)},  # choice 4 [A]
}


def adc_factors(series: SeriesName, design_bits: int, bits: int) -> AdcFactors:
    """Return the figures of a series at one resolution relative to those at another.

    Args:
        series: name of the series.
        design_bits: resolution of the design that the figures are relative to.
        bits: resolution of the ADC.

    Returns:
        Ratios of energy, rate and area; exactly 1 if both resolutions are equal.

    Reference:
        docs/model.md, eq. (18); MNSIM 2.0; Walden, IEEE J. Sel. Areas Commun. 17(4), 1999.
    """
    if bits == design_bits:
        return AdcFactors(1.0, 1.0, 1.0)
    if series == "walden":
        # The figure of merit is energy / 2^bits. The capacitor array of an SAR ADC has 2^bits units of area [C].
        return AdcFactors(2.0 ** (bits - design_bits), 1.0, 2.0 ** (bits - design_bits))
    if series == "linear":
        # The same circuit decides one bit after another, each at the same energy.
        return AdcFactors(bits / design_bits, 1.0, 1.0)
    ours, theirs = _of_designs(series, bits), _of_designs(series, design_bits)
    return AdcFactors(ours.energy_j / theirs.energy_j, ours.rate_hz / theirs.rate_hz, ours.area_m2 / theirs.area_m2)


def adc_scaling(series: SeriesName, design_bits: int, bits: int) -> AdcScaling:
    """Return how the figures at one resolution follow from a design of another.

    Args:
        series: name of the series.
        design_bits: resolution of the design that the config states.
        bits: resolution of the ADC.

    Returns:
        The derivation, for results to show.
    """
    lowest, highest = LINEAR_RANGE if series == "linear" else RANGE
    inside = all(lowest <= each <= highest for each in (design_bits, bits))
    if not inside:
        return AdcScaling(series, bits, design_bits, "extrapolated", lowest, highest)
    if series in ("walden", "linear"):
        return AdcScaling(series, bits, design_bits, "law", lowest, highest)
    exact = all(each in _DESIGNS[series] for each in (design_bits, bits))
    return AdcScaling(series, bits, design_bits, "design" if exact else "interpolated", lowest, highest)


def adc_refusal(kind: str, series: SeriesName | None, design_bits: int | None, bits: int) -> str | None:
    """Return why an ADC cannot have this resolution.

    Args:
        kind: kind of the ADC.
        series: name of its series, if it has one.
        design_bits: resolution that its figures are stated for; None if that is `bits`.
        bits: resolution.

    Returns:
        Why, and the choices; None if it can.
    """
    if design_bits in (None, bits):
        return None
    own = f"bits={bits} differs from the {design_bits} bits that energy, rate and area are stated for (energy_bits)"
    state = f"state them for {bits} bits with energy_bits={bits}"
    choices = ("walden", "linear") if kind == "serial" else SERIES if kind == "sar" else ("walden",)
    names = f"{', '.join(choices[:-1])} or {choices[-1]}" if len(choices) > 1 else choices[0]
    if series is None:
        return f"{own}, and series is null: choose series={names}, {state}, or take another preset (pimsim devices)"
    if series not in choices:
        of = "serial" if series == "linear" else "sar"
        return f"{own}, and series={series} has no ADCs of kind={kind}, only {of}: choose series={names}, or {state}"
    return None


def _of_designs(series: str, bits: int) -> _Design:
    """Return the figures of MNSIM's series at any resolution.

    Between two designs, the logarithms of energy and rate are interpolated, and the area is that of the larger design.

    Args:
        series: name of the series.
        bits: resolution.

    Returns:
        Energy per conversion, rate and area.
    """
    designs = _DESIGNS[series]
    if bits in designs:
        return designs[bits]
    lowest, highest = RANGE
    if not lowest < bits < highest:
        end = lowest if bits < lowest else highest
        factor = 2.0 ** (bits - end)
        return _Design(designs[end].energy_j * factor, designs[end].rate_hz, designs[end].area_m2 * factor)
    below, above = max(each for each in designs if each < bits), min(each for each in designs if each > bits)
    part = (bits - below) / (above - below)
    small, large = designs[below], designs[above]
    return _Design(
        small.energy_j ** (1 - part) * large.energy_j**part,
        small.rate_hz ** (1 - part) * large.rate_hz**part,
        large.area_m2,
    )
