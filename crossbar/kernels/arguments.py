"""Argument bundles of the compiled programming and multiplication kernels, and the sizes of the storage format.

Columns are stored in tiles of 16 lanes, rows in words of 32. Sums and conductances are in *steps* (the difference of
the two states' conductances; docs/array.md, eq. (1)) or in *stored units*, of which a power of two make one step.

Numba compiles a NamedTuple as its separate fields, so reading a field costs nothing; a jitclass would cost more per
call than a short multiplication. All arrays are C-contiguous.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LANES = 16
"""Columns per tile."""
WORD = 32
"""Rows per 32-bit word of row bits."""
MASKED_PLANES = 8
"""Bit planes that are summed together when rows are selected by masks."""
STEP_ROWS = 64
"""Rows of cells that one instruction of AMX, the matrix unit of Intel processors, adds up."""
BLOCK_PLANES = 16
"""Bit planes of one instruction of AMX."""
TABLES, COUNTS, LEVELS = 0, 1, 2
"""Ways to compute a column's sum.

TABLES looks up subset sums of four rows, COUNTS uses population counts of two-valued cells, LEVELS multiplies each
driver level with each cell.
"""
NOTHING, PAIR, REFERENCE, MINUS_ALONE = 0, 1, 2, 3
"""What is subtracted from the PLUS array before a conversion.

With MINUS_ALONE the MINUS array is read and nothing is subtracted.
"""


class Pulses(NamedTuple):
    """Activation vectors as read pulses.

    Attributes:
        entries: bits of four rows per number, the indices into the subset-sum tables, [vectors, bits, rows / 4] uint8.
        words: bits of 32 rows per number, [vectors, bits, rows / 32] uint32.
        ones: number of rows whose bit is 1, [vectors, bits, groups] int32.
        row_masks: -1 where a bit plane drives a row, else 0, [vectors, rows / 2, 8, 2] int16; empty if there are more
            vectors than masks pay off for.
        bytes: bits of 16 planes in 64 rows per step of the matrix unit, one byte per bit, group by group, [blocks of 16
            planes, steps of the group, 16, 64] int8 for each group; empty if AMX is not used.
        digits: sum of the driver levels of a group, [vectors, conversions, groups] int32.
        level_words: rows at each level above 0, one bit per row, [vectors, conversions, levels, rows / 32] uint32.
        squares: squared levels, [levels] int32.
        squared_rows: sum of the squared driver levels of a group, [vectors, groups, conversions] int32.
        drive: applied amplitudes of drivers with level errors, [vectors, conversions, rows, arrays] int32, in 2^-12 of
            the step between levels; empty if the drivers are ideal.
        first_bits: first bit plane of each conversion, and the number of bits, [conversions + 1] int64.
        weights: weight v_p of each conversion in the result (docs/array.md, eq. (2)), [conversions] int32.
    """

    entries: NDArray[np.uint8]
    words: NDArray[np.uint32]
    ones: NDArray[np.int32]
    row_masks: NDArray[np.int16]
    bytes: NDArray[np.int8]
    digits: NDArray[np.int32]
    level_words: NDArray[np.uint32]
    squares: NDArray[np.int32]
    squared_rows: NDArray[np.int32]
    drive: NDArray[np.int32]
    first_bits: NDArray[np.int64]
    weights: NDArray[np.int32]

    @property
    def vectors(self) -> int:
        """Number of vectors."""
        return len(self.words)


class StorageLayout(NamedTuple):
    """Position of a weight matrix in storage.

    Attributes:
        row_of: row of the matrix in each storage row, -1 for padding, [rows] int64.
        column_of: column of the matrix in each storage column, -1 for padding, [16 tiles] int64.
        starts: first storage row of each group of rows that are read together, and the end of the last group, [groups +
            1] int64.
        array_of_tile: array (from the left) of each tile, [tiles] int64.
    """

    row_of: NDArray[np.int64]
    column_of: NDArray[np.int64]
    starts: NDArray[np.int64]
    array_of_tile: NDArray[np.int64]


class StoredCells(NamedTuple):
    """Programmed cells that one channel reads.

    Attributes:
        route: TABLES, COUNTS or LEVELS.
        cells: conductances in stored units, [tiles, rows, 16] int16 or int32; empty for COUNTS.
        masks: cells in LRS of the one or two arrays that the channel reads, one bit per row, [arrays, tiles, words, 16]
            uint32.
        values: contribution to a sum of every driven row, of a PLUS cell in LRS and of a MINUS cell in LRS, [3] int32,
            stored units (COUNTS).
        baseline: contribution to a sum of a cell that stores 0 on a row at level 1, stored units; it is subtracted from
            the codes. 0 if the channel subtracts it before the conversion.
        units: stored units per step.
    """

    route: int
    cells: NDArray[Any]
    masks: NDArray[np.uint32]
    values: NDArray[np.int32]
    baseline: int
    units: np.float32


class Converters(NamedTuple):
    """ADCs of one channel, stored tile by tile because strided access over columns would miss the cache.

    Attributes:
        gain: conversion from stored units to ADC steps, gain error included, [tiles, groups, 16] float32.
        offset: ADC offset in ADC steps, [tiles, groups, 16] float32.
        bow: bow in ADC steps, [tiles, groups, 16] float32, or [0, 0, 16] if the ADCs have none.
        step: size of an ADC step in steps of conductance, [tiles, groups, 16] float64.
        lowest: lowest code.
        highest: highest code.
        coefficient: weight of one step of conductance in the result.
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
        present: whether the channel has any noise.
        key: key of the random numbers, [2] uint64.
        channel: number of this channel.
        channels: number of channels.
        hrs_variance: variance per row at level 1 if its cells are in HRS, in squared steps of conductance.
        lrs_variance: additional variance of each such cell in LRS, in squared steps; it may be negative.
        adc_variance: variance of the ADC's thermal noise, in squared ADC steps.
        attenuation: factor of the noise of the cells, [tiles, groups, 16] float32; [0, 0, 16] for 1.
    """

    present: bool
    key: NDArray[np.uint64]
    channel: int
    channels: int
    hrs_variance: np.float32
    lrs_variance: np.float32
    adc_variance: np.float32
    attenuation: NDArray[np.float32]


class CellStatistics(NamedTuple):
    """Statistics of the conductances of both states and of their ageing; conductances are in steps.

    Attributes:
        hrs: nominal conductance of HRS.
        lrs: nominal conductance of LRS.
        hrs_sigma: standard deviation of HRS relative to nominal, or of the logarithm if it is lognormal.
        lrs_sigma: standard deviation of LRS, defined likewise.
        hrs_lognormal: whether HRS is lognormally distributed.
        lrs_lognormal: whether LRS is lognormally distributed.
        tolerance: relative deviation from nominal that write-verify accepts; 0 means that writes are not verified.
        pulses: maximum number of write pulses per cell.
        stuck_lrs: probability that a cell is stuck in LRS.
        stuck_hrs: probability that a cell is stuck in HRS.
        log_age: natural logarithm of age over the start time of drift; 0 means no drift.
        exponent: mean drift exponent.
        exponent_sigma: standard deviation of the drift exponent over cells.
        shift: mean conductance that drift adds.
        shift_sd: standard deviation over cells of the conductance that drift adds.
        trapped: probability that a cell has a trap.
        amplitude: fraction of the conductance that a full trap blocks.
        occupancy: stationary probability that a trap is full.
        trap_memory: correlation of a trap's state with its state at the observation before, [observations] float32.
        keys: keys of the random streams for cells, drift and telegraph noise, [3, 2] uint64.
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
    occupancy: np.float32
    trap_memory: NDArray[np.float32]
    keys: NDArray[np.uint64]


