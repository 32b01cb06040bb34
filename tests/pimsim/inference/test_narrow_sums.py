"""Sums that leave a tile: exact with bits enough, else rounded as a loop over tiles and columns rounds them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.partial_sums import partial_sum_bits
from pimsim import load_config
from pimsim.hardware.weight_grid import weight_grid
from pimsim.inference import ArrayProjector, Decoder, ExactProjector, Site
from pimsim.inference.narrow_sums import TileSums, largest_sum, sum_shift, tile_of_arrays
from pimsim.inference.projections import sites
from tests.support.networks import random_network
from tests.support.tiny_models import IDEAL, NO_WIRES, PAIR

ROWS, COLUMNS = 16, 8
SIZE = f"{PAIR}.array={{rows: {ROWS}, columns: {COLUMNS}, rows_at_once: 16, adcs: 8}}"
DOWN = Site(0, "ffn_down")


def pair(*overrides: str):
    crossbar = load_config("pim-llm", [SIZE, *overrides]).machine.crossbar
    assert crossbar is not None
    return crossbar.pair


def in_loops(weights: np.ndarray, x: np.ndarray, pes: int, bits: int, shift: int) -> np.ndarray:
    """Tile by tile and column by column, with Python's integers, fractions and rounding to even halves.

    The arrays of a matrix are numbered down each block of columns, and fill the tiles in this order.
    """
    inputs, outputs = weights.shape
    blocks, low, high = -(-inputs // ROWS), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    out = np.zeros((len(x), outputs), np.int64)
    for vector in range(len(x)):
        for column in range(outputs):
            tiles: dict[int, int] = {}
            for row in range(inputs):
                tile = (column // COLUMNS * blocks + row // ROWS) // pes
                tiles[tile] = tiles.get(tile, 0) + int(x[vector, row]) * int(weights[row, column])
            codes = [max(low, min(high, round(Fraction(total, 2**shift)))) for total in tiles.values()]
            out[vector, column] = max(low, min(high, sum(codes))) * 2**shift
    return out


@pytest.mark.parametrize("inputs", [1, 16, 48, 49, 100])
@pytest.mark.parametrize(("outputs", "pes"), [(1, 1), (8, 4), (20, 4), (33, 3), (8, 64)])
def test_tiles_are_those_of_the_timing(inputs: int, outputs: int, pes: int) -> None:
    """The tiles of all columns together have as many outputs as the merge trees of the grid leave."""
    rows, columns = -(-inputs // ROWS), -(-outputs // COLUMNS)
    tiles = tile_of_arrays(rows, columns, pes)
    widths = [min(COLUMNS, outputs - block * COLUMNS) for block in range(columns)]
    joined = sum((int(tiles[:, block].max()) + 1) * width for block, width in enumerate(widths))
    grid = weight_grid(inputs, outputs, ROWS, COLUMNS, pes)
    assert joined == sum(use.joined_columns * count for use, count in grid.tiles)
    assert (np.diff(tiles, axis=0) >= 0).all()


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_bits_enough_are_exact_and_fewer_are_rounded(data: st.DataObject) -> None:
    d_ff, pes = data.draw(st.integers(1, 150)), data.draw(st.integers(1, 5))
    network = random_network("llama", data.draw(st.integers(0, 9)), layers=1, d_ff=d_ff)
    params = pair(*IDEAL)
    needed = partial_sum_bits(params.encoding, 8, d_ff)
    bits = data.draw(st.integers(2, needed + 2))
    rng = np.random.default_rng(d_ff)
    x = np.clip(rng.normal(0, 40, (4, d_ff)), -127, 127).astype(np.int8)
    sample = data.draw(st.sampled_from([None, x[:2]]))
    sums = TileSums(bits, pes)
    arrays = ArrayProjector(network, params, tile_sums=sums, sum_sample={} if sample is None else {DOWN: sample})
    weights = network.layers[0].down.values.T
    exact = x.astype(np.int64) @ weights
    ours = arrays.project(DOWN, x, 0)
    if bits >= needed:
        np.testing.assert_array_equal(ours, exact)
        return
    if sample is None:
        largest = 127 * d_ff
    else:
        part_of = np.repeat(tile_of_arrays(-(-d_ff // ROWS), 4, pes), COLUMNS, axis=1)
        largest = largest_sum(weights, sample, part_of, ROWS)
    shift = sum_shift(largest, bits)
    np.testing.assert_array_equal(ours, in_loops(weights, x, pes, bits, shift))
    if sample is not None:  # no sum of the sample is limited, so that each tile errs by at most half a step
        tiles = int(part_of.max()) + 1
        assert np.abs(ours[:2] - exact[:2]).max() <= (tiles * 2**shift / 2 + 2**shift / 2 if shift else 0)


def test_the_widths_of_the_issue() -> None:
    """8-bit activations: 16 bits for 256 rows, 18 for a tile of four arrays, 22 after 16,384 rows."""
    encoding = load_config("pim-llm").machine.crossbar.pair.encoding
    assert [partial_sum_bits(encoding, 8, rows) for rows in (256, 1024, 16384)] == [16, 18, 22]
    assert [sum_shift(127 * rows, bits) for rows, bits in ((256, 16), (1024, 18), (16384, 22))] == [0, 0, 0]
    assert [sum_shift(127 * rows, bits - 1) for rows, bits in ((256, 16), (1024, 18), (16384, 22))] == [1, 1, 1]
    assert sum_shift(127 * 1024, 8) == 10  # 130,048 / 1,024 = 127


@pytest.mark.parametrize("more", [IDEAL, NO_WIRES])
def test_a_sufficient_width_changes_no_bit_of_the_logits(more: list[str]) -> None:
    network = random_network("bitnet", 3)
    tokens = np.random.default_rng(3).integers(0, network.spec.vocab, 12)
    widest = max(weights.values.shape[1] for _, weights in sites(network))
    bits = partial_sum_bits(pair(*more).encoding, 8, widest)
    plain, wide, unlimited = (
        Decoder(network, ArrayProjector(network, pair(*more), 7, tile_sums=sums)).logits(tokens)
        for sums in (None, TileSums(bits, 2), TileSums(None, 2))
    )
    np.testing.assert_array_equal(plain, wide)
    np.testing.assert_array_equal(plain, unlimited)
    narrow = ArrayProjector(network, pair(*more), 7, tile_sums=TileSums(bits - 1, 2))
    assert (Decoder(network, narrow).logits(tokens) != plain).any()
    if more is IDEAL:
        np.testing.assert_array_equal(plain, Decoder(network, ExactProjector(network)).logits(tokens))


def test_fewer_bits_err_more() -> None:
    network = random_network("bitnet", 5, d_ff=200)
    tokens = np.random.default_rng(5).integers(0, network.spec.vocab, 12)
    exact = Decoder(network, ExactProjector(network)).logits(tokens)
    errors = []
    for bits in (12, 9, 6, 3):
        arrays = ArrayProjector(network, pair(*IDEAL), tile_sums=TileSums(bits, 2))
        errors.append(float(((Decoder(network, arrays).logits(tokens) - exact) ** 2).mean()))
    assert errors == sorted(errors)
    assert errors[0] < errors[-1]
