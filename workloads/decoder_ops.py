"""Traces of a decode step, of a prefill, of a mixed pass and of a whole generation, made from a model spec.

`workloads.decoder_pass` defines the ops and the context of a pass.
"""

from collections.abc import Iterator, Sequence
from typing import TypedDict

from workloads.checked_fields import Integer, require, shorten
from workloads.decoder_pass import BATCH, DecoderPass, SequenceGroup
from workloads.kv_cache import CODES_WITHOUT_SCALES, KvCacheSpec
from workloads.latent_cache import check_cache
from workloads.models import ModelSpec
from workloads.op_fields import BITS, COUNT
from workloads.ops import BLOCK_INPUT
from workloads.trace import CONTEXT, Trace
from workloads.workload_errors import SpecError

SAMPLES = Integer(2, 1_048_576)


class NumberWidths(TypedDict):
    """Widths of the numbers in a trace: the arguments of the same names of the functions below."""

    kv: KvCacheSpec
    activation_bits: int


class PassOptions(NumberWidths):
    """What a trace of a pass counts, and its widths: the arguments of the same names of the functions below."""

    embedding: bool
    lm_head: bool
    quantisation: bool


def decode_step(
    spec: ModelSpec,
    context_length: int,
    *,
    batch: int = 1,
    embedding: bool = False,
    lm_head: bool = False,
    kv: KvCacheSpec = CODES_WITHOUT_SCALES,
    activation_bits: int = 8,
    quantisation: bool = False,
) -> Trace:
    """Return the trace of a decode step, which produces one token for each of `batch` sequences.

    Biases are omitted, since they are negligible beside the matrices. OPT-350M applies its norms after the residual
    additions; its trace has the same number of norms, but before attention and FFN.

    Args:
        spec: The model.
        context_length: KV entries that each sequence attends to, the new token's own entry included; from 1 to
            1,048,576.
        batch: Number of sequences, from 1 to 65,536. They share the weights, but each one has its own KV cache.
        embedding: Whether the trace begins with a block of embedding lookups.
        lm_head: Whether the trace ends with a block of final norm and LM head.
        kv: What the KV cache keeps, and how; 8-bit codes without scales by default (W8A8 in PIM-LLM).
        activation_bits: Bits per element of the inputs of projections, from 1 to 64 (W1A8 in PIM-LLM).
        quantisation: Whether the passes that quantise and dequantise activations are ops of the trace.

    Returns:
        The trace, whose `tokens` is `batch`.

    Raises:
        SpecError: If a number is out of range.
    """
    require("context_length", context_length, CONTEXT)
    _require_options(spec, batch, kv, activation_bits)
    group = SequenceGroup(batch, 1, context_length)
    step = DecoderPass(spec, (group,), kv, activation_bits, quantisation=quantisation)
    blocks = step.blocks(embedding, lm_head)
    return Trace(
        model=spec.name,
        phase="decode",
        context_length=context_length,
        tokens=batch,
        blocks=blocks,
        notes=(*spec.notes_at(context_length), *kv.notes_at(context_length)),
        kv=_recorded(kv),
    )


def prefill(
    spec: ModelSpec,
    prompt_length: int,
    *,
    batch: int = 1,
    embedding: bool = False,
    lm_head: bool = False,
    kv: KvCacheSpec = CODES_WITHOUT_SCALES,
    activation_bits: int = 8,
    quantisation: bool = False,
) -> Trace:
    """Return the trace of a prefill, which processes the prompts of `batch` sequences in one pass.

    Attention computes the full rectangle of `prompt_length` queries by `prompt_length` entries, including the half that
    the causal mask discards, like the dense GEMMs of SCALE-Sim. In a layer with a window, each query attends to
    `window` entries, so that the rectangle is `prompt_length` by `window` (docs/model.md, eq. (43)). The final norm and
    the LM head process only the last token of each sequence.

    Args:
        spec: The model.
        prompt_length: Tokens per prompt, which is also the context of the trace; from 1 to 1,048,576.
        batch: Number of sequences, from 1 to 65,536.
        embedding: Whether the trace begins with a block of embedding lookups.
        lm_head: Whether the trace ends with a block of final norm and LM head.
        kv: What the KV cache keeps, and how; 8-bit codes without scales by default (W8A8 in PIM-LLM).
        activation_bits: Bits per element of the inputs of projections, from 1 to 64 (W1A8 in PIM-LLM).
        quantisation: Whether the passes that quantise and dequantise activations are ops of the trace.

    Returns:
        The trace, whose `tokens` is `prompt_length * batch`.

    Raises:
        SpecError: If a number is out of range, or heads * prompt_length * batch, the number of softmax rows, exceeds
            2^40.
    """
    require("prompt_length", prompt_length, CONTEXT)
    _require_options(spec, batch, kv, activation_bits)
    require("heads * prompt_length * batch", spec.heads * prompt_length * batch, COUNT)
    group = SequenceGroup(batch, prompt_length, prompt_length)
    whole = DecoderPass(spec, (group,), kv, activation_bits, quantisation=quantisation)
    blocks = whole.blocks(embedding, lm_head)
    tokens = whole.vectors
    return Trace(
        model=spec.name,
        phase="prefill",
        context_length=prompt_length,
        tokens=tokens,
        blocks=blocks,
        notes=(*spec.notes_at(prompt_length), *kv.notes_at(prompt_length)),
        kv=_recorded(kv),
    )


