"""Parameters of the circuits around the cells of an array: lines, row drivers, DACs and column sensing.

Default values are in ``configs/defaults.yaml`` with their sources. Equations: docs/circuits.md.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from crossbar.value_types import NonNegative, Params, Positive, Relative


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
    word_line_ends: Literal["one", "both"] = Field(
        description="driven ends of a word line. one: the left end; both: both ends, with a driver at each"
    )
    bit_line_ends: Literal["one", "both"] = Field(
        description="ends of a bit line at which its current is sensed. one: the end below; both: both ends, with a "
        "clamp at each, whose currents are added"
    )
    attenuates_noise: bool = Field(
        description="true: the lines attenuate the read noise of a cell as they attenuate its current; false: they do "
        "not, which overestimates it"
    )

    @property
    def word_ends(self) -> int:
        """Driven ends of a word line, 1 or 2."""
        return 2 if self.word_line_ends == "both" else 1

    @property
    def bit_ends(self) -> int:
        """Ends of a bit line at which its current is sensed, 1 or 2."""
        return 2 if self.bit_line_ends == "both" else 1

    @property
    def ohms(self) -> tuple[float, float]:
        """Resistance per cell of a word line and of a bit line; 0 for ideal wires."""
        return (0.0, 0.0) if self.model == "none" else (self.word_line_ohm, self.bit_line_ohm)


class LineParams(Params):
    """Capacitance of the lines of an array, and the voltages between which they move.

    Word lines run along the rows and drive the cells with the read voltage, bit lines run along the columns and carry
    the sums. Select lines run along the rows and open the access transistors of the cells.
    """

    input_line: Literal["word", "select"] = Field(
        description="lines that carry the inputs. word: the voltage of a word line is the input, and every driven row "
        "is selected; select: word lines keep their voltage, and the select line of a row opens its cells for a 1"
    )
    word_line_f: NonNegative = Field(le=1e-9, description="capacitance of a word line per cell")
    word_end_f: NonNegative = Field(le=1e-9, description="capacitance of the circuits at the end of a word line")
    bit_line_f: NonNegative = Field(le=1e-9, description="capacitance of a bit line per cell")
    bit_end_f: NonNegative = Field(le=1e-9, description="capacitance of the circuits at the end of a bit line")
    bit_swing_v: NonNegative = Field(
        le=10.0,
        description="mean change of the voltage of a bit line in a read, with sensing.mode voltage; in mode current a "
        "clamp holds the bit line",
    )
    select_line_f: NonNegative = Field(
        le=1e-9, description="capacitance of a select line per cell, the gate of its access transistor included"
    )
    select_end_f: NonNegative = Field(le=1e-9, description="capacitance of the circuits at the end of a select line")
    select_low_v: NonNegative = Field(le=20.0, description="voltage of a select line between reads")
    select_high_v: NonNegative = Field(
        le=20.0,
        description="voltage of a select line in a read, from the supply that charges it; at least select_low_v",
    )

    @model_validator(mode="after")
    def _select_levels_are_ordered(self) -> LineParams:
        if self.select_high_v < self.select_low_v:
            raise ValueError(f"select_high_v ({self.select_high_v:g}) must not be below select_low_v")
        return self

    def word_charge_j(self, cells: int, volts: float, activity: float, ends: int = 1) -> float:
        """Return the mean energy that charges the word line of a driven row in a read.

        Args:
            cells: Cells on the line.
            volts: Amplitude of the pulse.
            activity: Mean of (voltage / volts)^2 over inputs and pulses.
            ends: Ends of the line with circuits.

        Returns:
            Joules; 0 if word lines keep their voltage.

        Reference:
            docs/circuits.md, eq. (1).
        """
        line_f = cells * self.word_line_f + ends * self.word_end_f
        return activity * line_f * volts**2 if self.input_line == "word" else 0.0

    def select_charge_j(self, cells: int, activity: float) -> float:
        """Return the mean energy that charges the select line of a driven row in a read.

        Args:
            cells: Cells on the line.
            activity: As for `word_charge_j`; for inputs of one bit, the fraction of ones.

        Returns:
            Joules, drawn from the supply of `select_high_v`.

        Reference:
            docs/circuits.md, eq. (2).
        """
        swing_v = self.select_high_v - self.select_low_v
        charge_j = (cells * self.select_line_f + self.select_end_f) * swing_v * self.select_high_v
        return charge_j * (activity if self.input_line == "select" else 1.0)

    def bit_charge_j(self, cells: int, volts: float, ends: int = 1) -> float:
        """Return the energy that charges one bit line through its cells.

        Args:
            cells: Cells on the line.
            volts: Voltage of the word lines that the charge comes from.
            ends: Ends of the line with circuits.

        Returns:
            Joules.

        Reference:
            docs/circuits.md, eq. (3).
        """
        return (cells * self.bit_line_f + ends * self.bit_end_f) * self.bit_swing_v * volts


class DriverParams(Params):
    """The driver of a row of one array, with its level shifter."""

    energy_j: NonNegative = Field(
        le=1e-6, description="energy of a driver per read of its row, in addition to the charge of its lines"
    )
    area_m2: NonNegative = Field(le=1e-6, description="area of the driver and level shifter of one row of one array")
    resistance_ohm: NonNegative = Field(
        le=1e9, description="output resistance of a driver; only a read time that follows from settling depends on it"
    )


class IntegrationParams(Params):
    """Integration of several planes of the input on a column's capacitor before one conversion."""

    weighting: Literal["pulse_count", "charge_sharing"] = Field(
        description="how a plane gets its weight. pulse_count: its sample is integrated as many times as its weight "
        "says, 2^(bits below it); charge_sharing: once, and every plane halves the charge of those before"
    )
    signed_inputs: bool = Field(
        description="true: rows are driven with the sign of the input, which then needs no plane of its own; false: "
        "the sign bit of two's complement is a plane"
    )
    one_phase_planes: int = Field(
        ge=1, le=16, description="planes that are integrated before one conversion; more are divided over phases"
    )
    phases: int = Field(
        ge=1, le=16, description="phases of an input with more planes; each has a conversion, and the first most planes"
    )
    narrow_later_phases: bool = Field(
        description="true: the conversion of a later phase has fewer bits, by the planes of the phases before it"
    )
    step_s: NonNegative = Field(le=1e-3, description="time of one integration step")
    phase_s: NonNegative = Field(le=1e-3, description="time of a phase in addition to its reads, steps and conversion")
    step_energy_j: NonNegative = Field(le=1e-6, description="energy of one integration step per column")

    def split(self, planes: int) -> tuple[int, ...]:
        """Divide planes over phases, as evenly as possible, the larger phases first.

        Args:
            planes: Planes of an input, at least 1.

        Returns:
            Planes of each phase.

        Reference:
            docs/circuits.md, eq. (7).
        """
        count = 1 if planes <= self.one_phase_planes else min(self.phases, planes)
        each, more = divmod(planes, count)
        return tuple(each + (1 if phase < more else 0) for phase in range(count))


