"""A weight matrix on crossbar pairs, weight by weight; its bit planes, conversions and additions.

The columns of a pair are counted in weights, each of which takes a column of cells per slice.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TypeVar

from crossbar.circuit_params import IntegrationParams
from crossbar.params import CorrectionParams, CrossbarParams, EncodingParams


@dataclass
class Pair:
    """Rows, columns and weights of a matrix on one crossbar pair."""

    rows: set[int] = field(default_factory=set)
    columns: set[int] = field(default_factory=set)
    cells: set[tuple[int, int]] = field(default_factory=set)


def grid_tiles(inputs: int, outputs: int, rows: int, columns: int, pes: int, *, cells: bool = True) -> list[list[Pair]]:
    """Place a matrix weight by weight; pairs are numbered down a column block, then in the next block.

    Without `cells`, only the rows and columns of the pairs are noted: a large matrix has millions of weights.
    """
    row_blocks = len(range(0, inputs, rows))
    pairs: dict[int, Pair] = {}
    for i in range(inputs):
        for j in range(outputs):
            number = (j // columns) * row_blocks + i // rows
            if number not in pairs:
                pairs[number] = Pair()
            pair = pairs[number]
            pair.rows.add(i)
            pair.columns.add(j)
            if cells:
                pair.cells.add((i, j))
    tiles: dict[int, list[Pair]] = {}
    for number in sorted(pairs):
        tiles.setdefault(number // pes, []).append(pairs[number])
    return [tiles[number] for number in sorted(tiles)]


@dataclass
class Additions:
    """Number of additions of the partial sums of one vector."""

    in_tiles: int
    across_tiles: int


def added_rows(tile: list[Pair]) -> int:
    """Return how many rows' products the merge tree of a tile adds into one of its sums, at most."""
    columns = set().union(*(pair.columns for pair in tile))
    return max(sum(len(pair.rows) for pair in tile if column in pair.columns) for column in columns)


def largest_weight(encoding: EncodingParams) -> int:
    """Return the largest magnitude of a weight: B bits have one for the sign."""
    return 2 ** (int(encoding.weights[3:]) - 1) - 1 if encoding.weights.startswith("int") else 1


def slices(encoding: EncodingParams) -> int:
    """Return the cells (or pairs) of a weight: as many digits as the largest number that they store has."""
    stored = largest_weight(encoding)
    if encoding.cells != "differential" and encoding.weights not in ("binary", "unit"):
        stored += 1 if encoding.weights == "ternary" else stored + 1  # an offset makes all of them positive
    digits = 1
    while stored >= 2 ** (encoding.cell_bits * digits):
        digits += 1
    return digits


def sum_bits(encoding: EncodingParams, activation_bits: int, rows: int) -> int:
    """Return the narrowest width that holds the largest and the smallest sum of `rows` products, by trial.

    The smallest two's complement activation does not occur.
    """
    largest = 0
    for bit in range(activation_bits - (encoding.activations == "twos_complement")):
        largest += rows * largest_weight(encoding) << bit
    signed = encoding.activations == "twos_complement" or encoding.weights != "unit"
    bits = 1
    while largest > (2 ** (bits - 1) - 1 if signed else 2**bits - 1):
        bits += 1
    return bits


def additions(tiles: list[list[Pair]], outputs: int) -> Additions:
    """Count, for every output column, one addition less than there are values to add."""
    in_tiles = across = 0
    for column in range(outputs):
        holders = [sum(column in pair.columns for pair in tile) for tile in tiles]
        in_tiles += sum(count - 1 for count in holders if count)
        across += sum(count > 0 for count in holders) - 1
    return Additions(in_tiles, across)


Line = TypeVar("Line", int, tuple[int, int])


def _groups(lines: set[Line], size: int) -> list[set[Line]]:
    """Return the lines of one pair in groups of `size`, by their position in the array."""
    ordered = sorted(lines)
    return [set(ordered[at : at + size]) for at in range(0, len(ordered), size)]


def planes(bits: int, per_pulse: int, signed: bool) -> list[list[int]]:
    """Return the bits of an activation for each pulse; the sign bit, which is the last one, has its own pulse."""
    pulses: list[list[int]] = []
    for bit in range(bits):
        alone = signed and bit == bits - 1
        if not pulses or alone or len(pulses[-1]) == per_pulse:
            pulses.append([])
        pulses[-1].append(bit)
    return pulses


def plane_count(bits: int, per_pulse: int, signed: bool, integration: IntegrationParams | None) -> int:
    """Count the pulses of an activation; a pulse that carries the sign of the input needs no pulse for it."""
    if integration is not None and signed and integration.signed_inputs:
        return len(planes(max(1, bits - 1), per_pulse, signed=False))
    return len(planes(bits, per_pulse, signed))


