"""A decode step whose passes between the arrays are compiled: `Decoder` uses it where it gives the same bits.

Mixtures of experts, latent attention, projections with norms of their own, and scales of blocks of inputs stay in
NumPy. So does the attention over a cache in other formats than `per_token`, with policies that decide token by token,
or so long that BLAS is faster.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from pimsim.inference import attention
from pimsim.inference.compiled import step_kernels as kernels
from pimsim.inference.functions import ACTIVATIONS, rotate
from pimsim.inference.kv_store import BLOCK, KeyValueCache
from pimsim.inference.kv_visibility import sliding_window
from pimsim.inference.projections import Site
from pimsim.inference.quantisation import largest_code
from workloads.kv_cache import KvCacheSpec
from workloads.kv_entries import HALF_BITS, EntryBits
from workloads.models import ModelSpec
from workloads.neural_network import LayerWeights, Network, NormWeights, Weights

Float = NDArray[np.float32]
Project = Callable[[Site, NDArray[np.int8]], NDArray[np.int32]]
"""Function that multiplies the codes of one token, [1, in], by a projection: [1, out] int32."""

LARGEST_ATTENTION = 2**21
"""Products of scores of one token above which BLAS, whose start takes some 50 us, is the faster one."""
_NONE = np.zeros(0, np.float32)
_LEAF = 128


def sum_plan(size: int) -> NDArray[np.int64]:
    """Return the order in which NumPy adds a row: halves of halves, down to parts of up to 128 numbers.

    Args:
        size: Numbers in a row.

    Returns:
        For each part, its end and how many pairs of the sums so far are added after it, [parts, 2] int64.
    """
    parts = _parts(size)
    ends = accumulate(length for length, _ in parts)
    return np.array([(end, pairs) for end, (_, pairs) in zip(ends, parts, strict=True)], np.int64)


def _parts(size: int) -> list[tuple[int, int]]:
    if size <= _LEAF:
        return [(size, 0)]
    half = size // 2 // 8 * 8
    *parts, (length, pairs) = _parts(half) + _parts(size - half)
    return [*parts, (length, pairs + 1)]


@lru_cache
def sums_as_numpy(size: int) -> bool:
    """Return whether the compiled sum of a row has the bits of NumPy's, which another version may add otherwise.

    Args:
        size: Numbers in a row.

    Returns:
        True if both are equal for random numbers.
    """
    rows = np.random.default_rng(0).standard_normal((3, size), np.float32)
    plan = sum_plan(size)
    return bool((np.add.reduce(rows, axis=-1) == [kernels.row_sum(row, plan) for row in rows]).all())


def fits(network: Network) -> bool:
    """Return whether the steps of a decoder can be compiled.

    Args:
        network: The network.

    Returns:
        False if a layer has a structure that only NumPy computes, or NumPy adds numbers in another order.
    """
    spec = network.spec
    if spec.latent is not None or spec.experts is not None:
        return False
    plain = all(
        weights.input_norm is None and weights.offset is None and weights.blocks == 1
        for layer in network.layers
        for weights in layer.projections.values()
    )
    return plain and all(map(sums_as_numpy, {spec.d_model, spec.heads * spec.d_head, spec.d_ff, BLOCK}))


def _array(values: Float | None) -> Float:
    # A copy, because Numba compiles again for arrays that cannot be written, as those of mapped files.
    return _NONE if values is None else np.array(values, np.float32, order="C")


@dataclass(frozen=True, slots=True, eq=False)
class _Norm:
    """Arguments of the norm before a projection, or of its absence."""

    kind: int
    weight: Float
    bias: Float
    plan: NDArray[np.int64]

    @classmethod
    def of(cls, weights: NormWeights | None, spec: ModelSpec, size: int) -> _Norm:
        if weights is None:
            return cls(kernels.NO_NORM, _NONE, _NONE, sum_plan(size))
        if spec.norm == "layernorm":
            return cls(kernels.LAYER_NORM, _array(weights.weight), _array(weights.bias), sum_plan(size))
        return cls(kernels.RMS_NORM, _array(weights.weight), _NONE, sum_plan(size))


@dataclass(frozen=True, slots=True, eq=False)
class _Product:
    """A projection: its place, scale and bias."""

    site: Site
    scale: Float
    bias: Float
    outputs: int

    @classmethod
    def of(cls, layer: int, role: str, weights: Weights) -> _Product:
        scale = np.array(weights.scale_of(0), np.float32, ndmin=1)
        return cls(Site(layer, role), scale, _array(weights.bias), len(weights.values))


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """Constants of a layer as arguments of the kernels."""

    norms: tuple[_Norm, _Norm, _Norm, _Norm]  # before q, k and v; before o; before gate and up; before down
    qkv: tuple[_Product, _Product, _Product]
    o: _Product
    gate: _Product | None
    up: _Product
    down: _Product
    merged: Float

    @classmethod
    def of(cls, number: int, layer: LayerWeights, spec: ModelSpec, softmax: attention.Softmax) -> _Layer:
        query = spec.heads * spec.d_head
        assert layer.k is not None  # these are None only in layers that do not fit
        assert layer.v is not None
        assert layer.up is not None
        assert layer.down is not None
        consmax = layer.consmax if softmax == "consmax" else None
        return cls(
            (
                _Norm.of(layer.attn_norm, spec, spec.d_model),
                _Norm.of(layer.attn_sub_norm, spec, query),
                _Norm.of(layer.ffn_norm, spec, spec.d_model),
                _Norm.of(layer.ffn_sub_norm, spec, spec.d_ff),
            ),
            (
                _Product.of(number, "q", layer.q),
                _Product.of(number, "k", layer.k),
                _Product.of(number, "v", layer.v),
            ),
            _Product.of(number, "o", layer.o),
            None if layer.gate is None else _Product.of(number, "ffn_gate", layer.gate),
            _Product.of(number, "ffn_up", layer.up),
            _Product.of(number, "ffn_down", layer.down),
            _NONE if consmax is None else attention.merged_constants(consmax),
        )


class CompiledStep:
    """The layers of a decoder for one token.

    Args:
        network: A network that `fits`.
        kv: What the cache keeps; None if its entries are floats.
        softmax: "exact" or "consmax".
        bits: Bits of the inputs of projections.
    """

    def __init__(self, network: Network, kv: KvCacheSpec | None, softmax: attention.Softmax, bits: int) -> None:
        spec, details = network.spec, network.details
        self._spec, self._windows, self._top = spec, spec.windows, largest_code(bits)
        self._epsilon = np.float32(details.norm_epsilon)
        self._activation = ACTIVATIONS[details.activation]
        self.layers = tuple(_Layer.of(number, layer, spec, softmax) for number, layer in enumerate(network.layers))
        self._consmax = tuple(layer.consmax if softmax == "consmax" else None for layer in network.layers)
        self._tops, self._newest = _largest_codes(kv), None if kv is None else sliding_window(kv)
        self._scale = np.float32(spec.d_head**-0.5)

    def layer(
        self, number: int, x: Float, table: tuple[Float, Float] | None, cache: KeyValueCache, project: Project
    ) -> None:
        """Compute a layer for one token.

        Args:
            number: Number of the layer.
            x: Residual stream, [1, d_model] float32; updated.
            table: Cosines and sines of the token, [1, 1, d_head / 2] float32 each; None without rotary embedding.
            cache: The KV cache, to which the token is added.
            project: Function that multiplies by a projection.
        """
        layer = self.layers[number]
        row = x[0]
        codes, step = self._codes(row, layer.norms[0])
        query, key, value = (self._outputs(each, codes, step, project) for each in layer.qkv)
        attended = self._attend(number, layer, (query, key, value), table, cache)
        codes, step = self._codes(attended, layer.norms[1])
        kernels.scaled(project(layer.o.site, codes)[0], step, layer.o.scale, layer.o.bias, True, row)
        codes, step = self._codes(row, layer.norms[2])
        inside = self._outputs(layer.up, codes, step, project)
        if layer.gate is None:
            inside = self._activation(inside)
        else:
            inside *= self._activation(self._outputs(layer.gate, codes, step, project))
        codes, step = self._codes(inside, layer.norms[3])
        kernels.scaled(project(layer.down.site, codes)[0], step, layer.down.scale, layer.down.bias, True, row)

    def _codes(self, x: Float, norm: _Norm) -> tuple[NDArray[np.int8], float]:
        codes, normed = np.empty((1, x.size), np.int8), np.empty(x.size, np.float32)
        step = kernels.norm_codes(
            x, norm.kind, norm.weight, norm.bias, self._epsilon, norm.plan, self._top, normed, codes[0]
        )
        return codes, step

    @staticmethod
    def _outputs(product: _Product, codes: NDArray[np.int8], step: float, project: Project) -> Float:
        out = np.empty(product.outputs, np.float32)
        kernels.scaled(project(product.site, codes)[0], step, product.scale, product.bias, False, out)
        return out

    def _attend(
        self,
        number: int,
        layer: _Layer,
        qkv: tuple[Float, Float, Float],
        table: tuple[Float, Float] | None,
        cache: KeyValueCache,
    ) -> Float:
        spec, at, window = self._spec, cache.length, self._windows[number]
        query, key, value = (each.reshape(-1, spec.d_head) for each in qkv)
        if self._tops is None or (at + 1) * len(query) * spec.d_head > LARGEST_ATTENTION:
            return self._attend_in_numpy(number, (query, key, value), table, cache)
        if self._newest is not None:
            window = self._newest if window is None else min(window, self._newest)
        window = at + 1 if window is None else window
        skipped = max(0, at + 1 - window) // BLOCK * BLOCK
        scores = np.empty((len(query), -(-(at + 1) // BLOCK) * BLOCK - skipped), np.float32)
        entries, steps = cache.stored(number)
        cosine, sine = (_NONE, _NONE) if table is None else (table[0][0, 0], table[1][0, 0])
        kernels.write_and_score(
            query,
            key,
            value,
            cosine,
            sine,
            entries,
            steps,
            self._tops,
            self._scale,
            layer.merged,
            at,
            window,
            skipped,
            scores,
        )
        np.exp(scores, out=scores)
        out = np.empty_like(query)
        kernels.weigh_values(scores, entries, steps, self._tops[0], not layer.merged.size, at, skipped, out)
        return out.reshape(-1)

    def _attend_in_numpy(
        self,
        number: int,
        qkv: tuple[Float, Float, Float],
        table: tuple[Float, Float] | None,
        cache: KeyValueCache,
    ) -> Float:
        query, key, value = (each[None] for each in qkv)
        if table is not None:
            query, key = rotate(query, table), rotate(key, table)
        cache.write(number, key, value)
        attended: Float = attention.attend(query, cache, number, self._windows[number], self._consmax[number])[0]
        return attended


def _largest_codes(kv: KvCacheSpec | None) -> Float | None:
    """Return the largest codes of queries, keys and values, [3] float32, if a compiled loop can write and read them."""
    if kv is None or kv.keep not in ("all", "recent") or kv.sinks or not (_as_read(kv.key) and _as_read(kv.value)):
        return None
    return np.array([largest_code(bits) for bits in (kv.operand_bits, kv.key_bits, kv.value_bits)], np.float32)


def _as_read(form: EntryBits) -> bool:
    """Return whether entries are stored as codes with a float32 step, which the array reads as they are."""
    halves = HALF_BITS in (form.bits, form.scale_bits)
    return form.scales == "per_token" and form.bits <= form.operand_bits and not halves
