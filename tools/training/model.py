"""The trained model: BitNet b1.58 with the sublayers of microsoft/bitnet-b1.58-2B-4T.

Parameter names and formulas are those of `BitNetForCausalLM` in transformers with `AutoBitLinear` layers that quantise
online. Two differences affect only speed: projections of the same input are one product, and attention without
quantisation uses the fused kernel.

Reference:
    Ma et al., arXiv:2402.17764; 2B4T: arXiv:2504.12285.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

SMALLEST_MAXIMUM = 1e-5
"""Lower bound of absmean and absmax, as in BitNet."""
GAIN_INTO_RESIDUALS = 0.1
"""Initial gain of the projections that write to the residual stream, so that they do not dominate the embedding,
whose elements start with a standard deviation of 0.05."""

_CHANNELS = 8
"""Rotary channels in which `look_back` initialises queries and keys."""
_SHARPNESS = 4.7
"""With this value, 85 to 89 % of the attention of a head in the first layer is at its initial distance."""
_RANDOM_FACTOR = 0.3
"""Factor of the random initial query and key weights."""


class Quantised(IntEnum):
    """Level of quantisation; each level includes the previous one."""

    NOTHING = 0
    """Latent weights are used without quantisation, only at the beginning of training."""
    WEIGHTS = 1
    """Weights are ternary; activations are not quantised."""
    PROJECTIONS = 2
    """Inputs of the ternary projections have 8 bits, as in BitNet b1.58 and transformers."""
    EVERYTHING = 3
    """Operands of attention have 8 bits, too, as on a chip with an integer systolic array."""


@dataclass(frozen=True)
class Shape:
    """Shape and constants of the model, with the key names of `config.json`."""

    vocab_size: int
    hidden_size: int = 256
    intermediate_size: int = 512
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    max_position_embeddings: int = 256
    rope_theta: float = 10_000.0
    rms_norm_eps: float = 1e-5

    @property
    def head_dim(self) -> int:
        """Width of a head."""
        return self.hidden_size // self.num_attention_heads


def absmean(weight: Tensor) -> Tensor:
    """Return the scale of a ternary matrix: its mean absolute latent weight (arXiv:2402.17764, eq. (3))."""
    return weight.abs().mean().clamp(min=SMALLEST_MAXIMUM)


def ternary(weight: Tensor) -> Tensor:
    """Return latent weights in units of their scale, rounded to -1, 0 or 1 (arXiv:2402.17764, eqs. (1) and (2))."""
    return (weight / absmean(weight)).round().clamp(-1, 1)


def quantised_weight(weight: Tensor) -> Tensor:
    """Return ternary weights times their scale, with a straight-through gradient (Bengio et al., arXiv:1308.3432)."""
    return weight + (ternary(weight) * absmean(weight) - weight).detach()


def quantised(values: Tensor) -> Tensor:
    """Return values rounded to 8 bits with the absmax scale of the last dimension, with a straight-through gradient."""
    scale = 127 / values.abs().amax(dim=-1, keepdim=True).clamp(min=SMALLEST_MAXIMUM)
    return values + ((values * scale).round().clamp(-128, 127) / scale - values).detach()


class RMSNorm(nn.Module):
    """RMS norm with a gain for each channel (Zhang and Sennrich, arXiv:1910.07467)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised vectors, [..., width]."""
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


class ArrayErrors(NamedTuple):
    """Errors of the arrays that compute a projection, for a part of the windows of a batch.

    Attributes:
        weight: Error of the ternary weights, [out, in].
        rest: Standard deviation of all other errors, in units of integer activations times ternary weights.
        first: First window of the batch that the arrays compute; the windows before are computed exactly.
    """

    weight: Tensor
    rest: float
    first: int


class BitLinear(nn.Module):
    """A projection with ternary weights; the parameter contains the latent weights, [out, in]."""

    def __init__(self, in_features: int, out_features: int, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) * gain * in_features**-0.5)
        self.errors: ArrayErrors | None = None
        self.observe: Callable[[Tensor], None] | None = None


def project(x: Tensor, level: Quantised, *layers: BitLinear) -> tuple[Tensor, ...]:
    """Return the outputs of several projections of one input, computed as one product."""
    weights = [layer.weight if level == Quantised.NOTHING else quantised_weight(layer.weight) for layer in layers]
    x = quantised(x) if level >= Quantised.PROJECTIONS else x
    for layer in layers:
        if layer.observe is not None:
            layer.observe(x.detach())
    if layers[0].errors is not None:
        return tuple(through_arrays(x, weight, layer) for weight, layer in zip(weights, layers, strict=True))
    together = functional.linear(x, weights[0] if len(weights) == 1 else torch.cat(weights))
    return together.split([len(weight) for weight in weights], dim=-1)


def through_arrays(x: Tensor, weight: Tensor, layer: BitLinear) -> Tensor:
    """Return the outputs of a projection, with the errors of its arrays for the windows that have them.

    The gradient of the latent weights is straight-through, also across the errors; that of `x` knows them.

    Args:
        x: Activations that are rounded to 8 bits, [batch, tokens, in].
        weight: Quantised weights, [out, in].
        layer: The projection, with errors.

    Returns:
        Outputs, [batch, tokens, out].
    """
    errors = layer.errors
    assert errors is not None
    scale = absmean(layer.weight).detach()
    inside = x[errors.first :]
    with_errors = functional.linear(inside, weight + scale * errors.weight)
    if errors.rest:
        unit = inside.detach().abs().amax(dim=-1, keepdim=True) / 127 * scale
        with_errors = with_errors + errors.rest * unit * torch.randn_like(with_errors)
    return torch.cat([functional.linear(x[: errors.first], weight), with_errors])


class Attention(nn.Module):
    """Grouped-query attention with rotary positions and a norm before the output projection."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width, key_width = shape.hidden_size, shape.num_key_value_heads * shape.head_dim
        self.q_proj = BitLinear(width, width)
        self.k_proj = BitLinear(width, key_width)
        self.v_proj = BitLinear(width, key_width)
        self.o_proj = BitLinear(width, width, GAIN_INTO_RESIDUALS)
        self.attn_sub_norm = RMSNorm(width, shape.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, level: Quantised) -> Tensor:
        """Return the output, [batch, tokens, width]."""
        batch, tokens, width = x.shape
        q, k, v = (
            part.view(batch, tokens, -1, self.shape.head_dim).transpose(1, 2)
            for part in project(x, level, self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = rotated(q, cos, sin), rotated(k, cos, sin)
        groups = self.shape.num_attention_heads // self.shape.num_key_value_heads
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
        mixed = attention_of_8_bits(q, k, v) if level == Quantised.EVERYTHING else attention(q, k, v)
        mixed = self.attn_sub_norm(mixed.transpose(1, 2).reshape(batch, tokens, width))
        (result,) = project(mixed, level, self.o_proj)
        return result


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return causal attention without quantisation, [batch, heads, tokens, head width]."""
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def attention_of_8_bits(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return causal attention with 8-bit operands: one scale per token and head for q, k and v, and per softmax row."""
    scores = quantised(q) @ quantised(k).transpose(-1, -2) * q.shape[-1] ** -0.5
    future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return quantised(scores.masked_fill(future, -torch.inf).softmax(dim=-1)) @ quantised(v)


class FeedForward(nn.Module):
    """FFN that is gated with the squared ReLU, with a norm before the down projection."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = BitLinear(shape.hidden_size, shape.intermediate_size)
        self.up_proj = BitLinear(shape.hidden_size, shape.intermediate_size)
        self.down_proj = BitLinear(shape.intermediate_size, shape.hidden_size, GAIN_INTO_RESIDUALS)
        self.ffn_sub_norm = RMSNorm(shape.intermediate_size, shape.rms_norm_eps)

    def forward(self, x: Tensor, level: Quantised) -> Tensor:
        """Return the output, [batch, tokens, width]."""
        gate, up = project(x, level, self.gate_proj, self.up_proj)
        (result,) = project(self.ffn_sub_norm(functional.relu(gate).square() * up), level, self.down_proj)
        return result


class Layer(nn.Module):
    """A decoder layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = FeedForward(shape)
        self.input_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, level: Quantised) -> Tensor:
        """Return the output, [batch, tokens, width]."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, level)
        return x + self.mlp(self.post_attention_layernorm(x), level)


class Decoder(nn.Module):
    """Embedding, layers and the final norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_hidden_layers))
        self.norm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)


