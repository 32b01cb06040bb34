"""Parameters of a pair of 1-bit ReRAM crossbar arrays, in SI units; immutable and validated.

The configuration of pimsim embeds these definitions, so timing and numerical results describe the same chip. Default
values are in ``configs/defaults.yaml`` with their sources.
"""

import math
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from crossbar.adc_series import AdcFactors, AdcScaling, SeriesName, adc_factors, adc_refusal, adc_scaling
from crossbar.array_params import ArrayParams as ArrayParams
from crossbar.circuit_params import DacParams as DacParams
from crossbar.circuit_params import DriverParams, LineParams, SensingParams
from crossbar.circuit_params import WireParams as WireParams
from crossbar.code_dependence import CodeEnergy, kind_refusal
from crossbar.correction_params import CorrectionParams as CorrectionParams
from crossbar.encoding_params import EncodingParams as EncodingParams
from crossbar.encoding_params import WeightAlphabet as WeightAlphabet
from crossbar.noise_params import DriftParams as DriftParams
from crossbar.noise_params import FaultParams as FaultParams
from crossbar.noise_params import NoiseParams as NoiseParams
from crossbar.noise_params import StateNoise as StateNoise
from crossbar.noise_params import StateSpread as StateSpread
from crossbar.noise_params import TelegraphParams as TelegraphParams
from crossbar.noise_params import VariationParams as VariationParams
from crossbar.noise_params import WriteVerifyParams as WriteVerifyParams
from crossbar.thermal_params import ThermalParams as ThermalParams
from crossbar.upkeep_params import UpkeepParams as UpkeepParams
from crossbar.value_types import NonNegative, Params, Positive, Relative


class CellParams(Params):
    """One 1T1R ReRAM cell: two resistance states and the pulses that read and write them."""

    lrs_ohm: Positive = Field(description="resistance of the low-resistance state")
    hrs_ohm: Positive = Field(description="resistance of the high-resistance state; above lrs_ohm")
    read_voltage_v: Positive = Field(le=10.0, description="amplitude of a read pulse on a word line")
    read_pulse_s: Positive | None = Field(
        le=1e-3,
        description="duration of a read pulse, settling of the column included; null: the time to settle",
    )
    read_activity: Positive = Field(
        le=1, description="mean of (voltage of a driven word line / read_voltage_v)^2 over inputs and pulses"
    )
    write_voltage_v: Positive = Field(le=20.0, description="amplitude of a SET or RESET pulse")
    write_pulse_s: Positive = Field(le=1.0, description="duration of one SET or RESET pulse")
    endurance_writes: Positive = Field(le=1e18, description="write cycles of one cell until failure")
    area_m2: NonNegative = Field(le=1e-6, description="area of one cell, its transistor included")

    @model_validator(mode="after")
    def _states_are_ordered(self) -> Self:
        if self.hrs_ohm <= self.lrs_ohm:
            raise ValueError(f"hrs_ohm ({self.hrs_ohm:g}) must be above lrs_ohm ({self.lrs_ohm:g})")
        return self

    @property
    def mean_read_conductance_s(self) -> float:
        """Mean conductance of a cell in siemens, with a third of the cells in LRS (MNSIM 2.0; docs/model.md)."""
        return 0.67 / self.hrs_ohm + 0.33 / self.lrs_ohm

    @property
    def read_power_w(self) -> float:
        """Mean power of one cell during a read pulse in watts (MNSIM 2.0; docs/model.md)."""
        return self.read_activity * self.read_voltage_v**2 * self.mean_read_conductance_s

    @property
    def write_energy_j(self) -> float:
        """Upper bound of the energy of one write pulse in joules: the full write voltage across a cell in LRS."""
        return self.write_voltage_v**2 / self.lrs_ohm * self.write_pulse_s


