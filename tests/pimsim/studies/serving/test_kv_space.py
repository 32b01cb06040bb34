"""What weights and activations leave for KV caches in serving."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim import load_config, read_serving, serve, write_serving
from pimsim.base.errors import CapacityError
from pimsim.config.schema import Config
from pimsim.studies.serving.kv_space import KVSpace, kv_space, largest_iteration
from tests.support.closeness import near
from workloads.models import find_model
from workloads.requests import Request

GPT2 = find_model("gpt2-small")
HEAD_BYTES = 50_257 * 768


LAYERS_ALONE = ["workload.embedding=false", "workload.lm_head=false", "workload.kv.scale_bits=0"]
"""Neither embedding nor LM head nor steps of the KV cache, so that sizes are products of the model's widths."""


def config(*overrides: str) -> Config:
    return load_config("pim-llm", ["workload.model=gpt2-small", *LAYERS_ALONE, *overrides])


def requests(*prompts: int, output: int = 2) -> list[Request]:
    return [
        Request(id=str(index), arrival_s=0.0, prompt_tokens=prompt, output_tokens=output)
        for index, prompt in enumerate(prompts)
    ]


@pytest.mark.parametrize(
    ("settings", "prompts", "expected"),
    [
        (["serving.max_batch=2"], (10, 20, 30), 50),  # the two longest prompts together
        (["serving.max_batch=2", "serving.prefill_tokens=25"], (10, 20, 30), 30),  # a longer prompt by itself
        (["serving.max_batch=2", "serving.prefill_tokens=40"], (10, 20, 30), 40),
        (["serving.max_batch=2", "serving.prefill_tokens=25", "serving.policy=mixed"], (10, 20, 30), 27),
        (["serving.max_batch=4"], (1,), 1),
    ],
)
def test_the_largest_iteration(settings: list[str], prompts: tuple[int, ...], expected: int) -> None:
    assert largest_iteration(config(*settings).serving, requests(*prompts)) == expected


def test_without_a_capacity_there_is_no_limit() -> None:
    assert kv_space(config("machine.memory.capacity_bytes=null"), GPT2, requests(9)) == KVSpace(None)


def test_weights_and_activations_leave_the_rest() -> None:
    """LM head of 38.6 MB; activations of 2,000 tokens, 10,752 bytes each, beyond a buffer of 8 MiB.

    They are the residual stream, and the FFN as sums of 768 rows (18 bits) and rescaled.
    """
    settings = ("workload.lm_head=true", "machine.memory.capacity_bytes=100 MB", "serving.max_batch=2")
    beyond = 2000 * (768 + 3072 * 18 // 8 + 3072) - 8 * 2**20
    assert kv_space(config(*settings), GPT2, requests(1500, 500)) == KVSpace(
        100_000_000 - HEAD_BYTES - beyond, HEAD_BYTES, beyond
    )


def test_the_fullest_chip_limits_all_kv_caches() -> None:
    """12 layers on several chips, as many as fit; the chip with the most of them has the least space per token."""
    chips = (
        "mapping.provisioning=whole_model",
        "machine.chips.count=4",
        "machine.mesh.rows=8",
        "machine.mesh.columns=15",
    )
    found = kv_space(config(*chips, "machine.memory.capacity_bytes=120 MB"), GPT2, requests(9))
    assert found.capacity_bytes is not None
    most_layers = 120_000_000 * 12 / found.capacity_bytes
    assert most_layers == near(round(most_layers), rel=1e-6)
    assert 1 <= round(most_layers) < 12


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(CapacityError, match=r"gpt2-small needs 38\.6 MB .*weights 38\.6 MB, KV cache 0 B"):
        serve(config("workload.lm_head=true", "machine.memory.capacity_bytes=38 MB"), requests(9))


def test_a_full_memory_makes_requests_wait() -> None:
    """Room for the KV caches of one request of 1,001 entries, beside the LM head, but not of two."""
    entries = GPT2.kv_bytes(1001)
    settings = ("workload.lm_head=true", "serving.prefill_tokens=1000", "machine.sram.capacity_bytes=16 MiB")
    some = requests(1000, 1000)
    for space, together in ((2 * entries, 2), (2 * entries - 1, 1)):
        tight = config(*settings, f"machine.memory.capacity_bytes={HEAD_BYTES + space}")
        result = serve(tight, some)
        assert max(each.running for each in result.iterations) == together
        assert result.summary()["max_kv_bytes"] == together * entries


@pytest.mark.parametrize("schedule", ["serial", "dataflow"])
def test_the_traffic_of_iterations_is_stored(schedule: str, tmp_path: Path) -> None:
    """A prompt of 9 and one decode step at 10 tokens: 19 entries read and 10 written, the LM head twice."""
    result = serve(config("workload.lm_head=true", f"schedule={schedule}"), requests(9))
    kv_bytes = 2 * 12 * 768
    assert result.memory_traffic.summary() == {
        "memory_read_bytes": 19 * kv_bytes + 2 * HEAD_BYTES,
        "memory_write_bytes": 10 * kv_bytes,
        "weight_read_bytes": 2 * HEAD_BYTES,
        "kv_read_bytes": 19 * kv_bytes,
        "kv_write_bytes": 10 * kv_bytes,
        "embedding_read_bytes": 0,
    }
    assert [row["kv_read_bytes"] for row in result.iteration_rows()] == [9 * kv_bytes, 10 * kv_bytes]
    write_serving(result, tmp_path / "s.h5")
    assert read_serving(tmp_path / "s.h5") == result
