"""Configs imported from a SimConfig.ini of MNSIM."""

from __future__ import annotations

from pathlib import Path

from pimsim.config.loading import load_config_text
from pimsim.config.schema import Config
from pimsim.importers.mnsim import import_config
from tests.support.importer_files import ini

OLD: dict[str, str | None] = dict.fromkeys(
    ("Device_Type", "Subarray_Size", "PIM_Type", "Logic_Op", "Read_Energy", "Write_Energy")
)
"""Changes that take the keys of MNSIM since 2023-11-21 out of the stock file."""


def imported(tmp_path: Path, text: str | None = None, **changes: str | None) -> tuple[str, Config]:
    path = tmp_path / "SimConfig.ini"
    path.write_text(text if text is not None else ini(**changes), encoding="utf-8")
    made = import_config(path).text
    return made, load_config_text(made)
