"""SCALE-Sim's tables of layers; cycles and words of the imported run are those that SCALE-Sim 3.0.0 printed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from pimsim import load_config, simulate
from pimsim.base.errors import ConfigError
from pimsim.importers.import_table import ImportTable
from pimsim.importers.scalesim import import_config, table_options
from pimsim.importers.scalesim_tables import import_topology
from pimsim.results.run_result import RunResult
from tests.support.importer_files import GEMMS, V3, cfg
from tests.support.importer_files import scalesim_sections as changed
from workloads.ops import Projection
from workloads.trace import loads

CONVOLUTIONS = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"
SPARSE = "Layer Name, M, N, K, Sparsity,\n"


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "gemm layers.csv"
    path.write_text(text, encoding="utf-8")
    return path


def run(tmp_path: Path, text: str, *, sparse: bool = False, **architecture: str) -> tuple[RunResult, ImportTable]:
    sections = changed(V3, **architecture)
    sections |= {"sparsity": V3["sparsity"] | {"SparsitySupport": str(sparse).lower()}}
    path = tmp_path / "machine.cfg"
    path.write_text(cfg(sections), encoding="utf-8")
    trace = tmp_path / "machine.json"
    imported = import_topology(table(tmp_path, text), table_options(path))
    trace.write_text(imported.text, encoding="utf-8")
    config = tmp_path / "machine.yaml"
    config.write_text(import_config(path, str(trace)).text, encoding="utf-8")
    return simulate(load_config(config)), imported.table


def figures(result: RunResult) -> list[tuple[int, int, int]]:
    """Cycles, words read and words written by layer; a cycle of 100 MHz has 10,000 ps."""
    return [
        (op.parts_ps["systolic"] // 10_000, op.counts["memory.read_bit"] // 8, op.counts["memory.write_bit"] // 8)
        for op in result.ops
    ]


def test_a_table_becomes_a_chain_of_matmuls(tmp_path: Path) -> None:
    trace = loads(import_topology(table(tmp_path, GEMMS)).text)
    ops = [op for _, op in trace.ops()]
    assert all(isinstance(op, Projection) for op in ops)
    shapes = [(op.matmul.m, op.matmul.n, op.matmul.k) for op in ops if isinstance(op, Projection)]
    # SCALE-Sim's M is the number of vectors, pimsim's the number of outputs.
    assert shapes == [(40, 100, 64), (64, 100, 100), (3, 7, 5), (3, 7, 5)]
    assert [op.name for op in ops] == ["QKT", "QKTV", "PW-FF_L1", "PW-FF_L1:6"]
    assert [op.inputs for op in ops] == [("input",), ("QKT",), ("QKTV",), ("PW-FF_L1",)]
    assert trace.model == "gemm_layers"


@pytest.mark.parametrize(
    ("dataflow", "printed"), [("os", (2015, 33280, 4096)), ("ws", (3263, 33280, 8192)), ("is", (1211, 33280, 8192))]
)
def test_weights_and_activations_are_loaded_and_outputs_stored(
    dataflow: str, printed: tuple[int, int, int], tmp_path: Path
) -> None:
    """SCALE-Sim 3.0.0: 512 words of inputs, 32,768 of the filter; under ws and is, each of two folds over K writes."""
    result, _ = run(tmp_path, "Layer, M, N, K,\nffn, 8, 512, 64,\n", Dataflow=dataflow)
    assert figures(result) == [printed]


@pytest.mark.parametrize(
    ("dataflow", "one", "odd"),
    [
        ("os", (503, 8192, 4096), (67, 72, 35)),
        ("ws", (631, 8192, 8192), (98, 72, 35)),
        ("is", (631, 8192, 8192), (100, 72, 35)),
    ],
)
def test_sparsity_keeps_the_first_rows_of_each_block(
    dataflow: str, one: tuple[int, int, int], odd: tuple[int, int, int], tmp_path: Path
) -> None:
    """SCALE-Sim 3.0.0 with SparsitySupport; 2:4 of 10 rows keeps 2 + 2 + 2."""
    for row, printed in (("G, 64, 64, 256, 1:4,\n", one), ("G, 5, 7, 10, 2:4,\n", odd)):
        result, _ = run(tmp_path, SPARSE + row, sparse=True, Dataflow=dataflow)
        assert figures(result) == [printed]


def test_sparsity_without_its_switch_is_ignored_as_in_scale_sim(tmp_path: Path) -> None:
    result, shown = run(tmp_path, SPARSE + "G, 64, 64, 256, 1:4,\n", Dataflow="ws")
    assert figures(result) == [(2527, 2 * 16384, 32768)], "SCALE-Sim 3.0.0 without SparsitySupport"
    (row,) = (row for row in shown.rows if row.name == "Sparsity")
    assert (row.fate, row.value) == ("ignored", "1:4 in 1 of 1 layer")


@pytest.mark.parametrize(
    ("dataflow", "printed"),
    [("os", (535, 1814, 1412)), ("ws", (595, 1814, 2052)), ("is", (928, 1814, 2052))],
)
def test_a_convolution_is_the_product_of_its_windows(
    dataflow: str, printed: tuple[int, int, int], tmp_path: Path
) -> None:
    """Sums over three layers that SCALE-Sim 3.0.0 printed: overlapping windows, one beyond the end, and gaps."""
    rows = "c, 12, 10, 3, 3, 4, 8, 1,\ns, 14, 13, 3, 3, 3, 16, 2,\ng, 11, 9, 1, 2, 2, 5, 3,\n"
    result, shown = run(tmp_path, CONVOLUTIONS + rows, Dataflow=dataflow)
    assert tuple(map(sum, zip(*figures(result), strict=True))) == printed
    assert shown.simulator == "a table of convolutions of SCALE-Sim"


def test_a_depth_wise_convolution_is_a_layer_for_each_channel(tmp_path: Path) -> None:
    result, _ = run(tmp_path, CONVOLUTIONS + "DP1, 8, 8, 3, 3, 2, 1, 2,#comment\n", Dataflow="os")
    # ceil((8 - 3 + 2) / 2) = 4 windows along each side, the last of which begins at 6 and goes beyond the end.
    assert [op.name for op in result.ops] == ["DP1Channel_0", "DP1Channel_1"]
    assert figures(result) == [(9 + 32 + 32 - 3, 64 + 9, 16)] * 2


def test_two_strides_are_those_along_height_and_width(tmp_path: Path) -> None:
    head = CONVOLUTIONS.replace("Strides", "Stride height, Stride width")
    (_, op) = next(loads(import_topology(table(tmp_path, f"{head}c, 9, 9, 3, 3, 1, 1, 2, 3,\n")).text).ops())
    assert isinstance(op, Projection)
    assert (op.vectors, op.input_elements) == (4 * 3, 9 * 9)


def test_cycles_of_a_layer_that_scale_sim_ran(tmp_path: Path) -> None:
    """256 -> 256, one vector, 16 x 64: SCALE-Sim 3.0.0 printed these (os, ws, is)."""
    for dataflow, printed in (("os", 1335), ("ws", 6079), ("is", 5599)):
        result, _ = run(tmp_path, "Layer,M,N,K\none,1,256,256\n", ArrayHeight="16", ArrayWidth="64", Dataflow=dataflow)
        assert figures(result)[0][0] == printed


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_cycles_are_scale_sims(dataflow: str, tmp_path: Path) -> None:
    """Its closed form per layer on R x C MACs, numbered from 0 as it prints them."""
    rows, columns = 16, 8
    result, _ = run(tmp_path, GEMMS, ArrayHeight=str(rows), ArrayWidth=str(columns), Dataflow=dataflow)

    def up(a: int, b: int) -> int:
        return math.ceil(a / b)

    for found, (m, n, k) in zip(figures(result), [(100, 40, 64), (100, 64, 100), (7, 3, 5), (7, 3, 5)], strict=True):
        cycles = {
            "os": up(m, rows) * up(n, columns) * (k + rows + columns - 2),
            "ws": up(k, rows) * up(n, columns) * (m + 2 * rows + columns - 2),
            "is": up(k, rows) * up(m, columns) * (n + 2 * rows + columns - 2),
        }[dataflow] - 1
        assert found[0] == cycles


def test_words_that_scale_sim_counts_beyond_pimsims_are_said(tmp_path: Path) -> None:
    rows = "wide, 40, 40, 3, 3, 1, 1, 1,\nsmall, 4, 4, 3, 3, 1, 1, 1,\n"
    _, shown = run(tmp_path, CONVOLUTIONS + rows, IfmapSramSzkB="1", FilterSramSzkB="1", OfmapSramSzkB="1")
    assert len(shown.notes) == 2
    for note, what in zip(shown.notes, ("windows overlap and the input", "the results"), strict=True):
        assert note.startswith(f"In 1 of 2 layers (wide) {what} exceed"), note
    _, shown = run(tmp_path, "Layer, M, N, K,\nx, 7, 2, 3\n")
    assert shown.notes == ("SCALE-Sim itself stops at line 2, which does not end with a comma.",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("Layer,M,N,K\n", "has no layers"),
        ("a,b,c,d\nx,1,2,3\n", "line 1: a table of layers begins with the headings Layer, M, N, K"),
        ("x,1,2,3,\ny,1,2,3,\n", "not 'x, 1, 2, 3'; SCALE-Sim skips this line"),
        ("Layer,M,K,N\nx,1,2,3\n", "line 1: SCALE-Sim reads the columns as M, N, K whatever they are called, here 'L"),
        ("Layer\tM\tN\tK\nx\t1\t2\t3\n", "is separated by tabs"),
        ("Layer, IFMAP Height Intraline Factor,\nx,1,\n", "is a layout of SCALE-Sim"),
        (
            "Layer, M, N, K, Batch,\nA, 7, 2, 3, 16,\n",
            "line 1: the column 'Batch' asks for something that is not modelled",
        ),
        ("Layer, M, N, K,\nA, 7, 2, 3, 16,\n", "line 2: the value '16' has no column"),
        ("Layer, M, N, K,\nA, 7, 2, 3, 1:4, 16,\n", "line 2: the value '16' has no column"),
        (SPARSE + "A, 7, 2, 3, 1:4\n", "line 2: SCALE-Sim drops what follows the last comma, here '1:4'"),
        (SPARSE + "A, 7, 2, 3, 4:1,\n", r"\[line 2\] Sparsity: '4:1' is not a sparsity N:M with 1 <= N <= M"),
        (SPARSE + "A, 7, 2, 3, half,\n", "line 2: the value 'half' has no column"),
        ("Layer, M, N, K, Sparsity, Sparsity\nx,1,2,3,1:2,1:2,\n", "one column of sparsity, not 2"),
        (CONVOLUTIONS + "x,1,1,1,1,\n", "line 2: a convolution has a name and seven numbers"),
        (CONVOLUTIONS + "x, 2, 2, 3, 3, 1, 1, 1,\n", "line 2: the filter is larger than the input"),
        (CONVOLUTIONS + "DP, 9, 9, 3, 3, 99999, 1, 1,\n", "more than 10000 channels"),
        (CONVOLUTIONS + "x, 9, 9, 3, 3, 1, 1, 0,\n", r"\[line 2\] Stride: '0' is not above 0"),
        ("Layer,M,N,K\nx,1,2\n", "line 2: a layer has a name, M, N and K"),
        ("Layer,M,N,K\nx,1,2,many\n", r"\[line 2\] K: 'many' is not a number"),
        ("Layer,M,N,K\nx,0,2,3\n", r"\[line 2\] M: '0' is not above 0"),
        ("Layer,M,N,K\nx,1,2,1e29\n", "line 2: .*in_features"),
        ("Layer,M,N,K\n" + "x,1,1,1\n" * 10_001, "more than 10000 layers"),
    ],
    ids=lambda value: value[:30],
)
def test_an_invalid_table_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        import_topology(table(tmp_path, text))


def test_sparse_convolutions_are_refused(tmp_path: Path) -> None:
    head = CONVOLUTIONS.replace("Strides,", "Strides, Sparsity,")
    with pytest.raises(ConfigError, match="has convolutions with sparsity, which are not modelled"):
        run(tmp_path, f"{head}c, 9, 9, 3, 3, 1, 1, 1, 1:2,\n", sparse=True)