class BitNet(nn.Module):
    """The model with its LM head, whose weights are those of the embedding."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Decoder(shape)
        nn.init.normal_(self.model.embed_tokens.weight, std=0.05)
        look_back(self.model)
        cos, sin = rotation(shape)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self.cos: Tensor
        self.sin: Tensor

    def forward(self, ids: Tensor, level: Quantised = Quantised.PROJECTIONS) -> Tensor:
        """Return the logits of the next token, [batch, tokens, vocabulary], for ids, [batch, tokens]."""
        tokens = ids.shape[1]
        x = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            x = layer(x, self.cos[:tokens], self.sin[:tokens], level)
        return functional.linear(self.model.norm(x), self.model.embed_tokens.weight)


@torch.no_grad()
def look_back(decoder: Decoder) -> None:
    """Initialise each head to attend at a fixed distance: 1, 2, 3, ... in layer 0, and 2, 4, 6, ... in layer 1.

    This saves the training steps in which the model learns only pairs of characters. All embeddings receive a common
    component whose norm is that of an average row. Queries and keys respond to it in the fastest rotary channels, with
    phases that match at the distance of the head.
    """
    embedding = decoder.embed_tokens.weight
    width = embedding.shape[1]
    common = torch.randint(0, 2, (width,)).sub(0.5).sign() / width**0.5
    embedding += embedding.norm(dim=1).mean() * common
    answer = _SHARPNESS / (width / 2) ** 0.5 * common
    for number, layer in enumerate(decoder.layers):
        attention_of_layer = layer.self_attn
        shape: Shape = attention_of_layer.shape
        speeds = 1 / shape.rope_theta ** (torch.arange(_CHANNELS) / (shape.head_dim // 2))
        queries = attention_of_layer.q_proj.weight.mul_(_RANDOM_FACTOR).view(-1, 2, shape.head_dim // 2, width)
        keys = attention_of_layer.k_proj.weight.mul_(_RANDOM_FACTOR).view(-1, 2, shape.head_dim // 2, width)
        distances = torch.arange(1, len(queries) + 1) * (number + 1)
        angles = distances[:, None] * speeds
        queries[:, :, :_CHANNELS] += torch.stack([angles.cos(), -angles.sin()], dim=1)[..., None] * answer
        keys[:, 0, :_CHANNELS] += answer


def rotation(shape: Shape) -> tuple[Tensor, Tensor]:
    """Return the cosines and sines of the rotary angles, [positions, head width] each; both halves are equal."""
    exponents = torch.arange(0, shape.head_dim, 2, dtype=torch.float) / shape.head_dim
    angles = torch.outer(torch.arange(shape.max_position_embeddings).float(), 1 / shape.rope_theta**exponents)
    return torch.cat([angles, angles], dim=-1).cos(), torch.cat([angles, angles], dim=-1).sin()


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return `x` with channel i and channel i + half of each head rotated, [batch, heads, tokens, head width]."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin
