"""Weights and constants of a decoder.

A `Network` contains the `ModelSpec` from which its traces are made, so timing and accuracy refer to the same model.
Arrays are float32 unless stated otherwise. This module knows neither hardware nor files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workloads.models import ModelSpec

Float = NDArray[np.float32]
ActivationFunction = Literal["gelu", "gelu_tanh", "relu", "relu2", "silu"]
"""Activation function of an FFN: gelu has the error function, gelu_tanh is its tanh approximation (gelu_new of GPT-2),
and relu2 is the squared ReLU.

Reference:
    Hendrycks and Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415; So et al., "Primer" (squared ReLU),
    arXiv:2109.08668.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Weights of a projection y = scale * (x @ values.T) + offset * sum(x) + bias, where x may have passed a norm.

    A scale may differ between outputs and between blocks of inputs, as in models that were trained on several devices,
    each with a part of the matrix. The inputs are then cut into blocks of one size, and y is the sum over the blocks.

    Attributes:
        values: Weights, [out, in] float32, or codes, [out, in] int8: -1, 0 and 1 (ternary), -1 and 1 (binary), or other
            integers from -127 to 127.
        scale: Scale of the whole matrix, or of each block of inputs and each output, [blocks, out] float32; 1 if the
            values are floats.
        bias: [out] float32, or None.
        input_norm: RMS norm of the input, as in Falcon-E, or None.
        offset: Number that all weights of an output have beside scale * code in each block of inputs, [blocks, out]
            float32 with as many blocks as the scale; None means 0. It multiplies the sum of the inputs of the block.
    """

    values: NDArray[np.float32] | NDArray[np.int8]
    scale: float | Float = 1.0
    bias: Float | None = None
    input_norm: NormWeights | None = None
    offset: Float | None = None

    @property
    def blocks(self) -> int:
        """Number of blocks of inputs that have scales of their own."""
        return 1 if isinstance(self.scale, int | float) else len(self.scale)

    def inputs_of(self, block: int) -> slice:
        """Return the inputs of a block.

        Args:
            block: Number of the block, from 0.

        Returns:
            The inputs.
        """
        size = self.values.shape[1] // self.blocks
        return slice(block * size, (block + 1) * size)

    def scale_of(self, block: int) -> np.float32 | Float:
        """Return the scale of a block of inputs.

        Args:
            block: Number of the block, from 0.

        Returns:
            One float32 for all outputs, or [out] float32.
        """
        return np.float32(self.scale) if isinstance(self.scale, int | float) else self.scale[block]

    @property
    def is_one_bit(self) -> bool:
        """Whether the values are codes, which crossbar arrays can store: ternary, binary or other integers."""
        return bool(self.values.dtype == np.int8)


@dataclass(frozen=True, slots=True, eq=False)
class NormWeights:
    """Parameters of a layer norm (with bias) or an RMS norm (without bias).

    Attributes:
        weight: Gain, [elements] float32.
        bias: [elements] float32, or None.
    """

    weight: Float
    bias: Float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ConSmaxConstants:
    """Learned constants that replace maximum and sum of the softmax: exp(score - beta) / gamma.

    Attributes:
        beta: Replaces the maximum of the scores of a row, [heads] float32.
        gamma: Replaces the sum of the exponentials of a row, [heads] float32, above 0.

    Reference:
        Liu et al., "ConSmax: Hardware-Friendly Alternative Softmax with Learnable Parameters", arXiv:2402.10930.
    """

    beta: Float
    gamma: Float


@dataclass(frozen=True, slots=True, eq=False)
class LatentWeights:
    """Weights of latent attention beside those of `LayerWeights`.

    Attributes:
        kv_norm: Norm of the latents of keys and values.
        keys: Matrix of each head that is multiplied into queries, [kv_rank, d_nope] (absorbed).
        values: Matrix of each head that makes its output from a sum of latents, [d_value, kv_rank].
        q_a: Projection to the latents of the queries; None if `LayerWeights.q` reads the input of the layer.
        q_norm: Norm of the latents of the queries, or None.

    Reference:
        DeepSeek-AI, "DeepSeek-V2", arXiv:2405.04434, section 2.1 and appendix B.
    """

    kv_norm: NormWeights
    keys: tuple[Weights, ...]
    values: tuple[Weights, ...]
    q_a: Weights | None = None
    q_norm: NormWeights | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ExpertWeights:
    """Weights of a mixture of experts; a shared expert is the FFN of `LayerWeights`.

    Attributes:
        router: [experts, d_model] float32.
        gate: Gate projection of each expert.
        up: Up projection of each expert.
        down: Down projection of each expert.
        bias: Bias of the scores by which experts are chosen, [experts] float32, or None (DeepSeek-V3).
        shared_gate: Gate of the shared expert, [1, d_model] float32, or None (Qwen2-MoE).
    """

    router: Float
    gate: tuple[Weights, ...]
    up: tuple[Weights, ...]
    down: tuple[Weights, ...]
    bias: Float | None = None
    shared_gate: Float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LayerWeights:
    """Weights of one decoder layer.

    Attributes:
        attn_norm: Norm before attention.
        q: Query projection.
        k: Key projection; of latent attention the one to the latents of keys and values and the rotated key.
        v: Value projection; None in latent attention.
        o: Output projection of attention.
        ffn_norm: Norm before the FFN.
        gate: Gate projection; None if the FFN is not gated.
        up: Up projection of the FFN; None if the layer has experts, and no shared one.
        down: Down projection of the FFN, or None as `up`.
        attn_sub_norm: Norm before `o` in BitNet b1.58, else None.
        ffn_sub_norm: Norm before `down` in BitNet b1.58, else None.
        consmax: Constants of ConSmax; None if the layer was trained with a softmax.
        latent: Further weights of latent attention, or None.
        experts: Weights of a mixture of experts, or None.
    """

    attn_norm: NormWeights
    q: Weights
    k: Weights
    v: Weights | None
    o: Weights
    ffn_norm: NormWeights
    gate: Weights | None
    up: Weights | None
    down: Weights | None
    attn_sub_norm: NormWeights | None = None
    ffn_sub_norm: NormWeights | None = None
    consmax: ConSmaxConstants | None = None
    latent: LatentWeights | None = None
    experts: ExpertWeights | None = None

    @property
    def projections(self) -> Mapping[str, Weights]:
        """All projections by role, in order: "q" to "ffn_down" as in traces, "head0.kv_b_k", "expert0.ffn_up", ...

        The part of a role after the dot, or the whole role, is a role of traces (`kv_b_k` and `kv_b_v` are of kv_b).
        """
        named: dict[str, Weights | None] = {}
        if self.latent is not None:
            named["q_a"] = self.latent.q_a
        named |= {"q": self.q, "k": self.k, "v": self.v}
        if self.latent is not None:
            named |= {f"head{head}.kv_b_k": each for head, each in enumerate(self.latent.keys)}
            named |= {f"head{head}.kv_b_v": each for head, each in enumerate(self.latent.values)}
        named |= {"o": self.o, "ffn_gate": self.gate, "ffn_up": self.up, "ffn_down": self.down}
        if self.experts is not None:
            parts = {"ffn_gate": self.experts.gate, "ffn_up": self.experts.up, "ffn_down": self.experts.down}
            for number in range(len(self.experts.router)):
                named |= {f"expert{number}.{role}": each[number] for role, each in parts.items() if each}
        return {role: weights for role, weights in named.items() if weights is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class RotaryScaling:
    """Scaling of the rotary angles for long contexts, of the type "llama3".

    A frequency whose wavelength exceeds `original_positions / low_frequency_factor` is divided by `factor`; one whose
    wavelength is below `original_positions / high_frequency_factor` is kept; between them both are mixed linearly.

    Attributes:
        factor: Divisor of low frequencies.
        low_frequency_factor: Bound of the low frequencies, in periods per `original_positions`.
        high_frequency_factor: Bound of the high frequencies, above `low_frequency_factor`.
        original_positions: Positions of the model before it was extended.

    Reference:
        `_compute_llama3_parameters` in modeling_rope_utils.py of transformers; Llama Team, arXiv:2407.21783.
    """

    factor: float
    low_frequency_factor: float
    high_frequency_factor: float
    original_positions: int


@dataclass(frozen=True, slots=True)
class RotaryFactors:
    """Divisors of the frequencies of the rotary angles, as in the tensor `rope_freqs.weight` of GGUF files.

    Attributes:
        factors: Divisor of the frequency of each pair, above 0, [pairs].

    Reference:
        `generate_extra_tensors` of LlamaModel in convert_hf_to_gguf.py of llama.cpp, for angles of the type "llama3".
    """

    factors: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterDetails:
    """How a router chooses the experts of a token, and how their outputs are weighed.

    Attributes:
        scores: Function of the products with the router that gives the scores of the experts.
        normalised: Whether the weights of the chosen experts are divided by their sum.
        scaling: Factor of the weights.
        groups: Groups of equally many experts, of which a token uses only some; 1 means that all are in one.
        chosen_groups: Groups that a token uses.
        group_terms: Largest scores of a group whose sum decides whether it is chosen.

    Reference:
        Mixtral: arXiv:2401.04088, section 2.1. Groups: arXiv:2405.04434, section 2.2.2; arXiv:2412.19437, section
        2.1.2.
    """

    scores: Literal["softmax", "sigmoid"] = "softmax"
    normalised: bool = False
    scaling: float = 1.0
    groups: int = 1
    chosen_groups: int = 1
    group_terms: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkDetails:
    """Constants of a decoder that its shape does not define.

    Attributes:
        norm_epsilon: Constant added to the variance (layer norm) or the mean square (RMS norm).
        activation: Activation function of the FFN.
        max_positions: Number of positions for which the model is defined.
        rotary_theta: Base of the rotary angles; unused with learned positions. Element i of a head is rotated with
            element i + d_head / 2, as in LLaMA, and not with its neighbour, as in GPT-J.
        rotary_scaling: Scaling of the rotary angles, or None.
        position_offset: Offset added to a position before the lookup in the learned table (2 in OPT).
        input_norm_epsilon: Constant added to the mean square in norms inside projections.
        rotary_pairs: Elements that are rotated together: "halves", element i with element i + d / 2 (LLaMA), or
            "neighbours", 2 i with 2 i + 1 (DeepSeek).
        latent_norm_epsilon: Constant added to the mean square in norms of latents.
        router: How a router chooses experts and weighs them; None without experts.
    """

    norm_epsilon: float
    activation: ActivationFunction
    max_positions: int
    rotary_theta: float = 10_000.0
    rotary_scaling: RotaryScaling | RotaryFactors | None = None
    position_offset: int = 0
    input_norm_epsilon: float = 1e-6
    rotary_pairs: Literal["halves", "neighbours"] = "halves"
    latent_norm_epsilon: float = 1e-6
    router: RouterDetails | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Network:
    """Weights of a whole decoder.

    Attributes:
        spec: Shape of the decoder, from which traces are made.
        details: Constants.
        embedding: Embedding table, [vocab, d_model] float32.
        positions: Learned position embedding, [positions, d_model] float32, or None.
        layers: Layers in order.
        final_norm: Norm before the LM head.
        lm_head: [vocab, d_model] float32; the same array as `embedding` if the two are tied.
        first_layer: Number of the first of `layers`, if they are a part of those of the model.
    """

    spec: ModelSpec
    details: NetworkDetails
    embedding: Float
    positions: Float | None
    layers: Sequence[LayerWeights]
    final_norm: NormWeights
    lm_head: Float
    first_layer: int = 0

    @property
    def is_one_bit(self) -> bool:
        """Whether the weights of all projections are ternary or binary codes."""
        return all(weights.is_one_bit for layer in self.layers for weights in layer.projections.values())

    @property
    def has_consmax(self) -> bool:
        """Whether all layers have the constants of ConSmax."""
        return all(layer.consmax is not None for layer in self.layers)
