"""Importer for SCALE-Sim (v1 to v3): converts a .cfg to a config without crossbars, and a GEMM table to a trace."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from pimsim.base.errors import ConfigError, Problem, printable, show
from pimsim.base.shipped_files import defaults_path
from pimsim.config.loading import load_config
from pimsim.importers.import_table import Imported, ImportRow, ImportTable
from pimsim.importers.imported_config import ImportedConfig, Ini, Value, plain, read_lines
from workloads.ops import BLOCK_INPUT, Projection
from workloads.trace import Block, Trace, dumps
from workloads.workload_errors import WorkloadError

ARCHITECTURE = "architecture_presets"
SRAM_KEYS = (("IfmapSramSzkB", "IfmapSramSz"), ("FilterSramSzkB", "FilterSramSz"), ("OfmapSramSzkB", "OfmapSramSz"))
"""Each key as spelled since v2 and in v1; the values are in kB of 1,024 bytes."""
WHY_LEFT = {
    "ifmapoffset": "addresses are not simulated",
    "filteroffset": "addresses are not simulated",
    "ofmapoffset": "addresses are not simulated",
    "topologycsvloc": "give the table with --topology",
}
MAX_LAYERS = 10_000
GEMM_COLUMNS = ("m", "n", "k")


def import_config(path: str | Path, trace: str | None = None) -> Imported:
    """Convert a .cfg of SCALE-Sim.

    Args:
        path: The file.
        trace: Path of a trace file that becomes the workload; None keeps the default model.

    Returns:
        Text of a pimsim config, in which each line names the key that it comes from, and the table of the import.

    Raises:
        ConfigError: If the file cannot be read or is not a SCALE-Sim config.
    """
    ini = Ini(path, "a SCALE-Sim config")
    if not ini.has_section(ARCHITECTURE):
        raise ConfigError(f"is not a SCALE-Sim config: it has no section [{ARCHITECTURE}]", str(path))
    draft = ImportedConfig(str(path), "SCALE-Sim")
    name = ini.get("general", "run_name")
    if name is not None and name.text:
        draft.put("name", printable(name.text, 100), name)
    if trace is not None:
        draft.put("workload.model", None, "replaced by the trace below")
        draft.put("workload.trace", trace, "made from the table of layers")
    draft.put("mapping.projections", "systolic", "SCALE-Sim has only a systolic array")
    _put_array(draft, ini)
    for part in ("crossbar", "mesh"):
        draft.put(f"machine.{part}", None, "SCALE-Sim has none")
    _put_sram(draft, ini)
    _put_bandwidth(draft, ini)
    draft.leave_rest(ini, WHY_LEFT)
    return draft.build()


def import_topology(path: str | Path) -> Imported:
    """Convert a table of GEMMs ("Layer, M, N, K", the format that SCALE-Sim reads with -i gemm) to a trace.

    M x K are SCALE-Sim's inputs, so M is the number of vectors, and K x N its filter, so N is the number of outputs.
    The systolic array needs the same number of cycles as in SCALE-Sim. The weights are streamed from memory.

    Args:
        path: The table, a CSV file.

    Returns:
        Text of a trace file, and the table of the import.

    Raises:
        ConfigError: If the file cannot be read or is not such a table.
    """
    ops: list[Projection] = []
    names = {BLOCK_INPUT}
    for number, line in enumerate(read_lines(path, "a table of GEMMs"), start=1):
        row = [cell.strip().strip('"') for cell in line.rstrip(", \t").split(",")] if line.strip(", \t") else []
        if number == 1:
            _check_header(path, row)
        elif row:
            if len(ops) >= MAX_LAYERS:
                raise ConfigError(f"has more than {MAX_LAYERS} layers", str(path))
            name = _unique(_name(row[0]), number, names)
            ops.append(_gemm(path, number, row, name, ops[-1].name if ops else BLOCK_INPUT))
    if not ops:
        raise ConfigError("has no layers", str(path))
    try:
        block = Block(name="gemms", repeat=1, ops=tuple(ops))
        trace = Trace(model=_name(Path(path).stem), phase="decode", context_length=1, tokens=1, blocks=(block,))
        rows = (
            ImportRow("Layer", f"{len(ops)} layers", "carried over", "name"),
            ImportRow("M", "", "carried over", "vectors"),
            ImportRow("N", "", "carried over", "out_features"),
            ImportRow("K", "", "carried over", "in_features"),
        )
        return Imported(dumps(trace), ImportTable(Path(path).name, "a table of GEMMs", rows))
    except WorkloadError as error:
        raise ConfigError(str(error), str(path)) from error


def _put_array(draft: ImportedConfig, ini: Ini) -> None:
    """Set size and dataflow of the array.

    Under os, the outputs of a vector lie along the columns in SCALE-Sim and along the rows in pimsim (docs/model.md),
    so an array that is not square is turned. Under ws and is, rows and columns have the same roles in both.

    Args:
        draft: The config that is built.
        ini: The imported file.

    Raises:
        ConfigError: If a size is missing, or a value is not valid.
    """
    dataflow = ini.get(ARCHITECTURE, "Dataflow")
    kept = load_config(defaults_path()).machine.systolic.dataflow
    chosen = kept if dataflow is None else dataflow.choice(("os", "ws", "is"))
    sizes = {key: ini.get(ARCHITECTURE, key) for key in ("ArrayHeight", "ArrayWidth")}
    for key, value in sizes.items():
        if value is None:
            raise ConfigError([Problem(f"[{ARCHITECTURE}] {key}", "", "is missing")], draft.file)
    height, width = (value for value in sizes.values() if value is not None)
    turned = chosen == "os" and height.integer() != width.integer()
    for value, ours in zip((width, height) if turned else (height, width), ("rows", "columns"), strict=True):
        note = f"{value.origin} = {value.text}; under os, SCALE-Sim lays the outputs along the other axis"
        draft.put(f"machine.systolic.{ours}", value.integer(), note if turned else value)
    if dataflow is not None:
        draft.put("machine.systolic.dataflow", chosen, dataflow)


def _put_sram(draft: ImportedConfig, ini: Ini) -> None:
    """Set the global buffer: as large as the three buffers of SCALE-Sim together, which never hold up its array."""
    sizes = [value for keys in SRAM_KEYS for key in keys if (value := ini.get(ARCHITECTURE, key)) is not None]
    if sizes:
        total = sum(value.integer() for value in sizes)
        parts = " + ".join(f"{value.key} {value.text}" for value in sizes)
        draft.put("machine.sram.capacity_bytes", total * 1024, f"[{ARCHITECTURE}] {parts} kB, in one buffer")
    draft.put("machine.sram.ports", None, "SCALE-Sim's three double buffers feed the array at its rate")


def _put_bandwidth(draft: ImportedConfig, ini: Ini) -> None:
    """Convert the bandwidth from words (bytes) per cycle to bytes per second, at the clock of machine.systolic."""
    mode, bandwidth = ini.get("run_presets", "InterfaceBandwidth"), ini.get(ARCHITECTURE, "Bandwidth")
    given = mode is not None and mode.choice(("user", "calc")) == "user"
    if mode is not None and not given:
        draft.leave(mode, "selects a bandwidth without stalls; pimsim uses that of the memory")
    if bandwidth is None:
        return
    if not given:
        draft.leave(bandwidth, "not used unless InterfaceBandwidth is USER")
        return
    words = sum((item.number() for item in bandwidth.items()), Decimal(0))
    clock_hz = load_config(defaults_path()).machine.systolic.clock_hz
    draft.put("machine.memory.part", "SCALE-Sim interface", bandwidth)
    draft.put("machine.memory.channels", 1, bandwidth)
    rate = f"{plain(words * int(clock_hz) / 1_000_000)} MB/s"
    note = f"{bandwidth.origin} = {bandwidth.text} bytes per cycle, at the {clock_hz / 1e6:g} MHz of machine.systolic"
    draft.put("machine.memory.channel_bandwidth_bytes_per_s", rate, note)


def _check_header(path: str | Path, row: list[str]) -> None:
    columns = [cell.lower() for cell in row[1:4]]
    if columns == list(GEMM_COLUMNS):
        return
    if any("filter" in cell.lower() for cell in row):
        raise ConfigError("is a table of convolutions; tables of GEMMs (Layer, M, N, K) are read", str(path))
    raise ConfigError(f"line 1: a table of GEMMs begins with Layer, M, N, K, not {show(', '.join(row))}", str(path))


def _gemm(path: str | Path, number: int, row: list[str], name: str, after: str) -> Projection:
    if len(row) < 4:
        raise ConfigError(f"line {number}: a layer has a name, M, N and K", str(path))
    where = f"line {number}"
    m, n, k = (Value(str(path), where, key.upper(), row[index]).integer() for index, key in enumerate(GEMM_COLUMNS, 1))
    try:
        return Projection(
            name=name,
            inputs=(after,),
            role="ffn_up",
            in_features=k,
            out_features=n,
            vectors=m,
            weight_bits=8,
            activation_bits=8,
        )
    except WorkloadError as error:
        raise ConfigError(f"line {number}: {error}", str(path)) from error


def _unique(name: str, number: int, taken: set[str]) -> str:
    """Make the name of a layer unique.

    Args:
        name: The name.
        number: Line of the layer, appended if an earlier layer has the name.
        taken: Names of earlier layers; the result is added to them.

    Returns:
        The unique name.
    """
    unique = f"{name}:{number}" if name in taken else name
    taken.add(unique)
    return unique


def _name(text: str) -> str:
    """Return the text with the characters that a trace allows: ASCII letters, digits and `_./+-`."""
    return re.sub(r"[^A-Za-z0-9_./+-]+", "_", text)[:80] or "layer"