def phases(count: int, integration: IntegrationParams) -> list[int]:
    """Deal planes over phases one by one, as cards; return how many each phase has."""
    hands = [0] * (1 if count <= integration.one_phase_planes else integration.phases)
    for card in range(count):
        hands[card % len(hands)] += 1
    return [hand for hand in hands if hand]


def conversions(
    tiles: list[list[Pair]],
    rows_at_once: int,
    adcs: int,
    planes: int,
    encoding: EncodingParams,
    sampled: str = "column_group",
    compared: CrossbarParams | None = None,
) -> Counter[str]:
    """Count the actions of one vector in all pairs (drive, read, convert), plane by plane and group by group.

    A read samples the column group that is converted next, or with `sampled` array all columns at once. With arrays
    that have reference columns (`compared`) it needs those of the columns in use, but no more than it has columns.
    """
    cells = [+1, -1] if encoding.cells == "differential" else [+1]
    currents = cells if encoding.readout == "separate" else [sum(cells)]
    total: Counter[str] = Counter()
    for pair in (pair for tile in tiles for pair in tile):
        for _ in range(planes):
            for driven in _groups(pair.rows, rows_at_once):
                own = 0 if compared is None else references_of(compared, len(pair.columns) * slices(encoding))
                columns = {(j, s) for j in pair.columns for s in range(slices(encoding))}
                if sampled == "array":
                    total["dac_conversion"] += len(driven)
                    total["reference_read"] += len(driven) * min(own, len(columns))
                for converted in _groups(columns, adcs):
                    if sampled == "column_group":
                        total["dac_conversion"] += len(driven)
                        total["reference_read"] += len(driven) * min(own, len(converted))
                    total["adc_conversion"] += sum(1 for _ in converted for _ in currents)
                    lines = Counter(j for j, _ in converted)
                    total["cell_read"] += sum(lines[j] for i, j in pair.cells for _ in cells if i in driven)
    return +total


def references_of(params: CrossbarParams, lines: int) -> int:
    """Count the reference columns behind groups of bit lines that are in use, line by line."""
    array = params.array
    if params.encoding.cells != "reference_column" or not lines:
        return 0
    used = range(lines if array.remapping == "none" else array.columns)  # remapped columns may be on any bit line
    return len({line * array.reference_columns // array.columns for line in used})


def reference_cells(params: CrossbarParams, tiles: list[list[Pair]], slices: int) -> int:
    """Count the cells of reference columns in all rows with weights."""
    pairs = (pair for tile in tiles for pair in tile)
    return sum(len(pair.rows) * references_of(params, len(pair.columns) * slices) for pair in pairs)


def gain_actions(
    tiles: list[list[Pair]],
    rows_at_once: int,
    adcs: int,
    phases: int,
    encoding: EncodingParams,
    gains: CorrectionParams,
) -> Counter[str]:
    """Count the products with gains of one vector, conversion by conversion, and the 64-bit words that they read.

    Words are read for all pairs of a tile together: in every pass, or once after all passes of a vector.
    """
    kinds = ["+", "-"] if encoding.cells == "differential" and encoding.readout == "separate" else ["+"]
    one, other = gains.gain_bits + 4, gains.gain_bits + 5
    total: Counter[str] = Counter()
    for tile in tiles:
        passes: Counter[tuple[int, int]] = Counter()
        bits, groups = 0, max(len(_groups(pair.rows, rows_at_once)) for pair in tile)
        for pair in tile:
            columns = {(j, s) for j in pair.columns for s in range(slices(encoding))}
            for r in range(len(_groups(pair.rows, rows_at_once))):
                for c, converted in enumerate(_groups(columns, adcs)):
                    passes[r, c] += len(converted) * len(kinds)
            for _ in (_ for column in columns for _ in kinds):
                if gains.gains == "column":
                    total["gain_multiplication"] += 1
                    bits += one
                if gains.gains != "none" and gains.input_sums:
                    factors = groups if gains.gains == "row_group" else 1
                    total["input_sum_multiplication"] += factors
                    total["add"] += factors
                    bits += factors * other
            total["add"] += len(pair.rows) if gains.gains != "none" and gains.input_sums else 0
        total["gain_read"] += len(range(0, bits, 64))
        if gains.gains == "row_group":
            for converted_columns in passes.values():
                total["gain_multiplication"] += phases * converted_columns
                total["gain_read"] += phases * len(range(0, converted_columns * one, 64))
    return total
