"""Buffers of MNSIM 2.0: size, width, node and figures of the SRAMs that a SimConfig.ini asks for."""

from __future__ import annotations

from decimal import Decimal

from pimsim.config.schema.crossbar_section import VECTORS_HELD
from pimsim.importers.imported_config import ImportedConfig, Ini, Value, plain
from pimsim.importers.mnsim_ini import MnsimIni
from pimsim.importers.mnsim_sram import sram_figures

PE, TILE, ARCHITECTURE, DIGITAL = "Process element level", "Tile level", "Architecture level", "Digital module"

STOCK_KB = 16
"""Size that MNSIM's class `buffer` takes for 0. A run of MNSIM takes another one, which depends on its network."""
STOCK_WIDTH_BITS = 64
STOCK_NODE_NM = 90
"""Values of MNSIM's own SimConfig.ini, for a file without the keys."""
DEFAULT_WIDTH_BITS = 256
DEFAULT_NODE_NM = 65
OLD_DEFAULT_BYTES = 1024
OLD_WIDTH_BITS = 64
OLD_WIDTH_CODES = 3
OLD_DEFAULT_NODE_NM = 22
"""Defaults of the versions before 2020-03-13, whose sizes are in bytes; widths of 0 to 3 are codes of 8 bytes there."""
_TABLE = "MNSIM's table of SRAMs (Buffer.py)"


