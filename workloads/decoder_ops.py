"""From a model spec to the ops of a decode step, of a prefill, and of a whole generation.

The convention of contexts: a pass first appends its new tokens' K and V to the cache, then attends to all of it, so
that its context includes the new tokens' own entries. A prompt of P tokens is prefilled at context P, and the decode
step after it, whose input is the next token, attends to P + 1 entries.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from workloads.checked_fields import Checked, Integer, require, shorten
from workloads.models import ModelSpec
from workloads.ops import (
    BITS,
    BLOCK_INPUT,
    COUNT,
    Activation,
    AttentionScores,
    AttentionValues,
    Embedding,
    KVAppend,
    Multiply,
    Norm,
    Op,
    Projection,
    Residual,
    Rotary,
    Softmax,
)
from workloads.trace import CONTEXT, Block, Trace
from workloads.workload_errors import SpecError

LAYER_WEIGHT_BITS = 1
"""Binary or ternary: what makes the model a 1-bit LLM."""

TABLE_BITS = 8
"""Embedding tables and LM head stay W8: 1-bit LLMs keep them in high precision (BitNet b1.58, arXiv:2402.17764)."""

BATCH = Integer(1, 65_536)
SAMPLES = Integer(2, 1_048_576)


@dataclass(frozen=True, slots=True)
class SequenceGroup(Checked):
    """``sequences`` alike of a mixed pass: ``queries`` new tokens of each, which attend to ``context`` entries.

    A decode step is one query; a whole prompt as many queries as entries; a later chunk of a prompt has more entries.
    """

    sequences: Annotated[int, BATCH]
    queries: Annotated[int, CONTEXT]
    context: Annotated[int, CONTEXT]

    def cross_problems(self) -> Iterator[str]:
        """New tokens are among the entries."""
        if self.queries > self.context:
            yield f"context includes the queries' own entries: at least {self.queries}, not {self.context}"


def decode_step(
    spec: ModelSpec,
    context_length: int,
    *,
    batch: int = 1,
    embedding: bool = False,
    lm_head: bool = False,
    kv_bits: int = 8,
    activation_bits: int = 8,
) -> Trace:
    """Return the ops that produce one token for each of ``batch`` sequences, all at the same context.

    Biases are left out (negligible beside the matrices), as is the order of post-norm OPT-350M: it has as many norms.

    Args:
        spec: the model.
        context_length: KV entries attended to, the new token's own included, from 1 to 1,048,576.
        batch: sequences, from 1 to 65,536; they share the weights, but each has its own KV cache.
        embedding: begin with a block of table look-ups.
        lm_head: end with a block of final norm and LM head.
        kv_bits: precision of the KV cache and of both attention matmuls (W8A8 in PIM-LLM).
        activation_bits: precision of the projections' inputs (W1A8 in PIM-LLM).

    Raises:
        SpecError: a number is out of range.

    """
    require("context_length", context_length, CONTEXT)
    _require_options(batch, kv_bits, activation_bits)
    step = _Pass(spec, (SequenceGroup(batch, 1, context_length),), kv_bits, activation_bits)
    blocks = step.blocks(embedding, lm_head)
    return Trace(model=spec.name, phase="decode", context_length=context_length, tokens=batch, blocks=blocks)


def prefill(
    spec: ModelSpec,
    prompt_length: int,
    *,
    batch: int = 1,
    embedding: bool = False,
    lm_head: bool = False,
    kv_bits: int = 8,
    activation_bits: int = 8,
) -> Trace:
    """Return the ops that process the prompts of ``batch`` sequences, of ``prompt_length`` tokens each, in one pass.

    Attention is the full rectangle of ``prompt_length`` queries by ``prompt_length`` entries: the half that the causal
    mask throws away is computed too, as by the dense GEMM tiling of SCALE-Sim, which knows no masks.

    The LM head (and the final norm before it) sees only the last token of each sequence, the one that is continued.

    ``prompt_length`` is from 1 to 1,048,576, and also the trace's context; its ``tokens`` are those processed,
    ``prompt_length * batch``. The other arguments are those of `decode_step`.

    Raises:
        SpecError: a number is out of range; that of softmax rows, heads * prompt_length * batch, is at most 2^40.

    """
    require("prompt_length", prompt_length, CONTEXT)
    _require_options(batch, kv_bits, activation_bits)
    require("heads * prompt_length * batch", spec.heads * prompt_length * batch, COUNT)
    whole = _Pass(spec, (SequenceGroup(batch, prompt_length, prompt_length),), kv_bits, activation_bits)
    blocks = whole.blocks(embedding, lm_head)
    tokens = whole.vectors
    return Trace(model=spec.name, phase="prefill", context_length=prompt_length, tokens=tokens, blocks=blocks)


def mixed_step(
    spec: ModelSpec,
    groups: Sequence[SequenceGroup],
    *,
    outputs: int | None = None,
    embedding: bool = False,
    lm_head: bool = False,
    kv_bits: int = 8,
    activation_bits: int = 8,
) -> Trace:
    """Return the ops of one pass over sequences that differ: at other contexts, or some with whole prompts or chunks.

    The weights see the new tokens of all sequences at once, as in iteration-level batching (Orca, OSDI 2022, which
    calls it selective batching); scores, softmax and values are three ops per group, named "scores:1" and so on after
    the first group's. One group gives the very ops of `decode_step` or `prefill`.

    ``groups`` say what the sequences are, at least one; no two have both queries and context equal. ``outputs`` are the
    sequences whose next token is chosen, which is what the LM head sees; all if not given. A chunk that is not the last
    of its prompt has none. The other arguments are those of `decode_step`.

    Raises:
        SpecError: a number is out of range, or a group stands twice.

    """
    chosen = _checked_groups(groups)
    _require_options(sum(group.sequences for group in chosen), kv_bits, activation_bits)
    sequences = sum(group.sequences for group in chosen)
    if outputs is not None:
        require("outputs", outputs, Integer(0, sequences))
    for group in chosen:
        rows = spec.heads * group.queries * group.sequences
        require("heads * queries * sequences", rows, COUNT)
    step = _Pass(spec, chosen, kv_bits, activation_bits, outputs=outputs)
    return Trace(
        model=spec.name,
        phase="decode" if all(group.queries == 1 for group in chosen) else "prefill",
        context_length=max(group.context for group in chosen),
        tokens=step.vectors,
        blocks=step.blocks(embedding, lm_head),
    )


def attention_part(spec: ModelSpec, group: SequenceGroup, *, kv_bits: int = 8) -> Trace:
    """Return of `mixed_step` only what depends on a group's context: scores, softmax and values of all layers."""
    require("kv_bits", kv_bits, BITS)
    step = _Pass(spec, (group,), kv_bits, BITS.high)
    ops = tuple(step.attention_of(0, group, (BLOCK_INPUT,), BLOCK_INPUT))
    return Trace(
        model=spec.name,
        phase="decode" if group.queries == 1 else "prefill",
        context_length=group.context,
        tokens=step.vectors,
        blocks=(Block(name="layer", repeat=spec.layers, ops=ops),),
    )


