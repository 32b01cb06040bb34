"""Section of the unit that predicts which scores of attention matter, so that only these are computed."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pimsim.config.schema.quantities import Area, Clock, Delay, Energy, Power, Section


class PredictionConfig(Section):
    """Prediction of the scores that matter, by product quantisation of queries and keys on ReRAM crossbars."""

    kept_share: float = Field(
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="fraction of the cached entries of a row of scores that is computed, rounded up to whole entries",
    )
    method: Literal["product_quantised", "exact"] = Field(
        description="how entries are ranked. product_quantised: by the centroids that are nearest to parts of the key; "
        "exact: by the scores, which are then all computed, and only values are left out"
    )
    subspaces: int = Field(
        ge=1,
        le=1024,
        description="parts of a key, each with a codebook of its own; a divisor of the elements of a head",
    )
    centroids: int = Field(ge=2, le=1 << 12, description="centroids of a codebook")
    seed: int = Field(ge=0, le=(1 << 32) - 1, description="seed of the k-means that makes the codebooks")
    iterations: int = Field(ge=1, le=1000, description="iterations of the k-means")
    input_bits: int = Field(ge=2, le=8, description="bits of an element of a query or key on the crossbars, with sign")
    centroid_bits: int = Field(
        ge=2,
        le=8,
        description="bits of an element of a centroid, with sign: the levels of a differential pair of cells",
    )
    readout: Literal["winner_take_all", "adc"] = Field(
        description="what the columns of a codebook give. winner_take_all: only the nearest centroid, after one pulse "
        "whose length is the input; adc: the product with each centroid, converted for each bit of the input"
    )
    gathering: Literal["packed", "whole_tiles"] = Field(
        description="how the macros compute kept entries. packed: as if they lay side by side; whole_tiles: each tile "
        "that has one is computed as a whole, with the kept entries spread over as many tiles as possible"
    )
    arrays: int = Field(ge=1, le=1 << 22, description="number of crossbar arrays that hold codebooks")
    rows: int = Field(ge=2, le=1 << 14, description="rows of an array; a codebook takes one per element, and one more")
    columns: int = Field(ge=4, le=1 << 14, description="columns of an array; a centroid takes two")
    pulse_s: Delay = Field(description="read pulse of one unit of the input (winner_take_all) or one bit of it (adc)")
    winner_s: Delay = Field(description="winner_take_all: decision after the pulse")
    adcs: int = Field(ge=1, le=1 << 14, description="adc: converters of an array, which share its centroids")
    conversion_s: Delay = Field(description="adc: time of a conversion")
    lanes: int = Field(ge=1, le=1 << 16, description="entries whose relevance is added, or compared, per cycle")
    clock_hz: Clock = Field(description="clock of the lanes")
    cell_energy_j: Energy = Field(description="per cell and read pulse")
    winner_energy_j: Energy = Field(description="winner_take_all: per centroid and decision")
    conversion_energy_j: Energy = Field(description="adc: per conversion")
    add_energy_j: Energy = Field(description="per addition, or comparison, of the lanes")
    code_memory_bytes: int = Field(
        ge=0,
        le=1 << 40,
        description="memory of the lanes for codes of keys and products of centroids; what does not fit is in memory",
    )
    code_energy_j_per_bit: Energy = Field(description="per bit that the lanes read or write in their memory")
    array_area_m2: Area = Field(description="area of one array, without read-out")
    winner_area_m2: Area = Field(description="winner_take_all: area per pair of columns")
    adc_area_m2: Area = Field(description="adc: area of a converter")
    lane_area_m2: Area = Field(description="area of one lane")
    code_memory_area_m2: Area = Field(description="area of the memory of the lanes")
    unit_leakage_w: Power = Field(description="leakage power of the whole unit")

    @model_validator(mode="after")
    def _a_codebook_fits(self) -> Self:
        if self.columns < 2 * self.centroids:
            raise ValueError(f"columns must be at least 2 * centroids, {2 * self.centroids}, not {self.columns}")
        return self

    @property
    def code_bits(self) -> int:
        """Bits that number a centroid."""
        return (self.centroids - 1).bit_length()
