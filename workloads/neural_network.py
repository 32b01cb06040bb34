"""What a decoder computes, in numbers: its weights, and what a shape leaves open.

`ModelSpec` has the shapes that a trace is made from; a `Network` has one as its own `spec`, so that what is timed and
what is evaluated are one model. Arrays are float32 unless said otherwise. Knows nothing of hardware or files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workloads.models import ModelSpec

Float = NDArray[np.float32]
ActivationFunction = Literal["gelu", "gelu_tanh", "relu", "relu2", "silu"]
"""gelu with the error function, gelu_tanh its approximation by tanh (GPT-2's gelu_new); relu2 is the squared ReLU."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A projection: y = scale * (x @ values.T) + bias.

    Attributes:
        values: [out, in] float32, or int8 of -1, 0 and 1 (ternary) or -1 and 1 (binary).
        scale: of the whole matrix; 1 where values are floats.
        bias: [out], or None.

    """

    values: NDArray[np.float32] | NDArray[np.int8]
    scale: float = 1.0
    bias: Float | None = None

    @property
    def is_one_bit(self) -> bool:
        """Whether the values are ternary or binary codes, as arrays hold them."""
        return bool(self.values.dtype == np.int8)


@dataclass(frozen=True, slots=True, eq=False)
class NormWeights:
    """A layer norm (with bias) or an RMS norm (without): [elements] each."""

    weight: Float
    bias: Float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LayerWeights:
    """One decoder layer. `gate` is None in plain FFNs, the sub-norms are None but in BitNet b1.58."""

    attn_norm: NormWeights
    q: Weights
    k: Weights
    v: Weights
    o: Weights
    ffn_norm: NormWeights
    gate: Weights | None
    up: Weights
    down: Weights
    attn_sub_norm: NormWeights | None = None
    ffn_sub_norm: NormWeights | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkDetails:
    """What a decoder of a shape still has to know.

    Attributes:
        norm_epsilon: added to the variance (layer norm) or mean square (RMS norm).
        activation: the exact function of the FFN.
        max_positions: tokens that the positions are defined for.
        rotary_theta: base of the rotary angles; of no use where positions are learned. Halves of a head are rotated
            against each other (LLaMA's convention, not GPT-J's neighbours).
        position_offset: added to a position before it is looked up in the learned table (2 in OPT).

    """

    norm_epsilon: float
    activation: ActivationFunction
    max_positions: int
    rotary_theta: float = 10_000.0
    position_offset: int = 0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Network:
    """A whole decoder.

    Attributes:
        spec: its shape: the one that traces are made from.
        details: what the shape leaves open.
        embedding: [vocab, d_model].
        positions: [positions, d_model] of a learned table, else None.
        layers: in order.
        final_norm: before the LM head.
        lm_head: [vocab, d_model]; the embedding itself where the two are tied.

    """

    spec: ModelSpec
    details: NetworkDetails
    embedding: Float
    positions: Float | None
    layers: tuple[LayerWeights, ...]
    final_norm: NormWeights
    lm_head: Float

    @property
    def is_one_bit(self) -> bool:
        """Whether all projections are ternary or binary."""
        return all(
            weights is None or weights.is_one_bit
            for layer in self.layers
            for weights in (layer.q, layer.k, layer.v, layer.o, layer.gate, layer.up, layer.down)
        )
