"""What every kind of tile that holds weight matrices has in common: blocks of weights, and the sizes of its outputs.

A tile holds `per_tile` blocks of `rows` x `columns` weights. A matrix is divided into such blocks (`weight_grid`), and
the blocks fill tiles, which are placed on the mesh. A tile adds the partial sums of its blocks of the same columns. The
aggregator of the matrix adds the sums of its tiles. How a tile computes, and what that costs, is the kind's own:
`CrossbarTile` is the shipped kind, and `tile_kinds` registers others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from pimsim.hardware.component import Component, SingleUnit, ceil_div
from pimsim.hardware.weight_grid import WeightGrid, tiles_needed, weight_grid
from pimsim.hardware.weight_slices import Rounds, in_replicas, in_sets
from pimsim.steps.step_tree import Work


@dataclass(frozen=True, slots=True)
class TilesShare:
    """Matrix-vector products of one weight matrix, one vector after another.

    Attributes:
        grid: Blocks and tiles that hold the matrix.
        input_bits: Bits per input element.
        vectors: Number of input vectors.
        weights: Alphabet of the weights, if it is not that of `machine.crossbar.pair.encoding`; else "".
        replicas: Number of equal sets of tiles, over which the vectors are divided.
        rounds: Vectors of the sets of tiles of several matrices of this shape, such as experts, which work in parallel:
            (vectors of a set, number of such sets); they add up to `vectors`. Empty for one matrix and its replicas.
    """

    grid: WeightGrid
    input_bits: int
    vectors: int = 1
    weights: str = ""
    replicas: int = 1
    rounds: Rounds = ()

    @property
    def longest(self) -> int:
        """Vectors of the set of tiles that has most."""
        return max((times for times, _ in self.rounds), default=ceil_div(self.vectors, self.replicas))

    def work(self, vector: Work) -> Work:
        """Return the steps of all vectors.

        Args:
            vector: Steps of one vector.

        Returns:
            The steps of all sets of tiles in parallel.
        """
        return in_sets(vector, self.rounds) if self.rounds else in_replicas(vector, self.vectors, self.replicas)


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of weights in a tile.

    Attributes:
        rows: Inputs of a block.
        columns: Outputs of a block.
        per_tile: Blocks per tile: arrays that work in parallel, or folds that work one after another.
    """

    rows: int
    columns: int
    per_tile: int


class TileKind(Component[TilesShare], Protocol):
    """A kind of tile: a component that holds weight matrices. It stands for all tiles of one matrix, in lockstep.

    Its `areas` and `leakage_w` are those of one tile. `MatrixTile` has most of these methods.
    """

    def blocks(self) -> Blocks:
        """Return the size and number of the blocks of a tile.

        Returns:
            The blocks.
        """
        ...

    def programming(self) -> Component[Any]:
        """Return the write drivers of the tiles.

        Returns:
            A component whose shares are `ProgrammingShare`: `RowWriter`, or one of the kind's own. A share has
            `matrices` equal matrices, written in parallel: its counts are those of all of them, and its latency is that
            of one. If `has_pair` is true and columns are remapped, shares are also `FaultTestShare`.
        """
        ...

    @property
    def has_pair(self) -> bool:
        """Whether the numbers are those of the analog arrays of `machine.crossbar.pair`, so that accuracy applies."""
        ...

    def grid(self, in_features: int, out_features: int) -> WeightGrid:
        """Divide a matrix into blocks and tiles.

        Args:
            in_features: Rows of the matrix.
            out_features: Columns of the matrix.

        Returns:
            The blocks and tiles.
        """
        ...

    def tiles_needed(self, in_features: int, out_features: int) -> int:
        """Count the tiles of a matrix without dividing it.

        Args:
            in_features: Rows of the matrix.
            out_features: Columns of the matrix.

        Returns:
            Number of tiles.
        """
        ...

    def sum_bits(self, input_bits: int, rows: int) -> int:
        """Return the bits of a sum that leaves a tile, or of a sum of such sums.

        Args:
            input_bits: Bits per input element.
            rows: Rows whose products the sum adds.

        Returns:
            Bits per sum.
        """
        ...

    def sent_bits(self, grid: WeightGrid, input_bits: int) -> tuple[int, ...]:
        """Return the bits that each tile sends per vector.

        Args:
            grid: Tiles of the matrix.
            input_bits: Bits per input element.

        Returns:
            Bits in tile order.
        """
        ...


class MatrixTile(SingleUnit):
    """Base class of a kind of tile that divides a matrix into blocks and sends exact sums.

    A kind adds `blocks` and `programming`, and the methods of `Component` whose shares are `TilesShare`.
    """

    __slots__ = ()

    @property
    def has_pair(self) -> bool:
        """False: the numbers are not those of `machine.crossbar.pair`."""
        return False

    def grid(self: TileKind, in_features: int, out_features: int) -> WeightGrid:
        """Divide a matrix into blocks and tiles.

        Args:
            in_features: Rows of the matrix.
            out_features: Columns of the matrix.

        Returns:
            The blocks and tiles.

        Reference:
            docs/model.md, eq. (11).
        """
        blocks = self.blocks()
        return weight_grid(in_features, out_features, blocks.rows, blocks.columns, blocks.per_tile)

    def tiles_needed(self: TileKind, in_features: int, out_features: int) -> int:
        """Count the tiles of a matrix without dividing it.

        Args:
            in_features: Rows of the matrix.
            out_features: Columns of the matrix.

        Returns:
            Number of tiles.

        Reference:
            docs/model.md, eq. (11).
        """
        blocks = self.blocks()
        return tiles_needed(in_features, out_features, blocks.rows, blocks.columns, blocks.per_tile)

    def sum_bits(self, input_bits: int, rows: int) -> int:
        """Return the bits of a sum that leaves a tile, or of a sum of such sums.

        Args:
            input_bits: Bits per input element.
            rows: Rows whose products the sum adds.

        Returns:
            Bits that hold every sum of weights of -1, 0 and +1 and symmetric two's complement inputs, exactly.

        Reference:
            docs/network.md, eq. (4).
        """
        largest = rows * ((1 << input_bits - 1) - 1)
        return max(1, largest.bit_length() + 1)

    def sent_bits(self: TileKind, grid: WeightGrid, input_bits: int) -> tuple[int, ...]:
        """Return the bits that each tile sends per vector.

        Args:
            grid: Tiles of the matrix.
            input_bits: Bits per input element.

        Returns:
            Bits in tile order: the sums of the tile's columns, each as wide as its longest sum.

        Reference:
            docs/network.md, eq. (4).
        """
        return tuple(use.joined_columns * self.sum_bits(input_bits, use.added_rows) for use in grid.tile_uses)
