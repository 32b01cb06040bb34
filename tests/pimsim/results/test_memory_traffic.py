"""Bytes between memory and chip: weights, KV cache and embeddings apart, in every result and form."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pimsim import generate, load_config, read_result, simulate, write_result
from pimsim.config.schema import Config
from pimsim.results.memory_traffic import MemoryTraffic
from pimsim.studies.sweep.measure.metrics import METRICS

KV_BYTES = 2 * 12 * (768 + 12 * 4)
"""Of one token of GPT-2 small, with a step of 4 bytes per head."""
WEIGHT_BYTES = 12 * 12 * 768**2 + 50_257 * 768
"""Its layers and LM head in 8 bits."""


def config(*overrides: str, base: str = "tpu-llm") -> Config:
    settings = ["workload.model=gpt2-small", "workload.lm_head=true", "workload.embedding=true", *overrides]
    return load_config(base, settings)


@pytest.mark.parametrize("schedule", ["serial", "dataflow", "contended"])
def test_a_decode_step_by_hand(schedule: str) -> None:
    """Two rows of embeddings, the token's and the position's."""
    result = simulate(config(f"schedule={schedule}", "workload.context_length=100", "workload.batch=2"))
    assert result.memory_traffic == MemoryTraffic(
        weight_read_bytes=WEIGHT_BYTES,
        kv_read_bytes=2 * 100 * KV_BYTES,
        kv_write_bytes=2 * KV_BYTES,
        embedding_read_bytes=2 * 2 * 768,
    )
    assert result.memory_traffic.read_bytes == result.counts["memory.read_bit"] // 8
    assert result.memory_traffic.write_bytes == result.counts["memory.write_bit"] // 8
    summary = result.summary()
    assert summary["memory_read_bytes"] == WEIGHT_BYTES + 200 * KV_BYTES + 4 * 768
    rows = list(result.op_rows())
    assert sum(row["repeat"] * row["memory_read_bytes"] for row in rows) == summary["memory_read_bytes"]
    assert sum(row["repeat"] * row["memory_write_bytes"] for row in rows) == summary["memory_write_bytes"]


def test_metrics_of_sweeps_are_those_figures() -> None:
    result = simulate(config("workload.context_length=100"))
    for name, value in (
        *result.memory_traffic.summary().items(),
        ("kv_cache_bytes", 100 * KV_BYTES),
    ):
        assert METRICS[name].of(result) == value


def test_a_generation_adds_its_steps() -> None:
    """A prompt of 5, then steps at 6 to 9 tokens; the interpolation of a linear quantity is exact."""
    lengths = ("workload.phase=generate", "workload.prompt_length=5", "workload.new_tokens=5")
    for samples in ("null", "2"):
        result = generate(config(*lengths, f"workload.samples={samples}"))
        assert result.memory_traffic == MemoryTraffic(
            weight_read_bytes=5 * WEIGHT_BYTES,
            kv_read_bytes=(5 + 6 + 7 + 8 + 9) * KV_BYTES,
            kv_write_bytes=9 * KV_BYTES,
            embedding_read_bytes=9 * 2 * 768,
        )
        assert result.kv_cache_bytes == 9 * KV_BYTES
        assert METRICS["kv_cache_bytes"].of(result) == 9 * KV_BYTES
        assert METRICS["kv_read_bytes"].of(result) == 35 * KV_BYTES


def test_the_uses_of_memory_are_stored(tmp_path: Path) -> None:
    result = simulate(config("workload.phase=prefill", "workload.prompt_length=2048"))
    assert result.memory_use is not None
    assert result.memory_use.activation_bytes > 0
    write_result(result, tmp_path / "r.h5")
    assert read_result(tmp_path / "r.h5").memory_use == result.memory_use
    older = dataclasses.replace(result, memory_use=None)
    write_result(older, tmp_path / "older.h5")
    assert read_result(tmp_path / "older.h5") == older
    assert older.summary()["kv_cache_bytes"] is None


def test_whole_bytes_are_integers_in_json_also_after_a_file() -> None:
    assert repr(MemoryTraffic(kv_read_bytes=3.0, other_read_bytes=0.5).summary()["kv_read_bytes"]) == "3"
    assert MemoryTraffic(kv_read_bytes=3.0, other_read_bytes=0.5).summary()["memory_read_bytes"] == 3.5
