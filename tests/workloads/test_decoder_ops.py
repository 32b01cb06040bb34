"""Decode, prefill and generation: ops, their order and dependencies, and MACs against hand-written formulas."""

import inspect
from collections.abc import Callable
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.decoder_ops import decode_step, generation_steps, prefill, sampled_contexts
from workloads.kv_cache import KvCacheSpec
from workloads.models import find_model, load_models
from workloads.ops import (
    BLOCK_INPUT,
    Activation,
    AttentionMatmul,
    KVAppend,
    Matmul,
    Multiply,
    Norm,
    Op,
    Projection,
    Residual,
    Rotary,
    Softmax,
)
from workloads.trace import Trace, dumps, loads
from workloads.workload_errors import SpecError

NARROW = KvCacheSpec(key_bits=4, value_bits=4, scale_bits=0)
PER_TOKEN = (Norm, Projection, Activation, Residual, Multiply)


def layer(trace: Trace) -> dict[str, Op]:
    return {op.name: op for block, op in trace.ops() if block.name == "layer"}


def step(model: str, context: int = 128, **options: object) -> Trace:
    return decode_step(find_model(model), context, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "context", "macs"),
    [
        # OPT: 4 d^2 of attention and 8 d^2 of FFN; heads x d_head = d for each of scores and values.
        ("opt-6.7b", 1024, 32 * (12 * 4096**2) + 2 * 32 * 4096 * 1024),
        ("opt-6.7b", 4096, 32 * (12 * 4096**2) + 2 * 32 * 4096 * 4096),
        ("gpt2-medium", 128, 24 * (12 * 1024**2 + 2 * 1024 * 128)),
        # Gated: three FFN matrices.
        ("llama-7b", 1, 32 * (4 * 4096**2 + 3 * 4096 * 11008 + 2 * 4096)),
        # GQA: K and V projections shrink by heads/kv_heads = 4, attention does not.
        ("llama-3-8b", 4096, 32 * (2.5 * 4096**2 + 3 * 4096 * 14336 + 2 * 4096 * 4096)),
        ("bitnet-b1.58-2b-4t", 2048, 30 * (2.5 * 2560**2 + 3 * 2560 * 6912 + 2 * 2560 * 2048)),
        ("pythia-6.9b", 512, 32 * (12 * 4096**2 + 2 * 4096 * 512)),
    ],
)
def test_macs_by_hand(model: str, context: int, macs: float) -> None:
    assert step(model, context).macs == macs


def test_plain_layer_in_the_paper_s_serial_order() -> None:
    assert list(layer(step("opt-6.7b"))) == [
        *("attn_norm", "q_proj", "k_proj", "v_proj", "kv_append", "scores", "softmax", "values", "o_proj"),
        *("attn_residual", "ffn_norm", "ffn_up", "ffn_activation", "ffn_down", "ffn_residual"),
    ]


def test_gated_layer_with_rotary_and_sub_norms() -> None:
    ops = layer(step("bitnet-b1.58-2b-4t"))
    assert list(ops) == [
        *(
            "attn_norm",
            "q_proj",
            "k_proj",
            "v_proj",
            "q_rotary",
            "k_rotary",
            "kv_append",
            "scores",
            "softmax",
            "values",
        ),
        *("attn_sub_norm", "o_proj", "attn_residual", "ffn_norm", "ffn_gate", "ffn_up", "ffn_activation"),
        *("ffn_multiply", "ffn_sub_norm", "ffn_down", "ffn_residual"),
    ]
    assert ops["kv_append"].inputs == ("k_rotary", "v_proj")
    assert ops["scores"].inputs == ("q_rotary", "kv_append")
    assert ops["values"].inputs == ("softmax", "kv_append")
    assert ops["o_proj"].inputs == ("attn_sub_norm",)
    assert ops["ffn_activation"].inputs == ("ffn_gate",)
    assert ops["ffn_multiply"].inputs == ("ffn_activation", "ffn_up")
    assert ops["ffn_down"].inputs == ("ffn_sub_norm",)


def test_the_ffn_waits_for_attention_unless_parallel() -> None:
    for model, source in (("llama-7b", "attn_residual"), ("pythia-1.4b", BLOCK_INPUT)):
        ops = layer(step(model))
        assert ops["attn_norm"].inputs == (BLOCK_INPUT,)
        assert ops["attn_residual"].inputs == (BLOCK_INPUT, "o_proj")
        assert ops["ffn_norm"].inputs == (source,)
        assert ops["ffn_residual"].inputs == ("attn_residual", "ffn_down")


