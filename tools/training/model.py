"""The model as it is trained: BitNet b1.58 (arXiv:2402.17764) with the sublayers of microsoft/bitnet-b1.58-2B-4T.

Names of parameters and every formula are those of transformers' `BitNetForCausalLM` with `AutoBitLinear` layers that
quantise online. Two things here are for speed only: projections of the same input are multiplied at once, and attention
takes the fused kernel while it is not quantised.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor, nn
from torch.nn import functional

SMALLEST_MAXIMUM = 1e-5
GAIN_INTO_RESIDUALS = 0.1
"""Of what a sublayer adds at first, so that it does not drown the embedding, whose rows start with 0.05."""

_CHANNELS = 8
_SHARPNESS = 4.7
"""With it 85 to 89 % of a head's attention are where it is meant to look, in the first layer."""
_RANDOM_PART = 0.3


class Quantised(IntEnum):
    """How much of the arithmetic is quantised; each more than the one before."""

    NOTHING = 0
    """Latent weights as they are: how training begins, not a model that anyone exports."""
    WEIGHTS = 1
    """Ternary weights, activations as they are."""
    PROJECTIONS = 2
    """Activations of 8 bits before ternary weights: BitNet b1.58, and what transformers computes."""
    EVERYTHING = 3
    """8 bits in attention, too, as on a chip whose systolic array multiplies integers."""


@dataclass(frozen=True)
class Shape:
    """What `config.json` says of the model, under the same names."""

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
    """The scale of a ternary matrix, its mean absolute latent weight (arXiv:2402.17764, eq. 3)."""
    return weight.abs().mean().clamp(min=SMALLEST_MAXIMUM)


def ternary(weight: Tensor) -> Tensor:
    """Latent weights in units of their scale, rounded to -1, 0 or 1 (eqs. 1 and 2)."""
    return (weight / absmean(weight)).round().clamp(-1, 1)


def quantised_weight(weight: Tensor) -> Tensor:
    """Ternary weights times their scale; the gradient passes as if nothing had been rounded."""
    return weight + (ternary(weight) * absmean(weight) - weight).detach()


def quantised(values: Tensor) -> Tensor:
    """Values of 8 bits, scaled by the largest magnitude along the last dimension; straight-through gradient."""
    scale = 127 / values.abs().amax(dim=-1, keepdim=True).clamp(min=SMALLEST_MAXIMUM)
    return values + ((values * scale).round().clamp(-128, 127) / scale - values).detach()


class RMSNorm(nn.Module):
    """Division by the root mean square, then a gain for each channel."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] to the same."""
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


class BitLinear(nn.Module):
    """A projection of ternary weights; holds the latent ones, [out, in]."""

    def __init__(self, in_features: int, out_features: int, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) * gain * in_features**-0.5)


def project(x: Tensor, level: Quantised, *layers: BitLinear) -> tuple[Tensor, ...]:
    """What several projections make of one input."""
    weights = [layer.weight if level == Quantised.NOTHING else quantised_weight(layer.weight) for layer in layers]
    x = quantised(x) if level >= Quantised.PROJECTIONS else x
    together = functional.linear(x, weights[0] if len(weights) == 1 else torch.cat(weights))
    return together.split([len(weight) for weight in weights], dim=-1)


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
        """[batch, tokens, width] to the same."""
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
    """Causal attention, [batch, heads, tokens, head width]."""
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def attention_of_8_bits(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The same with operands of 8 bits: a scale for each token's q, k and v of a head, and for each row of softmax."""
    scores = quantised(q) @ quantised(k).transpose(-1, -2) * q.shape[-1] ** -0.5
    future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return quantised(scores.masked_fill(future, -torch.inf).softmax(dim=-1)) @ quantised(v)


class FeedForward(nn.Module):
    """Gated by the squared ReLU, with a norm before the down projection."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = BitLinear(shape.hidden_size, shape.intermediate_size)
        self.up_proj = BitLinear(shape.hidden_size, shape.intermediate_size)
        self.down_proj = BitLinear(shape.intermediate_size, shape.hidden_size, GAIN_INTO_RESIDUALS)
        self.ffn_sub_norm = RMSNorm(shape.intermediate_size, shape.rms_norm_eps)

    def forward(self, x: Tensor, level: Quantised) -> Tensor:
        """[batch, tokens, width] to the same."""
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
        """[batch, tokens, width] to the same."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, level)
        return x + self.mlp(self.post_attention_layernorm(x), level)


class Decoder(nn.Module):
    """Embedding, layers and the last norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_hidden_layers))
        self.norm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)


class BitNet(nn.Module):
    """Logits for the token after each one; the head has the embedding's weights."""

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
        """[batch, tokens] to [batch, tokens, vocabulary]."""
        tokens = ids.shape[1]
        x = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            x = layer(x, self.cos[:tokens], self.sin[:tokens], level)
        return functional.linear(self.model.norm(x), self.model.embed_tokens.weight)


@torch.no_grad()
def look_back(decoder: Decoder) -> None:
    """Let each head begin by reading at a fixed distance: 1, 2, 3, ... in the first layer, 2, 4, 6, ... in the second.

    That spares the steps in which characters are known only in pairs. All embeddings get a common part, as long as a
    row. Queries and keys answer to it in the fastest rotary channels, with phases that agree at the head's distance.
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
        queries = attention_of_layer.q_proj.weight.mul_(_RANDOM_PART).view(-1, 2, shape.head_dim // 2, width)
        keys = attention_of_layer.k_proj.weight.mul_(_RANDOM_PART).view(-1, 2, shape.head_dim // 2, width)
        distances = torch.arange(1, len(queries) + 1) * (number + 1)
        angles = distances[:, None] * speeds
        queries[:, :, :_CHANNELS] += torch.stack([angles.cos(), -angles.sin()], dim=1)[..., None] * answer
        keys[:, 0, :_CHANNELS] += answer


def rotation(shape: Shape) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary angles, [positions, head width] each; both halves of a head are alike."""
    exponents = torch.arange(0, shape.head_dim, 2, dtype=torch.float) / shape.head_dim
    angles = torch.outer(torch.arange(shape.max_position_embeddings).float(), 1 / shape.rope_theta**exponents)
    return torch.cat([angles, angles], dim=-1).cos(), torch.cat([angles, angles], dim=-1).sin()


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Channel i and channel i + half of each head turned together, [batch, heads, tokens, head width]."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin
