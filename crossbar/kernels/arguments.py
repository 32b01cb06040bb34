"""What the compiled loops of programming and multiplying take: bundles of arrays, and the sizes of storage.

Columns are stored in tiles of 16 lanes, rows in words of 32. Sums and conductances are in *steps*, the difference of
the two states' conductances, or in *stored units*, a power of two of them to a step.

Numba compiles a NamedTuple as its parts, and a field costs nothing to read; a class of its own would cost more than a
short multiplication at each call. All arrays are C-contiguous.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LANES = 16
"""Columns of a tile."""
WORD = 32
"""Rows of a word of bits."""
MASKED_PLANES = 8
"""Bit planes that are summed at once where rows are masked."""
TABLES, COUNTS, LEVELS = 0, 1, 2
"""Routes to a column's sum: subset sums in tables, population counts of two-valued cells, level by level."""
NOTHING, PAIR, REFERENCE, MINUS_ALONE = 0, 1, 2, 3
"""What is subtracted from the PLUS array before a conversion; MINUS_ALONE: its MINUS array is read, less nothing."""


class Pulses(NamedTuple):
    """Some vectors, cut into planes.

    Attributes:
        entries: [vectors, bits, rows / 4] uint8, four rows of a bit plane in one number.
        words: [vectors, bits, rows / 32] uint32, the same in words.
        ones: [vectors, bits, groups] int32, rows at 1.
        row_masks: [vectors, rows, 8] int16, -1 where a bit plane drives a row; empty for more vectors than it pays for.
        digits: [vectors, conversions, groups] int32, sum of the levels of the drivers.
        level_words: [vectors, conversions, levels, rows / 32] uint32, the rows at each level above 0.
        squares: [levels] int32, the levels squared.
        squared_rows: [vectors, groups, conversions] int32, rows of a group times their squared levels.
        drive: [vectors, conversions, rows, arrays] int32, what drivers with uneven levels apply, in 2^-12 of a level;
            empty where the levels are even.
        first_bits: [conversions + 1] int64, first bit plane of each conversion.
        weights: [conversions] int32, what a conversion counts.

    """

    entries: NDArray[np.uint8]
    words: NDArray[np.uint32]
    ones: NDArray[np.int32]
    row_masks: NDArray[np.int16]
    digits: NDArray[np.int32]
    level_words: NDArray[np.uint32]
    squares: NDArray[np.int32]
    squared_rows: NDArray[np.int32]
    drive: NDArray[np.int32]
    first_bits: NDArray[np.int64]
    weights: NDArray[np.int32]

    @property
    def vectors(self) -> int:
        """How many vectors these are."""
        return len(self.words)


class StorageLayout(NamedTuple):
    """Where a matrix lies in storage.

    Attributes:
        row_of: [rows] int64, the matrix's row in each row of storage, -1 for padding.
        column_of: [16 tiles] int64, the same of columns.
        starts: [groups + 1] int64, first row of storage of each group of rows that are read together.
        array_of_tile: [tiles] int64, which array of columns a tile belongs to.

    """

    row_of: NDArray[np.int64]
    column_of: NDArray[np.int64]
    starts: NDArray[np.int64]
    array_of_tile: NDArray[np.int64]


class Stored(NamedTuple):
    """The programmed cells that one channel reads.

    Attributes:
        route: TABLES, COUNTS or LEVELS.
        cells: [tiles, rows, 16] int16 or int32, conductances; empty for COUNTS.
        masks: [arrays, tiles, words, 16] uint32, the cells in LRS of the one or two arrays that the channel reads.
        values: [3] int32, what all rows, a PLUS and a MINUS cell in LRS add to a sum (COUNTS).
        back: what a row at level 1 adds to a sum though its weights are 0, to be taken away from the codes.
        units: stored units to a step.

    """

    route: int
    cells: NDArray[Any]
    masks: NDArray[np.uint32]
    values: NDArray[np.int32]
    back: int
    units: np.float32


class Converters(NamedTuple):
    """The ADCs of one channel, tile by tile as they are read: strides over columns would miss the cache.

    Attributes:
        gain, offset: [tiles, groups, 16] float32, from stored units to steps of the ADC.
        bow: [tiles, groups, 16] float32, or [0, 0, 16].
        step: [tiles, groups, 16] float64, steps of conductance to a step of the ADC.
        lowest, highest: codes.
        coefficient: what a step of conductance counts in the result.

    """

    gain: NDArray[np.float32]
    offset: NDArray[np.float32]
    bow: NDArray[np.float32]
    step: NDArray[np.float64]
    lowest: np.float32
    highest: np.float32
    coefficient: int


