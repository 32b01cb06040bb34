"""SCALE-Sim's .cfg and GEMM tables; cycles of the imported run are SCALE-Sim's."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from pimsim import load_config, simulate
from pimsim.base.errors import ConfigError
from pimsim.config.loading import load_config_text
from pimsim.config.schema import Config
from pimsim.importers.scalesim import import_config, import_topology
from tests.support.importer_files import GEMMS, SECTION, V2, cfg
from workloads.ops import Projection
from workloads.trace import loads

V3 = {
    "general": {"run_name": "scale_example_run_32x32_os"},
    SECTION: V2[SECTION] | {"ArrayHeight": "32", "ArrayWidth": "32", "Dataflow ": " os", "OnChipMemoryBanks": "1",
                            "IfmapCustomLayout": "True", "ReadRequestBuffer": "512"},
    "sparsity": {"SparsitySupport": "false", "BlockSize": "8"},
    "run_presets": {"InterfaceBandwidth": "USER ", "UseRamulatorTrace": "False"},
}  # fmt: skip
V1 = {
    "general": {"run_name": '"GoogleTPU_os"'},
    SECTION: {"ArrayHeight": "256", "ArrayWidth": "256", "IfmapSramSz": "8192", "FilterSramSz": "8192",
              "OfmapSramSz": "8192", "Dataflow": "os"},
}  # fmt: skip


def changed(**changes: str | None) -> dict[str, dict[str, str]]:
    values = {key.strip(): value for key, value in V2[SECTION].items()} | changes
    return V2 | {SECTION: {key: value for key, value in values.items() if value is not None}}


def imported(tmp_path: Path, sections: dict[str, dict[str, str]]) -> tuple[str, Config]:
    path = tmp_path / "google.cfg"
    path.write_text(cfg(sections), encoding="utf-8")
    text = import_config(path).text
    return text, load_config_text(text)


def test_a_v2_file(tmp_path: Path) -> None:
    text, config = imported(tmp_path, V2)
    assert config.name == "GoogleTPU_v1_ws"
    systolic = config.machine.systolic
    assert (systolic.rows, systolic.columns, systolic.dataflow) == (256, 128, "ws")
    assert config.machine.sram.capacity_bytes == (6144 + 6144 + 2048) * 1024
    assert (config.machine.crossbar, config.machine.mesh, config.mapping.projections) == (None, None, "systolic")
    assert config.machine.memory == load_config("defaults").machine.memory, "CALC asks for no bandwidth"
    assert "rows: 256 " in text
    assert "# [architecture_presets] ArrayHeight = 256" in text
    for left in ("IfmapOffset = 0", "FilterOffset", "MemoryBanks", "SRAM_row_size", "Bandwidth = 10", "CALC"):
        assert any(line.startswith("# not imported: ") and left in line for line in text.splitlines()), left


def test_a_v3_file_with_a_bandwidth_of_the_users(tmp_path: Path) -> None:
    text, config = imported(tmp_path, V3)
    assert config.machine.systolic.dataflow == "os"
    memory = config.machine.memory
    assert memory.channels * memory.channel_bandwidth_bytes_per_s == 10 * config.machine.systolic.clock_hz
    assert "# not imported: [sparsity] SparsitySupport = false: no counterpart" in text


def test_a_v1_file(tmp_path: Path) -> None:
    _, config = imported(tmp_path, V1)
    assert config.name == "GoogleTPU_os"
    assert config.machine.sram.capacity_bytes == 3 * 8192 * 1024


def test_the_rest_are_the_defaults(tmp_path: Path) -> None:
    _, config = imported(tmp_path, {SECTION: {"ArrayHeight": "32", "ArrayWidth": "32"}})
    without = ["machine.crossbar=null", "machine.mesh=null", "machine.sram.ports=null"]
    defaults = load_config("defaults", [*without, "mapping.projections=systolic"])
    assert config == defaults


def test_it_runs(tmp_path: Path) -> None:
    """The layers alone: SCALE-Sim has no embedding, LM head or vector unit."""
    _, config = imported(tmp_path, V3)
    layers = {"model": "gpt2-small", "embedding": False, "lm_head": False, "kv_step_bits": 0}
    small = config.model_copy(update={"workload": config.workload.model_copy(update=layers)})
    result = simulate(small)
    # 12 layers of 12 d^2 weights, read from memory in 8 bits, and 2 d MACs for each of 128 entries.
    assert result.macs == 12 * (12 * 768**2 + 2 * 768 * 128)
    assert result.counts["systolic.mac"] == result.macs
    assert result.counts["memory.read_bit"] == 8 * result.macs


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ArrayHeight": None}, r"\[architecture_presets\] ArrayHeight: is missing"),
        ({"ArrayHeight": "many"}, "ArrayHeight: 'many' is not a number"),
        ({"ArrayHeight": "0"}, r"\[architecture_presets\] ArrayHeight = 0 \(machine.systolic.rows\)"),
        ({"ArrayWidth": "99999999"}, r"ArrayWidth = 99999999 \(machine.systolic.columns\)"),
        ({"Dataflow": "rs"}, "Dataflow: 'rs' is not one of os, ws, is"),
        ({"IfmapSramSzkB": "1e30"}, "sram"),
        ({"arrayheight": "3"}, "arrayheight: '3' occurs twice"),
    ],
    ids=str,
)
def test_an_error_names_its_key(changes: dict[str, str | None], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        imported(tmp_path, changed(**changes))


# --- GEMM tables ------------------------------------------------------------------------------------------------------


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "gemm layers.csv"
    path.write_text(text, encoding="utf-8")
    return path


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


def test_the_array_is_turned_under_os_only(tmp_path: Path) -> None:
    """SCALE-Sim 3.0.0 lays the outputs along the columns under os, pimsim along the rows."""
    for dataflow, size in (("os", (128, 256)), ("ws", (256, 128)), ("is", (256, 128)), (None, (128, 256))):
        text, config = imported(tmp_path, changed(Dataflow=dataflow))
        assert (config.machine.systolic.rows, config.machine.systolic.columns) == size
        assert ("lays the outputs along the other axis" in text) == (size == (128, 256))
        assert "not imported: [architecture_presets] ArrayHeight" not in text
        assert "schema_version: 2" in text
    square, _ = imported(tmp_path, changed(Dataflow="os", ArrayHeight="128"))
    assert "other axis" not in square


def test_cycles_of_a_layer_that_scale_sim_ran(tmp_path: Path) -> None:
    """256 -> 256, one vector, 16 x 64: SCALE-Sim 3.0.0 printed these (os, ws, is)."""
    for dataflow, printed in (("os", 1335), ("ws", 6079), ("is", 5599)):
        _, config = imported(tmp_path, changed(ArrayHeight="16", ArrayWidth="64", Dataflow=dataflow))
        result = simulate(config, loads(import_topology(table(tmp_path, "Layer,M,N,K\none,1,256,256\n")).text))
        assert result.ops[0].parts_ps["systolic"] == printed * 10_000
        assert result.counts["memory.read_bit"] == 8 * 256 * 256, "the filter"


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_cycles_are_scale_sims(dataflow: str, tmp_path: Path) -> None:
    """Its closed form per layer on R x C MACs, numbered from 0 as it prints them."""
    rows, columns = 16, 8
    sections = changed(ArrayHeight=str(rows), ArrayWidth=str(columns), Dataflow=dataflow)
    _, config = imported(tmp_path, sections)
    result = simulate(config, loads(import_topology(table(tmp_path, GEMMS)).text))

    def up(a: int, b: int) -> int:
        return math.ceil(a / b)

    for op, (m, n, k) in zip(result.ops, [(100, 40, 64), (100, 64, 100), (7, 3, 5), (7, 3, 5)], strict=True):
        cycles = {
            "os": up(m, rows) * up(n, columns) * (k + rows + columns - 2),
            "ws": up(k, rows) * up(n, columns) * (m + 2 * rows + columns - 2),
            "is": up(k, rows) * up(m, columns) * (n + 2 * rows + columns - 2),
        }[dataflow] - 1
        assert op.parts_ps["systolic"] == cycles * 10_000, "at 100 MHz"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("Layer,M,N,K\n", "has no layers"),
        ("Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width,\nx,1,1,1,1,\n", "convolutions"),
        ("a,b,c,d\nx,1,2,3\n", "line 1: a table of GEMMs begins with Layer, M, N, K"),
        ("Layer,M,N,K\nx,1,2\n", "line 2: a layer has a name, M, N and K"),
        ("Layer,M,N,K\nx,1,2,many\n", r"\[line 2\] K: 'many' is not a number"),
        ("Layer,M,N,K\nx,0,2,3\n", "line 2: .*vectors"),
        ("Layer,M,N,K\nx,1,2,1e29\n", "line 2: .*in_features"),
        ("Layer,M,N,K\n" + "x,1,1,1\n" * 10_001, "more than 10000 layers"),
    ],
    ids=lambda value: value[:30],
)
def test_an_invalid_table_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        import_topology(table(tmp_path, text))
