"""Importer for configs of SCALE-Sim (v1 to v3), which become machines without crossbars."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from pimsim.base.errors import ConfigError, Problem, did_you_mean, printable
from pimsim.base.shipped_files import defaults_path
from pimsim.config.loading import load_config
from pimsim.importers.import_problems import ImportProblems
from pimsim.importers.import_table import Imported
from pimsim.importers.imported_config import ImportedConfig, Ini, Value, plain
from pimsim.importers.scalesim_layers import TableOptions, half_of
from pimsim.importers.scalesim_version import ARCHITECTURE, LAYOUT, PRESETS, SPARSITY, Version, version_of

SRAM_KEYS = (("IfmapSramSzkB", "IfmapSramSz"), ("FilterSramSzkB", "FilterSramSz"), ("OfmapSramSzkB", "OfmapSramSz"))
"""Each key as spelled since v2 and in v1; the values are in kB of 1,024 bytes."""
_NO_ADDRESSES = "addresses are not simulated: no effect on cycles and words"
_ENERGY_SCRIPTS = "neither 2.0.2 nor 3.0.0 reads it: no effect on cycles and words"
_RAMULATOR = "only runs with Ramulator traces use it: no effect"
_BANKS = "only runs with a custom layout use it: no effect"
_OPTIMIZED = "only OptimizedMapping uses it: no effect"
WHY_LEFT = {
    (ARCHITECTURE, "IfmapOffset"): _NO_ADDRESSES,
    (ARCHITECTURE, "FilterOffset"): _NO_ADDRESSES,
    (ARCHITECTURE, "OfmapOffset"): _NO_ADDRESSES,
    (ARCHITECTURE, "MemoryBanks"): _ENERGY_SCRIPTS,
    (ARCHITECTURE, "OnChipMemoryBanks"): _ENERGY_SCRIPTS,
    (ARCHITECTURE, "ReadRequestBuffer"): _RAMULATOR,
    (ARCHITECTURE, "WriteRequestBuffer"): _RAMULATOR,
    (LAYOUT, "IfmapSRAMBankNum"): _BANKS,
    (LAYOUT, "IfmapSRAMBankPort"): _BANKS,
    (LAYOUT, "FilterSRAMBankNum"): _BANKS,
    (LAYOUT, "FilterSRAMBankPort"): _BANKS,
    (SPARSITY, "SparseRep"): "format of the metadata in SCALE-Sim's sparse report: no effect on cycles and words",
    (SPARSITY, "BlockSize"): _OPTIMIZED,
    (SPARSITY, "RandomNumberGeneratorSeed"): _OPTIMIZED,
    (PRESETS, "SRAM_row_size"): _ENERGY_SCRIPTS,
    (PRESETS, "SRAM_bank_size"): _ENERGY_SCRIPTS,
    (PRESETS, "DRAM_row_size"): _ENERGY_SCRIPTS,
    (PRESETS, "DRAM_bank_size"): _ENERGY_SCRIPTS,
    ("network_presets", "TopologyCsvLoc"): "the table is the one that is given with --topology",
}
"""Keys without a counterpart, and the effect of ignoring them, as read in the sources of 2.0.2 and 3.0.0."""
OFF = ("", "0", "false", "no", "none", "off")
"""Texts of a switch that asks for nothing."""
SWITCHES = {
    (LAYOUT, "IfmapCustomLayout"): "a custom layout of the inputs with its bank conflicts",
    (LAYOUT, "FilterCustomLayout"): "a custom layout of the filters with its bank conflicts",
    (SPARSITY, "OptimizedMapping"): "rows with a random number of non-zero weights each",
    (PRESETS, "UseRamulatorTrace"): "the latencies of a Ramulator trace",
    (PRESETS, "TimeLinearModel"): "times in microseconds that are fitted to a TPU",
}
"""Switches, and what they ask for where they are on, which pimsim does not model."""
_KNOWN = (
    *((ARCHITECTURE, key) for key in ("ArrayHeight", "ArrayWidth", "Dataflow", "Bandwidth")),
    *((ARCHITECTURE, key) for keys in SRAM_KEYS for key in keys),
    *((LAYOUT, f"{operand}SRAMBankBandwidth") for operand in ("Ifmap", "Filter")),
    (PRESETS, "InterfaceBandwidth"),
    (SPARSITY, "SparsitySupport"),
)
"""Further keys that have a counterpart."""


def import_config(path: str | Path, trace: str | None = None) -> Imported:
    """Convert a .cfg of SCALE-Sim.

    Args:
        path: The file.
        trace: Path of a trace file that becomes the workload; None keeps the default model.

    Returns:
        Text of a pimsim config, in which each line names the key that it comes from, and the table of the import.

    Raises:
        ConfigError: If the file cannot be read, is not a SCALE-Sim config, or asks for what pimsim does not model. All
            such keys are listed.
    """
    ini = _read(path)
    problems = ImportProblems()
    version = version_of(ini)
    draft = ImportedConfig(str(path), f"SCALE-Sim {version.name}")
    draft.note(f"The file is given the meaning of SCALE-Sim {version.name}: {version.reason}.")
    name = ini.get("general", "run_name")
    if name is not None and name.text:
        draft.put("name", printable(name.text, 100), name)
    elif name is not None:
        draft.leave(name, "is empty")
    if trace is not None:
        draft.put("workload.model", None, "replaced by the trace below")
        draft.put("workload.trace", trace, "made from the table of layers")
    draft.put("mapping.projections", "systolic", "SCALE-Sim has only a systolic array")
    draft.put(
        "mapping.projection_activations",
        "memory_each_fold",
        "SCALE-Sim loads both operands of a layer and stores its results; under ws and is, those of each fold over K",
    )
    with problems:
        _dataflow(ini)
    with problems:
        _sizes(ini)
    with problems:
        _put_array(draft, ini)
    for part in ("crossbar", "mesh"):
        draft.put(f"machine.{part}", None, "SCALE-Sim has none")
    for value in (value for keys in SRAM_KEYS if (value := _first(ini, keys)) is not None):
        with problems:
            value.integer()
    with problems:
        _put_sram(draft, ini)
    with problems:
        _put_bandwidth(draft, ini, version)
    sparse = _put_switches(draft, ini, problems)
    if sparse is not None and trace is None:
        draft.leave(sparse, "asks for the sparsity of a table, and none is given with --topology: weights are dense")
    elif sparse is not None:
        draft.agree(sparse, "the ratios of the table's column of sparsity are applied")
    if problems.found:  # then some keys that pimsim knows may not have been read
        for section, key in _KNOWN:
            ini.get(section, key)
    _leave_rest(draft, ini, problems)
    problems.raise_any(ini.file)
    return draft.build()


def table_options(path: str | Path) -> TableOptions:
    """Read what the import of a table of layers needs of a .cfg.

    Args:
        path: The .cfg, which `import_config` accepts.

    Returns:
        Array, dataflow, buffers and sparsity.

    Raises:
        ConfigError: If the file is not a SCALE-Sim config.
    """
    ini = _read(path)
    height, _ = _sizes(ini)
    ifmap, _, ofmap = (None if (value := _first(ini, keys)) is None else 1024 * value.integer() for keys in SRAM_KEYS)
    switch = ini.get(SPARSITY, "SparsitySupport")
    return TableOptions(
        dataflow=_dataflow(ini)[1],
        rows=height.integer(),
        ifmap_words=ifmap,
        ofmap_words=ofmap,
        sparse=switch is not None and switch.text.lower() == "true",
    )


def _read(path: str | Path) -> Ini:
    ini = Ini(path, "a SCALE-Sim config")
    if not ini.has_section(ARCHITECTURE):
        raise ConfigError(f"is not a SCALE-Sim config: it has no section [{ARCHITECTURE}]", str(path))
    return ini


def _first(ini: Ini, keys: Iterable[str]) -> Value | None:
    return next((value for key in keys if (value := ini.get(ARCHITECTURE, key)) is not None), None)


def _sizes(ini: Ini) -> tuple[Value, Value]:
    """Return height and width of the array.

    Args:
        ini: The imported file.

    Returns:
        The two values.

    Raises:
        ConfigError: If one is missing or not a number; both are listed.
    """
    keys = ("ArrayHeight", "ArrayWidth")
    found = [value for key in keys if (value := ini.get(ARCHITECTURE, key)) is not None]
    problems = ImportProblems()
    for value in found:
        with problems:
            value.integer()
    given = {value.key.lower() for value in found}
    missing = [Problem(f"[{ARCHITECTURE}] {key}", "", "is missing") for key in keys if key.lower() not in given]
    problems.found += missing
    problems.raise_any(ini.file)
    return found[0], found[1]


def _dataflow(ini: Ini) -> tuple[Value | None, str]:
    """Return the dataflow; SCALE-Sim 2 and 3 compare it in lower case, and run os for anything that they do not know.

    Args:
        ini: The imported file.

    Returns:
        The value, None if the file has none, and the dataflow: that of the defaults without a value.
    """
    value = ini.get(ARCHITECTURE, "Dataflow")
    if value is None:
        return None, load_config(defaults_path()).machine.systolic.dataflow
    chosen = value.choice(("os", "ws", "is"))
    if chosen != value.text:
        raise value.error(f"is not {chosen!r} in lower case: SCALE-Sim prints a warning and runs os")
    return value, chosen


def _put_array(draft: ImportedConfig, ini: Ini) -> None:
    """Set size and dataflow of the array.

    Under os, the outputs of a vector lie along the columns in SCALE-Sim and along the rows in pimsim (docs/model.md),
    so an array that is not square is turned. Under ws and is, rows and columns have the same roles in both.

    Args:
        draft: The config that is built.
        ini: The imported file.
    """
    dataflow, chosen = _dataflow(ini)
    height, width = _sizes(ini)
    turned = chosen == "os" and height.integer() != width.integer()
    for value, ours in zip((width, height) if turned else (height, width), ("rows", "columns"), strict=True):
        if turned:
            note = f"{value.origin} = {value.text}; under os, SCALE-Sim lays the outputs along the other axis"
            draft.put(f"machine.systolic.{ours}", value.integer(), note, of=[value])
        else:
            draft.put(f"machine.systolic.{ours}", value.integer(), value)
    if dataflow is not None:
        draft.put("machine.systolic.dataflow", chosen, dataflow)


def _put_sram(draft: ImportedConfig, ini: Ini) -> None:
    """Set the global buffer: as large as the three buffers of SCALE-Sim together, which never hold up its array."""
    sizes = [value for keys in SRAM_KEYS if (value := _first(ini, keys)) is not None]
    if sizes:
        total = sum(value.integer() for value in sizes)
        parts = " + ".join(f"{value.key} {value.text}" for value in sizes)
        note = f"[{ARCHITECTURE}] {parts} kB, in one buffer"
        draft.put("machine.sram.capacity_bytes", total * 1024, note, of=sizes)
    for keys, ours in zip(SRAM_KEYS, ("activations", "weights"), strict=False):
        value = _first(ini, keys)
        if value is not None and len(sizes) == len(SRAM_KEYS):
            words = half_of(1024 * value.integer())
            note = f"{value.origin} = {value.text} kB, of which 50 sets of 1 % are loaded until they are replaced"
            draft.put(f"machine.sram.operand_buffers.{ours}_bytes", words, note, of=[value])
    draft.put("machine.sram.ports", None, "SCALE-Sim's three double buffers feed the array at its rate")


def _put_bandwidth(draft: ImportedConfig, ini: Ini, version: Version) -> None:
    """Convert the bandwidths from words (bytes) per cycle to bytes per second, at the clock of machine.systolic.

    SCALE-Sim 2 gives each of its three interfaces the first item of Bandwidth. SCALE-Sim 3.0.0 reads at the bank
    bandwidths of [layout] and writes at the first item of Bandwidth (single_layer_sim.py of 2.0.2 and of 3.0.0).

    Args:
        draft: The config that is built.
        ini: The imported file.
        version: Version whose meaning the file is given.

    Raises:
        ConfigError: If a bandwidth that SCALE-Sim uses is missing or 0.
    """
    mode, bandwidth = ini.get(PRESETS, "InterfaceBandwidth"), ini.get(ARCHITECTURE, "Bandwidth")
    banks = [ini.get(LAYOUT, f"{operand}SRAMBankBandwidth") for operand in ("Ifmap", "Filter")]
    if mode is not None and mode.text not in ("USER", "CALC"):
        raise mode.error("is neither USER nor CALC, in upper case, without which SCALE-Sim stops")
    if mode is None or mode.text == "CALC":
        if mode is not None:
            draft.leave(mode, "SCALE-Sim then has no stalls; pimsim has its default memory, which can limit a layer")
        for value in (bandwidth, *banks):
            if value is not None:
                draft.leave(value, "SCALE-Sim uses it only if InterfaceBandwidth is USER: no effect")
        return
    draft.put("machine.memory.part", "SCALE-Sim interfaces", mode)
    if bandwidth is None:
        raise mode.error(f"needs [{ARCHITECTURE}] Bandwidth, which is missing")
    if version.major == 3 and None in banks:
        raise mode.error(
            f"needs [{LAYOUT}] IfmapSRAMBankBandwidth and FilterSRAMBankBandwidth, at which SCALE-Sim 3 reads; a file "
            f"for SCALE-Sim 2, which reads at Bandwidth, has no {version.marker}"
        )
    first = bandwidth.items()[0]
    which = "" if first.text == bandwidth.text else "; SCALE-Sim uses the first item only"
    reads = [value for value in banks if value is not None] if version.major == 3 else [first, first]
    clock_hz = int(load_config(defaults_path()).machine.systolic.clock_hz)
    rates = {}
    for ours, value in zip(("activations", "weights", "results"), (*reads, first), strict=True):
        words = value.number()
        if words != int(words) or not words:
            raise value.error("is not a whole number of words per cycle above 0")
        rates[ours] = f"{plain(words * clock_hz / Decimal(1_000_000))} MB/s"
        more = which if value is first else ""
        note = f"{value.origin} = {value.text} words of a byte per cycle at {clock_hz / 1e6:g} MHz{more}"
        origin = bandwidth if value is first else value
        draft.put(f"machine.memory.interfaces.{ours}_bytes_per_s", rates[ours], note, of=[origin])
    draft.put("machine.memory.channels", 1, "not used beside the interfaces")
    draft.put("machine.memory.channel_bandwidth_bytes_per_s", rates["weights"], "not used beside the interfaces")
    cycle = f"{plain(Decimal(1_000_000_000) / clock_hz)} ns"
    draft.put("machine.memory.access_latency_s", cycle, "a read of SCALE-Sim takes one cycle (read_port.py)")


def _put_switches(draft: ImportedConfig, ini: Ini, problems: ImportProblems) -> Value | None:
    """Check the switches: what asks for something that is not modelled is refused.

    Args:
        draft: The config that is built.
        ini: The imported file.
        problems: Problems of the file, to which those of switches are added.

    Returns:
        SparsitySupport if it is on, for which the caller finds a row; otherwise None.
    """
    support = ini.get(SPARSITY, "SparsitySupport")
    sparse = support is not None and support.text.lower() == "true"
    for (section, key), asked in SWITCHES.items():
        value = ini.get(section, key)
        if value is None:
            continue
        if section == SPARSITY and not sparse:
            draft.leave(value, "SCALE-Sim reads it only if SparsitySupport is true: no effect")
        elif value.text.lower() in OFF:
            draft.agree(value, f"does not ask for {asked}")
        else:
            problems.add(value.error(f"asks for {asked}, which is not modelled"))
    if support is not None and not sparse:
        draft.agree(support, "weights are dense")
    return support if sparse else None


def _leave_rest(draft: ImportedConfig, ini: Ini, problems: ImportProblems) -> None:
    """Record the keys that have no counterpart, and refuse those that no version of SCALE-Sim has.

    Args:
        draft: The config that is built.
        ini: The imported file.
        problems: Problems of the file, to which those of unknown keys are added.
    """
    why = {(section, key.lower()): text for (section, key), text in WHY_LEFT.items()}
    elsewhere = {key.lower(): section for section, key in (*WHY_LEFT, *SWITCHES)}
    elsewhere |= dict.fromkeys(("ifmapsrambankbandwidth", "filtersrambankbandwidth"), LAYOUT)
    for value in list(ini.values(taken=False)):
        key, section = value.key.lower(), value.section.lower()
        if (section, key) in why:
            draft.leave(value, why[section, key])
        elif value.text.lower() in OFF:
            draft.leave(value, "is not a key of SCALE-Sim 1 to 3.0.0, and switched off")
        elif key in elsewhere:
            problems.add(value.error(f"has no effect in this section: SCALE-Sim reads it in [{elsewhere[key]}]"))
        else:
            guess = did_you_mean(value.key, [key for _, key in (*WHY_LEFT, *SWITCHES)])
            problems.add(value.error(f"is of a key that SCALE-Sim 1 to 3.0.0 does not have; {guess}".rstrip("; ")))
        ini.get(value.section, value.key)
    draft.leave_rest(ini, {})
