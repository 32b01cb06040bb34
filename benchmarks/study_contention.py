"""The numbers of docs/contention.md: the cost of finite links, ports and memories.

    python benchmarks/study_contention.py          # writes docs/reference/contention-*.csv, in some minutes
    python -m tools.generate_docs                  # inserts them into the page

The memory study simulates two and four layers, because all layers are identical and the caches of long contexts in all
of them take minutes. Each further layer takes what a layer more took there.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from pimsim import Config, RunResult, load_config, simulate
from pimsim.base.errors import CapacityError
from pimsim.mapping.memory_footprint import check_memory_capacity, memory_footprints
from pimsim.mapping.tile_plan import plan_tiles
from pimsim.results.explanation import explain
from pimsim.simulation import make_trace
from pimsim.steps.step_tree import WAITING
from workloads.trace import Trace

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"

MODELS = ("gpt2-medium", "opt-1.3b", "opt-6.7b")
TWO_MESHES = "mapping.placement_groups=[[q, k, v, o], [ffn_gate, ffn_up, ffn_down]]"
BOTH: dict[str, tuple[str, ...]] = {
    "as shipped (shells, 20 Gb/s)": (),
    "40 Gb/s": ("machine.mesh.link_bandwidth_bps=40 Gb/s",),
    "placement rows": ("machine.mesh.placement=rows",),
    "placement snake": ("machine.mesh.placement=snake",),
    "placement diagonals": ("machine.mesh.placement=diagonals",),
    "attention and FFN on two meshes": (TWO_MESHES,),
    "two packets per input": ("machine.mesh.input_buffer_packets=2",),
    "unlimited links": ("machine.mesh.links=unlimited",),
}
MESHES: dict[str, dict[str, tuple[str, ...]]] = {
    "pim-llm": {
        **BOTH,
        "no multicast": ("machine.mesh.multicast=false",),
        "packets of 2048 bits": ("machine.mesh.packet_bits=2048",),
        "store-and-forward": ("machine.mesh.switching=store_and_forward",),
        "store-and-forward, whole vectors": (
            "machine.mesh.switching=store_and_forward",
            "machine.mesh.packet_bits=null",
        ),
        "port of 1024 bits": ("machine.sram.width_bits=1024",),
        "port of 8192 bits": ("machine.sram.width_bits=8192",),
    },
    "pim-llm-published": {
        **BOTH,
        "multicast": ("machine.mesh.multicast=true",),
        "40 Gb/s, multicast": ("machine.mesh.link_bandwidth_bps=40 Gb/s", "machine.mesh.multicast=true"),
        "packets of 2048 bits": ("machine.mesh.packet_bits=2048",),
        "cut-through": ("machine.mesh.switching=cut_through",),
    },
}

MEMORY_MODELS = ("opt-6.7b", "llama-3-8b")
CONTEXTS = (128, 1024, 4096, 16_384, 65_536)
COLUMN = ("machine.systolic.rows=1024", "machine.systolic.columns=1")
WIDE = "machine.sram.width_bits=8192"
ARRAYS: dict[tuple[str, int], tuple[str, ...]] = {
    ("32 x 32", 512): (),
    ("1024 x 1", 512): COLUMN,
    ("32 x 32", 8192): (WIDE,),
    ("1024 x 1", 8192): (*COLUMN, WIDE),
}
MEMORIES = ("lpddr4x", "lpddr5x")
LAYERS = (2, 4)


def links() -> Iterator[dict[str, object]]:
    """Yield one row per machine, model and mesh: latency of a decode step at context 128, and where it waits."""
    for machine, meshes in MESHES.items():
        for model in MODELS:
            for name, settings in meshes.items():
                base = [f"workload.model={model}", *settings]
                dataflow = simulate(load_config(machine, [*base, "schedule=dataflow"]))
                contended = simulate(load_config(machine, [*base, "schedule=contended"]))
                on_mesh = [each for each in explain(contended).contended if each.component == "mesh"]
                yield {
                    "machine": machine,
                    "model": model,
                    "mesh": name,
                    "dataflow_ms": dataflow.latency_s * 1e3,
                    "contended_ms": contended.latency_s * 1e3,
                    "communication_ms": contended.parts_ps.get("communication", 0) / 1e9,
                    "contention_ms": contended.parts_ps.get(WAITING, 0) / 1e9,
                    "mesh_waiting_ms": sum(each.critical_ps for each in on_mesh) / 1e9,
                    "most_lost_at": on_mesh[0].piece if on_mesh else "",
                }


def memories() -> Iterator[dict[str, object]]:
    """Yield one row per model, array and context that fits: ms and mJ per token of all layers, per memory."""
    for model in MEMORY_MODELS:
        for (array, width), settings in ARRAYS.items():
            for context_length in CONTEXTS:
                row: dict[str, object] = {
                    "model": model,
                    "array": array,
                    "port_bits": width,
                    "context_length": context_length,
                }
                try:
                    for memory in MEMORIES:
                        latency_s, memory_j, energy_j = _token(model, context_length, memory, settings)
                        row[f"{memory}_ms"] = latency_s * 1e3
                        row[f"{memory}_mj"] = memory_j * 1e3
                        row[f"{memory}_all_mj"] = energy_j * 1e3
                except CapacityError:
                    continue
                yield row


def _token(model: str, context_length: int, memory: str, settings: Iterable[str]) -> tuple[float, float, float]:
    """Return latency, energy of the memory and energy of the chip of a token, from runs of a few of its layers."""
    config = load_config(
        {"extends": ["pim-llm", f"memory-{memory}-timing"]},
        [f"workload.model={model}", f"workload.context_length={context_length}", "schedule=contended", *settings],
    )
    trace = make_trace(config)
    check_memory_capacity(config.machine, model, memory_footprints(config, trace, plan_tiles(config, trace)))
    few, more = (_figures(_run(config, trace, layers)) for layers in LAYERS)
    layers = max(block.repeat for block in trace.blocks)
    further = (layers - LAYERS[0]) / (LAYERS[1] - LAYERS[0])
    latency_s, memory_j, energy_j = (a + further * (b - a) for a, b in zip(few, more, strict=True))
    return latency_s, memory_j, energy_j


def _run(config: Config, trace: Trace, layers: int) -> RunResult:
    """Simulate a trace with fewer layers."""
    blocks = (replace(block, repeat=layers) if block.repeat > 1 else block for block in trace.blocks)
    return simulate(config, replace(trace, blocks=tuple(blocks)))


def _figures(result: RunResult) -> tuple[float, float, float]:
    return result.latency_s, result.component_energy_j("memory"), result.energy_j


def write(name: str, rows: Iterable[dict[str, object]]) -> None:
    rows = list(rows)
    with (REFERENCE / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: f"{each:.6g}" if isinstance(each, float) else each for key, each in row.items()})


def main() -> None:
    write("contention-links.csv", links())
    write("contention-memory.csv", memories())


if __name__ == "__main__":
    main()
