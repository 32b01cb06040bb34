"""From a model spec to the ops of a decode step, of a prefill, and of a whole generation.

The convention of contexts: a pass first appends its new tokens' K and V to the cache, then attends to all of it, so
that its context includes the new tokens' own entries. A prompt of P tokens is prefilled at context P, and the decode
step after it, whose input is the next token, attends to P + 1 entries.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from workloads.checks import Integer, require
from workloads.errors import SpecError
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

LAYER_WEIGHT_BITS = 1
"""Binary or ternary: what makes the model a 1-bit LLM."""

TABLE_BITS = 8
"""Embedding tables and LM head stay W8: 1-bit LLMs keep them in high precision (BitNet b1.58, arXiv:2402.17764)."""

BATCH = Integer(1, 65_536)
SAMPLES = Integer(2, 1_048_576)


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
    step = _Pass(spec, batch, 1, context_length, kv_bits, activation_bits)
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
    whole = _Pass(spec, batch, prompt_length, prompt_length, kv_bits, activation_bits)
    blocks = whole.blocks(embedding, lm_head)
    tokens = whole.vectors
    return Trace(model=spec.name, phase="prefill", context_length=prompt_length, tokens=tokens, blocks=blocks)


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


@dataclass(frozen=True, slots=True)
class _Pass:
    """One pass of ``queries`` new tokens of each of ``sequences``, which attend to ``context`` entries each."""

    spec: ModelSpec
    sequences: int
    queries: int
    context: int
    kv_bits: int
    activation_bits: int

    @property
    def vectors(self) -> int:
        """New tokens of all sequences: what the weights are applied to."""
        return self.sequences * self.queries

    def blocks(self, embedding: bool, lm_head: bool) -> tuple[Block, ...]:
        blocks = [Block(name="layer", repeat=self.spec.layers, ops=(*self._attention(), *self._ffn()))]
        if embedding:
            blocks.insert(0, Block(name="embedding", repeat=1, ops=tuple(self._embedding())))
        if lm_head:
            blocks.append(Block(name="lm_head", repeat=1, ops=tuple(self._lm_head())))
        return tuple(blocks)

    def _attention(self) -> Iterator[Op]:
        """Yield norm to residual, in the paper's serial order Q, K, V, attention, X."""
        spec, vectors = self.spec, self.vectors
        heads, kv_heads, d_head = spec.heads, spec.kv_heads, spec.d_head
        cache = {"kv_heads": kv_heads, "d_head": d_head, "bits": self.kv_bits}
        shape = cache | {
            "heads": heads,
            "queries": self.queries,
            "context": self.context,
            "sequences": self.sequences,
        }
        yield self._norm("attn_norm", BLOCK_INPUT, spec.d_model)
        yield self._projection("q", "attn_norm", spec.d_model, spec.d_query)
        yield self._projection("k", "attn_norm", spec.d_model, spec.d_kv)
        yield self._projection("v", "attn_norm", spec.d_model, spec.d_kv)
        query, key = "q_proj", "k_proj"
        if spec.position == "rotary":
            yield Rotary("q_rotary", (query,), vectors=heads * vectors, elements=d_head)
            yield Rotary("k_rotary", (key,), vectors=kv_heads * vectors, elements=d_head)
            query, key = "q_rotary", "k_rotary"
        yield KVAppend("kv_append", (key, "v_proj"), tokens=vectors, **cache)
        yield AttentionScores("scores", (query, "kv_append"), **shape)
        yield Softmax("softmax", ("scores",), rows=heads * vectors, row_length=self.context)
        yield AttentionValues("values", ("softmax", "kv_append"), **shape)
        attended = "values"
        if spec.sub_norms:
            yield self._norm("attn_sub_norm", attended, spec.d_query)
            attended = "attn_sub_norm"
        yield self._projection("o", attended, spec.d_query, spec.d_model)
        yield Residual("attn_residual", (BLOCK_INPUT, "o_proj"), vectors=vectors, elements=spec.d_model)

    def _ffn(self) -> Iterator[Op]:
        """Yield norm to residual of the FFN: plain up, activation, down; gated with one matrix more."""
        spec, vectors, d_model, d_ff = self.spec, self.vectors, self.spec.d_model, self.spec.d_ff
        yield self._norm("ffn_norm", BLOCK_INPUT if spec.parallel else "attn_residual", d_model)
        if spec.gated:
            yield self._projection("ffn_gate", "ffn_norm", d_model, d_ff)
        yield self._projection("ffn_up", "ffn_norm", d_model, d_ff)
        activated = "ffn_gate" if spec.gated else "ffn_up"
        yield Activation("ffn_activation", (activated,), function=spec.activation, vectors=vectors, elements=d_ff)
        inside = "ffn_activation"
        if spec.gated:
            yield Multiply("ffn_multiply", (inside, "ffn_up"), vectors=vectors, elements=d_ff)
            inside = "ffn_multiply"
        if spec.sub_norms:
            yield self._norm("ffn_sub_norm", inside, d_ff)
            inside = "ffn_sub_norm"
        yield self._projection("ffn_down", inside, d_ff, d_model)
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
        yield Norm("final_norm", (BLOCK_INPUT,), norm=spec.norm, vectors=self.sequences, elements=spec.d_model)
        yield Projection(
            "lm_head",
            ("final_norm",),
            role="lm_head",
            in_features=spec.d_model,
            out_features=spec.vocab,
            vectors=self.sequences,
            weight_bits=TABLE_BITS,
            activation_bits=self.activation_bits,
        )

    def _norm(self, name: str, source: str, elements: int) -> Norm:
        return Norm(name, (source,), norm=self.spec.norm, vectors=self.vectors, elements=elements)

    def _projection(self, role: str, source: str, in_features: int, out_features: int) -> Projection:
        return Projection(
            role if role.startswith("ffn") else f"{role}_proj",
            (source,),
            role=role,
            in_features=in_features,
            out_features=out_features,
            vectors=self.vectors,
            weight_bits=LAYER_WEIGHT_BITS,
            activation_bits=self.activation_bits,
        )