def put_buffers(draft: ImportedConfig, ini: MnsimIni, input_bits: int, output_bits: int) -> None:
    """Set the input buffer of a PE and the output buffer of a tile.

    Args:
        draft: The config that is built.
        ini: The imported file.
        input_bits: Bits of an input vector of a PE.
        output_bits: Bits of an output vector of a tile.
    """
    # MNSIM reads the size of a tile's buffer in the section of the PE; its file has the key in both.
    sizes = {key: ini.get(PE, key) or ini.get(TILE, key) for key in ("PE_inBuf_Size", "Tile_outBuf_Size")}
    capacity = None if any(sizes.values()) else ini.get(ARCHITECTURE, "Buffer_Capacity")
    # Sizes became KB on 2020-03-13, hours after the joint module had got its keys (MNSIM commits ee4cb6c, 1e47123).
    in_bytes = capacity is not None and not ini.has_key(DIGITAL, "JointModule_Tech")
    if in_bytes:
        draft.note(
            "Buffer_Capacity is in bytes, because the file has no JointModule_Tech: MNSIM got sizes in KB and that key "
            "on the same day, 2020-03-13."
        )
    width = _put_width(draft, ini, in_bytes)
    node = _put_node(draft, ini, in_bytes)
    for name, key, vector_bits in (
        ("pe_buffer", "PE_inBuf_Size", input_bits),
        ("tile_buffer", "Tile_outBuf_Size", output_bits),
    ):
        size = sizes[key] or capacity
        needed = VECTORS_HELD * -(-vector_bits // 8)
        if in_bytes:
            _put_old(draft, name, size, needed)
        else:
            _put_sram(draft, name, size, needed, width, node)
    _check_kind(draft, ini)


def _put_width(draft: ImportedConfig, ini: Ini, in_bytes: bool) -> int:
    value = ini.get(ARCHITECTURE, "Buffer_Bitwidth")
    if value is None:
        return STOCK_WIDTH_BITS
    bits, note = value.integer(), ""
    if in_bytes and bits <= OLD_WIDTH_CODES:
        bits, note = OLD_WIDTH_BITS, "before 2020-03-13, MNSIM takes 8 bytes for 0 to 3"
    elif bits == 0:
        bits, note = DEFAULT_WIDTH_BITS, f"MNSIM takes {DEFAULT_WIDTH_BITS} bits"
    for buffer in ("pe_buffer", "tile_buffer"):
        key = f"machine.crossbar.{buffer}.width_bits"
        if note:
            draft.put(key, bits, f"{value.origin} = {value.text}: {note}", of=[value])
        else:
            draft.put(key, bits, value)
    return bits


def _put_node(draft: ImportedConfig, ini: Ini, in_bytes: bool) -> int:
    value = ini.get(ARCHITECTURE, "Buffer_Technology")
    default = OLD_DEFAULT_NODE_NM if in_bytes else DEFAULT_NODE_NM
    node = STOCK_NODE_NM if value is None else value.integer() or default
    for buffer in ("pe_buffer", "tile_buffer"):
        key = f"machine.crossbar.{buffer}.node_nm"
        if value is None:
            draft.put(key, node, "the file has no Buffer_Technology: that of MNSIM's own SimConfig.ini")
        elif value.integer():
            draft.put(key, node, value)
        else:
            draft.put(key, node, f"{value.origin} = 0: MNSIM takes {default} nm", of=[value])
    return node


def _put_sram(draft: ImportedConfig, name: str, size: Value | None, needed: int, width_bits: int, node_nm: int) -> None:
    """Set one buffer of a version whose sizes are in KB to the figures of MNSIM's table.

    Args:
        draft: The config that is built.
        name: `pe_buffer` or `tile_buffer`.
        size: The imported size; None if the file has none.
        needed: Bytes of the vectors that the buffer must hold.
        width_bits: Bits per access.
        node_nm: Technology node, nm.

    Raises:
        ConfigError: If MNSIM has no such SRAM.
    """
    key = f"machine.crossbar.{name}"
    of = [] if size is None else [size]
    own_kb = size.number() if size is not None else Decimal(0)
    kb = own_kb or Decimal(STOCK_KB)
    what = f"{plain(kb)} KB" if own_kb else f"{STOCK_KB} KB, the default of MNSIM's class `buffer`,"
    what = what if size is None else f"{size.origin} = {size.text}: {what}"
    if kb * 1024 < needed:
        draft.put(f"{key}.capacity_bytes", None, f"{what} do not hold two vectors ({needed} bytes): just those", of=of)
        return
    figures = sram_figures(node_nm, float(kb), width_bits)
    if figures is None:
        assert size is not None, "the stock size has all widths"
        raise size.error(f"with Buffer_Bitwidth = {width_bits} is an SRAM that MNSIM does not have")
    note = what if own_kb else f"{what} whose runs fit the size to the network"
    draft.put(f"{key}.capacity_bytes", int(kb * 1024), note, of=of)
    sram = f"{_TABLE}: {plain(kb)} KB, {width_bits} bits, {node_nm} nm"
    for figure, value in (
        ("read_energy_j", f"{figures.read_nj} nJ"),
        ("write_energy_j", f"{figures.write_nj} nJ"),
        ("leakage_w", f"{figures.leakage_mw} mW"),
        ("area_m2", f"{figures.area_mm2} mm^2"),
    ):
        draft.put(f"{key}.{figure}", value, sram)


def _put_old(draft: ImportedConfig, name: str, size: Value | None, needed: int) -> None:
    """Set one buffer of a version whose sizes are in bytes; pimsim determines its figures.

    Args:
        draft: The config that is built.
        name: `pe_buffer` or `tile_buffer`.
        size: The imported size.
        needed: Bytes of the vectors that the buffer must hold.
    """
    assert size is not None
    own = size.integer()
    count = own or OLD_DEFAULT_BYTES
    key, text = f"machine.crossbar.{name}.capacity_bytes", f"{size.origin} = {size.text}: {count} bytes"
    if count < needed:
        draft.put(key, None, f"{text} do not hold two vectors ({needed} bytes): just those", of=[size])
    else:
        draft.put(key, count, text, of=[size])


def _check_kind(draft: ImportedConfig, ini: Ini) -> None:
    if (kind := ini.get(ARCHITECTURE, "Buffer_Choice")) is None:
        return
    if kind.text == "1":
        draft.agree(kind, "buffers are SRAM")
    else:
        draft.leave(kind, "MNSIM takes the figures of SRAM whatever it says; so does pimsim")
