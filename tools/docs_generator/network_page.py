"""The generated parts of docs/network.md: choices of the mesh, and one layer with and without contention."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from pimsim import load_config, simulate
from pimsim.hardware.machine import build_machine
from pimsim.hardware.mesh import Mesh
from pimsim.mapping.tile_plan import MatrixPlan, plan_tiles
from pimsim.simulation import make_trace
from tools.docs_generator.facts import table

PUBLISHED_VARIANTS = (
    ("as in `pim-llm-published`", ()),
    ("`input_buffer_packets: 2`", ("machine.mesh.input_buffer_packets=2",)),
    ("`multicast: true`", ("machine.mesh.multicast=true",)),
    ("`local_bandwidth_bps: 20 Gb/s`", ("machine.mesh.local_bandwidth_bps=20 Gb/s",)),
    ("`packet_bits: 2048`", ("machine.mesh.packet_bits=2048",)),
    (
        "`packet_bits: 2048`, `multicast: true`",
        ("machine.mesh.packet_bits=2048", "machine.mesh.multicast=true"),
    ),
    ("`switching: cut_through`", ("machine.mesh.switching=cut_through",)),
    ("`topology: htree`", ("machine.mesh.topology=htree",)),
)
"""Changes of the mesh of `pim-llm-published`."""

SHIPPED_VARIANTS = (
    ("as in `pim-llm`", ()),
    ("`switching: store_and_forward`", ("machine.mesh.switching=store_and_forward",)),
    ("`packet_bits: null`", ("machine.mesh.packet_bits=null",)),
    (
        "`switching: store_and_forward`, `packet_bits: null`",
        ("machine.mesh.switching=store_and_forward", "machine.mesh.packet_bits=null"),
    ),
    ("`multicast: false`", ("machine.mesh.multicast=false",)),
    ("`topology: htree`", ("machine.mesh.topology=htree",)),
)
"""Changes of the mesh of `pim-llm`."""


class MatrixTimes(NamedTuple):
    """Times of a matrix whose messages are alone on the mesh: distribution of the input, if any, and output."""

    name: str
    tiles: int
    closed_ps: int
    contended_ps: int
    waited_for: str


@cache
def _layer(name: str, overrides: tuple[str, ...]) -> tuple[MatrixTimes, ...]:
    """Return the times of the matrices of the first layer that has any."""
    config = load_config(name, overrides)
    mesh = build_machine(config.machine).mesh
    assert mesh
    plans = next(layer.matrices for layer in plan_tiles(config, make_trace(config)).layers if layer.matrices)
    return tuple(_times(mesh, matrix, plan) for matrix, plan in plans.items())


def _times(mesh: Mesh, name: str, plan: MatrixPlan) -> MatrixTimes:
    closed_ps, contended_ps, waited_for = 0, 0, ""
    for share in (plan.distribution, plan.mesh):
        if share is None:
            continue
        closed_ps += mesh.latency_ps(share)
        medium = mesh.contended()
        medium.submit(0, share, 0)
        (completion,) = medium.advance(1 << 62)
        contended_ps, waited_for = contended_ps + completion.end_ps, completion.waited_for
    return MatrixTimes(name, plan.grid.tile_count, closed_ps, contended_ps, waited_for)


def layer(name: str) -> str:
    """Return the table of the matrices of one layer of a config, each alone on its mesh."""
    found = _layer(name, ())
    rows: list[list[object]] = [
        [each.name, each.tiles, f"{each.closed_ps / 1e6:.2f}", f"{each.contended_ps / 1e6:.2f}", each.waited_for]
        for each in found
    ]
    closed, contended = (sum(each) / 1e6 for each in zip(*((m.closed_ps, m.contended_ps) for m in found), strict=True))
    rows.append(["sum", "", f"{closed:.2f}", f"{contended:.2f}", ""])
    head = ["matrix", "tiles", "closed form, us", "with contention, us", "longest wait of its last messages"]
    return table(head, rows, right=(1, 2, 3))


def variants(config: str, changes: Sequence[tuple[str, tuple[str, ...]]]) -> str:
    """Return the table of the sum over all matrices of one layer, for several meshes."""
    rows = []
    for name, overrides in changes:
        found = _layer(config, overrides)
        closed, contended = sum(each.closed_ps for each in found), sum(each.contended_ps for each in found)
        rows.append([name, f"{closed / 1e6:.2f}", f"{contended / 1e6:.2f}", f"{contended / closed:.2f}"])
    return table(["mesh", "closed form, us", "with contention, us", "ratio"], rows, right=(1, 2, 3))


CHOICES: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("as in `pim-llm`", {}),
    ("`switching: store_and_forward`", {"switching": "store_and_forward"}),
    ("`packet_bits: 2048`", {"packet_bits": 2048}),
    ("`packet_bits: null`", {"packet_bits": None}),
    (
        "`switching: store_and_forward`, `packet_bits: null`",
        {"switching": "store_and_forward", "packet_bits": None},
    ),
    ("`multicast: false`", {"multicast": False}),
    ("`router_latency_s: 0`", {"router_latency_s": 0}),
    ("`routes: chain`", {"routes": "chain"}),
    (
        "all of these as in `pim-llm-published`",
        {
            "switching": "store_and_forward",
            "packet_bits": None,
            "multicast": False,
            "router_latency_s": 0,
            "routes": "chain",
        },
    ),
)
"""Changes of section `machine.mesh` of `pim-llm`."""


def choices() -> str:
    """Return the table of what switching, packets, multicast and routes cost a token of two models."""
    rows = []
    for title, changes in CHOICES:
        row = [title]
        for model in ("opt-6.7b", "opt-1.3b"):
            keys = {f"machine.mesh.{key}": value for key, value in changes.items()}
            result = simulate(load_config("pim-llm", {"workload.model": model, **keys}))
            row += [
                f"{result.latency_s * 1e3:.2f} ms",
                f"{result.parts_ps['communication'] / 1e9:.2f} ms",
                f"{result.component_energy_j('mesh') * 1e3:.2f} mJ",
            ]
        rows.append(row)
    figures = ("token", "on the mesh", "energy of the mesh")
    head = ["`machine.mesh`", *(f"{model}: {each}" for model in ("OPT-6.7B", "OPT-1.3B") for each in figures)]
    return table(head, rows, right=range(1, 7))


SECTIONS: Mapping[str, Callable[[], str]] = {
    "mesh-choices": choices,
    "layer": lambda: layer("pim-llm"),
    "network-variants": lambda: variants("pim-llm", SHIPPED_VARIANTS),
    "layer-published": lambda: layer("pim-llm-published"),
    "network-variants-published": lambda: variants("pim-llm-published", PUBLISHED_VARIANTS),
}