class ReadNoise(NamedTuple):
    """Noise of the conversions of one channel.

    Attributes:
        present: whether there is any.
        key: [2] uint64, of the random numbers.
        channel, channels: number of this channel, and of all.
        hrs_variance: of the cells of a row at level 1 that are all in HRS, in squared steps of conductance.
        lrs_variance: what each of its cells in LRS adds to that; it may be negative.
        own_variance: of the ADC's own noise, in squared steps of the ADC.

    """

    present: bool
    key: NDArray[np.uint64]
    channel: int
    channels: int
    hrs_variance: np.float32
    lrs_variance: np.float32
    own_variance: np.float32


class CellStatistics(NamedTuple):
    """How cells of both states scatter and age. Conductances are in steps.

    Attributes:
        hrs, lrs: conductance of a nominal cell.
        hrs_sigma, lrs_sigma: sd, relative to it; of its logarithm if it is lognormal.
        hrs_lognormal, lrs_lognormal: whether it is.
        tolerance: relative distance from the nominal cell that verifying accepts; 0: nothing is verified.
        pulses: writes of one cell at most.
        stuck_lrs, stuck_hrs: part of the cells that are always in a state.
        log_age: natural logarithm of the age in units of the time from which drift counts; 0: no drift.
        exponent, exponent_sigma: of drift, mean and sd.
        shift, shift_sd: what drift adds, mean and sd.
        trapped: part of the cells that have a trap.
        amplitude: part of a cell's conductance that a full trap blocks.
        full: chance that a trap is full.
        stays: [moments] float32, what is left of the traps' memory from each look at the chip to the next.
        keys: [3, 2] uint64: of cells, drift and telegraph noise.

    """

    hrs: np.float32
    lrs: np.float32
    hrs_sigma: np.float32
    lrs_sigma: np.float32
    hrs_lognormal: bool
    lrs_lognormal: bool
    tolerance: np.float32
    pulses: int
    stuck_lrs: np.float32
    stuck_hrs: np.float32
    log_age: np.float32
    exponent: np.float32
    exponent_sigma: np.float32
    shift: np.float32
    shift_sd: np.float32
    trapped: np.float32
    amplitude: np.float32
    full: np.float32
    stays: NDArray[np.float32]
    keys: NDArray[np.uint64]


class Slice(NamedTuple):
    """A bit of every weight, and where it is to be programmed.

    Attributes:
        weights: [in, out] int8.
        bit: number of the slice, for the random numbers.
        arrays: 2 for pairs of cells, 1 for single cells, the PLUS ones.
        lrs_table: [256] uint8, which cells are in LRS, by weight: see `crossbar.encoding.lrs_table`.
        row_of, column_of: see `StorageLayout`.
        bit_lines: [blocks, 16 tiles] int64, the bit line of each column of storage, for each array from the top.
        in_order: [blocks, tiles] bool, whether those of a tile follow one another.
        block_rows: rows of an array.

    """

    weights: NDArray[np.int8]
    bit: int
    arrays: int
    lrs_table: NDArray[np.uint8]
    row_of: NDArray[np.int64]
    column_of: NDArray[np.int64]
    bit_lines: NDArray[np.int64]
    in_order: NDArray[np.bool_]
    block_rows: int


class Reading(NamedTuple):
    """What a channel makes of the conductances of a slice.

    Attributes:
        subtracts: NOTHING, PAIR, REFERENCE or MINUS_ALONE.
        drives: [in, arrays] float32, what a 1 of the activations applies to a row of each array of columns; or [0, 0].
        references: [in, arrays] float32, the reference column of each array, in steps; or [0, 0].
        array_of_tile: see `StorageLayout`.
        units: stored units to a step, a power of two.

    """

    subtracts: int
    drives: NDArray[np.float32]
    references: NDArray[np.float32]
    array_of_tile: NDArray[np.int64]
    units: np.float32


class Written(NamedTuple):
    """What programming a slice for a channel writes.

    Attributes:
        cells: [tiles, rows, 16] int16 or int32, conductances in stored units.
        masks: [2, tiles, words, 16] uint32, which PLUS and MINUS cells are in LRS, a bit per row.
        row_sums: [rows] float64, sum of the conductances that the channel reads, in steps.
        largest: [words] float64, the largest number stored, in steps.
        writes: [words] int64, writes of cells.

    """

    cells: NDArray[Any]
    masks: NDArray[np.uint32]
    row_sums: NDArray[np.float64]
    largest: NDArray[np.float64]
    writes: NDArray[np.int64]
