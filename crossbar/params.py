"""Parameters of a 1-bit ReRAM crossbar pair, in SI units, frozen and self-checking.

These are the only definitions of the array's electrical quantities: pimsim's config embeds them, so the chip that
is timed and the chip that computes are the same one. There are no defaults here; they stand with their sources in
``configs/defaults.yaml``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Relative = Annotated[float, Field(ge=0, le=5, allow_inf_nan=False)]
"""A spread as a part of what it spreads. 5 is far above anything published."""

WeightAlphabet = Literal["binary", "ternary", "unit", "int2", "int3", "int4", "int5", "int6", "int7", "int8"]


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
    spare_columns: int = Field(
        ge=0,
        le=4095,
        description="of the columns, those that hold no weights but stand in for columns with stuck cells",
    )
    remapping: Literal["none", "spares", "columns"] = Field(
        description="where a test has found stuck cells: none: nothing is moved; spares: spare columns replace those "
        "that harm the weights most; columns: any column of an array takes the weights that its stuck cells harm least"
    )

    @model_validator(mode="after")
    def _limits_fit_the_array(self) -> ArrayParams:
        if self.rows_at_once > self.rows:
            raise ValueError(f"rows_at_once ({self.rows_at_once}) must not exceed rows ({self.rows})")
        if self.adcs > self.columns:
            raise ValueError(f"adcs ({self.adcs}) must not exceed columns ({self.columns})")
        if self.spare_columns >= self.columns:
            raise ValueError(f"spare_columns ({self.spare_columns}) must leave some of the {self.columns} columns")
        return self

    @property
    def usable_columns(self) -> int:
        """Columns of weights that an array holds: all but the spare ones."""
        return self.columns - self.spare_columns


class DacParams(Params):
    """A word-line driver: `bits` of the activation per read pulse."""

    bits: int = Field(ge=1, le=8, description="activation bits applied per pulse; 1 is bit-serial")
    sample_rate_hz: Positive = Field(le=1e12, description="rate of its internal steps; a conversion takes bits + 2")
    power_w: NonNegative = Field(le=1.0, description="power while converting")
    area_m2: NonNegative = Field(le=1e-6, description="of one converter")
    level_error: Relative = Field(
        description="sd of each level but 0 of each driver, in steps between levels; fixed per chip"
    )

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

    kind: Literal["sar", "flash", "ramp"] = Field(
        description="how time and energy grow with bits. Steps of a conversion: sar bits + 2, flash 3, ramp 2^bits + 2;"
        " energy: sar as bits (comparisons), flash as 2^bits - 1 (comparators), ramp as 2^bits (counter steps)"
    )
    bits: int = Field(ge=1, le=16, description="resolution")
    sample_rate_hz: Positive = Field(le=1e12, description="rate of its internal steps")
    conversion_energy_j: NonNegative = Field(le=1e-6, description="energy of one conversion at energy_bits")
    energy_bits: int | None = Field(
        ge=1,
        le=16,
        description="resolution that conversion_energy_j is stated for, scaled from there to bits as kind says; null: "
        "as stated, whatever the bits",
    )
    area_m2: NonNegative = Field(le=1e-6, description="of one converter")
    range: Literal["full", "calibrated", "per_column"] = Field(
        description="what the codes cover. full: every possible sum; calibrated: what sample vectors need, one range "
        "for the matrix; per_column: the same for each column of each array"
    )
    range_coverage: float = Field(
        gt=0, le=1, description="part of the sample's sums that a calibrated range covers; the others saturate"
    )
    offset_lsb: NonNegative = Field(le=1e3, description="sd of the offset, over ADCs; fixed per chip")
    gain_error: Relative = Field(description="sd of the relative gain error, over ADCs; fixed per chip")
    inl_lsb: NonNegative = Field(
        le=1e3, description="sd over ADCs of the bow, an integral nonlinearity that peaks in the middle of the range"
    )
    noise_lsb: NonNegative = Field(le=1e3, description="rms thermal noise of a conversion, referred to the input")

    @property
    def conversion_s(self) -> float:
        """Time of one conversion in seconds (SAR: bits + 2 steps, as MNSIM 2.0 has for all)."""
        steps = {"sar": self.bits + 2, "flash": 3, "ramp": (1 << self.bits) + 2}[self.kind]
        return steps / self.sample_rate_hz

    @property
    def energy_per_conversion_j(self) -> float:
        """Energy of one conversion in joules at this resolution: as stated, scaled from `energy_bits` to `bits`."""
        if self.energy_bits is None:
            return self.conversion_energy_j
        return self.conversion_energy_j * (self._effort(self.bits) / self._effort(self.energy_bits))

    def _effort(self, bits: int) -> int:
        return {"sar": bits, "flash": (1 << bits) - 1, "ramp": 1 << bits}[self.kind]


class StateSpread(Params):
    """How conductances of one resistance state scatter over cells after programming."""

    distribution: Literal["normal", "lognormal"] = Field(
        description="normal: around the state's conductance, cut off at 0; lognormal: the state's conductance times "
        "e^theta, theta normal around 0"
    )
    sigma: Relative = Field(description="normal: sd as a part of the state's conductance; lognormal: sd of theta")


class VariationParams(Params):
    """Programming variation of both states."""

    lrs: StateSpread
    hrs: StateSpread
    sigma_polynomial: Annotated[tuple[float, ...], Field(min_length=1, max_length=6, strict=False)] | None = Field(
        description="sd in microsiemens as a polynomial of the conductance in microsiemens, constant first, as papers "
        "print it; in place of both sigmas, with normal distributions. null: the sigmas"
    )

    @model_validator(mode="after")
    def _polynomials_are_of_normal_spreads(self) -> VariationParams:
        if self.sigma_polynomial is not None and "lognormal" in (self.lrs.distribution, self.hrs.distribution):
            raise ValueError("sigma_polynomial needs lrs.distribution and hrs.distribution to be 'normal'")
        return self


class WriteVerifyParams(Params):
    """Programming in a loop: read back, and write again what lies outside a tolerance."""

    tolerance: Positive | None = Field(
        le=10.0, description="accepted distance from the state's conductance, as a part of it; null: no check"
    )
    max_pulses: int = Field(ge=1, le=1000, description="writes of one cell at most; the last one stays, good or not")


class StateNoise(Params):
    """Noise of the two states."""

    lrs: Relative = Field(
        description="sd of a cell in LRS from one read to the next, as a part of its state's conductance"
    )
    hrs: Relative = Field(
        description="sd of a cell in HRS from one read to the next, as a part of its state's conductance"
    )


class DriftParams(Params):
    """Change of conductances with the time since programming, from start_s on."""

    age_s: NonNegative = Field(le=1e12, description="time since programming; up to start_s nothing has drifted")
    start_s: Positive = Field(le=1e9, description="time from which drift is counted")
    exponent: float = Field(
        ge=-5, le=5, allow_inf_nan=False, description="nu: the conductance goes as (age / start)^-nu"
    )
    exponent_sigma: Relative = Field(description="sd of nu over cells")
    shift_siemens: float = Field(
        ge=-1, le=1, allow_inf_nan=False, description="added to every conductance per e-fold of age / start"
    )
    spread_siemens: NonNegative = Field(
        le=1, description="sd over cells of what is added once drift counts, at start_s"
    )
    spread_growth_siemens: NonNegative = Field(le=1, description="growth of that sd per e-fold of age / start")


class TelegraphParams(Params):
    """Random telegraph noise: cells with one trap, slow beside a read, whose capture lowers the conductance."""

    fraction: Probability = Field(description="cells that have a trap")
    amplitude: Probability = Field(description="part of its conductance that a cell loses while its trap is full")
    capture_s: Positive = Field(le=1e12, description="mean time until an empty trap fills")
    emission_s: Positive = Field(le=1e12, description="mean time until a full trap empties")


class FaultParams(Params):
    """Cells that cannot be switched."""

    stuck_lrs: Probability = Field(description="part of the cells that are always in LRS")
    stuck_hrs: Probability = Field(description="part of the cells that are always in HRS")

    @model_validator(mode="after")
    def _no_cell_is_both(self) -> FaultParams:
        if self.stuck_lrs + self.stuck_hrs > 1:
            raise ValueError(f"stuck_lrs + stuck_hrs ({self.stuck_lrs + self.stuck_hrs:g}) must not exceed 1")
        return self


class NoiseParams(Params):
    """What makes a real cell differ from its nominal state."""

    variation: VariationParams
    write_verify: WriteVerifyParams
    read: StateNoise
    drift: DriftParams
    telegraph: TelegraphParams
    faults: FaultParams


class EncodingParams(Params):
    """How weights become cells, and activations become pulses."""

    weights: WeightAlphabet = Field(
        description="binary -1, +1; ternary -1, 0, +1; unit 0, 1; intB: -(2^(B-1) - 1) .. 2^(B-1) - 1, a cell (pair) "
        "per bit"
    )
    cells: Literal["differential", "reference_column", "offset"] = Field(
        description="differential: a cell for + and one for -; reference_column: single cells, a column of cells that "
        "store 0 is subtracted; offset: single cells, what cells that store 0 contribute is subtracted digitally"
    )
    readout: Literal["difference", "separate"] = Field(
        description="of a differential pair: one conversion of the difference of the currents, or one of each current"
    )
    polarity: Literal["one_is_lrs", "one_is_hrs"] = Field(description="the state that stores a logic 1")
    activations: Literal["unsigned", "twos_complement"] = Field(description="the format of activations")
    activation_bits: int = Field(ge=1, le=8, description="of one activation, a sign bit included")

    @model_validator(mode="after")
    def _signs_need_a_bit_beside(self) -> EncodingParams:
        if self.activations == "twos_complement" and self.activation_bits < 2:
            raise ValueError("activation_bits must be at least 2 for two's complement activations")
        return self

    @property
    def slices(self) -> int:
        """Cells, or pairs of cells, that one weight takes: a bit of it each."""
        bits = {"unit": 1, "binary": 1, "ternary": 2}.get(self.weights) or int(self.weights.removeprefix("int"))
        return max(1, bits - 1) if self.cells == "differential" else bits

    @property
    def arrays(self) -> int:
        """Arrays that a block of weights takes: two of a differential pair, one of single cells."""
        return 2 if self.cells == "differential" else 1

    @property
    def conversions_per_column(self) -> int:
        """Conversions of one column under one pulse: two if both currents of a pair are converted, else one."""
        return 2 if self.cells == "differential" and self.readout == "separate" else 1


class WireParams(Params):
    """Resistance of the lines between neighbouring cells."""

    word_line_ohm: NonNegative = Field(
        le=1e6, description="of a word line from one cell to the next, or from its driver"
    )
    bit_line_ohm: NonNegative = Field(le=1e6, description="of a bit line from one cell to the next, or to its end")
    model: Literal["none", "approximate", "exact"] = Field(
        description="none: ideal wires; approximate: two ladders per array (docs/wires.md); exact: the whole network"
    )


class CrossbarParams(Params):
    """A pair of arrays with its converters: what a processing element (PE) holds, and how it computes."""

    cell: CellParams
    array: ArrayParams
    dac: DacParams
    adc: AdcParams
    encoding: EncodingParams
    noise: NoiseParams
    wires: WireParams

    def planes(self, activation_bits: int) -> int:
        """Pulses per row that one activation of so many bits takes: `dac.bits` of it each, a sign bit on its own."""
        signed = self.encoding.activations == "twos_complement"
        magnitude = activation_bits - 1 if signed else activation_bits
        return -(-magnitude // self.dac.bits) + (1 if signed else 0)
