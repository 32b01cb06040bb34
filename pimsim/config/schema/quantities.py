"""Types of bounded numbers, and the base class of all sections."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticKnownError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Clock = Annotated[float, Field(ge=1e3, le=1e12, allow_inf_nan=False)]
"""Frequency in hertz. By the bounds, a period is between 1 ps, the time unit of the simulator, and 1 ms."""
Rate = Annotated[float, Field(ge=1e6, le=1e18, allow_inf_nan=False)]
"""Operations, elements or bytes per second of a whole unit; below 1e6 somebody wrote TOPS or GB/s without the unit."""
Share = Annotated[float, Field(ge=1e-6, le=1, allow_inf_nan=False)]
"""Part of a rate or power that is reached."""
Dimension = Annotated[int, Field(ge=1, le=1 << 14)]
Energy = Annotated[float, Field(ge=0, le=1e-3, allow_inf_nan=False)]
Power = Annotated[float, Field(ge=0, le=1e4, allow_inf_nan=False)]
Area = Annotated[float, Field(ge=0, le=1.0, allow_inf_nan=False)]
Node = Annotated[float, Field(ge=7, le=180, allow_inf_nan=False)]
"""Technology node in nanometres, within the fits of Stillmaker and Baas (docs/technology.md)."""
CellClass = Literal["hp", "lop", "lstp"]
"""Class of the transistors of an SRAM, as CACTI names them: high performance, low operating or low standby power."""


Delay = Annotated[float, Field(gt=0, le=1e-3, allow_inf_nan=False)]
"""Time in seconds between two commands, or from a command to its data."""


def _not_equal_to_an_integer(value: Any) -> Any:
    if isinstance(value, bool | float):
        raise PydanticKnownError("int_type")
    return value


ONLY_INTEGERS = BeforeValidator(_not_equal_to_an_integer)
"""For literal integers: pydantic takes what equals one of them, so that true would be 1, and 2.0 would be 2."""


class Section(BaseModel):
    """Base class of all sections: frozen and strict; unknown keys are errors.

    A validator is built when it is first used: most are only parts of that of the whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)
