"""A package that adds a kind of tile, as if it were installed, and registered kinds of op that last for one test."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.registries import restored_registries
from workloads import op_kinds

SRAM_TILE = Path(__file__).parents[1] / "data" / "sram-tile"
PARAMETERS: dict[str, Any] = {
    "rows": 256,
    "columns": 64,
    "macros": 16,
    "clock_hz": "500 MHz",
    "product_energy_j": "2 fJ",
    "write_energy_j": "10 fJ",
    "macro_area_m2": "1000 um^2",
    "macro_leakage_w": "1 uW",
}


def sram_config(parameters: dict[str, Any] | None = None, kind: str = "sram") -> dict[str, Any]:
    """A small chip with tiles of a registered kind."""
    tile = {"kind": kind, "parameters": PARAMETERS if parameters is None else parameters}
    return {
        "extends": "pim-llm",
        "name": "sram",
        "machine": {"outside": {"tile": tile}},
        "workload": {"model": "gpt2-small", "context_length": 64},
    }


@contextmanager
def restored_kinds() -> Iterator[None]:
    """Remove, after a `with` block, the components and kinds of op that it registered."""
    before = dict(op_kinds._kinds)
    try:
        with restored_registries():
            yield
    finally:
        op_kinds._kinds.clear()
        op_kinds._kinds.update(before)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip makes of the package's wheel: the module, its name and version, and its entry points."""
    project = tomllib.loads((SRAM_TILE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shutil.copy(SRAM_TILE / "sram_tile.py", folder)
    info = folder / "sram_tile-1.0.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(head, encoding="utf-8")
    groups = (
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text("".join(groups), encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
