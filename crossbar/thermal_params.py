"""Parameters of the temperature of cells, and the effect of temperature on their conductances and on their drift.

Default values are in ``configs/defaults.yaml`` with their sources. Equations: docs/lifetime.md.
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from crossbar.value_types import Params

BOLTZMANN_EV_PER_K = 8.617333262e-5
"""Boltzmann constant, eV/K (CODATA 2018; exact by the definition of the kelvin)."""

Temperature = Annotated[float, Field(ge=250, le=450, allow_inf_nan=False)]
Activation = Annotated[float, Field(ge=0, le=3, allow_inf_nan=False)]


class ThermalParams(Params):
    """Temperatures of the arrays, and how conductances and drift depend on them."""

    temperature_k: Temperature | None = Field(
        description="temperature of the cells between programming and the read, and at the read; null: "
        "machine.temperature_k, or else reference_k"
    )
    calibration_k: Temperature | None = Field(
        description="temperature at which the weights are written, the step of the ADCs is determined and new cells "
        "are measured; null: that of the read"
    )
    reference_k: Temperature = Field(
        description="temperature that cell.lrs_ohm, cell.hrs_ohm and noise.drift.start_s are stated for"
    )
    lrs_tcr: float = Field(
        ge=-1e-3,
        le=3e-3,
        allow_inf_nan=False,
        description="temperature coefficient of the resistance in LRS, relative to that at reference_k, per kelvin; "
        "above 0 as in a metal",
    )
    hrs_ev: Activation = Field(
        description="activation energy of the conductance in HRS, eV; 0: it does not depend on temperature"
    )
    drift_ev: Activation = Field(
        description="activation energy of drift, eV: cells age faster by its Arrhenius factor; 0: at one rate"
    )

    @property
    def read_k(self) -> float:
        """Temperature at the read, kelvin."""
        return self.reference_k if self.temperature_k is None else self.temperature_k

    @property
    def written_k(self) -> float:
        """Temperature at which the arrays were written and calibrated, kelvin."""
        return self.read_k if self.calibration_k is None else self.calibration_k

    def lrs_factor(self, kelvin: float) -> float:
        """Return the conductance in LRS at a temperature, relative to that at `reference_k`.

        Args:
            kelvin: The temperature.

        Returns:
            The factor.

        Reference:
            docs/lifetime.md, eq. (8).
        """
        return 1 / (1 + self.lrs_tcr * (kelvin - self.reference_k))

    def hrs_factor(self, kelvin: float) -> float:
        """Return the conductance in HRS at a temperature, relative to that at `reference_k`.

        Args:
            kelvin: The temperature.

        Returns:
            The factor.

        Reference:
            docs/lifetime.md, eq. (9).
        """
        return math.exp(self.hrs_ev / BOLTZMANN_EV_PER_K * (1 / self.reference_k - 1 / kelvin))

    @property
    def ageing_factor(self) -> float:
        """How many times as fast cells drift at the temperature of the read as at `reference_k` (eq. (10))."""
        return math.exp(self.drift_ev / BOLTZMANN_EV_PER_K * (1 / self.reference_k - 1 / self.read_k))

    def calibrated_at(self, kelvin: float) -> ThermalParams:
        """Return the same cells, stated for another temperature, with drift that is stated for that of the read.

        Args:
            kelvin: The new `reference_k`.

        Returns:
            Parameters that give the same conductances.
        """
        slope = self.lrs_tcr * self.lrs_factor(kelvin)
        update = {"reference_k": kelvin, "lrs_tcr": slope, "drift_ev": 0.0}
        return self.model_copy(update=update | {"temperature_k": self.read_k, "calibration_k": self.written_k})
