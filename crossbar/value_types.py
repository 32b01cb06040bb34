"""Base class of the parameter sets of an array, and the kinds of number that they hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Relative = Annotated[float, Field(ge=0, le=5, allow_inf_nan=False)]
"""A standard deviation relative to the mean; 5 is far above all published values."""


class Params(BaseModel):
    """Base class of all parameter sets: immutable, strict types, no unknown keys.

    A validator is built when it is first used: most are only parts of that of the whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)
