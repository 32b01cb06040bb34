"""Layers of SCALE-Sim as matrix products: kept rows of sparse filters, windows of convolutions, sizes of buffers."""

from __future__ import annotations

from dataclasses import dataclass

SETS = 100
"""SCALE-Sim divides a buffer into 100 sets, 50 of which it replaces at a time (read_buffer_estimate_bw.py)."""


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What the import of a table needs of the .cfg.

    Attributes:
        dataflow: "os", "ws" or "is".
        rows: Height of the array.
        ifmap_words: Size of the buffer of inputs, bytes; None means unknown.
        ofmap_words: Size of the buffer of results, bytes; None means unknown.
        sparse: Whether the column of sparsity is applied.
    """

    dataflow: str = "os"
    rows: int = 1
    ifmap_words: int | None = None
    ofmap_words: int | None = None
    sparse: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as the matrix product that SCALE-Sim makes of it.

    Attributes:
        name: Its name.
        line: Number of its line.
        m: Input vectors.
        n: Outputs of a vector.
        k: Elements of a vector.
        ratio: Non-zero weights and weights of a block, N:M.
        input_words: Different elements of all inputs; None means m * k.
    """

    name: str
    line: int
    m: int
    n: int
    k: int
    ratio: tuple[int, int] = (1, 1)
    input_words: int | None = None

    @property
    def kept(self) -> int:
        """Rows of the filter that are kept: the first N of each M, as in operand_matrix.py of 3.0.0."""
        kept, block = self.ratio
        return self.k // block * kept + min(self.k % block, kept)


def convolution(name: str, line: int, sizes: list[int], ratio: tuple[int, int]) -> Layer:
    """Make the matrix product of the windows of a convolution.

    Args:
        name: Name of the layer.
        line: Number of its line.
        sizes: Height and width of the input and of the filter, which is not larger, channels, filters, strides along
            height and width; one stride counts for both.
        ratio: Its sparsity.

    Returns:
        The layer; its input has the elements that at least one window covers.
    """
    high, wide, filter_high, filter_wide, channels, filters, stride_high, stride_wide = [*sizes, sizes[6]][:8]
    rows, covered_rows = windows(high, filter_high, stride_high)
    columns, covered_columns = windows(wide, filter_wide, stride_wide)
    window = filter_high * filter_wide * channels
    words = covered_rows * covered_columns * channels
    return Layer(name, line, rows * columns, filters, window, ratio, min(words, rows * columns * window))


def windows(size: int, window: int, stride: int) -> tuple[int, int]:
    """Return the number of windows along an axis, as SCALE-Sim rounds it, and the elements that they cover.

    Args:
        size: Elements along the axis.
        window: Elements of a window.
        stride: Distance of two windows.

    Returns:
        Number of windows, the last of which may go beyond the end, and number of elements in at least one of them.
    """
    number = -(-(size - window + stride) // stride)
    start = (number - 1) * stride
    return number, (number - 1) * min(window, stride) + max(0, min(window, size - start))


def half_of(words: int) -> int:
    """Return the words that a buffer of operands loads until SCALE-Sim empties it.

    Args:
        words: Size of the buffer.

    Returns:
        The words of 50 sets, each of which has 1 % of the buffer, rounded down (read_buffer_estimate_bw.py of 3.0.0).
    """
    return SETS // 2 * (words // SETS)


def is_read_again(layer: Layer, options: TableOptions) -> bool:
    """Return whether SCALE-Sim may read shared elements of the windows of a convolution again.

    Args:
        layer: The layer.
        options: Its buffers.

    Returns:
        True if the input of a convolution whose windows overlap fills what its buffer loads until it is emptied.
    """
    words, size = layer.input_words, options.ifmap_words
    return words is not None and size is not None and half_of(size) <= words < layer.m * layer.k


def is_drained_early(layer: Layer, options: TableOptions) -> bool:
    """Return whether SCALE-Sim drains its buffer of results before the layer ends, and then counts padding as words.

    Args:
        layer: The layer.
        options: Array, dataflow and buffers.

    Returns:
        True if the results, under ws and is those of each fold over K, exceed half of their buffer (write_buffer.py).
    """
    folds = 1 if options.dataflow == "os" else -(-layer.kept // options.rows)
    return options.ofmap_words is not None and layer.m * layer.n * folds > options.ofmap_words // 2
