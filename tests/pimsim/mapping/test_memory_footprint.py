"""What memory holds, and the refusal of runs that do not fit."""

from __future__ import annotations

import pytest

from pimsim import generate, load_config, simulate
from pimsim.base.errors import CapacityError
from pimsim.config.schema import Config
from pimsim.mapping.memory_footprint import MemoryFootprint, live_bits, memory_footprints, size_text
from pimsim.mapping.tile_plan import plan_tiles
from pimsim.simulation import make_trace
from workloads.ops import (
    BLOCK_INPUT,
    Activation,
    AttentionScores,
    Dequantise,
    Multiply,
    Norm,
    Projection,
    Quantise,
    Residual,
    Softmax,
)

LAYER_WEIGHTS = 12 * 768**2
"""Of GPT-2 small, whose 12 layers have 12 heads of 64."""


LAYERS_ONLY = ("workload.lm_head=false", "workload.embedding=false", "workload.kv.scale_bits=0")
"""For sums of the layers alone: no LM head, no tables, no steps of K and V."""


def config(*overrides: str, base: str = "pim-llm") -> Config:
    return load_config(base, ["workload.model=gpt2-small", *overrides])


def footprints(config: Config) -> tuple[MemoryFootprint, ...]:
    trace = make_trace(config)
    return memory_footprints(config, trace, plan_tiles(config, trace))


def test_a_decode_step_by_hand() -> None:
    """Crossbars keep the layers, loaded in 2 bits per weight; the LM head and both tables of 50,257 and 1,024 rows stay
    in memory, in 8 bits. Each of 12 heads has a float32 step per entry of K and of V.
    """
    settings = ("workload.context_length=300", "workload.batch=3")
    (found,) = footprints(config(*settings))
    kv_bytes = 3 * 2 * 12 * (768 + 12 * 4) * 300
    assert found == MemoryFootprint(
        weight_bytes=(2 * 50_257 + 1024) * 768,
        kv_bytes=kv_bytes,
        activation_bytes=0,
        loaded_bytes=12 * LAYER_WEIGHTS * 2 // 8,
    )
    result = simulate(config(*settings))
    assert result.memory_use is not None
    assert (result.kv_cache_bytes, result.memory_use.memory_weight_bytes) == (kv_bytes, found.weight_bytes)
    assert result.summary()["kv_cache_bytes"] == kv_bytes
    assert result.to_dict()["memory"]["memory_weight_bytes"] == found.weight_bytes


def test_streamed_and_swapped_weights_stay_in_memory() -> None:
    (streamed,) = footprints(config(*LAYERS_ONLY, base="tpu-llm"))
    assert (streamed.weight_bytes, streamed.loaded_bytes) == (12 * LAYER_WEIGHTS, 0)
    few = ("machine.mesh.rows=8", "machine.mesh.columns=8", "machine.crossbar.banks=1")
    swap = config("mapping.provisioning=swap", "mapping.ternary_storage_bits=1", *few, *LAYERS_ONLY)
    swapped = simulate(swap).provision.layers_swapped
    assert 0 < swapped <= 12
    (found,) = footprints(swap)
    assert (found.weight_bytes * 8, found.loaded_bytes * 8) == (swapped * LAYER_WEIGHTS, (12 - swapped) * LAYER_WEIGHTS)


def test_each_chip_holds_its_own_layers() -> None:
    chips = footprints(
        config(
            "mapping.provisioning=whole_model",
            "machine.chips.count=4",
            "machine.mesh.rows=8",
            "machine.mesh.columns=15",
        )
    )
    assert len(chips) > 1
    (whole,) = footprints(config())
    assert sum(each.loaded_bytes for each in chips) == whole.loaded_bytes
    assert sum(each.kv_bytes for each in chips) == whole.kv_bytes
    assert all(each.kv_bytes * 12 % whole.kv_bytes == 0 for each in chips)


def test_live_activations_by_hand() -> None:
    """The input stays until the residual; up and gate are live together; scores and probabilities are not counted."""
    shape = {"in_features": 4, "vectors": 2, "weight_bits": 1, "activation_bits": 8}
    ops = (
        Norm("norm", (BLOCK_INPUT,), norm="rmsnorm", vectors=2, elements=4),
        Projection("up", ("norm",), role="ffn_up", out_features=10, **shape),
        Projection("gate", ("norm",), role="ffn_gate", out_features=10, **shape),
        Activation("act", ("gate",), function="silu", vectors=2, elements=10),
        Multiply("product", ("up", "act"), vectors=2, elements=10),
        Projection("down", ("product",), role="ffn_down", out_features=4, **(shape | {"in_features": 10})),
        Residual("sum", (BLOCK_INPUT, "down"), vectors=2, elements=4),
    )
    # At "act": the input of 8, up and gate of 20, and the result of 20.
    assert live_bits(ops, 8, {}) == 8 * (8 + 20 + 20 + 20)
    scores = AttentionScores(
        "scores", ("q",), heads=2, kv_heads=2, d_head=4, queries=9, context=9, bits=8
    )  # fmt: skip
    query = Projection("q", (BLOCK_INPUT,), role="q", out_features=8, **shape)
    assert live_bits((query, scores, Softmax("softmax", ("scores",), rows=18, row_length=9)), 8, {}) == 8 * (8 + 16)
    rows: dict[str, int] = {"vectors": 18, "elements": 9}
    rescaled = Dequantise("rescaled", ("scores",), **rows)
    softmax = Softmax("softmax", ("rescaled",), rows=18, row_length=9)
    attention = (query, scores, rescaled, softmax, Quantise("rounded", ("softmax",), **rows))
    assert live_bits(attention, 8, {"scores": 32}) == 8 * (8 + 16)
    # Sums of 4 rows have 10 bits: 16 of them, and as many rescaled values of 8 bits.
    assert live_bits((query, Dequantise("rescaled", ("q",), vectors=2, elements=8)), 8, {"q": 10}) == 16 * 10 + 16 * 8


