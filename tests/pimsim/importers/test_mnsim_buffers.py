"""Buffers of MNSIM: MNSIM/Hardware_Model/Buffer.py at commit 762fabc, and its older versions in bytes (c067feb)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim.base.errors import ConfigError
from pimsim.config.schema.crossbar_section import TileBufferConfig
from pimsim.importers.mnsim_sram import SRAMS, sram_figures
from tests.support.closeness import near
from tests.support.mnsim_import import imported

OLD_SIZES = dict.fromkeys(("PE_inBuf_Size", "Tile_outBuf_Size"))
CAPACITY = "\n[Architecture level]\nBuffer_Choice = 1\nBuffer_Technology = {node}\nBuffer_Capacity = {size}\n{width}"
HEAD = "[Device level]\nDevice_Area = 1\n[Crossbar level]\nXbar_Size = 256,256\n"


def buffers(tmp_path: Path, **changes: str | None) -> tuple[TileBufferConfig, TileBufferConfig]:
    config = imported(tmp_path, **changes)[1]
    assert config.machine.crossbar is not None
    return config.machine.crossbar.pe_buffer, config.machine.crossbar.tile_buffer


def old_buffers(tmp_path: Path, joint: bool, size: int, node: int = 0, width: str = "") -> TileBufferConfig:
    keys = "[Digital module]\nJointModule_Tech = 45\n" if joint else ""
    config = imported(tmp_path, HEAD + keys + CAPACITY.format(size=size, node=node, width=width))[1]
    assert config.machine.crossbar is not None
    return config.machine.crossbar.tile_buffer


@pytest.mark.parametrize(("asked", "bits"), [("0", 256), ("64", 64), ("100", 100), ("1024", 1024)])
def test_a_width_of_0_is_256_bits(asked: str, bits: int, tmp_path: Path) -> None:
    assert [each.width_bits for each in buffers(tmp_path, Buffer_Bitwidth=asked)] == [bits, bits]


def test_figures_follow_size_width_and_node(tmp_path: Path) -> None:
    """Printed by MNSIM's class `buffer`: 40 KB and 256 bits at 65 nm are its SRAM of 64 KB."""
    asked = {"Buffer_Bitwidth": "0", "Buffer_Technology": "0", "PE_inBuf_Size": "40"}
    own, other = buffers(tmp_path, **asked)
    assert (own.capacity_bytes, own.node_nm, other.capacity_bytes) == (40 * 1024, 65, 16 * 1024)
    assert (own.read_energy_j, own.write_energy_j) == (near(0.140319e-9), near(0.155734e-9))
    assert (own.leakage_w, own.area_m2) == (near(100.408e-3), near(1.51204e-6))
    assert other.read_energy_j == near(0.0739843e-9)


def test_a_tile_buffers_size_is_read_where_mnsim_reads_it(tmp_path: Path) -> None:
    """MNSIM's file has Tile_outBuf_Size in two sections, and its code reads the one of the PE."""
    text, config = imported(
        tmp_path,
        HEAD + "[Process element level]\nTile_outBuf_Size = 32\n[Tile level]\nTile_outBuf_Size = 128\n",
    )
    assert config.machine.crossbar is not None
    assert config.machine.crossbar.tile_buffer.capacity_bytes == 32 * 1024
    assert "[Tile level] Tile_outBuf_Size = 128: MNSIM reads the one of [Process element level]" in text


def test_sizes_of_old_files_are_bytes(tmp_path: Path) -> None:
    """JointModule_Tech came with sizes in KB; before, 0 is 1024 bytes at 22 nm, and widths of 0 to 3 are 8 bytes."""
    assert old_buffers(tmp_path, joint=True, size=32).capacity_bytes == 32 * 1024
    old = old_buffers(tmp_path, joint=False, size=32768, width="Buffer_Bitwidth = 3")
    assert (old.capacity_bytes, old.node_nm, old.width_bits, old.read_energy_j) == (32768, 22, 64, None)
    assert old_buffers(tmp_path, joint=False, size=16).capacity_bytes is None, "16 bytes do not hold two vectors"
    assert old_buffers(tmp_path, joint=False, size=0).capacity_bytes is None


def test_the_table_of_srams() -> None:
    """105 of MNSIM's 108 entries are SRAMs; its first, last and largest."""
    assert len(SRAMS) == 105
    first, last = sram_figures(90, 1, 1), sram_figures(10, 9999, 9999)
    assert first is not None
    assert last is not None
    assert (first.area_mm2, first.leakage_mw) == ("0.0405803", "1.006428")
    assert (last.read_nj, last.write_nj) == ("0.330414", "0.374836")
    assert sram_figures(65, 2, 512) is None


def test_an_sram_that_mnsim_does_not_have_is_refused(tmp_path: Path) -> None:
    message = "PE_inBuf_Size: '2' with Buffer_Bitwidth = 512 is an SRAM that MNSIM does not have"
    with pytest.raises(ConfigError, match=message):
        imported(tmp_path, PE_inBuf_Size="2", Buffer_Bitwidth="512")
