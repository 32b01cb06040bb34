"""Parameters of the deviations of real cells: variation, write-verify, read noise, drift, telegraph noise and faults.

Default values are in ``configs/defaults.yaml`` with their sources. Equations: docs/array.md.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from crossbar.value_types import NonNegative, Params, Positive, Probability, Relative


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
    def _polynomials_are_of_normal_spreads(self) -> Self:
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

    @property
    def changes(self) -> bool:
        """Whether conductances change after `start_s`."""
        shift = (self.shift_siemens, self.spread_siemens, self.spread_growth_siemens)
        return any((self.exponent, self.exponent_sigma, *shift))


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
    def _no_cell_is_both(self) -> Self:
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
