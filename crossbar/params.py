"""Electrical parameters of a 1-bit ReRAM crossbar pair, in SI units, frozen and self-checking.

These are the only definitions of the array's electrical quantities: pimsim's config embeds them, so the chip that
is timed and the chip that computes are the same one. There are no defaults here; they stand with their sources in
``configs/defaults.yaml``.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class Params(BaseModel):
    """Base of every parameter set: frozen, strict, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CellParams(Params):
    """One 1T1R ReRAM cell: two resistance states and the pulses that read and write them."""

    lrs_ohm: Positive = Field(description="resistance of the low-resistance state")
    hrs_ohm: Positive = Field(description="resistance of the high-resistance state; above lrs_ohm")
    read_voltage_v: Positive = Field(le=10.0, description="amplitude of a read pulse on a word line")
    read_pulse_s: Positive = Field(le=1e-3, description="length of a read pulse until the column current has settled")
    write_voltage_v: Positive = Field(le=20.0, description="amplitude of a SET or RESET pulse")
    write_pulse_s: Positive = Field(le=1.0, description="length of one SET or RESET pulse")
    endurance_writes: Positive = Field(le=1e18, description="writes of one cell until it is worn out")
    area_m2: NonNegative = Field(le=1e-6, description="area of one cell with its transistor")

    @model_validator(mode="after")
    def _states_are_ordered(self) -> CellParams:
        if self.hrs_ohm <= self.lrs_ohm:
            raise ValueError(f"hrs_ohm ({self.hrs_ohm:g}) must be above lrs_ohm ({self.lrs_ohm:g})")
        return self

    @property
    def mean_read_conductance_s(self) -> float:
        """Mean conductance of a cell in siemens, a third of the cells in LRS (MNSIM 2.0; docs/model.md)."""
        return 0.67 / self.hrs_ohm + 0.33 / self.lrs_ohm

    @property
    def read_energy_j(self) -> float:
        """Mean energy in joules of one cell under one read pulse.

        V^2 is averaged over inputs as a tenth of the squared amplitude, as MNSIM 2.0 does (docs/model.md).
        """
        return 0.1 * self.read_voltage_v**2 * self.mean_read_conductance_s * self.read_pulse_s

    @property
    def write_energy_j(self) -> float:
        """Upper bound in joules of one write pulse: the write voltage over a cell in LRS for the whole pulse."""
        return self.write_voltage_v**2 / self.lrs_ohm * self.write_pulse_s


class ArrayParams(Params):
    """One array of a differential pair, and how much of it is active at a time."""

    rows: Count = Field(le=4096, description="word lines of one array")
    columns: Count = Field(le=4096, description="bit lines of one array")
    rows_at_once: Count = Field(le=4096, description="row-activation limit; also the DACs that a pair has")
    adcs: Count = Field(le=4096, description="ADCs that a pair has; columns share them through multiplexers")

    @model_validator(mode="after")
    def _limits_fit_the_array(self) -> ArrayParams:
        if self.rows_at_once > self.rows:
            raise ValueError(f"rows_at_once ({self.rows_at_once}) must not exceed rows ({self.rows})")
        if self.adcs > self.columns:
            raise ValueError(f"adcs ({self.adcs}) must not exceed columns ({self.columns})")
        return self


class DacParams(Params):
    """A word-line driver: `bits` of the activation per read pulse."""

    bits: int = Field(ge=1, le=8, description="activation bits applied per pulse; 1 is bit-serial")
    sample_rate_hz: Positive = Field(le=1e12, description="rate of its internal steps; a conversion takes bits + 2")
    power_w: NonNegative = Field(le=1.0, description="power while converting")
    area_m2: NonNegative = Field(le=1e-6, description="of one converter")

    @property
    def conversion_s(self) -> float:
        """Time of one conversion in seconds: bits + 2 steps (MNSIM 2.0)."""
        return (self.bits + 2) / self.sample_rate_hz

    @property
    def conversion_energy_j(self) -> float:
        """Energy of one conversion in joules: power times its own time."""
        return self.power_w * self.conversion_s


class AdcParams(Params):
    """A column ADC. Its energy is stated per conversion, since published converters differ in how power counts."""

    bits: int = Field(ge=1, le=16, description="resolution")
    sample_rate_hz: Positive = Field(le=1e12, description="rate of its internal steps; a conversion takes bits + 2")
    conversion_energy_j: NonNegative = Field(le=1e-6, description="energy of one conversion")
    area_m2: NonNegative = Field(le=1e-6, description="of one converter")

    @property
    def conversion_s(self) -> float:
        """Time of one conversion in seconds: bits + 2 steps (MNSIM 2.0)."""
        return (self.bits + 2) / self.sample_rate_hz


class CrossbarParams(Params):
    """A differential pair of arrays with its converters: what a processing element (PE) holds."""

    cell: CellParams
    array: ArrayParams
    dac: DacParams
    adc: AdcParams
