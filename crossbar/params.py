"""Parameters of a pair of 1-bit ReRAM crossbar arrays, in SI units; immutable and validated.

The configuration of pimsim embeds these definitions, so timing and numerical results describe the same chip. Default
values are in ``configs/defaults.yaml`` with their sources.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from crossbar.adc_series import AdcFactors, AdcScaling, SeriesName, adc_factors, adc_refusal, adc_scaling
from crossbar.encoding_params import EncodingParams as EncodingParams
from crossbar.encoding_params import WeightAlphabet as WeightAlphabet
from crossbar.value_types import Count, NonNegative, Params, Positive, Probability, Relative


class CellParams(Params):
    """One 1T1R ReRAM cell: two resistance states and the pulses that read and write them."""

    lrs_ohm: Positive = Field(description="resistance of the low-resistance state")
    hrs_ohm: Positive = Field(description="resistance of the high-resistance state; above lrs_ohm")
    read_voltage_v: Positive = Field(le=10.0, description="amplitude of a read pulse on a word line")
    read_pulse_s: Positive = Field(
        le=1e-3, description="duration of a read pulse, settling of the column current included"
    )
    write_voltage_v: Positive = Field(le=20.0, description="amplitude of a SET or RESET pulse")
    write_pulse_s: Positive = Field(le=1.0, description="duration of one SET or RESET pulse")
    endurance_writes: Positive = Field(le=1e18, description="write cycles of one cell until failure")
    area_m2: NonNegative = Field(le=1e-6, description="area of one cell, its transistor included")

    @model_validator(mode="after")
    def _states_are_ordered(self) -> CellParams:
        if self.hrs_ohm <= self.lrs_ohm:
            raise ValueError(f"hrs_ohm ({self.hrs_ohm:g}) must be above lrs_ohm ({self.lrs_ohm:g})")
        return self

    @property
    def mean_read_conductance_s(self) -> float:
        """Mean conductance of a cell in siemens, with a third of the cells in LRS (MNSIM 2.0; docs/model.md)."""
        return 0.67 / self.hrs_ohm + 0.33 / self.lrs_ohm

    @property
    def read_energy_j(self) -> float:
        """Mean energy of one cell per read pulse in joules.

        The mean of V^2 over inputs is a tenth of the squared amplitude, as in MNSIM 2.0 (docs/model.md).
        """
        return 0.1 * self.read_voltage_v**2 * self.mean_read_conductance_s * self.read_pulse_s

    @property
    def write_energy_j(self) -> float:
        """Upper bound of the energy of one write pulse in joules: the full write voltage across a cell in LRS."""
        return self.write_voltage_v**2 / self.lrs_ohm * self.write_pulse_s


class ArrayParams(Params):
    """One array of a differential pair, and the number of rows and columns that are active together."""

    rows: Count = Field(le=4096, description="word lines of one array")
    columns: Count = Field(le=4096, description="bit lines of one array")
    rows_at_once: Annotated[int, Field(ge=1, le=4096)] | Literal["all"] = Field(
        description="row-activation limit: rows driven together, or all of an array; also the number of DACs of a pair"
    )
    adcs: Count = Field(le=4096, description="number of ADCs of a pair; columns share them through multiplexers")
    columns_per_adc: Count | None = Field(
        le=4096,
        description="columns that share one ADC, which gives the number of ADCs instead of adcs; null: adcs does",
    )
    spare_columns: int = Field(
        ge=0,
        le=4095,
        description="number of the columns that hold no weights and can replace columns with stuck cells",
    )
    remapping: Literal["none", "spares", "columns"] = Field(
        description="use of a test for stuck cells. none: no remapping; spares: spare columns replace the columns with "
        "the largest weight errors; columns: weights are assigned to the columns of an array for the smallest errors"
    )

    @model_validator(mode="after")
    def _limits_fit_the_array(self) -> ArrayParams:
        if self.driven_rows > self.rows:
            raise ValueError(f"rows_at_once ({self.rows_at_once}) must not exceed rows ({self.rows})")
        if self.columns_per_adc is None and self.adcs > self.columns:
            raise ValueError(f"adcs ({self.adcs}) must not exceed columns ({self.columns})")
        if self.columns_per_adc is not None and self.columns_per_adc > self.columns:
            raise ValueError(f"columns_per_adc ({self.columns_per_adc}) must not exceed columns ({self.columns})")
        if self.spare_columns >= self.columns:
            raise ValueError(f"spare_columns ({self.spare_columns}) must be less than columns ({self.columns})")
        return self

    @property
    def driven_rows(self) -> int:
        """Number of rows that are driven together."""
        return self.rows if self.rows_at_once == "all" else self.rows_at_once

    @property
    def adc_count(self) -> int:
        """Number of ADCs of a pair."""
        return self.adcs if self.columns_per_adc is None else -(-self.columns // self.columns_per_adc)

    @property
    def usable_columns(self) -> int:
        """Columns of weights that an array holds: all except the spare columns."""
        return self.columns - self.spare_columns


class DacParams(Params):
    """A word-line driver, which applies `bits` bits of the activation per read pulse."""

    bits: int = Field(ge=1, le=8, description="activation bits per pulse; 1 is bit-serial")
    sample_rate_hz: Positive = Field(
        le=1e12, description="rate of the internal steps; a conversion takes bits + 2 steps"
    )
    power_w: NonNegative = Field(le=1.0, description="power during a conversion")
    area_m2: NonNegative = Field(le=1e-6, description="area of one DAC")
    level_error: Relative = Field(
        description="standard deviation of each non-zero level of each driver, in steps between levels; fixed per chip"
    )

    @property
    def conversion_s(self) -> float:
        """Time of one conversion in seconds: bits + 2 steps (MNSIM 2.0)."""
        return (self.bits + 2) / self.sample_rate_hz

    @property
    def conversion_energy_j(self) -> float:
        """Energy of one conversion in joules: power times conversion time."""
        return self.power_w * self.conversion_s


class AdcParams(Params):
    """A column ADC; its energy is stated per conversion, because publications define ADC power differently.

    Energy, rate and area are those of one design. At another resolution they follow `series`.
    """

    kind: Literal["sar", "flash", "ramp"] = Field(
        description="steps of a conversion: sar bits + 2, flash 3, ramp 2^bits + 2"
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
        "10 bits. Outside 4 to 10 bits all double them and the result says so. null: other bits are refused"
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
    def _series_covers_the_bits(self) -> AdcParams:
        if refused := adc_refusal(self.kind, self.series, self.energy_bits, self.bits):
            raise ValueError(refused)
        return self

    @property
    def conversion_s(self) -> float:
        """Time of one conversion in seconds; a SAR ADC takes bits + 2 steps, as all ADCs of MNSIM 2.0 do."""
        steps = {"sar": self.bits + 2, "flash": 3, "ramp": (1 << self.bits) + 2}[self.kind]
        return steps / (self.sample_rate_hz * self._factors.rate)

    @property
    def energy_per_conversion_j(self) -> float:
        """Energy of one conversion in joules, at `bits`."""
        return self.conversion_energy_j * self._factors.energy

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


class StateSpread(Params):
    """Distribution of the conductances of one resistance state over cells after programming."""

    distribution: Literal["normal", "lognormal"] = Field(
        description="normal: around the nominal conductance, truncated at 0; lognormal: nominal conductance times "
        "e^theta, with theta normal around 0"
    )
    sigma: Relative = Field(
        description="standard deviation: normal: relative to the nominal conductance; lognormal: of theta"
    )


class VariationParams(Params):
    """Programming variation of both states."""

    lrs: StateSpread
    hrs: StateSpread
    sigma_polynomial: Annotated[tuple[float, ...], Field(min_length=1, max_length=6, strict=False)] | None = Field(
        description="standard deviation in microsiemens as a polynomial of the conductance in microsiemens, constant "
        "first; it replaces both sigmas and needs normal distributions. null: use the sigmas"
    )

    @model_validator(mode="after")
    def _polynomials_are_of_normal_spreads(self) -> VariationParams:
        if self.sigma_polynomial is not None and "lognormal" in (self.lrs.distribution, self.hrs.distribution):
            raise ValueError("sigma_polynomial needs lrs.distribution and hrs.distribution to be 'normal'")
        return self


class WriteVerifyParams(Params):
    """Write-verify programming: read back, and write again if the conductance is outside a tolerance."""

    tolerance: Positive | None = Field(
        le=10.0, description="accepted deviation relative to the nominal conductance; null: writes are not verified"
    )
    max_pulses: int = Field(
        ge=1,
        le=1000,
        description="maximum number of write pulses per cell; the last one is kept even outside the tolerance",
    )


class StateNoise(Params):
    """Read noise of the two states."""

    lrs: Relative = Field(
        description="standard deviation of a cell in LRS from read to read, relative to the nominal conductance"
    )
    hrs: Relative = Field(
        description="standard deviation of a cell in HRS from read to read, relative to the nominal conductance"
    )


class DriftParams(Params):
    """Change of conductances with the time since programming, from start_s on."""

    age_s: NonNegative = Field(le=1e12, description="time since programming; there is no drift up to start_s")
    start_s: Positive = Field(le=1e9, description="time since programming at which drift starts")
    exponent: float = Field(
        ge=-5, le=5, allow_inf_nan=False, description="nu: the conductance is multiplied by (age / start)^-nu"
    )
    exponent_sigma: Relative = Field(description="standard deviation of nu over cells")
    shift_siemens: float = Field(
        ge=-1, le=1, allow_inf_nan=False, description="conductance added to every cell per factor e of age / start"
    )
    spread_siemens: NonNegative = Field(
        le=1, description="standard deviation over cells of the added conductance at start_s"
    )
    spread_growth_siemens: NonNegative = Field(
        le=1, description="growth of that standard deviation per factor e of age / start"
    )


class TelegraphParams(Params):
    """Random telegraph noise of cells with one trap, which lowers the conductance while it is full.

    The trap is slow compared with a read.
    """

    fraction: Probability = Field(description="fraction of the cells that have a trap")
    amplitude: Probability = Field(description="relative loss of conductance of a cell while its trap is full")
    capture_s: Positive = Field(le=1e12, description="mean time until an empty trap fills")
    emission_s: Positive = Field(le=1e12, description="mean time until a full trap empties")


class FaultParams(Params):
    """Cells that are stuck in one state."""

    stuck_lrs: Probability = Field(description="fraction of the cells that are always in LRS")
    stuck_hrs: Probability = Field(description="fraction of the cells that are always in HRS")

    @model_validator(mode="after")
    def _no_cell_is_both(self) -> FaultParams:
        if self.stuck_lrs + self.stuck_hrs > 1:
            raise ValueError(f"stuck_lrs + stuck_hrs ({self.stuck_lrs + self.stuck_hrs:g}) must not exceed 1")
        return self


class NoiseParams(Params):
    """Deviations of real cells from their nominal states."""

    variation: VariationParams
    write_verify: WriteVerifyParams
    read: StateNoise
    drift: DriftParams
    telegraph: TelegraphParams
    faults: FaultParams


class WireParams(Params):
    """Wire resistance of the lines of an array."""

    word_line_ohm: NonNegative = Field(
        le=1e6, description="resistance of a word line between neighbouring cells, and from the driver to the first"
    )
    bit_line_ohm: NonNegative = Field(
        le=1e6, description="resistance of a bit line between neighbouring cells, and from the last to the ADC"
    )
    model: Literal["none", "approximate", "exact"] = Field(
        description="IR drop. none: ideal wires; approximate: ladders of single lines and detours (docs/wires.md); "
        "exact: the whole resistive network"
    )


class CrossbarParams(Params):
    """A pair of arrays with its converters: the contents and the arithmetic of a processing element (PE)."""

    cell: CellParams
    array: ArrayParams
    dac: DacParams
    adc: AdcParams
    encoding: EncodingParams
    noise: NoiseParams
    wires: WireParams

    @property
    def cell_read_energy_j(self) -> float:
        """Mean energy of one cell per read pulse, joules; the levels of a cell of several bits are equally likely."""
        if self.encoding.cell_bits == 1:
            return self.cell.read_energy_j
        mean_s = (1 / self.cell.hrs_ohm + 1 / self.cell.lrs_ohm) / 2
        return self.cell.read_energy_j * mean_s / self.cell.mean_read_conductance_s

    def planes(self, activation_bits: int) -> int:
        """Return the number of pulses per row for one activation: one per `dac.bits` bits, and one for a sign bit.

        Args:
            activation_bits: bits of the activation, a sign bit included.

        Returns:
            Number of pulses.
        """
        signed = self.encoding.activations == "twos_complement"
        magnitude = activation_bits - 1 if signed else activation_bits
        return -(-magnitude // self.dac.bits) + (1 if signed else 0)