def mixed_step(
    spec: ModelSpec,
    groups: Sequence[SequenceGroup],
    *,
    outputs: int | None = None,
    embedding: bool = False,
    lm_head: bool = False,
    kv: KvCacheSpec = CODES_WITHOUT_SCALES,
    activation_bits: int = 8,
    quantisation: bool = False,
) -> Trace:
    """Return the trace of one pass over sequences with different contexts, some of which may be prompts or chunks.

    The weights process the new tokens of all sequences at once, as in iteration-level scheduling with selective
    batching. Scores, softmax and values are three ops per group, named "scores:1" and so on after the first group. The
    trace of one group equals that of `decode_step` or `prefill`.

    Args:
        spec: The model.
        groups: The sequences, at least one group; no two groups have the same queries and context.
        outputs: Number of tokens whose next token is computed, which the LM head processes; None means the last token
            of each sequence. The chunks of a prompt before its last chunk have no output, and a step that verifies
            drafted tokens has one for each of its tokens.
        embedding: Whether the trace begins with a block of embedding lookups.
        lm_head: Whether the trace ends with a block of final norm and LM head.
        kv: What the KV cache keeps, and how; 8-bit codes without scales by default (W8A8 in PIM-LLM).
        activation_bits: Bits per element of the inputs of projections, from 1 to 64 (W1A8 in PIM-LLM).
        quantisation: Whether the passes that quantise and dequantise activations are ops of the trace.

    Returns:
        The trace; its phase is "decode" if each sequence has one new token, else "prefill".

    Raises:
        SpecError: If a number is out of range, or a group occurs twice.

    Reference:
        Yu et al., "Orca: A Distributed Serving System for Transformer-Based Generative Models", OSDI 2022.
    """
    chosen = _checked_groups(groups)
    _require_options(spec, sum(group.sequences for group in chosen), kv, activation_bits)
    if outputs is not None:
        require("outputs", outputs, Integer(0, sum(group.queries * group.sequences for group in chosen)))
    for group in chosen:
        rows = spec.heads * group.queries * group.sequences
        require("heads * queries * sequences", rows, COUNT)
    step = DecoderPass(spec, chosen, kv, activation_bits, outputs, quantisation=quantisation)
    context_length = max(group.context for group in chosen)
    return Trace(
        model=spec.name,
        phase="decode" if all(group.queries == 1 for group in chosen) else "prefill",
        context_length=context_length,
        tokens=step.vectors,
        blocks=step.blocks(embedding, lm_head),
        notes=(*spec.notes_at(context_length), *kv.notes_at(context_length)),
        kv=_recorded(kv),
    )


def attention_part(
    spec: ModelSpec, group: SequenceGroup, *, kv: KvCacheSpec = CODES_WITHOUT_SCALES, quantisation: bool = False
) -> Trace:
    """Return the part of `mixed_step` that depends on the context: scores, softmax and values of one group.

    Args:
        spec: The model.
        group: The sequences.
        kv: What the KV cache keeps, and how; 8-bit codes without scales by default (W8A8 in PIM-LLM).
        quantisation: Whether rescaling and quantisation of scores, probabilities and outputs are ops of the trace.

    Returns:
        A trace of the attention ops of all layers.

    Raises:
        SpecError: If a number is out of range.
    """
    _require_options(spec, group.sequences, kv, BITS.high)
    step = DecoderPass(spec, (group,), kv, BITS.high, quantisation=quantisation)
    return Trace(
        model=spec.name,
        phase="decode" if group.queries == 1 else "prefill",
        context_length=group.context,
        tokens=step.vectors,
        blocks=tuple(
            step.layer_blocks(
                lambda window: tuple(step.attention.of(0, group, window, BLOCK_INPUT, (BLOCK_INPUT, BLOCK_INPUT)))
            )
        ),
    )


def weights_part(
    spec: ModelSpec,
    vectors: int,
    outputs: int,
    *,
    embedding: bool = False,
    lm_head: bool = False,
    kv: KvCacheSpec = CODES_WITHOUT_SCALES,
    activation_bits: int = 8,
    quantisation: bool = False,
) -> Trace:
    """Return the part of `mixed_step` that does not depend on contexts: everything except `attention_part`.

    Args:
        spec: The model.
        vectors: New tokens of all sequences.
        outputs: Number of tokens whose next token is computed, at most `vectors`.
        embedding: Whether the trace begins with a block of embedding lookups.
        lm_head: Whether the trace ends with a block of final norm and LM head.
        kv: What the KV cache keeps, and how; 8-bit codes without scales by default (W8A8 in PIM-LLM).
        activation_bits: Bits per element of the inputs of projections, from 1 to 64 (W1A8 in PIM-LLM).
        quantisation: Whether the passes that quantise and dequantise activations are ops of the trace.

    Returns:
        A trace without scores, softmax and values.

    Raises:
        SpecError: If a number is out of range.
    """
    require("vectors", vectors, COUNT)
    require("outputs", outputs, Integer(0, vectors))
    _require_options(spec, 1, kv, activation_bits)
    step = DecoderPass(spec, (), kv, activation_bits, outputs, vectors, quantisation)
    blocks = step.blocks(embedding, lm_head)
    return Trace(model=spec.name, phase="decode", context_length=1, tokens=vectors, blocks=blocks)


