"""The ops of one pass of a decoder over a group of sequences: attention, FFN, embedding and LM head.

A pass first appends the keys and values of its new tokens to the KV cache and then attends to the whole cache, so the
context of a pass includes the entries of its new tokens. A prompt of P tokens is prefilled at context P. The next
decode step, whose input is the next token, attends to P + 1 entries.

Reference:
    GPT-2: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019. OPT: Zhang et al.,
    arXiv:2205.01068. LLaMA: Touvron et al., arXiv:2302.13971. GPT-NeoX (parallel attention and FFN): Black et al.,
    arXiv:2204.06745. BitNet b1.58: Ma et al., arXiv:2402.17764; its sub-norms: arXiv:2504.12285. Order of the
    projections: PIM-LLM, arXiv:2504.01994.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated

from workloads.checked_fields import Checked, Integer
from workloads.decoder_attention import CachedAttention, suffix
from workloads.kv_cache import KvCacheSpec
from workloads.models import ModelSpec
from workloads.op_builder import OpBuilder
from workloads.ops import (
    BLOCK_INPUT,
    Activation,
    Dequantise,
    Embedding,
    Multiply,
    Norm,
    Op,
    Projection,
    Residual,
    Rotary,
)
from workloads.trace import CONTEXT, Block

TABLE_BITS = 8
"""Bits per element of embedding tables and LM head, which 1-bit LLMs keep in higher precision (arXiv:2402.17764)."""

BATCH = Integer(1, 65_536)


@dataclass(frozen=True, slots=True)
class SequenceGroup(Checked):
    """Sequences of a pass that have the same number of new tokens and the same context.

    In a decode step, `queries` is 1. In the prefill of a whole prompt, `queries` equals `context`. In a later chunk of
    a prompt, `queries` is smaller than `context`.

    Attributes:
        sequences: Number of sequences.
        queries: New tokens per sequence.
        context: KV entries per sequence that the new tokens attend to, their own included.

    Raises:
        SpecError: If a value is out of range or `queries` exceeds `context`.
    """

    sequences: Annotated[int, BATCH]
    queries: Annotated[int, CONTEXT]
    context: Annotated[int, CONTEXT]

    def cross_problems(self) -> Iterator[str]:
        """Check that the context includes the new tokens; see `Checked.cross_problems`.

        Yields:
            A message if the context has fewer entries than there are new tokens.
        """
        if self.queries > self.context:
            yield f"context includes the entries of the queries: it must be at least {self.queries}, not {self.context}"


@dataclass(frozen=True, slots=True)
class DecoderPass:
    """One pass of a model over groups of sequences.

    Attributes:
        spec: The model.
        groups: The sequences.
        kv: What the KV cache keeps, and how.
        activation_bits: Bits per element of the inputs of projections.
        outputs: Number of sequences whose next token is computed by the LM head; None means all.
        others: New tokens that the pass processes without attention, beside those of `groups`.
        quantisation: Whether the passes that quantise and dequantise activations are ops of their own.
    """

    spec: ModelSpec
    groups: tuple[SequenceGroup, ...]
    kv: KvCacheSpec
    activation_bits: int
    outputs: int | None = None
    others: int = 0
    quantisation: bool = False

    @property
    def vectors(self) -> int:
        """Number of new tokens of all sequences: the vectors that the weights multiply."""
        return self.others + sum(group.sequences * group.queries for group in self.groups)

    @property
    def continued(self) -> int:
        """Number of sequences whose next token is computed."""
        return sum(group.sequences for group in self.groups) if self.outputs is None else self.outputs

    @property
    def build(self) -> OpBuilder:
        """Builder of norms, projections and quantisation passes for the vectors of this pass."""
        return OpBuilder(self.spec, self.vectors, self.activation_bits, self.quantisation)

    @property
    def attention(self) -> CachedAttention:
        """Builder of the KV cache's ops and of attention."""
        return CachedAttention(self.spec, self.kv, self.quantisation)

    def blocks(self, embedding: bool, lm_head: bool) -> tuple[Block, ...]:
        """Return the blocks of the pass.

        Args:
            embedding: Whether the first block is the embedding lookup.
            lm_head: Whether the last block is the final norm and the LM head; it is omitted without output sequences.

        Returns:
            The blocks, of which "layer" repeats once per decoder layer; see `layer_blocks` for layers with windows.
        """
        blocks = list(self.layer_blocks(lambda window: (*self._attention(window), *self._ffn())))
        if embedding:
            blocks.insert(0, Block(name="embedding", repeat=1, ops=tuple(self._embedding())))
        if lm_head and self.continued:
            blocks.append(Block(name="lm_head", repeat=1, ops=tuple(self._lm_head())))
        return tuple(blocks)

    def layer_blocks(self, ops_of: Callable[[int | None], tuple[Op, ...]]) -> Iterator[Block]:
        """Build the blocks of the layers: one block for consecutive layers whose attention has the same shape.

        A window that no context of the pass exceeds makes no difference, so it does not divide the layers.

        Args:
            ops_of: Function that returns the ops of a layer with the given window.

        Yields:
            A block called "layer"; further ones are called "layer:1", "layer:2" and so on.
        """
        longest = max((group.context for group in self.groups), default=0)
        reaching = (None if window is None or window >= longest else window for window in self.spec.windows)
        for index, (window, layers) in enumerate(groupby(reaching)):
            yield Block(name=f"layer{suffix(index)}", repeat=sum(1 for _ in layers), ops=ops_of(window))

    def _attention(self, window: int | None) -> Iterator[Op]:
        """Build the attention half of a layer, in the serial order of PIM-LLM: Q, K, V, attention, X.

        Args:
            window: Window of the layer.

        Yields:
            The ops from the norm to the residual addition.
        """
        spec, vectors, build = self.spec, self.vectors, self.build
        heads, kv_heads, d_head = spec.heads, spec.kv_heads, spec.d_head
        inputs = yield from build.normed("attn", BLOCK_INPUT)
        query = yield from build.projected("q", inputs, spec.d_model, spec.d_query)
        key = yield from build.projected("k", inputs, spec.d_model, spec.d_kv)
        value = yield from build.projected("v", inputs, spec.d_model, spec.d_kv)
        if spec.qk_norms != "none":
            query = yield from build.qk_norm("q", query, heads)
            key = yield from build.qk_norm("k", key, kv_heads)
        if spec.position == "rotary":
            rotated = d_head if spec.d_rotary is None else spec.d_rotary
            yield Rotary("q_rotary", (query,), vectors=heads * vectors, elements=rotated)
            yield Rotary("k_rotary", (key,), vectors=kv_heads * vectors, elements=rotated)
            query, key = "q_rotary", "k_rotary"
        (query,) = yield from build.quantised("query", (query,), heads * vectors, d_head)
        attention = self.attention
        key, value = yield from attention.appended(build, key, value)
        for index, group in enumerate(self.groups):
            yield from attention.of(index, group, window, query, (key, value))
        last = "values_dequantise" if self.quantisation else "values"
        attended = tuple(f"{last}{suffix(index)}" for index in range(len(self.groups))) or (value,)
        if spec.sub_norms:
            yield build.norm("attn_sub_norm", attended, spec.d_query)
            attended = ("attn_sub_norm",)
        attended = yield from build.inputs("attended", attended, spec.d_query)
        output = yield from build.projected("o", attended, spec.d_query, spec.d_model)
        output = yield from build.post_norm("attn", output)
        yield Residual("attn_residual", (BLOCK_INPUT, output), vectors=vectors, elements=spec.d_model)

    def _ffn(self) -> Iterator[Op]:
        """Build the FFN half of a layer.

        Yields:
            The ops from the norm to the residual addition; a gated FFN has the third matrix ffn_gate.
        """
        spec, vectors, d_model, d_ff, build = self.spec, self.vectors, self.spec.d_model, self.spec.d_ff, self.build
        inputs = yield from build.normed("ffn", BLOCK_INPUT if spec.parallel else "attn_residual")
        gate = (yield from build.projected("ffn_gate", inputs, d_model, d_ff)) if spec.gated else ""
        up = yield from build.projected("ffn_up", inputs, d_model, d_ff)
        yield Activation("ffn_activation", (gate or up,), function=spec.activation, vectors=vectors, elements=d_ff)
        inside = "ffn_activation"
        if spec.gated:
            yield Multiply("ffn_multiply", (inside, up), vectors=vectors, elements=d_ff)
            inside = "ffn_multiply"
        if spec.sub_norms:
            yield build.norm("ffn_sub_norm", (inside,), d_ff)
            inside = "ffn_sub_norm"
        activated = yield from build.inputs("ffn_inside", (inside,), d_ff)
        output = yield from build.projected("ffn_down", activated, d_ff, d_model)
        output = yield from build.post_norm("ffn", output)
        yield Residual("ffn_residual", ("attn_residual", output), vectors=vectors, elements=d_model)

    def _embedding(self) -> Iterator[Op]:
        shape = {"vectors": self.vectors, "elements": self.spec.d_model}
        yield Embedding("token_embedding", (BLOCK_INPUT,), bits=TABLE_BITS, table_rows=self.spec.vocab, **shape)
        if self.spec.position == "learned":
            rows = self.spec.positions
            yield Embedding("position_embedding", (BLOCK_INPUT,), bits=TABLE_BITS, table_rows=rows, **shape)
            yield Residual("embedding_sum", ("token_embedding", "position_embedding"), **shape)

    def _lm_head(self) -> Iterator[Op]:
        """Build final norm and LM head, which process only the last token of each sequence.

        Yields:
            The two ops, and those that quantise the input and dequantise the logits.
        """
        spec, vectors, build = self.spec, self.continued, self.build
        yield Norm("final_norm", (BLOCK_INPUT,), norm=spec.norm, vectors=vectors, elements=spec.d_model)
        inputs = yield from build.quantised("lm_head", ("final_norm",), vectors, spec.d_model)
        yield Projection(
            "lm_head",
            inputs,
            role="lm_head",
            in_features=spec.d_model,
            out_features=spec.vocab,
            vectors=vectors,
            weight_bits=TABLE_BITS,
            activation_bits=self.activation_bits,
        )
        logits = "lm_head"
        if self.quantisation:
            logits = "lm_head_dequantise"
            yield Dequantise(logits, ("lm_head",), vectors=vectors, elements=spec.vocab)
        if spec.logit_cap:
            yield Activation("logits_cap", (logits,), function="tanh", vectors=vectors, elements=spec.vocab)
