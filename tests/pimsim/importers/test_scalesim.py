"""SCALE-Sim's .cfg: each key is carried over, derived, ignored with its effect, or refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim import load_config, simulate
from pimsim.base.errors import ConfigError
from pimsim.config.loading import load_config_text
from pimsim.config.schema import Config
from pimsim.importers.import_table import ImportTable
from pimsim.importers.scalesim import import_config
from tests.support.importer_files import SECTION, V2, V3, cfg
from tests.support.importer_files import scalesim_sections as changed

V1 = {
    "general": {"run_name": '"GoogleTPU_os"'},
    SECTION: {"ArrayHeight": "256", "ArrayWidth": "256", "IfmapSramSz": "8192", "FilterSramSz": "8192",
              "OfmapSramSz": "8192", "Dataflow": "os"},
}  # fmt: skip
USER_V2 = V2 | {"run_presets": {"InterfaceBandwidth": "USER"}}
LEFT = ("ignored", "", "")


def imported(tmp_path: Path, sections: dict[str, dict[str, str]]) -> tuple[Config, ImportTable]:
    path = tmp_path / "google.cfg"
    path.write_text(cfg(sections), encoding="utf-8")
    made = import_config(path)
    return load_config_text(made.text), made.table


def rates(config: Config) -> tuple[float, float, float]:
    """Words per cycle of the interfaces for inputs, weights and results."""
    interfaces, clock_hz = config.machine.memory.interfaces, config.machine.systolic.clock_hz
    assert interfaces is not None
    found = (interfaces.activations_bytes_per_s, interfaces.weights_bytes_per_s, interfaces.results_bytes_per_s)
    return found[0] / clock_hz, found[1] / clock_hz, found[2] / clock_hz


def test_a_v2_file(tmp_path: Path) -> None:
    config, table = imported(tmp_path, V2)
    assert config.name == "GoogleTPU_v1_ws"
    systolic = config.machine.systolic
    assert (systolic.rows, systolic.columns, systolic.dataflow) == (256, 128, "ws")
    assert config.machine.sram.capacity_bytes == (6144 + 6144 + 2048) * 1024
    assert (config.machine.crossbar, config.machine.mesh, config.mapping.projections) == (None, None, "systolic")
    assert config.machine.memory == load_config("defaults").machine.memory, "CALC asks for no bandwidth"
    assert table.notes[0].startswith("The file is given the meaning of SCALE-Sim 2: it has InterfaceBandwidth, and nei")
    ignored = {row.name.partition("] ")[2] for row in table.rows if row.fate == "ignored"}
    assert ignored == {"IfmapOffset", "FilterOffset", "OfmapOffset", "MemoryBanks", "SRAM_row_size", "Bandwidth",
                       "InterfaceBandwidth"}  # fmt: skip


def test_a_v3_file(tmp_path: Path) -> None:
    config, table = imported(tmp_path, V3)
    assert (config.machine.systolic.dataflow, config.mapping.projection_activations) == ("os", "memory_each_fold")
    assert table.notes[0].endswith("3.0.0: it has a section [layout], which came with it.")
    rows = {row.name: row for row in table.rows}
    assert rows["[layout] IfmapCustomLayout"].fate == "carried over"
    assert rows["[layout] IfmapSRAMBankNum"].note == "only runs with a custom layout use it: no effect"
    assert all(row.note for row in table.rows if row.fate == "ignored")


def test_a_v1_file(tmp_path: Path) -> None:
    config, table = imported(tmp_path, V1)
    assert config.name == "GoogleTPU_os"
    assert config.machine.sram.capacity_bytes == 3 * 8192 * 1024
    assert "SCALE-Sim 1: it has no InterfaceBandwidth" in table.notes[0]


def test_a_half_of_a_buffer_has_50_sets_of_a_hundredth(tmp_path: Path) -> None:
    """1024 kB: floor(1,048,576 / 100) = 10,485 words of a set, 524,250 of 50 (read_buffer_estimate_bw.py of 3.0.0)."""
    config, _ = imported(tmp_path, changed(V3, IfmapSramSzkB="1", FilterSramSzkB="1024"))
    buffers = config.machine.sram.operand_buffers
    assert buffers is not None
    assert (buffers.activations_bytes, buffers.weights_bytes) == (500, 524250)


@pytest.mark.parametrize("bandwidth", ["1", "10", "10,10,10", "1,64,64"])
def test_a_bandwidth_of_version_2_is_that_of_each_interface(bandwidth: str, tmp_path: Path) -> None:
    """single_layer_sim.py of 2.0.2: the first item for reads of inputs, of filters, and for writes; never a sum."""
    config, table = imported(tmp_path, changed(USER_V2, Bandwidth=bandwidth))
    first = int(bandwidth.split(",")[0])
    assert rates(config) == (first, first, first)
    notes = {row.note for row in table.rows if row.key.startswith("machine.memory.interfaces")}
    assert all(("the first item only" in note) == ("," in bandwidth) for note in notes)
    assert len(notes) == 1


@pytest.mark.parametrize("bandwidth", ["1", "10", "10,10,10", "1,64,64"])
def test_a_bandwidth_of_version_3_is_for_writes_and_those_of_the_banks_for_reads(
    bandwidth: str, tmp_path: Path
) -> None:
    """single_layer_sim.py of 3.0.0, as findings/scalesim-bandwidth-is-for-writes.sh shows."""
    layout = V3["layout"] | {"IfmapSRAMBankBandwidth": "100", "FilterSRAMBankBandwidth": "50"}
    user = changed(V3, Bandwidth=bandwidth) | {"layout": layout, "run_presets": {"InterfaceBandwidth": "USER"}}
    config, _ = imported(tmp_path, user)
    assert rates(config) == (100, 50, int(bandwidth.split(",")[0]))


def test_the_rest_are_the_defaults(tmp_path: Path) -> None:
    config, _ = imported(tmp_path, {SECTION: {"ArrayHeight": "32", "ArrayWidth": "32"}})
    without = ["machine.crossbar=null", "machine.mesh=null", "machine.sram.ports=null"]
    theirs = ["mapping.projections=systolic", "mapping.projection_activations=memory_each_fold"]
    assert config == load_config("defaults", [*without, *theirs])


def test_it_runs(tmp_path: Path) -> None:
    """The layers alone: SCALE-Sim has no embedding, LM head or vector unit."""
    config, _ = imported(tmp_path, V3)
    kv = config.workload.kv.model_copy(update={"scale_bits": 0})
    layers = {"model": "gpt2-small", "embedding": False, "lm_head": False, "kv": kv}
    small = config.model_copy(update={"workload": config.workload.model_copy(update=layers)})
    result = simulate(small)
    # 12 layers of 12 d^2 weights and 2 d MACs for each of 128 entries. Inputs: d for q, k, v, o and up, 4 d for down.
    assert result.macs == 12 * (12 * 768**2 + 2 * 768 * 128)
    assert result.counts["systolic.mac"] == result.macs
    assert result.counts["memory.read_bit"] == 8 * (result.macs + 12 * 9 * 768)
    assert result.counts["memory.write_bit"] == 8 * 12 * (9 * 768 + 2 * 768), "outputs, and the KV cache"


def test_the_array_is_turned_under_os_only(tmp_path: Path) -> None:
    """SCALE-Sim 3.0.0 lays the outputs along the columns under os, pimsim along the rows."""
    for dataflow, size in (("os", (128, 256)), ("ws", (256, 128)), ("is", (256, 128)), (None, (128, 256))):
        config, table = imported(tmp_path, changed(V2, Dataflow=dataflow))
        assert (config.machine.systolic.rows, config.machine.systolic.columns) == size
        fates = {row.fate for row in table.rows if row.name.partition("] ")[2] in ("ArrayHeight", "ArrayWidth")}
        assert fates == {"derived" if size == (128, 256) else "carried over"}
    _, square = imported(tmp_path, changed(V2, Dataflow="os", ArrayHeight="128"))
    assert not any("other axis" in row.note for row in square.rows)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ArrayHeight": None}, r"\[architecture_presets\] ArrayHeight: is missing"),
        ({"ArrayHeight": "many"}, "ArrayHeight: 'many' is not a number"),
        ({"ArrayHeight": "0"}, r"\[architecture_presets\] ArrayHeight = 0 \(machine.systolic.rows\)"),
        ({"ArrayWidth": "99999999"}, r"ArrayWidth = 99999999 \(machine.systolic.columns\)"),
        ({"Dataflow": "rs"}, "Dataflow: 'rs' is not one of os, ws, is"),
        ({"Dataflow": "WS"}, "Dataflow: 'WS' is not 'ws' in lower case: SCALE-Sim prints a warning and runs os"),
        ({"IfmapSramSzkB": "1e30"}, "sram"),
        ({"arrayheight": "3"}, "arrayheight: '3' occurs twice"),
        ({"NumCores": "4"}, r"\[architecture_presets\] NumCores: '4' is of a key that SCALE-Sim 1 to 3.0.0 does not h"),
        ({"MemoryBank": "4"}, "does not have; did you mean MemoryBanks"),
        ({"IfmapSRAMBankBandwidth": "9"}, r"has no effect in this section: SCALE-Sim reads it in \[layout\]"),
        ({"IfmapCustomLayout": "True"}, r"'True' has no effect in this section: SCALE-Sim reads it in \[layout\]"),
    ],
    ids=str,
)
def test_an_error_names_its_key(changes: dict[str, str | None], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        imported(tmp_path, changed(V2, **changes))


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("layout", "IfmapCustomLayout", "True", "asks for a custom layout of the inputs with its bank conflicts"),
        ("layout", "FilterCustomLayout", "yes", "asks for a custom layout of the filters"),
        ("run_presets", "UseRamulatorTrace", "True", "asks for the latencies of a Ramulator trace, which is not mod"),
        ("run_presets", "TimeLinearModel", "TPUv4", "asks for times in microseconds that are fitted to a TPU"),
        ("run_presets", "InterfaceBandwidth", "user", "is neither USER nor CALC, in upper case"),
        ("sparsity", "OptimizedMapping", "true", "asks for rows with a random number of non-zero weights each"),
        ("energy", "Accelergy", "on", "is of a key that SCALE-Sim 1 to 3.0.0 does not have"),
    ],
)
def test_a_switch_that_asks_for_something_is_refused_by_name(
    section: str, key: str, value: str, message: str, tmp_path: Path
) -> None:
    sections = V3 | {"sparsity": V3["sparsity"] | {"SparsitySupport": "true"}}
    sections = sections | {section: sections.get(section, {}) | {key: value}}
    with pytest.raises(ConfigError, match=rf"\[{section}\] {key}: '{value}' {message}"):
        imported(tmp_path, sections)


@pytest.mark.parametrize(
    ("bandwidth", "message"),
    [(None, r"needs \[architecture_presets\] Bandwidth, which is missing"), ("0", "above 0"), ("1.5", "whole number")],
)
def test_a_bandwidth_that_is_used_must_be_one(bandwidth: str | None, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        imported(tmp_path, changed(USER_V2, Bandwidth=bandwidth))


def test_a_bandwidth_of_version_3_without_those_of_its_banks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"IfmapSRAMBankBandwidth and .* SCALE-Sim 2, .* has no section \[sparsity\]"):
        imported(tmp_path, USER_V2 | {"sparsity": {"SparsitySupport": "false"}})


def test_a_key_that_is_switched_off_is_ignored(tmp_path: Path) -> None:
    _, table = imported(tmp_path, changed(V2, NumCores="0"))
    assert [row.fate for row in table.rows if row.name.endswith("NumCores")] == ["ignored"]


def test_all_problems_of_a_file_are_reported_at_once(tmp_path: Path) -> None:
    """Three wrong keys once took three rounds. Keys that pimsim knows are not called unknown after another problem."""
    sections = {
        SECTION: V2[SECTION] | {"ArrayHeight": "many", "ArrayWidth": "0.5", "Dataflow ": "rs", "IfmapSramSzkB": "-"},
        "run_presets": {"InterfaceBandwidth": "user", "Speed": "2"},
        "sparsity": {"Nothing": "1"},
    }
    with pytest.raises(ConfigError) as caught:
        imported(tmp_path, sections)
    paths = [problem.path.partition("] ")[2] for problem in caught.value.problems]
    assert paths == ["Dataflow", "ArrayHeight", "ArrayWidth", "IfmapSramSzkB", "InterfaceBandwidth", "Speed", "Nothing"]
    del sections[SECTION]["ArrayHeight"], sections[SECTION]["Dataflow "]
    with pytest.raises(ConfigError) as caught:
        imported(tmp_path, sections)
    assert [(each.path.partition("] ")[2], each.message) for each in caught.value.problems[:2]] == [
        ("ArrayWidth", "is not a whole number"),
        ("ArrayHeight", "is missing"),
    ]
