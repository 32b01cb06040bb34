"""Widths of partial sums, against the range of all sums found by trying the extreme operands."""

from __future__ import annotations

import pytest

from crossbar.encoding import activation_range, weight_code
from crossbar.params import EncodingParams
from crossbar.partial_sums import partial_sum_bits
from pimsim.config.loading import load_config

CROSSBAR = load_config("defaults").machine.crossbar
assert CROSSBAR is not None
ENCODING = CROSSBAR.pair.encoding


@pytest.mark.parametrize("weights", ["binary", "ternary"])
@pytest.mark.parametrize(
    ("activation_bits", "rows", "bits"),
    # An adder tree adds a bit per level. 127 * 258 = 32,766 still fits into 16 bits, 127 * 259 does not.
    [(8, 1, 8), (8, 256, 16), (8, 258, 16), (8, 259, 17), (8, 1024, 18), (8, 16_384, 22), (4, 256, 12), (2, 256, 10)],
)
def test_widths_by_hand(weights: str, activation_bits: int, rows: int, bits: int) -> None:
    encoding = ENCODING.model_copy(update={"weights": weights})
    assert partial_sum_bits(encoding, activation_bits, rows) == bits


@pytest.mark.parametrize("weights", ["binary", "ternary", "unit", "int2", "int4", "int8"])
@pytest.mark.parametrize("activations", ["twos_complement", "unsigned"])
@pytest.mark.parametrize("activation_bits", [2, 5, 8])
@pytest.mark.parametrize("rows", [1, 3, 100, 256, 4096])
def test_width_holds_the_largest_and_the_smallest_sum_and_no_bit_is_spare(
    weights: str, activations: str, activation_bits: int, rows: int
) -> None:
    encoding = EncodingParams.model_validate(
        ENCODING.model_dump()
        | {"weights": weights, "activations": activations, "activation_bits": activation_bits}
        | {"cells": "differential"}
    )
    code = weight_code(encoding)
    low, high = activation_range(encoding)
    inputs = (max(low, -high), high)  # symmetric quantisation leaves the smallest code out
    products = [x * w for x in inputs for w in (code.lowest, code.highest)]
    smallest, largest = rows * min(products), rows * max(products)
    bits = partial_sum_bits(encoding, activation_bits, rows)

    def fits(width: int) -> bool:
        if smallest < 0:
            return -(1 << width - 1) <= smallest and largest < 1 << width - 1
        return largest < 1 << width

    assert fits(bits)
    assert bits == 1 or not fits(bits - 1)
