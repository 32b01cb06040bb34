"""Parameters of what a chip measures again while its cells age: ADC ranges, and the scale of drift compensation.

Default values are in ``configs/defaults.yaml`` with their sources. Equations: docs/lifetime.md.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from crossbar.value_types import Params, Positive


class UpkeepParams(Params):
    """Measurements of an ageing chip, and how long before a read the last of them was made."""

    adc_ranges: Literal["at_age", "at_programming"] = Field(
        description="time at which sample vectors set calibrated ADC ranges. at_age: again at every check of the aged "
        "cells; at_programming: once, right after the weights are written"
    )
    drift_compensation: Literal["none", "global", "per_array"] = Field(
        description="digital factor on the sums of aged cells: what test vectors gave right after programming, over "
        "what they give at a check. global: one factor per matrix; per_array: one per array or pair of arrays"
    )
    test_vectors: int = Field(
        ge=1, le=4096, description="known vectors per matrix that a check of drift compensation multiplies"
    )
    interval_s: Positive | None = Field(
        le=1e12,
        description="time between two checks, and age of the last one when arrays are read: the worst case. null: "
        "arrays are read right after a check, and checks have no cost",
    )