def weights_part(
    spec: ModelSpec,
    vectors: int,
    outputs: int,
    *,
    embedding: bool = False,
    lm_head: bool = False,
    kv_bits: int = 8,
    activation_bits: int = 8,
) -> Trace:
    """Return of `mixed_step` all but `attention_part`: what depends on the numbers of new tokens and outputs only."""
    require("vectors", vectors, COUNT)
    require("outputs", outputs, Integer(0, vectors))
    _require_options(1, kv_bits, activation_bits)
    step = _Pass(spec, (), kv_bits, activation_bits, outputs=outputs, others=vectors)
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
    kv_bits: int = 8,
    activation_bits: int = 8,
) -> Iterator[Trace]:
    """Return the decode steps that follow a prompt, made one by one as they are asked for.

    There are ``new_tokens`` of them, at contexts ``prompt_length + 1`` to ``prompt_length + new_tokens``: each takes in
    one new token, whose own KV entry its context includes. The first one's input is the token that the prefill's LM
    head put out; whoever counts that as the first of N new tokens asks for N - 1 steps.

    ``prompt_length`` and ``new_tokens`` are at least 1 and together at most 1,048,576. The prompt's own pass is not
    among the steps: see `prefill`. The other arguments are those of `decode_step`.

    Raises:
        SpecError: a number is out of range; at once, not at the first step.

    """
    require("prompt_length", prompt_length, CONTEXT)
    require("new_tokens", new_tokens, CONTEXT)
    last = prompt_length + new_tokens
    require("prompt_length + new_tokens", last, CONTEXT)
    _require_options(batch, kv_bits, activation_bits)
    return (
        decode_step(
            spec,
            context,
            batch=batch,
            embedding=embedding,
            lm_head=lm_head,
            kv_bits=kv_bits,
            activation_bits=activation_bits,
        )
        for context in range(prompt_length + 1, last + 1)
    )


