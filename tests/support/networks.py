"""Small decoders with random weights, one per model family."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from workloads.models import ModelSpec
from workloads.neural_network import ConSmaxConstants, LayerWeights, Network, NetworkDetails, NormWeights, Weights

FAMILIES = ("gpt2", "opt", "llama", "bitnet")


@dataclass(frozen=True)
class Family:
    """Properties that all networks of a family have in common."""

    norm: str
    activation: str
    function: str
    position: str
    gated: bool
    biases: bool
    sub_norms: bool = False
    position_offset: int = 0
    tied: bool = True


_FAMILIES = {
    "gpt2": Family("layernorm", "gelu", "gelu_tanh", "learned", False, True),
    "opt": Family("layernorm", "relu", "relu", "learned", False, True, position_offset=2),
    "llama": Family("rmsnorm", "silu", "silu", "rotary", True, False, tied=False),
    "bitnet": Family("rmsnorm", "relu2", "relu2", "rotary", True, False, sub_norms=True),
}


def family_spec(family: str, **changes: int) -> ModelSpec:
    """Return a small model of a family; `changes` replace sizes."""
    kind = _FAMILIES[family]
    shape = {"layers": 2, "heads": 4, "kv_heads": 2 if kind.gated else 4, "d_model": 32, "d_head": 8, "d_ff": 48}
    return ModelSpec(
        name=family, vocab=changes.pop("vocab", 61), gated=kind.gated, norm=kind.norm, activation=kind.activation,
        position=kind.position, sub_norms=kind.sub_norms, **(shape | changes),
    )  # fmt: skip


def random_network(family: str, seed: int = 0, *, binary: bool = False, one_bit: bool = True, **shape: int) -> Network:
    """Return a network of a family with random weights."""
    kind, spec = _FAMILIES[family], family_spec(family, **shape)
    network = network_of(spec, seed, binary=binary, one_bit=one_bit, biases=kind.biases, function=kind.function)
    head = network.embedding if kind.tied else normal(np.random.default_rng(seed + 1), spec.vocab, spec.d_model)
    details = replace(network.details, position_offset=kind.position_offset)
    positions = network.positions
    if positions is not None:
        positions = normal(np.random.default_rng(seed + 2), len(positions) + kind.position_offset, spec.d_model)
    return replace(network, lm_head=head, details=details, positions=positions)


def network_of(
    spec: ModelSpec,
    seed: int = 0,
    *,
    binary: bool = False,
    one_bit: bool = True,
    biases: bool = False,
    function: str | None = None,
    max_positions: int = 2048,
) -> Network:
    """Return a network with random weights."""
    rng = np.random.default_rng(seed)

    def weights(inputs: int, outputs: int) -> Weights:
        bias = normal(rng, outputs) if biases else None
        if not one_bit:
            return Weights(normal(rng, outputs, inputs) / np.float32(inputs**0.5), 1.0, bias)
        values = rng.choice(np.array((-1, 1) if binary else (-1, 0, 1), np.int8), (outputs, inputs))
        return Weights(values, float(rng.uniform(0.5, 2) / inputs**0.5), bias)

    def norm(elements: int) -> NormWeights:
        bias = normal(rng, elements) * np.float32(0.1) if spec.norm == "layernorm" else None
        return NormWeights(1 + np.float32(0.2) * normal(rng, elements), bias)

    def layer() -> LayerWeights:
        return LayerWeights(
            attn_norm=norm(spec.d_model),
            q=weights(spec.d_model, spec.d_query),
            k=weights(spec.d_model, spec.d_kv),
            v=weights(spec.d_model, spec.d_kv),
            o=weights(spec.d_query, spec.d_model),
            ffn_norm=norm(spec.d_model),
            gate=weights(spec.d_model, spec.d_ff) if spec.gated else None,
            up=weights(spec.d_model, spec.d_ff),
            down=weights(spec.d_ff, spec.d_model),
            attn_sub_norm=norm(spec.d_query) if spec.sub_norms else None,
            ffn_sub_norm=norm(spec.d_ff) if spec.sub_norms else None,
        )

    embedding = normal(rng, spec.vocab, spec.d_model)
    return Network(
        spec=spec,
        details=NetworkDetails(
            norm_epsilon=1e-5,
            activation=function or spec.activation,
            max_positions=max_positions,  # type: ignore[arg-type]
        ),
        embedding=embedding,
        positions=normal(rng, max_positions, spec.d_model) if spec.position == "learned" else None,
        layers=tuple(layer() for _ in range(spec.layers)),
        final_norm=norm(spec.d_model),
        lm_head=embedding,
    )


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Return normally distributed float32 values."""
    return rng.standard_normal(shape, np.float32)


def with_consmax(network: Network, seed: int = 0) -> Network:
    """Return the network with random constants of ConSmax in each layer and head."""
    rng, heads = np.random.default_rng(seed), network.spec.heads

    def constants() -> ConSmaxConstants:
        return ConSmaxConstants(normal(rng, heads), rng.uniform(0.5, 20, heads).astype(np.float32))

    return replace(network, layers=tuple(replace(layer, consmax=constants()) for layer in network.layers))