def generation_steps(
    spec: ModelSpec,
    prompt_length: int,
    new_tokens: int,
    *,
    batch: int = 1,
    embedding: bool = False,
    lm_head: bool = False,
    kv: KvCacheSpec = CODES_WITHOUT_SCALES,
    activation_bits: int = 8,
    quantisation: bool = False,
) -> Iterator[Trace]:
    """Return the traces of the decode steps that follow a prompt.

    The contexts are `prompt_length + 1` to `prompt_length + new_tokens`: each step processes one new token, whose KV
    entry is part of the context. The input of the first step is the token that the LM head of the prefill produced. A
    caller who counts this token as the first of N new tokens needs N - 1 steps. The prefill is not included.

    Args:
        spec: The model.
        prompt_length: Tokens per prompt, at least 1.
        new_tokens: Number of steps, at least 1; `prompt_length + new_tokens` is at most 1,048,576.
        batch: Number of sequences, from 1 to 65,536.
        embedding: Whether the trace begins with a block of embedding lookups.
        lm_head: Whether the trace ends with a block of final norm and LM head.
        kv: What the KV cache keeps, and how; 8-bit codes without scales by default (W8A8 in PIM-LLM).
        activation_bits: Bits per element of the inputs of projections, from 1 to 64 (W1A8 in PIM-LLM).
        quantisation: Whether the passes that quantise and dequantise activations are ops of the trace.

    Returns:
        An iterator that creates one trace at a time.

    Raises:
        SpecError: If a number is out of range; raised by the call, not by the first step.
    """
    require("prompt_length", prompt_length, CONTEXT)
    require("new_tokens", new_tokens, CONTEXT)
    last = prompt_length + new_tokens
    require("prompt_length + new_tokens", last, CONTEXT)
    _require_options(spec, batch, kv, activation_bits)
    return (
        decode_step(
            spec,
            context,
            batch=batch,
            embedding=embedding,
            lm_head=lm_head,
            kv=kv,
            activation_bits=activation_bits,
            quantisation=quantisation,
        )
        for context in range(prompt_length + 1, last + 1)
    )


def sampled_contexts(first: int, last: int, samples: int) -> tuple[int, ...]:
    """Return evenly spaced contexts at which to simulate a generation that is too long to simulate every step.

    Quantities at other contexts can be interpolated. The distances between neighbours differ by at most 1.

    Args:
        first: First context.
        last: Last context, at least `first`.
        samples: Number of contexts, at least 2.

    Returns:
        The contexts in increasing order, `first` and `last` included; all of them if there are fewer than `samples`.

    Raises:
        SpecError: If `samples` is less than 2, `last` less than `first`, or a context out of range.

    Example:
        >>> sampled_contexts(129, 256, 5)
        (129, 161, 193, 224, 256)
    """
    require("first", first, CONTEXT)
    require("last", last, CONTEXT)
    require("samples", samples, SAMPLES)
    if last < first:
        raise SpecError(f"last must be at least first, not {last} with {first}")
    gaps = min(samples - 1, last - first)
    # Integer arithmetic, halves rounded up, so that no argument about float precision is needed.
    return tuple(first + (2 * i * (last - first) + gaps) // (2 * gaps) for i in range(gaps + 1)) if gaps else (first,)


def _require_options(spec: ModelSpec, batch: int, kv: KvCacheSpec, activation_bits: int) -> None:
    require("batch", batch, BATCH)
    if not isinstance(kv, KvCacheSpec):
        raise SpecError(f"kv must be a KvCacheSpec, not {shorten(kv)}")
    check_cache(kv, spec)
    require("activation_bits", activation_bits, BITS)


def _recorded(kv: KvCacheSpec) -> KvCacheSpec | None:
    """Return what a trace says about its cache: nothing about 8-bit codes of all tokens, as traces always had them."""
    return kv if kv.changed.keys() - {"scale_bits"} else None


def _checked_groups(groups: Sequence[SequenceGroup]) -> tuple[SequenceGroup, ...]:
    chosen = tuple(groups)
    if not chosen or not all(isinstance(group, SequenceGroup) for group in chosen):
        raise SpecError("groups must be at least one SequenceGroup")
    shapes = {(group.queries, group.context) for group in chosen}
    if len(shapes) < len(chosen):
        raise SpecError(f"groups must differ in queries or context, not {shorten(str(chosen))}")
    return chosen