def sampled_contexts(first: int, last: int, samples: int) -> tuple[int, ...]:
    """Return ``samples`` contexts from ``first`` to ``last``, both included, in increasing order and evenly spaced.

    For a generation too long to run every step of: between two neighbours a quantity can be interpolated. Where fewer
    than ``samples`` contexts exist, each is returned, once. No gap is more than 1 wider than another.

        >>> sampled_contexts(129, 256, 5)
        (129, 161, 193, 224, 256)

    Raises:
        SpecError: ``samples`` is less than 2, ``last`` less than ``first``, or a context out of range.

    """
    require("first", first, CONTEXT)
    require("last", last, CONTEXT)
    require("samples", samples, SAMPLES)
    if last < first:
        raise SpecError(f"last must be at least first, not {last} with {first}")
    gaps = min(samples - 1, last - first)
    # In integers, halves rounded up: floats would do at these sizes, but would have to be argued for.
    return tuple(first + (2 * i * (last - first) + gaps) // (2 * gaps) for i in range(gaps + 1)) if gaps else (first,)


def _require_options(batch: int, kv_bits: int, activation_bits: int) -> None:
    require("batch", batch, BATCH)
    require("kv_bits", kv_bits, BITS)
    require("activation_bits", activation_bits, BITS)


def _checked_groups(groups: Sequence[SequenceGroup]) -> tuple[SequenceGroup, ...]:
    chosen = tuple(groups)
    if not chosen or not all(isinstance(group, SequenceGroup) for group in chosen):
        raise SpecError("groups must be at least one SequenceGroup")
    shapes = {(group.queries, group.context) for group in chosen}
    if len(shapes) < len(chosen):
        raise SpecError(f"groups must differ in queries or context, not {shorten(str(chosen))}")
    return chosen


@dataclass(frozen=True, slots=True)
class _Pass:
    """One pass over groups of sequences; ``others`` are new tokens whose attention is left out."""

    spec: ModelSpec
    groups: tuple[SequenceGroup, ...]
    kv_bits: int
    activation_bits: int
    outputs: int | None = None
    others: int = 0

    @property
    def vectors(self) -> int:
        """New tokens of all sequences: what the weights are applied to."""
        return self.others + sum(group.sequences * group.queries for group in self.groups)

    @property
    def continued(self) -> int:
        """Sequences whose next token is chosen."""
        return sum(group.sequences for group in self.groups) if self.outputs is None else self.outputs

    def blocks(self, embedding: bool, lm_head: bool) -> tuple[Block, ...]:
        blocks = [Block(name="layer", repeat=self.spec.layers, ops=(*self._attention(), *self._ffn()))]
        if embedding:
            blocks.insert(0, Block(name="embedding", repeat=1, ops=tuple(self._embedding())))
        if lm_head and self.continued:
            blocks.append(Block(name="lm_head", repeat=1, ops=tuple(self._lm_head())))
        return tuple(blocks)

    def _attention(self) -> Iterator[Op]:
        """Yield norm to residual, in the paper's serial order Q, K, V, attention, X."""
        spec, vectors = self.spec, self.vectors
        heads, kv_heads, d_head = spec.heads, spec.kv_heads, spec.d_head
        cache = {"kv_heads": kv_heads, "d_head": d_head, "bits": self.kv_bits}
        yield self._norm("attn_norm", (BLOCK_INPUT,), spec.d_model)
        yield self._projection("q", ("attn_norm",), spec.d_model, spec.d_query)
        yield self._projection("k", ("attn_norm",), spec.d_model, spec.d_kv)
        yield self._projection("v", ("attn_norm",), spec.d_model, spec.d_kv)
        query, key = "q_proj", "k_proj"
        if spec.position == "rotary":
            yield Rotary("q_rotary", (query,), vectors=heads * vectors, elements=d_head)
            yield Rotary("k_rotary", (key,), vectors=kv_heads * vectors, elements=d_head)
            query, key = "q_rotary", "k_rotary"
        yield KVAppend("kv_append", (key, "v_proj"), tokens=vectors, **cache)
        for index, group in enumerate(self.groups):
            yield from self.attention_of(index, group, (query, "kv_append"), "kv_append")
        attended = tuple(f"values{_suffix(index)}" for index in range(len(self.groups))) or ("kv_append",)
        if spec.sub_norms:
            yield self._norm("attn_sub_norm", attended, spec.d_query)
            attended = ("attn_sub_norm",)
        yield self._projection("o", attended, spec.d_query, spec.d_model)
        yield Residual("attn_residual", (BLOCK_INPUT, "o_proj"), vectors=vectors, elements=spec.d_model)

    def attention_of(self, index: int, group: SequenceGroup, sources: tuple[str, ...], cache: str) -> Iterator[Op]:
        """Yield scores, softmax and values of the group of that number; ``cache`` has written the new entries."""
        spec, suffix = self.spec, _suffix(index)
        shape = {"heads": spec.heads, "kv_heads": spec.kv_heads, "d_head": spec.d_head, "bits": self.kv_bits}
        shape |= {"queries": group.queries, "context": group.context, "sequences": group.sequences}
        rows = spec.heads * group.sequences * group.queries
        yield AttentionScores(f"scores{suffix}", sources, **shape)
        yield Softmax(f"softmax{suffix}", (f"scores{suffix}",), rows=rows, row_length=group.context)
        yield AttentionValues(f"values{suffix}", (f"softmax{suffix}", cache), **shape)

    def _ffn(self) -> Iterator[Op]:
        """Yield norm to residual of the FFN: plain up, activation, down; gated with one matrix more."""
        spec, vectors, d_model, d_ff = self.spec, self.vectors, self.spec.d_model, self.spec.d_ff
        yield self._norm("ffn_norm", (BLOCK_INPUT if spec.parallel else "attn_residual",), d_model)
        if spec.gated:
            yield self._projection("ffn_gate", ("ffn_norm",), d_model, d_ff)
        yield self._projection("ffn_up", ("ffn_norm",), d_model, d_ff)
        activated = "ffn_gate" if spec.gated else "ffn_up"
        yield Activation("ffn_activation", (activated,), function=spec.activation, vectors=vectors, elements=d_ff)
        inside = "ffn_activation"
        if spec.gated:
            yield Multiply("ffn_multiply", (inside, "ffn_up"), vectors=vectors, elements=d_ff)
            inside = "ffn_multiply"
        if spec.sub_norms:
            yield self._norm("ffn_sub_norm", (inside,), d_ff)
            inside = "ffn_sub_norm"
        yield self._projection("ffn_down", (inside,), d_ff, d_model)
        yield Residual("ffn_residual", ("attn_residual", "ffn_down"), vectors=vectors, elements=d_model)

    def _embedding(self) -> Iterator[Op]:
        shape = {"vectors": self.vectors, "elements": self.spec.d_model}
        yield Embedding("token_embedding", (BLOCK_INPUT,), bits=TABLE_BITS, **shape)
        if self.spec.position == "learned":
            yield Embedding("position_embedding", (BLOCK_INPUT,), bits=TABLE_BITS, **shape)
            yield Residual("embedding_sum", ("token_embedding", "position_embedding"), **shape)

    def _lm_head(self) -> Iterator[Op]:
        """Yield what the next tokens are chosen by: only the last token of each sequence is looked at."""
        spec = self.spec
        yield Norm("final_norm", (BLOCK_INPUT,), norm=spec.norm, vectors=self.continued, elements=spec.d_model)
        yield Projection(
            "lm_head",
            ("final_norm",),
            role="lm_head",
            in_features=spec.d_model,
            out_features=spec.vocab,
            vectors=self.continued,
            weight_bits=TABLE_BITS,
            activation_bits=self.activation_bits,
        )

    def _norm(self, name: str, sources: tuple[str, ...], elements: int) -> Norm:
        return Norm(name, sources, norm=self.spec.norm, vectors=self.vectors, elements=elements)

    def _projection(self, role: str, sources: tuple[str, ...], in_features: int, out_features: int) -> Projection:
        return Projection(
            role if role.startswith("ffn") else f"{role}_proj",
            sources,
            role=role,
            in_features=in_features,
            out_features=out_features,
            vectors=self.vectors,
            weight_bits=LAYER_WEIGHT_BITS,
            activation_bits=self.activation_bits,
        )


def _suffix(index: int) -> str:
    """What tells the attention ops of one group from those of another; nothing for the first."""
    return f":{index}" if index else ""
