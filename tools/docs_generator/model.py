"""docs/model.md: parts of the breakdown, and MNSIM's numbers beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pimsim.config.loading import load_config
from pimsim.simulation import simulate
from pimsim.steps.step_tree import PARTS
from tools.docs_generator.facts import Row, mnsim_latencies, reference, table


def mnsim_latency() -> str:
    """Per-layer latencies beside MNSIM's."""
    networks = {"one": "one network", "attention, ffn": "attention and FFN as two networks"}
    rows = [
        (model, networks[groups], f"{theirs:.2f}", f"{ours:.2f}", f"{deviation:+.2f} %")
        for model, groups, ours, theirs, deviation in mnsim_latencies()
    ]
    return table(("model", "placed as", "MNSIM, us", "pimsim, us", "deviation"), rows, right=(2, 3, 4))


def mnsim_energy() -> str:
    """Energy of one layer's projections with stock constants, beside MNSIM's report."""
    theirs = {row["item"]: float(row["energy_uj"]) for row in reference("mnsim-energy")}
    config = load_config("defaults", ["workload.model=opt-6.7b", "mapping.provisioning=per_layer"])
    result = simulate(config)
    layers = result.ops[0].repeat
    layer_uj = {action: energy_j / layers * 1e6 for action, energy_j in result.energies_j.items()}
    items: Mapping[str, tuple[Sequence[str], str]] = {
        "ADCs": (("tile.adc_conversion",), ""),
        "buffers": (
            ("tile.pe_buffer_read", "tile.pe_buffer_write", "tile.tile_buffer_read", "tile.tile_buffer_write"),
            "each access once; MNSIM multiplies the power of both directions by the time of both",
        ),
        "crossbars": (("tile.cell_read",), ""),
        "DACs, registers": (("tile.dac_conversion", "tile.register"), "not given separately"),
        "adders": (("tile.add", "mesh.add"), "MNSIM leaves them out of a layer's energy"),
        "mesh": (("mesh.bit_hop",), "free of energy in MNSIM"),
    }
    rows: list[Row] = []
    for item, (actions, why) in items.items():
        ours = sum(layer_uj.get(action, 0.0) for action in actions)
        rows.append((item, f"{theirs[item]:g}" if item in theirs else "", f"{ours:.3g}", why))
    total = sum(layer_uj[action] for actions, _ in items.values() for action in actions if action in layer_uj)
    rows.append(("total", f"{theirs['total']:g}", f"{total:.4g}", ""))
    return table(("item", "MNSIM, uJ", "pimsim, uJ", ""), rows, right=(1, 2))


def parts() -> str:
    """The parts of the latency breakdown."""
    return table(("part", "contains"), ((f"`{part}`", text) for part, text in PARTS.items()))
