"""Forward pass of a decoder of the families GPT-2, OPT, LLaMA, Mixtral, DeepSeek-V2 and -V3, and BitNet b1.58.

The order of operations is that of Hugging Face's transformers. The differences between families are in the spec and in
the weights of a network.

Reference:
    docs/inference.md. BitNet b1.58: Ma et al., arXiv:2402.17764; 2B4T: arXiv:2504.12285.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from pimsim.base.errors import WorkloadInputError
from pimsim.inference.attention import Softmax, attend
from pimsim.inference.expert_routing import by_row, mixed
from pimsim.inference.functions import ACTIVATIONS, rotary_table, rotate
from pimsim.inference.kept_entries import EntryChooser, check_choice
from pimsim.inference.kv_store import FULL, KeyValueCache, Numerics
from pimsim.inference.latent_attention import attend_to_latents, cached_shape
from pimsim.inference.norms import layer_norm, rms_norm
from pimsim.inference.projections import Projector, Site, layer_weights
from pimsim.inference.quantisation import Quantised, grid_bits, on_grid, quantise
from workloads.kv_cache import KvCacheSpec
from workloads.latent_cache import check_cache
from workloads.models import ModelSpec
from workloads.neural_network import LayerWeights, Network, NormWeights, Weights
from workloads.workload_errors import SpecError

Float = NDArray[np.float32]
ProjectionObserver = Callable[[Site, NDArray[np.int8], NDArray[np.int32]], None]
"""Function called after each projection with the projection, its inputs, [tokens, in], and its sums, [tokens, out]."""
LayerObserver = Callable[[int, Float], None]
"""Function called after each layer with its number and the residual stream, [tokens, d_model], which then changes."""

SEQUENCE = 2**32
"""Vector numbers per sequence: the number of a token is the number of its sequence times this, plus its position."""
HEAD_BLOCK = 4096
"""Rows of the LM head per matrix product."""
WIDE_TABLE = 2**25
"""Elements of the largest LM head that is kept as float64, 256 MiB; a larger one is converted block by block."""


class Decoder:
    """A decoder that computes logits.

    Args:
        network: The network.
        projector: Multiplication by the ternary or binary weights; None means the float path without quantisation.
        attention: "int8" or "float"; None means "float" without a projector and "int8" with one.
        kv: What the KV cache keeps, and its formats. "float" attention ignores the formats: its entries are float32.
        softmax: "exact", or "consmax" with the constants of the network; None means "consmax" if it has them.
        chooser: Selection of the entries of attention that are computed; None means all that the cache keeps.
        observe: Function called after each projection of the projector.
        watch: Function called after each layer.

    Raises:
        WorkloadInputError: If the layers of the network have a structure that is not computed, such as parallel
            attention and FFN (GPT-NeoX), it has no constants of ConSmax and `softmax` is "consmax", groups of the
            cache do not divide its heads, or entries cannot be chosen in this cache.
    """

    def __init__(
        self,
        network: Network,
        projector: Projector | None,
        *,
        attention: Numerics | None = None,
        kv: KvCacheSpec = FULL,
        softmax: Softmax | None = None,
        chooser: EntryChooser | None = None,
        observe: ProjectionObserver | None = None,
        watch: LayerObserver | None = None,
    ) -> None:
        if missing := [text for text, found in _not_computed(network.spec) if found]:
            raise WorkloadInputError(f"{network.spec.name}: {' and '.join(missing)} can be timed, but are not computed")
        if softmax == "consmax" and not network.has_consmax:
            raise WorkloadInputError(f"{network.spec.name}: the network has no constants of ConSmax")
        try:
            check_cache(kv, network.spec)
            if chooser is not None:
                check_choice(kv, network.spec)
        except SpecError as error:
            raise WorkloadInputError(f"{network.spec.name}: {error}") from error
        self.network, self.projector, self.observe, self.watch = network, projector, observe, watch
        self._windows = network.spec.windows
        self.attention: Numerics = attention or ("float" if projector is None else "int8")
        self.chooser = chooser
        self.kv, self.softmax = kv, softmax or ("consmax" if network.has_consmax else "exact")
        self._head_bits = grid_bits(network.spec.d_model)
        table = on_grid(network.lm_head, self._head_bits, by_row=False)
        self._head = table if table.size <= WIDE_TABLE else table.astype(np.float32)  # exact: 24 bits at most
        self._blas = ThreadpoolController()

    def cache(self, sequence: int = 0) -> KeyValueCache:
        """Create an empty KV cache for a sequence.

        Args:
            sequence: Number of the sequence, which selects its read noise.

        Returns:
            A cache without tokens, whose entries have the type of this decoder's attention.
        """
        return KeyValueCache(cached_shape(self.network.spec), self.attention, kv=self.kv, sequence=sequence)

    def logits(self, tokens: Sequence[int] | NDArray[np.integer], cache: KeyValueCache | None = None) -> Float:
        """Compute the logits after each of the given tokens.

        Args:
            tokens: Token ids, [tokens] integers.
            cache: KV cache with the previous tokens, to which the given ones are added; None means that there are no
                previous tokens.

        Returns:
            Logits, [tokens, vocab] float32.

        Raises:
            WorkloadInputError: If a token is not in the vocabulary, the tokens exceed the positions of the model, or
                the cache has another type of entries.
        """
        with self._single_thread():
            return self._lm_head(self._forward(tokens, cache or self.cache()))

    def prefill(self, tokens: Sequence[int] | NDArray[np.integer], cache: KeyValueCache) -> Float:
        """Compute the logits after the last of the given tokens.

        Args:
            tokens: Token ids, [tokens] integers.
            cache: KV cache with the previous tokens, to which the given ones are added.

        Returns:
            Logits, [vocab] float32.

        Raises:
            WorkloadInputError: As for `logits`.
        """
        with self._single_thread():
            last: Float = self._lm_head(self._forward(tokens, cache)[-1:])[0]
            return last

    def step(self, token: int, cache: KeyValueCache) -> Float:
        """Compute the logits after one more token.

        Args:
            token: Token id.
            cache: KV cache with the previous tokens, to which this one is added.

        Returns:
            Logits, [vocab] float32.

        Raises:
            WorkloadInputError: As for `logits`.
        """
        return self.prefill((token,), cache)

    @contextmanager
    def _single_thread(self) -> Iterator[None]:
        """Limit BLAS to one thread: its products are small here, and its threads keep cores busy after each product.

        Yields:
            None, while the limit holds.
        """
        with self._blas.limit(limits=1, user_api="blas"):
            yield

    def _forward(self, tokens: Sequence[int] | NDArray[np.integer], cache: KeyValueCache) -> Float:
        spec, details = self.network.spec, self.network.details
        ids, first = self._checked(tokens, cache), cache.length
        x = self.network.embedding[ids]
        table = None
        if self.network.positions is not None:
            at = first + details.position_offset
            x += self.network.positions[at : at + len(ids)]
        else:
            elements = spec.d_head if spec.latent is None else spec.latent.d_rope
            table = rotary_table(first, len(ids), elements, details.rotary_theta, details.rotary_scaling)
        cache.reserve(first + len(ids))
        for number, layer in enumerate(self.network.layers):
            x += self._attention(number, layer, x, table, cache)
            x += self._ffn(number, layer, x, cache)
            if self.watch is not None:
                self.watch(number, x)
        cache.length += len(ids)
        return self._norm(x, self.network.final_norm)

    def _attention(
        self, number: int, layer: LayerWeights, x: Float, table: tuple[Float, Float] | None, cache: KeyValueCache
    ) -> Float:
        spec, tokens = self.network.spec, len(x)
        if layer.latent is not None:
            return self._latent_attention(number, layer, x, table, cache)
        inputs = self._inputs(self._norm(x, layer.attn_norm), layer.q)
        query, key, value = (self._project(Site(number, role), layer, inputs, cache) for role in ("q", "k", "v"))
        query = query.reshape(tokens, spec.heads, spec.d_head)
        key = key.reshape(tokens, spec.kv_heads, spec.d_head)
        if table is not None:
            query, key = rotate(query, table), rotate(key, table)
        cache.write(number, key, value.reshape(tokens, spec.kv_heads, spec.d_head))
        consmax = layer.consmax if self.softmax == "consmax" else None
        attended = attend(query, cache, number, self._windows[number], consmax, self.chooser)
        if layer.attn_sub_norm is not None:
            attended = self._norm(attended, layer.attn_sub_norm)
        return self._project(Site(number, "o"), layer, self._inputs(attended, layer.o), cache)

    def _ffn(self, number: int, layer: LayerWeights, x: Float, cache: KeyValueCache) -> Float:
        normed = self._norm(x, layer.ffn_norm)
        if layer.experts is None:
            return self._one_ffn(number, layer, normed, cache)
        router, shape = self.network.details.router, self.network.spec.experts
        assert router is not None
        assert shape is not None

        def compute(expert: int, inputs: Float, first: int) -> Float:
            return self._one_ffn(number, layer, inputs, cache, f"expert{expert}.", first)

        out = mixed(normed, layer.experts, router, shape.per_token, compute)
        if layer.up is not None:
            shared = self._one_ffn(number, layer, normed, cache)
            if layer.experts.shared_gate is not None:
                shared *= 1 / (1 + np.exp(-by_row(normed, layer.experts.shared_gate)))
            out += shared
        return out

    def _one_ffn(
        self, number: int, layer: LayerWeights, normed: Float, cache: KeyValueCache, of: str = "", offset: int = 0
    ) -> Float:
        """Compute the FFN of a layer, its shared expert, or one of its experts.

        Args:
            number: Number of the layer.
            layer: Its weights.
            normed: Inputs, [tokens, d_model] float32.
            cache: KV cache, which numbers the tokens.
            of: Prefix of the roles of an expert.
            offset: Number of the first token among those of the call of the decoder.

        Returns:
            [tokens, d_model] float32.
        """
        activation = ACTIVATIONS[self.network.details.activation]
        up, gate, down = (f"{of}ffn_{part}" for part in ("up", "gate", "down"))
        wide, narrow = layer_weights(layer, up), layer_weights(layer, down)
        assert wide is not None
        assert narrow is not None
        inputs = self._inputs(normed, wide)
        inside = self._project(Site(number, up), layer, inputs, cache, offset)
        if layer_weights(layer, gate) is None:
            inside = activation(inside)
        else:
            inside *= activation(self._project(Site(number, gate), layer, inputs, cache, offset))
        if layer.ffn_sub_norm is not None:
            inside = self._norm(inside, layer.ffn_sub_norm)
        return self._project(Site(number, down), layer, self._inputs(inside, narrow), cache, offset)

    def _latent_attention(
        self, number: int, layer: LayerWeights, x: Float, table: tuple[Float, Float] | None, cache: KeyValueCache
    ) -> Float:
        def product(role: str, vectors: Float) -> Float:
            weights = layer_weights(layer, role)
            assert weights is not None
            return self._project(Site(number, role), layer, self._inputs(vectors, weights), cache)

        assert table is not None
        return attend_to_latents(self._norm(x, layer.attn_norm), layer, self.network, cache, number, table, product)

    def _inputs(self, x: Float, weights: Weights) -> Float | Quantised:
        """Return the inputs of projections; projections of the same activations share one quantisation.

        Projections with norms of their own do not share it, since their inputs differ; `_project` quantises them.
        """
        if self.projector is None or weights.input_norm is not None:
            return x
        return quantise(x, self.projector.activation_bits)

    def _project(
        self, site: Site, layer: LayerWeights, inputs: Float | Quantised, cache: KeyValueCache, offset: int = 0
    ) -> Float:
        """Compute a projection: on integers if the inputs are quantised, else in float32.

        Returns:
            Outputs with scale and bias, [vectors, out] float32.

        Reference:
            docs/inference.md, eq. (3), for quantised inputs.
        """
        weights = layer_weights(layer, site.role)
        assert weights is not None
        if weights.input_norm is not None:
            assert not isinstance(inputs, Quantised)
            inputs = rms_norm(inputs, weights.input_norm, self.network.details.input_norm_epsilon)
            if self.projector is not None:
                inputs = quantise(inputs, self.projector.activation_bits)
        if isinstance(inputs, Quantised):
            assert self.projector is not None
            y = self._from_integers(site, weights, inputs, cache, offset)
        else:
            y = _float_product(inputs, weights)
        if weights.bias is not None:
            y += weights.bias
        return y

    def _from_integers(
        self, site: Site, weights: Weights, inputs: Quantised, cache: KeyValueCache, offset: int
    ) -> Float:
        """Multiply by the codes of each block of inputs, and add the scaled sums in the order of the blocks.

        Returns:
            Outputs without bias, [vectors, out] float32.
        """
        assert self.projector is not None
        first_vector = cache.sequence * SEQUENCE + cache.length + offset
        outputs: Float | None = None
        for block in range(weights.blocks):
            place = site._replace(block=block)
            x = np.ascontiguousarray(inputs.values[:, weights.inputs_of(block)])  # no copy if there is one block
            sums = self.projector.project(place, x, first_vector)
            if self.observe is not None:
                self.observe(place, x, sums)
            scale = inputs.step * weights.scale_of(block)
            y: Float = np.multiply(sums, scale, dtype=np.float32, casting="same_kind")
            if weights.offset is not None:
                y += (inputs.step * x.sum(axis=1, keepdims=True, dtype=np.int32)) * weights.offset[block]
            outputs = y if outputs is None else outputs + y
        assert outputs is not None
        return outputs

    def _norm(self, x: Float, weights: NormWeights) -> Float:
        norm = layer_norm if self.network.spec.norm == "layernorm" else rms_norm
        return norm(x, weights, self.network.details.norm_epsilon)

    def _lm_head(self, x: Float) -> Float:
        """Multiply by the LM head with both factors on a grid, so that sums are exact in any order of summation.

        Args:
            x: [tokens, d_model] float32.

        Returns:
            Logits, [tokens, vocab] float32.

        Reference:
            docs/inference.md, eqs. (8) and (9).
        """
        rounded = on_grid(x, self._head_bits, by_row=True)
        out = np.empty((len(x), len(self._head)), np.float32)
        for start in range(0, len(self._head), HEAD_BLOCK):
            block = self._head[start : start + HEAD_BLOCK].astype(np.float64, copy=False)
            out[:, start : start + HEAD_BLOCK] = rounded @ block.T
        return out

    def _checked(self, tokens: Sequence[int] | NDArray[np.integer], cache: KeyValueCache) -> NDArray[np.intp]:
        ids, vocab = np.asarray(tokens), len(self.network.embedding)
        if ids.ndim != 1 or not ids.size or ids.dtype.kind not in "iu":
            raise WorkloadInputError("tokens must be a list of at least one integer")
        if ids.min() < 0 or ids.max() >= vocab:
            raise WorkloadInputError(f"tokens must be from 0 to {vocab - 1}, not {ids.min()} to {ids.max()}")
        if cache.numerics != self.attention:
            raise WorkloadInputError(f"a cache of {cache.numerics} entries does not fit {self.attention} attention")
        if cache.kv != self.kv:
            raise WorkloadInputError("a cache that keeps something else than the decoder's does not fit")
        if cache.length + ids.size > self.network.details.max_positions:
            most = self.network.details.max_positions
            raise WorkloadInputError(f"{cache.length + ids.size} tokens; the model has positions for {most}")
        return ids.astype(np.intp)


def _not_computed(spec: ModelSpec) -> Iterator[tuple[str, bool]]:
    """List the structures of layers that traces have and this module does not compute.

    Args:
        spec: Shape of a network.

    Yields:
        Name of a structure, and whether the network has it.
    """
    yield "attention and FFN in parallel", spec.parallel
    yield "norms after attention and FFN", spec.norm_order != "before"
    yield "norms of queries and keys", spec.qk_norms != "none"
    yield "soft caps", spec.score_cap or spec.logit_cap
    yield "biases of scores (ALiBi)", spec.position == "alibi"
    yield "rotary angles for a part of each head", spec.d_rotary is not None


def _float_product(x: Float, weights: Weights) -> Float:
    parts = []
    for block in range(weights.blocks):
        at = weights.inputs_of(block)
        y: Float = x[:, at] @ weights.values[:, at].astype(np.float32, copy=False).T
        scale = weights.scale_of(block)
        if np.ndim(scale) or scale != 1:
            y = y * scale
        if weights.offset is not None:
            y += x[:, at].sum(axis=1, keepdims=True) * weights.offset[block]
        parts.append(y)
    return sum(parts[1:], parts[0])