def test_layer_is_repeated_and_projections_are_w1a8() -> None:
    (block,) = step("gpt2-xl").blocks
    assert block.repeat == 48
    precisions = {(op.weight_bits, op.activation_bits) for op in block.ops if isinstance(op, Projection)}
    assert precisions == {(1, 8)}


def test_precisions_of_projections_and_attention() -> None:
    trace = step("gpt2-xl", kv=NARROW, activation_bits=16, lm_head=True)
    assert {op.bits for _, op in trace.ops() if isinstance(op, AttentionMatmul | KVAppend)} == {4}
    assert {op.activation_bits for _, op in trace.ops() if isinstance(op, Projection)} == {16}


def test_embedding_and_lm_head_are_separate_blocks() -> None:
    plain, whole = step("gpt2-medium"), step("gpt2-medium", embedding=True, lm_head=True)
    assert [(block.name, block.repeat) for block in whole.blocks] == [("embedding", 1), ("layer", 24), ("lm_head", 1)]
    assert whole.macs - plain.macs == 1024 * 50257
    head = whole.blocks[-1].ops[-1]
    assert isinstance(head, Projection)
    assert (head.role, head.weight_bits) == ("lm_head", 8)
    assert [op.name for op in whole.blocks[0].ops] == ["token_embedding", "position_embedding", "embedding_sum"]
    assert [op.name for op in step("llama-7b", embedding=True).blocks[0].ops] == ["token_embedding"]


def test_kv_traffic_is_the_cache_read_once_and_one_token_written() -> None:
    spec = find_model("llama-3-8b")
    ops = layer(decode_step(spec, 4096))
    read = sum(op.kv_bytes for op in ops.values() if isinstance(op, AttentionMatmul))
    written = ops["kv_append"]
    assert isinstance(written, KVAppend)
    assert spec.layers * read == 4096 * spec.kv_bytes_per_token()
    assert spec.layers * written.bytes == spec.kv_bytes_per_token()


@given(name=st.sampled_from(sorted(load_models())), context=st.integers(1, 1_048_576))
def test_macs_are_projections_plus_attention(name: str, context: int) -> None:
    spec = find_model(name)
    trace = decode_step(spec, context)
    attended = min(context, 4096) if name == "mistral-7b" else context  # arXiv:2310.06825, table 1: a window of 4096
    widths = 2 * spec.d_head if spec.latent is None else spec.latent.d_scored + spec.latent.d_summed
    assert trace.macs == spec.projection_macs_per_token + spec.layers * spec.heads * widths * attended
    softmax = layer(trace)["softmax"]
    assert isinstance(softmax, Softmax)
    assert (softmax.rows, softmax.row_length) == (spec.heads, attended)


@pytest.mark.parametrize("context", [0, -1, 1_048_577, 10**9, 1.5, True, "128"])
def test_context_out_of_range(context: int) -> None:
    with pytest.raises(SpecError, match="context_length must be an integer from 1 to 1048576, not"):
        step("gpt2-small", context)


def test_bits_out_of_range() -> None:
    with pytest.raises(SpecError, match="kv must be a KvCacheSpec, not 8"):
        step("gpt2-small", kv=8)
    with pytest.raises(SpecError, match="activation_bits must be"):
        step("gpt2-small", activation_bits=65)


# Batch and prefill.


@pytest.mark.parametrize(
    ("trace", "macs"),
    [
        # Every weight meets every token; every query of every sequence meets every entry of that sequence.
        (step("opt-6.7b", 1024, batch=16), 16 * 32 * (12 * 4096**2 + 2 * 4096 * 1024)),
        (step("llama-3-8b", 4096, batch=3), 3 * 32 * (2.5 * 4096**2 + 3 * 4096 * 14336 + 2 * 4096 * 4096)),
        (prefill(find_model("opt-6.7b"), 512), 512 * 32 * (12 * 4096**2) + 32 * 2 * 4096 * 512**2),
        (prefill(find_model("gpt2-medium"), 128, batch=4), 4 * 24 * (128 * 12 * 1024**2 + 2 * 1024 * 128**2)),
        (
            prefill(find_model("bitnet-b1.58-2b-4t"), 1000, batch=2),
            2 * 30 * (1000 * (2.5 * 2560**2 + 3 * 2560 * 6912) + 2 * 2560 * 1000**2),
        ),
        # The LM head sees one token of each sequence, whatever the prompt.
        (prefill(find_model("gpt2-medium"), 9, batch=5, lm_head=True).blocks[-1], 5 * 1024 * 50257),
        (step("gpt2-medium", 9, batch=5, lm_head=True).blocks[-1], 5 * 1024 * 50257),
    ],
)
def test_macs_of_batch_and_prefill_by_hand(trace: Trace, macs: float) -> None:
    assert trace.macs == macs