def test_activations_count_beyond_the_global_buffer() -> None:
    """GPT-2's FFN, per token: residual stream, hidden layer as sums of 768 rows (8 + 10 bits), and after rescaling."""
    token_bytes = 768 + 3072 * 18 // 8 + 3072
    prefill = ("workload.phase=prefill", "workload.prompt_length=2048", *LAYERS_ONLY)
    (found,) = footprints(config(*prefill))
    assert found.activation_bytes == 2048 * token_bytes - 8 * 2**20
    (large,) = footprints(config(*prefill, "machine.sram.capacity_bytes=64 MiB"))
    assert large.activation_bytes == 0
    (two,) = footprints(config(*prefill, "workload.batch=2", "mapping.microbatches=2"))
    assert two.activation_bytes == 2 * 2048 * token_bytes - 8 * 2**20
    assert two.kv_bytes == 2 * found.kv_bytes == 2 * 2 * 12 * 768 * 2048


def test_llama_3_70b_at_131072_tokens_of_64_sequences_needs_1_37_tb() -> None:
    """2 x 80 layers x 8 KV heads x 128 x 131,072 x 64 bytes; 537 MB of scores, quantised or not, are not kept.

    At the gate of the FFN, 64 tokens of 8192 + 28672 x (1 + 21 / 8 + 1) bytes are live: residual stream, rescaled up,
    and gate as sums of 8192 rows and rescaled, 622,592 bytes more than the buffer holds.
    """
    settings = ["workload.model=llama-3-70b", "workload.context_length=131072", "workload.batch=64", *LAYERS_ONLY]
    limit = "machine.memory.capacity_bytes=16 GiB"
    message = (
        r"llama-3-70b needs 1.37 TB \(1,374,390,157,312 bytes\) of memory \(weights 0 B, KV cache 1.37 TB, activations "
        r"beyond the global buffer 623 kB\); machine.memory.capacity_bytes is 17,179,869,184 \(17.2 GB\)"
    )
    with pytest.raises(CapacityError, match=message):
        simulate(load_config("pim-llm", [*settings, limit]))


def test_the_size_that_a_refusal_names_is_enough() -> None:
    streamed = config("workload.context_length=1000", base="tpu-llm")
    (found,) = footprints(streamed)
    for needed, fits in ((found.run_bytes, True), (found.run_bytes - 1, False)):
        tight = config("workload.context_length=1000", f"machine.memory.capacity_bytes={needed}", base="tpu-llm")
        if fits:
            assert simulate(tight).latency_ps == simulate(streamed).latency_ps
        else:
            with pytest.raises(CapacityError, match=f"Set it to at least {found.run_bytes}, or to null"):
                simulate(tight)


def test_weights_of_crossbars_must_fit_by_themselves_while_they_are_loaded() -> None:
    """10.6 MB of 1 bit, 21.2 MB of 2 bits; beside 4.7 MB of KV cache they need not fit."""
    limit = "machine.memory.capacity_bytes=11 MB"
    one_bit = ("mapping.ternary_storage_bits=1", "workload.context_length=256")
    assert simulate(config(limit, *one_bit, *LAYERS_ONLY)).kv_cache_bytes == 2 * 12 * 768 * 256
    with pytest.raises(CapacityError, match=r"loading gpt2-small needs 21.2 MB .* \(all weights that are loaded into"):
        simulate(config(limit, "mapping.ternary_storage_bits=2", *LAYERS_ONLY))
    # A memory that holds neither: the size that suffices for both is named at once, 84,934,656 weights of 2 bits.
    both = (
        r"gpt2-small needs 4\.\d+ MB .* Set it to at least 21233664 \(21\.2 MB\), which the weights of its crossbars "
        "need in memory while they are loaded, or to null"
    )
    with pytest.raises(CapacityError, match=both):
        simulate(config("machine.memory.capacity_bytes=1 MB", "workload.context_length=256", *LAYERS_ONLY))


def test_a_generation_is_refused_before_its_prefill() -> None:
    lengths = ("workload.phase=generate", "workload.prompt_length=8", "workload.new_tokens=1001", "workload.samples=2")
    one_bit = ("mapping.ternary_storage_bits=1", *LAYERS_ONLY)
    steps: list[int] = []
    with pytest.raises(CapacityError, match=r"KV cache 18\.6 MB"):
        generate(config(*lengths, *one_bit, "machine.memory.capacity_bytes=18 MB"), lambda done, _: steps.append(done))
    assert not steps
    held = generate(config(*lengths, *one_bit, "machine.memory.capacity_bytes=19 MB"))
    assert held.kv_cache_bytes == 2 * 12 * 768 * 1008


def test_sizes_are_readable() -> None:
    assert [size_text(each) for each in (7, 2_500, 17_179_869_184, 1_374_389_534_720)] == [
        "7 B",
        "2.5 kB",
        "17.2 GB",
        "1.37 TB",
    ]
