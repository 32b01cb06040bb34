"""Bounded numbers that keys have, and the base of all sections."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Clock = Annotated[float, Field(ge=1e3, le=1e12, allow_inf_nan=False)]
"""Hertz. The bounds keep a period between 1 ps, the simulator's unit of time, and 1 ms."""
Dimension = Annotated[int, Field(ge=1, le=1 << 14)]
Energy = Annotated[float, Field(ge=0, le=1e-3, allow_inf_nan=False)]
Power = Annotated[float, Field(ge=0, le=1e4, allow_inf_nan=False)]
Area = Annotated[float, Field(ge=0, le=1.0, allow_inf_nan=False)]


Delay = Annotated[float, Field(gt=0, le=1e-3, allow_inf_nan=False)]
"""Seconds between two commands, or from a command to its data."""


class Section(BaseModel):
    """Base of every section: frozen, strict, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