class AdcParams(Params):
    """A column ADC; its energy is stated per conversion, because publications define ADC power differently.

    Energy, rate and area are those of one design. At another resolution they follow `series`.
    """

    kind: Literal["sar", "flash", "ramp", "serial"] = Field(
        description="steps of a conversion: sar bits + 2, flash 3, ramp 2^bits + 2, serial bits"
    )
    bits: int = Field(ge=1, le=16, description="resolution")
    sample_rate_hz: Positive = Field(le=1e12, description="rate of the internal steps, at energy_bits")
    conversion_energy_j: NonNegative = Field(le=1e-6, description="energy of one conversion, at energy_bits")
    energy_bits: int | None = Field(
        ge=1,
        le=16,
        description="resolution of the design that conversion_energy_j, sample_rate_hz and area_m2 are stated for. "
        "null: they are stated for bits, whatever it is",
    )
    series: SeriesName | None = Field(
        description="energy, rate and area at other bits than energy_bits, relative to those stated. mnsim: MNSIM's "
        "designs of 4, 6, 8 and 10 bits, interpolated in log energy, with the area of the next larger design; "
        "mnsim_small: the same with its smaller 6-bit design; walden: energy and area double with every bit, from 4 to "
        "10 bits; linear: energy is proportional to the bits. Outside 4 to 10 bits all but linear double them and the "
        "result says so. null: other bits are refused"
    )
    code_energy: CodeEnergy = Field(
        description="how the energy of a conversion depends on its code; conversion_energy_j is the mean over equally "
        "frequent codes. none: it does not; of kind sar, switching of the capacitor array: conventional, split "
        "(split capacitor), monotonic (set and down), vcm (common-mode based); of kind flash, thermometer: comparators "
        "that trip; of kind ramp, counter: counts until the ramp reaches the input"
    )
    code_energy_fraction: float = Field(
        ge=0, le=1, description="fraction of the mean energy of a conversion that depends on the code, by code_energy"
    )
    area_m2: NonNegative = Field(le=1e-6, description="area of one ADC, at energy_bits")
    range: Literal["full", "calibrated", "per_column"] = Field(
        description="input range of the ADC. full: every possible sum; calibrated: set by sample vectors, one range "
        "per matrix; per_column: set by sample vectors, one range per column of each array"
    )
    range_coverage: float = Field(
        gt=0, le=1, description="fraction of the sample's sums within a calibrated range; the others saturate"
    )
    offset_lsb: NonNegative = Field(le=1e3, description="standard deviation of the offset over ADCs; fixed per chip")
    gain_error: Relative = Field(description="standard deviation of the relative gain error over ADCs; fixed per chip")
    inl_lsb: NonNegative = Field(
        le=1e3,
        description="standard deviation over ADCs of the bow, an integral nonlinearity with its maximum in the middle "
        "of the range; fixed per chip",
    )
    noise_lsb: NonNegative = Field(le=1e3, description="input-referred rms thermal noise of a conversion")

    @model_validator(mode="after")
    def _series_covers_the_bits(self) -> Self:
        if refused := adc_refusal(self.kind, self.series, self.energy_bits, self.bits):
            raise ValueError(refused)
        if refused := kind_refusal(self.code_energy, self.kind):
            raise ValueError(refused)
        return self

    @property
    def conversion_s(self) -> float:
        """Time of one conversion in seconds; a SAR ADC takes bits + 2 steps, as all ADCs of MNSIM 2.0 do."""
        steps = {"sar": self.bits + 2, "flash": 3, "ramp": (1 << self.bits) + 2, "serial": self.bits}[self.kind]
        return steps / (self.sample_rate_hz * self._factors.rate)

    def at_bits(self, bits: int) -> Self:
        """Return this ADC in a conversion of other bits, by `series`.

        Args:
            bits: Resolution.

        Returns:
            Parameters whose energy and time follow from those of `energy_bits`.
        """
        return self.model_copy(update={"bits": bits, "energy_bits": self.energy_bits or self.bits})

    @property
    def energy_per_conversion_j(self) -> float:
        """Energy of one conversion in joules, at `bits`: the mean over equally frequent codes."""
        return self.conversion_energy_j * self._factors.energy

    def energy_of_codes_j(self, counts: Sequence[int]) -> float:
        """Return the mean energy of conversions with given codes.

        Args:
            counts: Number of conversions by code, from the lowest code; 2^bits numbers, at least one above 0.

        Returns:
            Joules per conversion, at `bits`.

        Reference:
            docs/array.md, eq. (35).
        """
        from crossbar.code_energy import energy_factor

        return self.energy_per_conversion_j * energy_factor(self.code_energy, self.code_energy_fraction, counts)

    @property
    def converter_area_m2(self) -> float:
        """Area of one ADC in square metres, at `bits`."""
        return self.area_m2 * self._factors.area

    @property
    def scaling(self) -> AdcScaling | None:
        """How energy, rate and area follow from the stated ones; None if they are stated for `bits`."""
        if self.series is None or self.energy_bits in (None, self.bits):
            return None
        return adc_scaling(self.series, self.energy_bits, self.bits)

    @property
    def _factors(self) -> AdcFactors:
        if self.series is None or self.energy_bits is None:
            return AdcFactors(1.0, 1.0, 1.0)
        return adc_factors(self.series, self.energy_bits, self.bits)


