"""Importer for SCALE-Sim's tables of layers, GEMMs or convolutions, which become a trace.

SCALE-Sim takes the columns by their position, skips the first line, and drops what follows the last comma of a line
(topology_utils.py of 3.0.0). A table whose text says something else than what SCALE-Sim would compute is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pimsim.base.errors import ConfigError, printable, show
from pimsim.base.summaries import counted
from pimsim.importers.import_table import Imported, ImportRow, ImportTable
from pimsim.importers.imported_config import Value, read_lines
from pimsim.importers.scalesim_layers import Layer, TableOptions, convolution, is_drained_early, is_read_again
from workloads.ops import BLOCK_INPUT, Projection
from workloads.trace import Block, Trace, dumps
from workloads.workload_errors import WorkloadError

MAX_LAYERS = 10_000
GEMM_COLUMNS = ("m", "n", "k")
CONV_COLUMNS = (
    ("ifmap", "height"),
    ("ifmap", "width"),
    ("filter", "height"),
    ("filter", "width"),
    ("channel",),
    ("filter",),
    ("stride",),
)
"""Words that the headings of a table of convolutions contain, after the name of the layer."""
READ_AGAIN = (
    "windows overlap and the input exceeds half of its buffer: SCALE-Sim reads shared elements again, and pimsim does "
    "not"
)
DRAINED_EARLY = (
    "the results exceed half of their buffer: SCALE-Sim counts the padding of drained lines as words written, and "
    "pimsim does not"
)
SHOWN_LAYERS = 3


def import_topology(path: str | Path, options: TableOptions | None = None) -> Imported:
    """Convert a table of layers to a trace.

    A table of GEMMs has the columns Layer, M, N, K: M x K are SCALE-Sim's inputs, so M is the number of vectors, and
    K x N its filter, so N is the number of outputs. A convolution becomes the matrix product of its windows.

    Args:
        path: The table, a CSV file.
        options: What is needed of the .cfg; None means dense weights and large buffers.

    Returns:
        Text of a trace file, and the table of the import.

    Raises:
        ConfigError: If the file cannot be read, is not such a table, or asks for what pimsim does not model.
    """
    machine = options or TableOptions()
    lines = [
        (number, line) for number, line in enumerate(read_lines(path, "a table of layers"), 1) if line.strip(", \t")
    ]
    if not lines:
        raise ConfigError("has no layers", str(path))
    headings = [cell.strip().strip('"') for cell in lines[0][1].rstrip(", \t").split(",")]
    gemm = _is_gemm(str(path), headings)
    layers: list[Layer] = []
    for number, line in lines[1:]:
        layers += _layers(str(path), number, line, gemm)
        if len(layers) > MAX_LAYERS:
            raise ConfigError(f"has more than {MAX_LAYERS} layers", str(path))
    if not layers:
        raise ConfigError("has no layers", str(path))
    dense = [layer if machine.sparse else replace(layer, ratio=(1, 1)) for layer in layers]
    if not gemm and any(layer.ratio != (1, 1) for layer in dense):
        raise ConfigError("has convolutions with sparsity, which are not modelled; tables of GEMMs are", str(path))
    try:
        block = Block(name="layers", repeat=1, ops=tuple(_ops(str(path), dense)))
        trace = Trace(model=_name(Path(path).stem), phase="decode", context_length=1, tokens=1, blocks=(block,))
    except WorkloadError as error:
        raise ConfigError(str(error), str(path)) from error
    kind = f"a table of {'GEMMs' if gemm else 'convolutions'} of SCALE-Sim"
    notes = tuple(_notes(dense, lines[1:], machine))
    return Imported(dumps(trace), ImportTable(Path(path).name, kind, tuple(_rows(layers, gemm, machine)), notes))


def _is_gemm(file: str, headings: list[str]) -> bool:
    """Tell a table of GEMMs from one of convolutions by its headings.

    Args:
        file: The table.
        headings: Cells of its first line.

    Returns:
        True for GEMMs.

    Raises:
        ConfigError: If it is neither, or if a column asks for something that is not modelled.
    """
    lower = [" ".join(cell.lower().split()) for cell in headings]
    shown = show(", ".join(headings))
    if any("intraline" in cell or "interline" in cell for cell in lower):
        raise ConfigError("is a layout of SCALE-Sim (its option -l), not a table of layers (-t)", file)
    if len(lower) == 1 and "\t" in headings[0]:
        raise ConfigError("is separated by tabs; SCALE-Sim separates columns by commas", file)
    gemm = sorted(lower[1:4]) == sorted(GEMM_COLUMNS)
    if gemm and lower[1:4] != list(GEMM_COLUMNS):
        raise ConfigError(
            f"line 1: SCALE-Sim reads the columns as M, N, K whatever they are called, here {shown}", file
        )
    convolutions = len(lower) >= 8 and all(
        all(word in cell for word in words) for words, cell in zip(CONV_COLUMNS, lower[1:8], strict=True)
    )
    if not gemm and not convolutions:
        expected = "Layer, M, N, K, or those of a table of convolutions (Layer name, IFMAP Height, ...)"
        raise ConfigError(
            f"line 1: a table of layers begins with the headings {expected}, not {shown}; SCALE-Sim skips this line",
            file,
        )
    known = 4 if gemm else 8
    if not gemm and len(lower) > 8 and "stride" in lower[8]:
        known = 9
    for heading, cell in zip(headings[known:], lower[known:], strict=True):
        if not cell.startswith("sparsity"):
            raise ConfigError(f"line 1: the column {show(heading)} asks for something that is not modelled", file)
    if len(lower) > known + 1:
        raise ConfigError(f"line 1: a table has one column of sparsity, not {len(lower) - known}", file)
    return gemm


def _layers(file: str, number: int, line: str, gemm: bool) -> Iterator[Layer]:
    """Read a line of a table.

    Args:
        file: The table.
        number: Number of the line.
        line: Its text.
        gemm: Whether the table is one of GEMMs.

    Yields:
        The layer; a depth-wise convolution, whose name contains DP, is one for each channel.

    Raises:
        fail: If the line is not valid, or if SCALE-Sim would drop its last value.
    """

    def fail(message: str) -> ConfigError:
        return ConfigError(f"line {number}: {message}", file)

    cells = [cell.strip().strip('"') for cell in line.split(",")]
    *whole, last = cells
    cells = whole if not last or last.startswith("#") else cells
    while len(cells) > 1 and not cells[-1]:
        cells.pop()
    fields = ("M", "N", "K") if gemm else tuple(" ".join(words).title() for words in CONV_COLUMNS)
    if len(cells) < 1 + len(fields):
        raise fail("a layer has a name, M, N and K" if gemm else "a convolution has a name and seven numbers")
    extra = cells[1 + len(fields) :]
    if not gemm and extra and extra[0].isdigit():  # the stride along the width
        fields, extra = (*fields, "Stride Width"), extra[1:]
    if extra and cells[-1] == last:
        raise fail(f"SCALE-Sim drops what follows the last comma, here {show(last)}; end the line with a comma")
    if len(extra) > 1 or (extra and ":" not in extra[0]):
        raise fail(f"the value {show(extra[-1])} has no column; SCALE-Sim 3.0.0 takes one of sparsity, N:M, there")
    ratio = _ratio(Value(file, f"line {number}", "Sparsity", extra[0])) if extra else (1, 1)
    values = [Value(file, f"line {number}", field, cell) for field, cell in zip(fields, cells[1:], strict=False)]
    sizes = [value.integer() for value in values]
    for value, size in zip(values, sizes, strict=True):
        if not size:
            raise value.error("is not above 0")
    if gemm:
        m, n, k = sizes
        yield Layer(_name(cells[0]), number, m, n, k, ratio)
        return
    if sizes[2] > sizes[0] or sizes[3] > sizes[1]:
        raise fail("the filter is larger than the input")
    if "DP" not in cells[0]:
        yield convolution(_name(cells[0]), number, sizes, ratio)
        return
    if sizes[4] > MAX_LAYERS:
        raise fail(f"a depth-wise convolution has more than {MAX_LAYERS} channels")
    for channel in range(sizes[4]):
        name = _name(f"{cells[0]}Channel_{channel}")
        yield convolution(name, number, [*sizes[:4], 1, *sizes[5:]], ratio)


def _ratio(value: Value) -> tuple[int, int]:
    """Read a ratio N:M.

    Args:
        value: The cell.

    Returns:
        N and M.

    Raises:
        ConfigError: If it is not a ratio of whole numbers with 1 <= N <= M.
    """
    parts = value.text.split(":")
    if len(parts) == 2 and all(part.strip().isdigit() and len(part) < 10 for part in parts):
        kept, block = (int(part) for part in parts)
        if 1 <= kept <= block:
            return kept, block
    raise value.error("is not a sparsity N:M with 1 <= N <= M")


def _ops(file: str, layers: list[Layer]) -> Iterator[Projection]:
    """Make the ops of a trace, each of which reads the one before it.

    Args:
        file: The table.
        layers: Its layers.

    Yields:
        One projection per layer.

    Raises:
        ConfigError: If a size is too large.
    """
    names, after = {BLOCK_INPUT}, BLOCK_INPUT
    for layer in layers:
        name = f"{layer.name}:{layer.line}" if layer.name in names else layer.name
        names.add(name)
        try:
            yield Projection(
                name=name,
                inputs=(after,),
                role="ffn_up",
                in_features=layer.kept,
                out_features=layer.n,
                vectors=layer.m,
                weight_bits=8,
                activation_bits=8,
                input_elements=layer.input_words,
            )
        except WorkloadError as error:
            raise ConfigError(f"line {layer.line}: {error}", file) from error
        after = name


def _rows(layers: list[Layer], gemm: bool, options: TableOptions) -> Iterator[ImportRow]:
    """Make the rows of the table of the import.

    Args:
        layers: All layers, with the sparsity that the table states.
        gemm: Whether the table is one of GEMMs.
        options: Whether sparsity is applied.

    Yields:
        A row for each column, and one for each ratio of sparsity.
    """
    count = f"{len(layers)} layer{'s' if len(layers) > 1 else ''}"
    yield ImportRow("Layer", count, "carried over", "name")
    if gemm:
        for column, key in (("M", "vectors"), ("N", "out_features"), ("K", "in_features")):
            yield ImportRow(column, "", "carried over", key)
    else:
        yield ImportRow("IFMAP, Filter, Strides", "", "derived", "vectors", note="number of windows")
        yield ImportRow("IFMAP, Filter, Strides", "", "derived", "input_elements", note="elements in some window")
        yield ImportRow("Filter, Channels", "", "derived", "in_features", note="elements of a window")
        yield ImportRow("Num Filter", "", "carried over", "out_features")
    for ratio in sorted({layer.ratio for layer in layers} - {(1, 1)}):
        which = [layer for layer in layers if layer.ratio == ratio]
        value = f"{ratio[0]}:{ratio[1]} in {len(which)} of {count}"
        if options.sparse:
            note = f"the first {ratio[0]} of {ratio[1]} rows are kept: K = {which[0].k} becomes {which[0].kept}"
            yield ImportRow("Sparsity", value, "derived", "in_features", note=note)
        else:
            note = "SparsitySupport is not true: SCALE-Sim computes all weights, and so does pimsim"
            yield ImportRow("Sparsity", value, "ignored", note=note)
    for key in ("weight_bits", "activation_bits"):
        yield ImportRow("", "", "derived", key, "8", "a word of SCALE-Sim has one byte")


def _notes(layers: list[Layer], lines: list[tuple[int, str]], options: TableOptions) -> Iterator[str]:
    """State where SCALE-Sim itself would stop, or counts more words.

    Args:
        layers: The layers with their sparsity.
        lines: Numbers and texts of the lines.
        options: Array, dataflow and buffers.

    Yields:
        At most one sentence for each of these.
    """
    open_ended = [
        number for number, line in lines if not line.rstrip().endswith(",") and "#" not in line.rpartition(",")[2]
    ]
    if open_ended:
        yield f"SCALE-Sim itself stops at line {open_ended[0]}, which does not end with a comma."
    for happens, what in (
        (is_read_again, READ_AGAIN),
        (is_drained_early, DRAINED_EARLY),
    ):
        names = [layer.name for layer in layers if happens(layer, options)]
        if names:
            shown = ", ".join(names[:SHOWN_LAYERS]) + (", ..." if len(names) > SHOWN_LAYERS else "")
            yield f"In {len(names)} of {counted(len(layers), 'layer')} ({shown}) {what}."


def _name(text: str) -> str:
    """Return the text with the characters that a trace allows: ASCII letters, digits and `_./+-`."""
    return printable(re.sub(r"[^A-Za-z0-9_./+-]+", "_", text)[:80], 80) or "layer"
