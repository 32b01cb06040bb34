"""Parameters of the encoding of numbers: the alphabet of the weights, their cells, and the format of activations."""

from typing import Literal, Self

from pydantic import Field, model_validator

from crossbar.value_types import Params

WeightAlphabet = Literal[
    "binary",
    "ternary",
    "unit",
    "int2",
    "int3",
    "int4",
    "int5",
    "int6",
    "int7",
    "int8",
    "int9",
    "int10",
    "int11",
    "int12",
    "int13",
    "int14",
    "int15",
    "int16",
]


class EncodingParams(Params):
    """Encoding of weights in cells, and of activations in pulses."""

    weights: WeightAlphabet = Field(
        description="alphabet of the weights. binary: -1, +1; ternary: -1, 0, +1; unit: 0, 1; intB: from "
        "-(2^(B-1) - 1) to 2^(B-1) - 1, with one cell or cell pair per cell_bits bits"
    )
    cell_bits: int = Field(
        ge=1,
        le=4,
        description="bits of a weight that one cell stores at most. A cell of m bits has 2^m levels of conductance at "
        "equal distances from HRS to LRS; a weight of more bits is cut into slices, one cell or cell pair each, of "
        "which the last may have fewer bits",
    )
    cells: Literal["differential", "reference_column", "offset"] = Field(
        description="differential: one cell for + and one for -; reference_column: single cells, minus the current of "
        "a column of cells that store 0; offset: single cells, minus the contribution of stored zeros, digitally"
    )
    readout: Literal["difference", "separate"] = Field(
        description="conversions of a differential pair. difference: one, of the difference of both currents; "
        "separate: one of each current"
    )
    polarity: Literal["one_is_lrs", "one_is_hrs"] = Field(description="resistance state that stores a 1")
    activations: Literal["unsigned", "twos_complement"] = Field(description="number format of activations")
    activation_bits: int = Field(
        ge=1, le=8, description="bits of one activation, a sign bit included; also in the traces that pimsim makes"
    )

    @model_validator(mode="after")
    def _signs_need_a_bit_beside(self) -> Self:
        if self.activations == "twos_complement" and self.activation_bits < 2:
            raise ValueError("activation_bits must be at least 2 for two's complement activations")
        return self

    @property
    def weight_bits(self) -> int:
        """Bits of a weight, a sign included: B of intB, 2 for ternary weights, 1 for binary and unit ones."""
        return {"unit": 1, "binary": 1, "ternary": 2}.get(self.weights) or int(self.weights.removeprefix("int"))

    @property
    def largest_weight(self) -> int:
        """Largest magnitude of a weight: 1, or 2^(B-1) - 1 for intB."""
        return (1 << self.weight_bits - 1) - 1 if self.weights.startswith("int") else 1

    @property
    def stored_bits(self) -> int:
        """Bits of a weight that its cells store: without the sign for differential pairs, whose cells give it."""
        return max(1, self.weight_bits - 1) if self.cells == "differential" else self.weight_bits

    @property
    def slices(self) -> int:
        """Number of cells, or cell pairs, per weight; each stores `cell_bits` bits (docs/model.md, eq. (56))."""
        return -(-self.stored_bits // self.cell_bits)

    @property
    def level_bits(self) -> int:
        """Most bits that a cell stores: `cell_bits`, or all of a weight that has fewer."""
        return min(self.cell_bits, self.stored_bits)

    def bits_of_slice(self, index: int) -> int:
        """Return the bits m that the cells of a slice store, in 2^m levels from HRS to LRS.

        Args:
            index: Number of the slice, from the lowest bits.

        Returns:
            `cell_bits`, or what is left for the last slice.
        """
        return min(self.cell_bits, self.stored_bits - index * self.cell_bits)

    def largest_digit(self, index: int) -> int:
        """Return the largest number that the cells of a slice store.

        Args:
            index: Number of the slice, from the lowest bits.

        Returns:
            2^m - 1 for m bits; 2 for ternary weights in single cells of several bits, which store 0, 1 and 2.
        """
        ternary = self.weights == "ternary" and self.cells != "differential" and self.cell_bits > 1
        return 2 if ternary else (1 << self.bits_of_slice(index)) - 1

    @property
    def mean_level(self) -> float | None:
        """Mean level of the cells of intB weights, all of which are equally likely, from 0 (HRS) to 1 (LRS).

        None for alphabets of less than two bits, whose mean is that of MNSIM 2.0 (docs/model.md, eq. (16)). Of the n
        stored bits, each is a 1 in 2^(n - 1) weights: of 2^(n + 1) - 1 for one cell of a pair, of 2^n - 1 for
        single cells.

        Reference:
            docs/model.md, eq. (59).
        """
        if not self.weights.startswith("int"):
            return None
        bits, differential = self.stored_bits, self.cells == "differential"
        ones = (1 << bits - 1) / ((1 << bits + differential) - 1)
        return ones if self.polarity == "one_is_lrs" else 1 - ones

    @property
    def arrays(self) -> int:
        """Number of arrays per block of weights: two for differential pairs, one for single cells."""
        return 2 if self.cells == "differential" else 1

    @property
    def conversions_per_column(self) -> int:
        """Conversions of one column per pulse: two if both currents of a pair are converted, else one."""
        return 2 if self.cells == "differential" and self.readout == "separate" else 1