class SensingParams(Params):
    """Circuits between a column and its ADC."""

    mode: Literal["current", "voltage"] = Field(
        description="current: a clamp holds the bit line, and its current is converted; voltage: the bit line floats "
        "to the mean of the word lines' voltages, weighted with the conductances"
    )
    held: bool = Field(
        description="true: the sum is sampled at the end of the read pulse, and the cells conduct no longer than that; "
        "false: they conduct until the conversions of the column are over"
    )
    sampled: Literal["column_group", "array"] = Field(
        description="columns that one read samples. column_group: those that are converted next, so that every "
        "conversion has a read of its own, as in MNSIM; array: all columns, whose held sums are then converted one "
        "column group after another"
    )
    input_ohm: NonNegative = Field(
        le=1e9, description="mode current: input resistance of the clamp; only a read time by settling depends on it"
    )
    clamp_energy_j: NonNegative = Field(
        le=1e-6, description="energy of the clamp and current mirror, or of the amplifier, per column and read"
    )
    sample_energy_j: NonNegative = Field(le=1e-6, description="energy of sample-and-hold per column and read")
    column_area_m2: NonNegative = Field(
        le=1e-6, description="area of clamp, mirror, sample-and-hold and integrator of one column"
    )
    integration: IntegrationParams | None = Field(
        description="integration of several planes before one conversion; null: a conversion for every plane"
    )

    @model_validator(mode="after")
    def _integrators_hold(self) -> SensingParams:
        if self.integration is not None and not self.held:
            raise ValueError("held=false needs integration=null: an integrator holds its sum")
        if self.sampled == "array" and not self.held:
            raise ValueError("held=false needs sampled=column_group: only held sums can wait for the ADC")
        return self