def test_a_batch_shares_weights_but_not_caches() -> None:
    ops = layer(step("llama-3-8b", 100, batch=7))
    assert {op.vectors for op in ops.values() if isinstance(op, PER_TOKEN)} == {7}
    scores, values, append = ops["scores"], ops["values"], ops["kv_append"]
    q_rotary, k_rotary = ops["q_rotary"], ops["k_rotary"]
    assert isinstance(scores, AttentionMatmul)
    assert isinstance(values, AttentionMatmul)
    assert scores.matmul == Matmul(m=100, n=4, k=128, count=8 * 7)
    assert values.matmul == Matmul(m=128, n=4, k=100, count=8 * 7)
    assert scores.kv_bytes == values.kv_bytes == 7 * 100 * 8 * 128
    assert isinstance(q_rotary, Rotary)
    assert isinstance(k_rotary, Rotary)
    assert (q_rotary.vectors, k_rotary.vectors) == (32 * 7, 8 * 7)
    assert isinstance(append, KVAppend)
    assert append.tokens == 7


def test_a_prefill_is_one_gemm_per_matrix_and_a_full_rectangle_of_scores() -> None:
    trace = prefill(find_model("llama-3-8b"), 100, batch=7, embedding=True, lm_head=True)
    assert (trace.phase, trace.context_length, trace.tokens) == ("prefill", 100, 700)
    ops = layer(trace)
    assert {op.vectors for op in ops.values() if isinstance(op, PER_TOKEN)} == {700}
    assert ops["ffn_up"].macs == 700 * 4096 * 14336
    scores, softmax, append = ops["scores"], ops["softmax"], ops["kv_append"]
    assert isinstance(scores, AttentionMatmul)
    assert scores.matmul == Matmul(m=100, n=4 * 100, k=128, count=8 * 7)
    assert isinstance(softmax, Softmax)
    assert (softmax.rows, softmax.row_length) == (32 * 100 * 7, 100)
    assert isinstance(append, KVAppend)
    assert append.tokens == 700
    assert [getattr(op, "vectors", None) for op in trace.blocks[0].ops] == [700]
    assert [getattr(op, "vectors", None) for op in trace.blocks[-1].ops] == [7, 7]


@given(
    name=st.sampled_from(sorted(load_models())),
    prompt=st.integers(1, 2**20),
    batch=st.integers(1, 2**10),
)
def test_growth_of_traffic_and_macs_with_context(name: str, prompt: int, batch: int) -> None:
    spec = find_model(name)
    if spec.experts is not None:  # which are drawn for each token of each layer
        prompt = min(prompt, 2**10)
    one, many, whole = decode_step(spec, prompt), decode_step(spec, prompt, batch=batch), prefill(spec, prompt)
    assert many.macs == batch * one.macs
    # A prefill's arithmetic is that of its tokens one by one, each attending to the full prompt ...
    assert whole.macs == prompt * one.macs
    read, read_by_many, read_by_whole = (
        sum(op.kv_bytes for op in layer(trace).values() if isinstance(op, AttentionMatmul))
        for trace in (one, many, whole)
    )
    assert read_by_many == batch * read
    # ... but each cached entry is read once for all of them, also those beyond the window of the last token.
    assert read_by_whole == (2 * prompt * spec.d_kv if name == "mistral-7b" else read)
    rows = [op.rows for trace in (many, whole) if isinstance(op := layer(trace)["softmax"], Softmax)]
    assert rows == [batch * spec.heads, prompt * spec.heads]


@pytest.mark.parametrize("name", sorted(load_models()))
def test_prefill_of_one_token_is_the_first_decode_step(name: str) -> None:
    spec = find_model(name)
    first, whole = (
        make(spec, 1, batch=3, embedding=True, lm_head=True, kv=NARROW, activation_bits=6)
        for make in (decode_step, prefill)
    )
    assert whole.blocks == first.blocks
    assert (whole.tokens, first.tokens) == (3, 3)


def test_traces_of_every_phase_go_through_a_file() -> None:
    for trace in (step("gpt2-small", 9, batch=2), prefill(find_model("gpt2-small"), 9, batch=2)):
        assert loads(dumps(trace)) == trace


# Generation.


