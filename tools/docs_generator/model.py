"""docs/model.md: categories of the latency breakdown, and the comparison with MNSIM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pimsim.config.loading import load_config
from pimsim.simulation import simulate
from pimsim.steps.step_tree import PARTS
from pimsim.studies.validation.reference_data import references
from tools.docs_generator.facts import Row, mnsim_latencies, table

STOCK = (
    "machine.crossbar.pair.adc.conversion_energy_j=10.08 pJ",
    "machine.mesh.hop_energy_j_per_bit=0.48 pJ/bit",
)
"""Stock values of the fitted constants of tiles and mesh in `pim-llm-published`, as its comments give them."""


def mnsim_latency() -> str:
    """Return the table of per-layer latencies of MNSIM and pimsim."""
    networks = {"one": "one network", "attention, ffn": "attention and FFN as two networks"}
    rows = [
        (model, networks[groups], f"{theirs:.2f}", f"{ours:.2f}", f"{deviation:+.2f} %")
        for model, groups, ours, theirs, deviation in mnsim_latencies()
    ]
    return table(("model", "placement", "MNSIM, us", "pimsim, us", "deviation"), rows, right=(2, 3, 4))


def mnsim_energy() -> str:
    """Return the table of energies of one layer's projections with stock constants, by MNSIM and pimsim."""
    rows_of_mnsim = (references()[name] for name in ("mnsim-energy-arrays", "mnsim-energy-total"))
    theirs = {label: value.low for row in rows_of_mnsim for label, value in row.values.items()}
    result = simulate(load_config("pim-llm-published", STOCK))
    layers = result.ops[0].repeat
    layer_uj = {action: energy_j / layers * 1e6 for action, energy_j in result.energies_j.items()}
    items: Mapping[str, tuple[Sequence[str], str]] = {
        "ADCs": (("tile.adc_conversion",), ""),
        "buffers": (
            ("tile.pe_buffer_read", "tile.pe_buffer_write", "tile.tile_buffer_read", "tile.tile_buffer_write"),
            "every access counts once; MNSIM multiplies the power of both directions by the time of both",
        ),
        "crossbars": (("tile.cell_read",), ""),
        "DACs, registers": (("tile.dac_conversion", "tile.register"), "not reported separately by MNSIM"),
        "adders": (("tile.add", "mesh.add"), "not included in the energy of a layer in MNSIM"),
        "mesh": (("mesh.bit_hop",), "no energy in MNSIM"),
    }
    rows: list[Row] = []
    for item, (actions, why) in items.items():
        ours = sum(layer_uj.get(action, 0.0) for action in actions)
        rows.append((item, f"{theirs[item]:g}" if item in theirs else "", f"{ours:.3g}", why))
    total = sum(layer_uj[action] for actions, _ in items.values() for action in actions if action in layer_uj)
    rows.append(("total", f"{theirs['total']:g}", f"{total:.4g}", ""))
    return table(("circuit", "MNSIM, uJ", "pimsim, uJ", "remark"), rows, right=(1, 2))


def parts() -> str:
    """Return the table of the categories of the latency breakdown."""
    return table(("category", "contains"), ((f"`{category}`", text) for category, text in PARTS.items()))
