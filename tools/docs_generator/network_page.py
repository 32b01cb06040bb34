"""The generated parts of docs/network.md: the messages of one layer with and without contention."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from pimsim import load_config
from pimsim.hardware.machine import build_machine
from pimsim.hardware.mesh import Mesh
from pimsim.hardware.shared.medium import Completion
from pimsim.mapping.tile_plan import MatrixPlan, plan_tiles
from pimsim.simulation import make_trace
from tools.docs_generator.facts import table

VARIANTS = (
    ("as shipped", ()),
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


@cache
def _layer(overrides: tuple[str, ...]) -> tuple[Mesh, Mapping[str, MatrixPlan]]:
    config = load_config("pim-llm", overrides)
    mesh = build_machine(config.machine).mesh
    assert mesh
    return mesh, next(plan_tiles(config, make_trace(config)).layers).matrices


def _alone(mesh: Mesh, plan: MatrixPlan) -> Completion:
    medium = mesh.contended()
    medium.submit(0, plan.mesh, 0)
    (completion,) = medium.advance(1 << 62)
    return completion


def layer() -> str:
    """Return the table of the matrices of one layer, each alone on its mesh."""
    mesh, matrices = _layer(())
    rows: list[list[object]] = []
    total = [0, 0]
    for name, plan in matrices.items():
        found, closed_ps = _alone(mesh, plan), mesh.latency_ps(plan.mesh)
        total = [total[0] + closed_ps, total[1] + found.end_ps]
        rows.append(
            [name, plan.grid.tile_count, f"{closed_ps / 1e6:.2f}", f"{found.end_ps / 1e6:.2f}", found.waited_for]
        )
    rows.append(["sum", "", f"{total[0] / 1e6:.2f}", f"{total[1] / 1e6:.2f}", ""])
    head = ["matrix", "tiles", "closed form, us", "with contention, us", "longest wait of its last messages"]
    return table(head, rows, right=(1, 2, 3))


def variants() -> str:
    """Return the table of the sum over all matrices of one layer, for several meshes."""
    rows = []
    for name, overrides in VARIANTS:
        mesh, matrices = _layer(overrides)
        closed = sum(mesh.latency_ps(plan.mesh) for plan in matrices.values())
        found = sum(_alone(mesh, plan).end_ps for plan in matrices.values())
        rows.append([name, f"{closed / 1e6:.2f}", f"{found / 1e6:.2f}", f"{found / closed:.2f}"])
    return table(["mesh", "closed form, us", "with contention, us", "ratio"], rows, right=(1, 2, 3))