def test_generation_is_its_decode_steps() -> None:
    spec = find_model("gpt2-medium")
    steps = list(generation_steps(spec, 128, 5, batch=2, embedding=True, lm_head=True, kv=NARROW, activation_bits=6))
    options = {"batch": 2, "embedding": True, "lm_head": True, "kv": NARROW, "activation_bits": 6}
    assert steps == [decode_step(spec, context, **options) for context in (129, 130, 131, 132, 133)]  # type: ignore[arg-type]
    assert sum(trace.tokens for trace in steps) == 2 * 5


def test_macs_of_a_generation_by_hand() -> None:
    # 24 layers; the contexts 129 ... 256 add up to 128 * (129 + 256) / 2.
    macs = sum(trace.macs for trace in generation_steps(find_model("gpt2-medium"), 128, 128))
    assert macs == 24 * (128 * 12 * 1024**2 + 2 * 1024 * 128 * (129 + 256) // 2)


def test_generation_is_lazy_but_checks_arguments_immediately() -> None:
    spec = find_model("opt-66b")
    contexts = [trace.context_length for trace in islice(generation_steps(spec, 1, 1_048_575), 3)]
    assert contexts == [2, 3, 4]
    with pytest.raises(SpecError, match=r"prompt_length \+ new_tokens must be .* 1 to 1048576, not 1048577"):
        generation_steps(spec, 1, 1_048_576)
    with pytest.raises(SpecError, match="new_tokens must be an integer from 1"):
        generation_steps(spec, 1, 0)
    with pytest.raises(SpecError, match="prompt_length must be an integer from 1"):
        generation_steps(spec, 0, 1)
    with pytest.raises(SpecError, match="batch must be an integer from 1 to 65536, not 0"):
        generation_steps(spec, 1, 1, batch=0)
    with pytest.raises(SpecError, match="kv must be a KvCacheSpec"):
        generation_steps(spec, 1, 1, kv=65)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "contexts"),
    [
        ((129, 256, 2), (129, 256)),
        ((129, 256, 5), (129, 161, 193, 224, 256)),
        ((1, 4097, 5), (1, 1025, 2049, 3073, 4097)),
        ((7, 7, 9), (7,)),
        ((7, 8, 9), (7, 8)),
        ((7, 10, 4), (7, 8, 9, 10)),
        ((7, 10, 1_048_576), (7, 8, 9, 10)),
        ((1, 1_048_576, 3), (1, 524_289, 1_048_576)),
    ],
)
def test_sampled_contexts_by_hand(arguments: tuple[int, int, int], contexts: tuple[int, ...]) -> None:
    assert sampled_contexts(*arguments) == contexts


@given(first=st.integers(1, 2**20), last=st.integers(1, 2**20), samples=st.integers(2, 300))
def test_sampled_contexts_are_evenly_spaced(first: int, last: int, samples: int) -> None:
    first, last = sorted((first, last))
    contexts = sampled_contexts(first, last, samples)
    assert (contexts[0], contexts[-1]) == (first, last)
    assert len(contexts) == min(samples, last - first + 1)
    gaps = {later - earlier for earlier, later in pairwise(contexts)}
    assert not gaps or (min(gaps) >= 1 and max(gaps) - min(gaps) <= 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, 4, 2), "last must be at least first, not 4 with 5"),
        ((0, 4, 2), "first must be an integer from 1"),
        ((1, 2**20 + 1, 2), "last must be an integer from 1"),
        ((1, 4, 1), "samples must be an integer from 2"),
        ((1, 4, 2.5), "samples must be an integer from 2"),
    ],
)
def test_contexts_that_cannot_be_sampled(arguments: tuple[int, int, int], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        sampled_contexts(*arguments)


def test_phases_have_the_same_options() -> None:
    def options(function: Callable[..., object]) -> list[inspect.Parameter]:
        return [p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]

    assert options(decode_step) == options(prefill) == options(generation_steps)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt_length": 0}, "prompt_length must be an integer from 1 to 1048576, not 0"),
        ({"prompt_length": 2**20 + 1}, "prompt_length must be"),
        ({"batch": 65_537}, "batch must be an integer from 1 to 65536, not 65537"),
        ({"batch": True}, "batch must be an integer"),
        ({"kv": None}, "kv must be a KvCacheSpec, not None"),
        (
            {"prompt_length": 2**20, "batch": 2**16},
            r"heads \* prompt_length \* batch must be an integer from 1 to 1099511627776, not 2199023255552",
        ),
    ],
)
def test_prefills_out_of_range(options: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        prefill(find_model("llama-3-8b"), **{"prompt_length": 8} | options)  # type: ignore[arg-type]
