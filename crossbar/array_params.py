"""Size of an array, what of it is active together, and its spare and reference columns."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from crossbar.value_types import Count, Params


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

    reference_columns: Count = Field(
        le=4096,
        description="reference columns of an array with encoding.cells=reference_column, whose bit lines are divided "
        "into as many groups of about equal size, each with the column behind it. 1: at the far end of the word lines",
    )

    @model_validator(mode="after")
    def _limits_fit_the_array(self) -> Self:
        if self.driven_rows > self.rows:
            raise ValueError(f"rows_at_once ({self.rows_at_once}) must not exceed rows ({self.rows})")
        if self.columns_per_adc is None and self.adcs > self.columns:
            raise ValueError(f"adcs ({self.adcs}) must not exceed columns ({self.columns})")
        if self.columns_per_adc is not None and self.columns_per_adc > self.columns:
            raise ValueError(f"columns_per_adc ({self.columns_per_adc}) must not exceed columns ({self.columns})")
        if self.spare_columns >= self.columns:
            raise ValueError(f"spare_columns ({self.spare_columns}) must be less than columns ({self.columns})")
        if self.reference_columns > self.columns:
            raise ValueError(f"reference_columns ({self.reference_columns}) must not exceed columns ({self.columns})")
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
