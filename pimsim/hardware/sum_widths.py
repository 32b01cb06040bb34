"""Widths of partial sums within a tile and on their way out of it, and the number of sums that a tile stores and sends.

With a number of bits in `output_bits` every sum that leaves its tile has this width, and transfers within the tile have
the widths that MNSIM counts. Without it, every sum is as wide as the rows that it adds need (docs/network.md, eq. (4)).
"""

from __future__ import annotations

from crossbar.partial_sums import partial_sum_bits
from pimsim.config.schema import CrossbarConfig
from pimsim.hardware.weight_grid import TileUse


def sum_bits(config: CrossbarConfig, input_bits: int, rows: int) -> int:
    """Return the bits of a partial sum that leaves a tile, or of a sum of such sums.

    Args:
        config: Its `output_bits` is the width of all of them; None means that each has the width that it needs.
        input_bits: Bits per input element.
        rows: Rows whose products the sum adds.

    Returns:
        Bits per sum.

    Reference:
        docs/network.md, eq. (4).
    """
    if config.output_bits is not None:
        return config.output_bits
    return partial_sum_bits(config.pair.encoding, input_bits, rows)


def tile_bits(config: CrossbarConfig, use: TileUse, input_bits: int) -> int:
    """Return the bits per sum that a tile sends; all sums of a tile have the width of its longest ones.

    Args:
        config: Crossbar configuration.
        use: Pairs of the tile in use.
        input_bits: Bits per input element.

    Returns:
        Bits per sum.
    """
    return sum_bits(config, input_bits, use.added_rows)


def merged_bits(config: CrossbarConfig, use: TileUse, input_bits: int) -> int:
    """Return the bits per sum that the merge tree writes to the output buffer of the tile.

    Args:
        config: Crossbar configuration.
        use: Pairs of the tile in use.
        input_bits: Bits per input element.

    Returns:
        Bits that the sum needs; with a number in `output_bits`, those of the ADC, of the slices of a weight behind the
        first, and one per level of the tree. The accumulators of a staged tile limit them.

    Reference:
        docs/model.md, eq. (14); docs/macros.md.
    """
    levels = tree_levels(len(use.pairs))
    if config.output_bits is None:
        return _held_bits(config, tile_bits(config, use, input_bits), levels)
    return _held_bits(config, _joined_bits(config) + levels, levels)


def level_bits(config: CrossbarConfig, use: TileUse, input_bits: int) -> tuple[int, ...]:
    """Return the bits per column on each level of the transfer from the PEs to the output buffer of the tile.

    Each level of the merge tree that is in use adds pairs of sums, which doubles their rows.

    Args:
        config: Crossbar configuration.
        use: Pairs of the tile in use.
        input_bits: Bits per input element.

    Returns:
        Bits per column, one entry per level of a full tile's tree. The accumulators of a staged tile limit them.

    Reference:
        docs/model.md, eq. (14); docs/macros.md.
    """
    levels = [min(level, tree_levels(len(use.pairs))) for level in range(tree_levels(config.pes_per_tile))]
    if config.output_bits is not None:
        return tuple(_held_bits(config, _joined_bits(config) + level, level) for level in levels)
    rows = max(pair.rows for pair in use.pairs)
    needed = (sum_bits(config, input_bits, min(rows << level, use.added_rows)) for level in levels)
    return tuple(_held_bits(config, bits, level) for bits, level in zip(needed, levels, strict=True))


def _held_bits(config: CrossbarConfig, bits: int, level: int) -> int:
    """Return the bits of a sum, which in a staged tile come from accumulators of `sum_bits`.

    Args:
        config: Crossbar configuration.
        bits: Bits without accumulators.
        level: Levels of the merge tree before the sum; each adds two sums, unless the tile keeps those of all PEs.

    Returns:
        Bits per sum.
    """
    if config.staging is None:
        return bits
    return min(bits, config.staging.sum_bits + (level if config.tile_outputs == "merged" else 0))


def _joined_bits(config: CrossbarConfig) -> int:
    """Return the bits of a conversion and of the slices of a weight behind the first, whose codes are shifted."""
    encoding = config.pair.encoding
    return config.pair.adc.bits + encoding.cell_bits * (encoding.slices - 1)


def sent_columns(config: CrossbarConfig, use: TileUse) -> int:
    """Return the number of sums that a tile sends per vector.

    Args:
        config: Its `tile_outputs` says whether the tile sends the sums of its merge tree or those of each PE.
        use: Pairs of the tile in use.

    Returns:
        Number of sums.
    """
    return use.joined_columns if config.tile_outputs == "merged" else sum(pair.columns for pair in use.pairs)


def stored_columns(config: CrossbarConfig, use: TileUse) -> int:
    """Return the number of sums in the output buffer of a tile per vector.

    Args:
        config: Its `tile_outputs` says whether the buffer holds the sums of the merge tree or those of each PE. The
            regions of the PEs have equal sizes.
        use: Pairs of the tile in use.

    Returns:
        Number of sums.
    """
    if config.tile_outputs == "merged":
        return use.joined_columns
    return max(pair.columns for pair in use.pairs) * len(use.pairs)


def tree_levels(pes: int) -> int:
    """Return the levels of a binary tree.

    Args:
        pes: Number of leaves.

    Returns:
        ceil(log2 pes).
    """
    return (pes - 1).bit_length()