class Slice(NamedTuple):
    """One bit of every weight, with its position in storage and in the arrays.

    Attributes:
        weights: [in, out] int8.
        bit: number of the slice; a coordinate of the random numbers.
        arrays: 2 for differential pairs, 1 for single cells (PLUS).
        lrs_table: which cells are in LRS for each weight, [256] uint8; see `crossbar.encoding.lrs_table`.
        row_of: see `StorageLayout`.
        column_of: see `StorageLayout`.
        bit_lines: bit line of each storage column in each array from the top, [blocks, 16 tiles] int64.
        consecutive: whether the bit lines of a tile are consecutive, [blocks, tiles] bool.
        block_rows: rows of an array.
    """

    weights: NDArray[np.int8]
    bit: int
    arrays: int
    lrs_table: NDArray[np.uint8]
    row_of: NDArray[np.int64]
    column_of: NDArray[np.int64]
    bit_lines: NDArray[np.int64]
    consecutive: NDArray[np.bool_]
    block_rows: int


class Reading(NamedTuple):
    """How a channel combines the conductances of a slice.

    Attributes:
        subtracts: NOTHING, PAIR, REFERENCE or MINUS_ALONE.
        drives: amplitude that a 1 applies to a row, relative to nominal, [in, arrays] float32; [0, 0] if the drivers
            are ideal.
        references: conductances of the reference columns of all arrays, [in, reference columns] float32, steps; [0, 0]
            if there are none.
        reference_of: reference column of each storage column, [blocks, 16 tiles] int64; [0, 0] likewise.
        array_of_tile: see `StorageLayout`.
        units: stored units per step, a power of two.
    """

    subtracts: int
    drives: NDArray[np.float32]
    references: NDArray[np.float32]
    reference_of: NDArray[np.int64]
    array_of_tile: NDArray[np.int64]
    units: np.float32


class Written(NamedTuple):
    """Outputs of programming one slice for one channel.

    Attributes:
        cells: conductances in stored units, [tiles, rows, 16] int16 or int32; empty if only conductances are wanted.
        masks: PLUS and MINUS cells in LRS, one bit per row, [2, tiles, words, 16] uint32.
        row_sums: sum of the conductances that the channel reads on each storage row, [rows] float64, steps.
        largest: largest magnitude stored in each word of rows, [words] float64, steps.
        writes: write pulses in each word of rows, [words] int64.
        plus: conductances of the PLUS cells, [in, out] float32, steps; [0, 0] if they are not wanted.
        minus: conductances of the MINUS cells, likewise.
    """

    cells: NDArray[Any]
    masks: NDArray[np.uint32]
    row_sums: NDArray[np.float64]
    largest: NDArray[np.float64]
    writes: NDArray[np.int64]
    plus: NDArray[np.float32]
    minus: NDArray[np.float32]
