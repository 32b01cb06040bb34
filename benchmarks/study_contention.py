"""The numbers of docs/contention.md: the cost of finite links and memories.

    python benchmarks/study_contention.py          # writes docs/reference/contention-*.csv, in some minutes
    python -m tools.generate_docs                  # inserts them into the page

The memory study simulates two layers, because all layers are identical and the caches of 128k tokens in all of them
take minutes. The results are scaled to all layers.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from pimsim import RunResult, load_config, simulate
from pimsim.results.explanation import explain
from pimsim.simulation import make_trace
from pimsim.steps.step_tree import WAITING

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"

MODELS = ("gpt2-medium", "opt-1.3b", "opt-6.7b")
MESHES: dict[str, tuple[str, ...]] = {
    "as shipped (shells, 20 Gb/s)": (),
    "40 Gb/s": ("machine.mesh.link_bandwidth_bps=40 Gb/s",),
    "multicast": ("machine.mesh.multicast=true",),
    "40 Gb/s, multicast": ("machine.mesh.link_bandwidth_bps=40 Gb/s", "machine.mesh.multicast=true"),
    "placement rows": ("machine.mesh.placement=rows",),
    "placement snake": ("machine.mesh.placement=snake",),
    "placement diagonals": ("machine.mesh.placement=diagonals",),
    "attention and FFN on two meshes": ("mapping.placement_groups=[[q, k, v, o], [ffn_gate, ffn_up, ffn_down]]",),
    "packets of 2048 bits": ("machine.mesh.packet_bits=2048",),
    "cut-through": ("machine.mesh.switching=cut_through",),
    "two packets per input": ("machine.mesh.input_buffer_packets=2",),
    "unlimited links": ("machine.mesh.links=unlimited",),
}

MEMORY_MODELS = ("opt-6.7b", "llama-3-8b")
CONTEXTS = (128, 1024, 4096, 16_384, 65_536, 131_072)
ARRAYS: dict[str, tuple[str, ...]] = {
    "32 x 32": (),
    # The published energy per cycle is that of 32 x 32.
    "1024 x 1": (
        "machine.systolic.rows=1024",
        "machine.systolic.columns=1",
        "machine.systolic.cycle_energy_j=0 J",
        "machine.systolic.mac_energy_j=0.23 pJ",
    ),
}
MEMORIES = ("lpddr4x", "lpddr5x")
LAYERS = 2


def links() -> Iterator[dict[str, object]]:
    """Yield one row per model and mesh: latency of a decode step at context 128, and where it waits."""
    for model in MODELS:
        for name, settings in MESHES.items():
            base = [f"workload.model={model}", *settings]
            dataflow = simulate(load_config("pim-llm", [*base, "schedule=dataflow"]))
            contended = simulate(load_config("pim-llm", [*base, "schedule=contended"]))
            worst = next(iter(explain(contended).contended), None)
            yield {
                "model": model,
                "mesh": name,
                "dataflow_ms": dataflow.latency_s * 1e3,
                "contended_ms": contended.latency_s * 1e3,
                "communication_ms": contended.parts_ps.get("communication", 0) / 1e9,
                "contention_ms": contended.parts_ps.get(WAITING, 0) / 1e9,
                "most_lost_at": worst.piece if worst else "",
            }


def memories() -> Iterator[dict[str, object]]:
    """Yield one row per model, array and context: milliseconds and millijoules per token of all layers, per memory."""
    for model in MEMORY_MODELS:
        for array, settings in ARRAYS.items():
            for context_length in CONTEXTS:
                row: dict[str, object] = {"model": model, "array": array, "context_length": context_length}
                for memory in MEMORIES:
                    result, layers = _two_layers(model, context_length, memory, settings)
                    scale = layers / LAYERS * 1e3
                    row[f"{memory}_ms"] = result.latency_s * scale
                    row[f"{memory}_waiting_ms"] = _waiting_ps(result) * scale / 1e12
                    row[f"{memory}_mj"] = result.component_energy_j("memory") * scale
                yield row


def _two_layers(model: str, context_length: int, memory: str, settings: Iterable[str]) -> tuple[RunResult, int]:
    config = load_config(
        {"extends": ["pim-llm-published", f"memory-{memory}-timing"]},
        [f"workload.model={model}", f"workload.context_length={context_length}", "schedule=contended", *settings],
    )
    trace = make_trace(config)
    [block] = trace.blocks
    return simulate(config, replace(trace, blocks=(replace(block, repeat=LAYERS),))), block.repeat


def _waiting_ps(result: RunResult) -> int:
    """Return the time that the critical path spends in memory, waiting included, picoseconds."""
    path = (each for each in result.critical_path if each.component == "memory")
    return sum(each.end_ps - each.start_ps for each in path)


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
