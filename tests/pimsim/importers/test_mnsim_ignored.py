"""Keys of MNSIM that set nothing: each gets a reason of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim.importers.import_table import ImportRow
from pimsim.importers.mnsim import import_config
from pimsim.importers.mnsim_ignored import REASONS, SECTIONS
from tests.support.importer_files import ini


def rows(tmp_path: Path, text: str) -> dict[str, ImportRow]:
    path = tmp_path / "SimConfig.ini"
    path.write_text(text, encoding="utf-8")
    return {row.name: row for row in import_config(path).table.rows}


def test_no_key_of_mnsim_is_without_a_reason(tmp_path: Path) -> None:
    """Neither the reason "no counterpart" nor the sentence of values that nobody checked occurs."""
    keys = [f"[{section}]\n" + "\n".join(f"{key} = 1" for key in keys) for section, keys in SECTIONS.items()]
    text = "\n".join(keys)
    for key, value in {"Xbar_Size": "256,256", "Device_Type": "NVM", "Device_Resistance": "1e6,1e4", "PIM_Type": "0",
                       "Device_SAF": "1,1", "Cell_Type": "1T1R", "PE_Num": "2,2", "Tile_Num": "4,4",
                       "PE_inBuf_Size": "16", "Buffer_Technology": "90", "Tile_outBuf_Size": "16"}.items():  # fmt: skip
        text = text.replace(f"{key} = 1\n", f"{key} = {value}\n")
    table = rows(tmp_path, text.replace("Tile_Num = 1", "Tile_Num = 4,4"))
    notes = {row.name: row.note for row in table.values()}
    assert not [name for name, note in notes.items() if note in ("no counterpart", "selects a default of MNSIM 2.0")]
    assert not [name for name, note in notes.items() if note.startswith("checked:")]
    assert set(REASONS) <= {key for keys in SECTIONS.values() for key in keys}


def test_stock_values_are_checked_one_by_one(tmp_path: Path) -> None:
    table = rows(tmp_path, ini())
    assert not [row for row in table.values() if row.note.startswith("checked:")]
    defaults = {row.name for row in table.values() if row.note == "selects a default of MNSIM 2.0"}
    assert defaults == {
        "[Process element level] PE_inBuf_Area", "[Process element level] Tile_outBuf_Area",
        "[Digital module] Adder_Area", "[Digital module] Adder_Power", "[Architecture level] Buffer_ReadPower",
    }  # fmt: skip
    assert table["[Crossbar level] Wire_Resistance"].result == "2.82 Ohm"


@pytest.mark.parametrize(
    ("line", "name", "note"),
    [
        ("ADC_Nums = 4", "ADC_Nums", "MNSIM 2.0 has no such key; did you mean ADC_Num?"),
        ("Tile_Num = 4,4", "Tile_Num", "MNSIM reads it in [Architecture level], not here"),
        ("Foo = 0", "Foo", "MNSIM 2.0 has no such key"),
    ],
)
def test_a_key_that_mnsim_does_not_have_is_said(line: str, name: str, note: str, tmp_path: Path) -> None:
    table = rows(tmp_path, ini().replace("[Digital module]", f"{line}\n[Digital module]"))
    row = table[f"[Process element level] {name}"]
    assert (row.fate, row.note) == ("ignored", note)


def test_effects_of_values_that_pimsim_does_not_model(tmp_path: Path) -> None:
    table = rows(tmp_path, ini(Group_Num="3", Read_Voltage="0.05,0.15", Cell_Type="0T1R", Subarray_Size="128"))
    assert "weights need 3 times the PEs" in table["[Process element level] Group_Num"].note
    assert "MNSIM counts power at 0.05 V too" in table["[Device level] Read_Voltage"].note
    assert "cells of pimsim have a transistor" in table["[Crossbar level] Cell_Type"].note
    assert "MNSIM has the ADCs 2 times" in table["[Crossbar level] Subarray_Size"].note


def test_the_names_of_before_2019_12_06_are_read(tmp_path: Path) -> None:
    """A tile was called a bank: [Bank level], Intra_Bank_Bandwidth, Bank_Num."""
    old = ini(Tile_Num="12,12").replace("[Tile level]", "[Bank level]").replace("Tile_", "Bank_")
    table = rows(tmp_path, old)
    assert table["[Bank level] PE_Num"].key == "machine.crossbar.pes_per_tile"
    assert (table["[Architecture level] Bank_Num"].result, table["[Bank level] Intra_Bank_Bandwidth"].result) == (
        "12",
        "1024 Gb/s",
    )
    assert table["[Bank level] Bank_Adder_Num"].note == "MNSIM reads it nowhere"
    assert not [row for row in table.values() if "no such key" in row.note or row.note.startswith("checked:")]


def test_the_key_that_tells_kb_from_bytes_has_its_own_row(tmp_path: Path) -> None:
    sizes = dict.fromkeys(("PE_inBuf_Size", "Tile_outBuf_Size"))
    text = ini(**sizes).replace("Buffer_Bitwidth", "Buffer_Capacity = 16\nBuffer_Bitwidth")
    assert "add_energy_j" in rows(tmp_path, text)["[Digital module] JointModule_Tech"].note
