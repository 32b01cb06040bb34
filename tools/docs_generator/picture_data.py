"""Data of the picture of README.md."""

from __future__ import annotations

from typing import Any

from pimsim.config.loading import load_config
from pimsim.results.run_result import RunResult
from pimsim.simulation import simulate
from pimsim.steps.step_tree import PARTS, WAITING
from tools.docs_generator.facts import CALIBRATION_MODELS, paper


def picture_data() -> dict[str, Any]:
    """Compute everything that the picture shows."""
    rows = [row for row in paper("fig5").rows if row["model"] in CALIBRATION_MODELS]
    speed = [
        [row["model"], row["machine"], row["context_length"], round(row["tokens_per_s"], 4), row["published"]]
        for row in rows
    ]
    bars = []
    for model, context_length in (*((model, 128) for model in CALIBRATION_MODELS), ("opt-6.7b", 4096)):
        result = simulate(
            load_config("pim-llm", [f"workload.model={model}", f"workload.context_length={context_length}"])
        )
        bars.append([model, context_length, round(result.latency_s * 1e3, 3), _grouped_shares(result)])
    return {"speed": speed, "bars": bars}


BAR_PARTS = {
    "systolic array": ("systolic", "near_memory", "sram_cim", "processor"),
    "mesh": ("communication", "chip_link"),
    "tile buffers": ("tile_buffer",),
    "crossbar, DAC, ADC, digital": ("crossbar", "dac", "adc", "digital"),
    "memory, SRAM and its port": ("memory", "kv_tiers", "programming", "sram"),
    "vector unit, controller": ("vector", "controller"),
}


def _grouped_shares(result: RunResult) -> dict[str, float]:
    assert sorted(part for parts in BAR_PARTS.values() for part in parts) == sorted({*PARTS} - {WAITING})
    return {
        name: round(sum(result.parts_ps.get(part, 0) for part in parts) / result.latency_ps, 5)
        for name, parts in BAR_PARTS.items()
    }