class CrossbarParams(Params):
    """A pair of arrays with its converters: the contents and the arithmetic of a processing element (PE)."""

    cell: CellParams
    array: ArrayParams
    dac: DacParams
    adc: AdcParams
    encoding: EncodingParams
    noise: NoiseParams
    wires: WireParams
    lines: LineParams | None = Field(description="charge of the lines of an array; null: not counted")
    drivers: DriverParams | None = Field(description="drivers of the rows beside the DACs; null: not counted")
    sensing: SensingParams
    upkeep: UpkeepParams
    thermal: ThermalParams
    correction: CorrectionParams

    def planes(self, activation_bits: int) -> int:
        """Return the number of pulses per row for one activation: one per `dac.bits` bits, and one for a sign bit.

        Args:
            activation_bits: bits of the activation, a sign bit included.

        Returns:
            Number of pulses.
        """
        signed = self.encoding.activations == "twos_complement"
        magnitude = activation_bits - 1 if signed else activation_bits
        if signed and self.sensing.integration is not None and self.sensing.integration.signed_inputs:
            return -(-max(1, magnitude) // self.dac.bits)
        return -(-magnitude // self.dac.bits) + (1 if signed else 0)

    @model_validator(mode="after")
    def _circuits_fit_together(self) -> Self:
        if self.cell.read_pulse_s is None and self.lines is None:
            raise ValueError("cell.read_pulse_s=null needs lines: the time to settle follows from their capacitances")
        if not self.read_pulse_s:
            raise ValueError(
                "cell.read_pulse_s=null needs lines with capacitance and resistance (drivers.resistance_ohm, wires, "
                "sensing.input_ohm): these settle in no time"
            )
        if self.upkeep.drift_compensation != "none" and self.encoding.cells == "offset":
            raise ValueError(
                f"upkeep.drift_compensation={self.upkeep.drift_compensation} scales sums whose offset is subtracted "
                "before; encoding.cells=offset subtracts it digitally and after: set drift_compensation to none, or "
                "cells to differential or reference_column"
            )
        integration = self.sensing.integration
        if integration is not None and integration.weighting == "pulse_count" and self.dac.bits > 1:
            raise ValueError(
                f"sensing.integration.weighting=pulse_count needs dac.bits=1, not {self.dac.bits}: a plane is one bit; "
                "charge_sharing takes more"
            )
        if integration is not None and integration.narrow_later_phases:
            adc = self.adc
            if refused := adc_refusal(adc.kind, adc.series, adc.energy_bits or adc.bits, adc.bits - 1):
                raise ValueError(f"sensing.integration.narrow_later_phases: adc.{refused}")
        return self

    @property
    def uncommon_correction(self) -> str:
        """Key of a correction against IR drop that the closed form of the SNR does not know; empty without one."""
        if self.correction.gains != "none":
            return "correction.gains"
        if self.wires.model != "none" and self.wires.word_ends > 1:
            return "wires.word_line_ends"
        return "wires.bit_line_ends" if self.wires.model != "none" and self.wires.bit_ends > 1 else ""

    @property
    def reference_columns(self) -> int:
        """Reference columns of an array; 0 if its cells are not read against any."""
        return self.array.reference_columns if self.encoding.cells == "reference_column" else 0

    def references_of(self, columns: int) -> int:
        """Return how many reference columns some bit lines need.

        Args:
            columns: Number of bit lines that are in use, from the near end of the word lines.

        Returns:
            Number of reference columns, all of them if columns are remapped to any bit line; 0 if the cells are not
            read against any.
        """
        if not columns or self.array.remapping != "none":
            return self.reference_columns if columns else 0
        return (columns - 1) * self.reference_columns // self.array.columns + bool(self.reference_columns)

    @property
    def line_columns(self) -> int:
        """Bit lines that a word line of an array crosses, reference columns included."""
        return self.array.columns + self.reference_columns

    @property
    def needs_sample(self) -> bool:
        """Whether sample vectors determine the ranges of the ADCs, or gains behind them."""
        return self.adc.range != "full" or self.correction.gains != "none"

    @property
    def dacs_per_row(self) -> int:
        """DACs of a driven row: one at each driven end of its word line; one if a select line carries the input."""
        on_word_line = self.lines is None or self.lines.input_line == "word"
        return self.wires.word_ends if on_word_line else 1

    @property
    def read_pulse_s(self) -> float:
        """Duration of a read pulse in seconds: the stated one, or the time to settle (docs/circuits.md, eq. (9))."""
        return settling_s(self) if self.cell.read_pulse_s is None else self.cell.read_pulse_s

    @property
    def mean_conductance_s(self) -> float:
        """Mean conductance of a cell in siemens: that of MNSIM 2.0, or over all weights of intB (docs/model.md)."""
        return self._conductance_s(self.encoding.mean_level)

    @property
    def conduction_s(self) -> float:
        """Time in seconds for which cells conduct in a read; it includes the conversions if the sum is not held."""
        conversions = 0 if self.sensing.held else self.encoding.conversions_per_column
        return self.read_pulse_s + conversions * self.adc.conversion_s

    @property
    def cell_read_energy_j(self) -> float:
        """Mean energy of one cell per read in joules (docs/model.md, eq. (16))."""
        return self.read_energy_j(self.encoding.mean_level)

    def read_energy_j(self, mean_level: float | None) -> float:
        """Return the mean energy of a read of a cell whose weights have another alphabet.

        Args:
            mean_level: See `EncodingParams.mean_level`.

        Returns:
            Energy in joules (docs/model.md, eq. (16)).
        """
        power_w = self.cell.read_activity * self.cell.read_voltage_v**2 * self._conductance_s(mean_level)
        return power_w * self.conduction_s

    def _conductance_s(self, mean_level: float | None) -> float:
        if mean_level is None:
            return self.cell.mean_read_conductance_s
        return (1 - mean_level) / self.cell.hrs_ohm + mean_level / self.cell.lrs_ohm


def settling_s(pair: CrossbarParams) -> float:
    """Return the time in which a column settles to half an ADC step.

    Args:
        pair: Parameters of the array, with `lines`.

    Returns:
        Time in seconds: (b + 1) ln 2 time constants, which are the Elmore delays of row and column in series.

    Reference:
        docs/circuits.md, eq. (9) to (12), (14) and (15); Elmore, J. Appl. Phys. 19(1), 1948.
    """
    lines, array, sensing = pair.lines, pair.array, pair.sensing
    assert lines is not None  # the model refuses it
    word_ohm, bit_ohm = pair.wires.ohms
    driver_ohm = 0.0 if pair.drivers is None else pair.drivers.resistance_ohm
    row_s = max(
        driver_ohm / ends * (pair.line_columns * line_f + ends * end_f)
        + (pair.line_columns / ends) ** 2 * word_ohm * line_f / 2
        for line_f, end_f, ends in (
            (lines.word_line_f, lines.word_end_f, pair.wires.word_ends),
            (lines.select_line_f, lines.select_end_f, 1),
        )
    )
    # A clamp discharges the bit line; without one, the driven cells in parallel charge it.
    column_ohm, bit_ends = sensing.input_ohm, pair.wires.bit_ends
    if sensing.mode == "voltage":
        column_ohm = 1 / (array.driven_rows * pair.mean_conductance_s)
    else:
        column_ohm /= bit_ends
    bit_f = array.rows * lines.bit_line_f
    column_s = column_ohm * (bit_f + bit_ends * lines.bit_end_f) + array.rows * bit_ohm * bit_f / 2 / bit_ends**2
    return (pair.adc.bits + 1) * math.log(2) * (row_s + column_s)
