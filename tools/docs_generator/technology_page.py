"""The generated parts of docs/technology.md: factors of nodes, SRAM against MNSIM's tables, buffers by class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import get_args

from pimsim import load_config, simulate
from pimsim.config.schema import CellClass
from pimsim.hardware.node_scaling import (
    FITS,
    NODES,
    area_factor,
    delay_factor,
    energy_factor,
    wire_energy_factor,
)
from pimsim.hardware.sram_model import sram_figures
from tools.docs_generator.facts import table

SHOWN = (*NODES[:6], 28, 22, *NODES[6:])

# MNSIM 2.0 (thu-nics/MNSIM-2.0 ca39ccb), MNSIM/Hardware_Model/Buffer.py, 45 nm, 64 bits [A]:
# KB: read pJ, write pJ, leakage mW, area mm2.
MNSIM_45NM: Mapping[int, tuple[float, float, float, float]] = MappingProxyType(
    {
        2: (3.67, 4.32, 3.07, 0.0264),
        4: (5.45, 5.71, 5.51, 0.0437),
        8: (7.17, 7.79, 10.7, 0.0691),
        16: (11.4, 10.5, 19.3, 0.122),
        32: (16.1, 14.5, 37.9, 0.209),
        64: (27.3, 19.9, 69.8, 0.39),
        128: (42.6, 28.3, 138, 0.708),
        256: (62.5, 59.5, 299, 1.69),
        512: (93.4, 78.9, 552, 2.97),
    }
)

BUFFERS = ("sram", "controller", "crossbar.pe_buffer", "crossbar.tile_buffer")


def node_factors() -> str:
    """Return the table of factors relative to 45 nm."""
    rows = [
        [
            f"{node} nm",
            f"{FITS[node].voltage_v:g} V" if node in FITS else "interpolated",
            *(f"{factor(45, node):.3g}" for factor in (energy_factor, delay_factor, area_factor, wire_energy_factor)),
        ]
        for node in SHOWN
    ]
    return table(["node", "supply", "energy", "delay", "area", "energy of wires"], rows, right=(2, 3, 4, 5))


def sram_mnsim() -> str:
    """Return the ratios of MNSIM's SRAM to the model."""
    rows = []
    for kb, (read_pj, write_pj, leakage_mw, area_mm2) in MNSIM_45NM.items():
        found = sram_figures(kb << 10, 64, 45, "hp")
        ratios = (
            read_pj * 1e-12 / found.read_energy_j,
            write_pj * 1e-12 / found.write_energy_j,
            leakage_mw * 1e-3 / found.leakage_w,
            area_mm2 * 1e-6 / found.area_m2,
        )
        rows.append([f"{kb} KB", *(f"{ratio:.2f}" for ratio in ratios)])
    return table(["capacity", "read", "write", "leakage", "area"], rows, right=(1, 2, 3, 4))


def from_size(cell_class: CellClass) -> list[str]:
    """Return overrides with which all figures of SRAM follow from its size, at 45 nm."""
    changes = [f"machine.{buffer}.cell_class={cell_class}" for buffer in BUFFERS]
    changes += [f"machine.{buffer}.node_nm=45" for buffer in BUFFERS]
    changes += [f"machine.{buffer}.{key}=null" for buffer in BUFFERS for key in ("leakage_w", "area_m2")]
    for buffer in (each for each in BUFFERS if each != "controller"):
        changes += [f"machine.{buffer}.{key}=null" for key in ("read_energy_j", "write_energy_j")]
    changes += [f"machine.{buffer}.capacity_bytes=null" for buffer in BUFFERS if buffer.startswith("crossbar")]
    return [*changes, "machine.controller.command_energy_j=null"]


def sram_classes() -> str:
    """Return what the machines take with MNSIM's stated buffers and with those of the needed size."""
    gated = "leakage_gating=idle_gated"
    classes = get_args(CellClass)
    runs = [("pim-llm-published", "16 KB, MNSIM at 90 nm", [gated])]
    runs += [("pim-llm-published", f"needed size, `{each}`", [*from_size(each), gated]) for each in classes]
    runs += [
        ("pim-llm", f"needed size, `{each}`", [f"machine.{name}.cell_class={each}" for name in BUFFERS])
        for each in classes
    ]
    runs.append(("pim-llm", "needed size, global buffer `lstp`, others `hp`: as configured", []))
    rows = []
    for config, name, overrides in runs:
        result = simulate(load_config(config, overrides))
        tile = next(each for each in result.components if each.name == "tile")
        buffers = sum(area for item, area in tile.area_m2.items() if "buffers" in item)
        leakage_j = sum(each.leakage_j for each in result.components)
        rows.append(
            [
                f"`{config}`",
                name,
                f"{buffers * 1e6:,.0f}",
                f"{result.area_m2 * 1e6:,.0f}",
                f"{leakage_j * 1e3:.3f}",
                f"{result.energy_j * 1e3:.2f}",
            ]
        )
    head = ["machine", "buffers", "area of the tiles' buffers, mm^2", "area, mm^2", "leakage, mJ", "energy, mJ"]
    return table(head, rows, right=(2, 3, 4, 5))


SECTIONS: Mapping[str, Callable[[], str]] = MappingProxyType(
    {"node-factors": node_factors, "sram-classes": sram_classes, "sram-mnsim": sram_mnsim}
)
