"""The ops of a layer with a mixture of experts, and the blocks of a model that has such layers.

Reference:
    docs/experts.md; Mixtral: arXiv:2401.04088; Qwen2-MoE: modeling_qwen2_moe.py of transformers; DeepSeek-V3:
    arXiv:2412.19437.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from workloads.expert_ops import ExpertChoice, ExpertSum, GroupedProjection
from workloads.op_builder import LAYER_WEIGHT_BITS, OpBuilder
from workloads.ops import BLOCK_INPUT, Activation, Dequantise, Multiply, Op, Projection, Residual, Softmax

if TYPE_CHECKING:
    from workloads.decoder_pass import DecoderPass

ROUTER_BITS = 8
"""Bits per weight of a router, which 1-bit LLMs keep in higher precision, as the LM head (arXiv:2402.17764)."""

Loads = tuple[int, ...]


def layer_loads(step: DecoderPass) -> Iterator[Loads | None]:
    """Return how many tokens each expert processes in each layer.

    Args:
        step: The pass.

    Yields:
        Tokens of each expert that has any, for each layer in order; None for a layer with a usual FFN.
    """
    mixture, mixed = step.spec.experts, 0
    for layer in range(step.spec.layers):
        if mixture is None or mixture.is_dense(layer):
            yield None
        else:
            yield mixture.loads(mixed, step.vectors)
            mixed += 1


def grouped_layers(step: DecoderPass, windows: Iterator[int | None]) -> Iterator[tuple[int | None, Loads | None, int]]:
    """Group consecutive layers whose attention and FFN have the same shape.

    Args:
        step: The pass.
        windows: Window of each layer.

    Yields:
        Window, loads of the experts (None for a usual FFN) and number of layers.
    """
    for (window, loads), layers in groupby(zip(windows, layer_loads(step), strict=True)):
        yield window, loads, sum(1 for _ in layers)


def expert_ffn(step: DecoderPass, loads: Loads) -> Iterator[Op]:
    """Build the FFN half of a layer with experts.

    Args:
        step: The pass.
        loads: Tokens of each expert that has any.

    Yields:
        The ops from the norm to the residual addition: shared expert, router, experts and weighted sum.
    """
    spec, vectors, build, mixture = step.spec, step.vectors, step.build, step.spec.experts
    assert mixture is not None
    source = BLOCK_INPUT if spec.parallel else "attn_residual"
    inputs = yield from build.normed("ffn", source)
    shared = ""
    if mixture.d_shared is not None:
        shared = yield from _shared(step, build, inputs, mixture.d_shared)
    scores = yield from _router(step, "router", inputs, mixture.experts)
    yield Softmax("router_softmax", (scores,), rows=vectors, row_length=mixture.experts)
    shape = {"vectors": vectors, "elements": mixture.experts, "chosen": mixture.per_token}
    yield ExpertChoice("router_choice", ("router_softmax",), **shape)
    chosen = yield from _experts(step, (*inputs, "router_choice"), loads)
    output = "experts_sum"
    yield ExpertSum(output, (chosen, "router_choice"), vectors=vectors, elements=spec.d_model, terms=mixture.per_token)
    if shared:
        output = "shared_sum"
        yield Residual(output, ("experts_sum", shared), vectors=vectors, elements=spec.d_model)
    output = yield from build.post_norm("ffn", output)
    yield Residual("ffn_residual", ("attn_residual", output), vectors=vectors, elements=spec.d_model)


def _shared(step: DecoderPass, build: OpBuilder, inputs: tuple[str, ...], width: int) -> Generator[Op, None, str]:
    """Build the shared expert, which is a usual FFN, and its gate if it has one.

    Args:
        step: The pass.
        build: Builder of its ops.
        inputs: Names of the ops that have the inputs.
        width: Elements of the hidden layer.

    Yields:
        The ops.

    Returns:
        Name of the op that has the output.
    """
    spec, vectors = step.spec, step.vectors
    assert spec.experts is not None
    gate = (yield from build.projected("ffn_gate", inputs, spec.d_model, width)) if spec.gated else ""
    up = yield from build.projected("ffn_up", inputs, spec.d_model, width)
    yield Activation("ffn_activation", (gate or up,), function=spec.activation, vectors=vectors, elements=width)
    inside = "ffn_activation"
    if spec.gated:
        inside = "ffn_multiply"
        yield Multiply(inside, ("ffn_activation", up), vectors=vectors, elements=width)
    activated = yield from build.inputs("ffn_inside", (inside,), width)
    output = yield from build.projected("ffn_down", activated, width, spec.d_model)
    if spec.experts.shared_gate:
        weight = yield from _router(step, "shared_gate", inputs, 1)
        yield Multiply("shared_scaled", (output, weight), vectors=vectors, elements=spec.d_model)
        output = "shared_scaled"
    return output


def _router(step: DecoderPass, name: str, inputs: tuple[str, ...], outputs: int) -> Generator[Op, None, str]:
    """Build a product with weights of `ROUTER_BITS`.

    Args:
        step: The pass.
        name: Name of the op.
        inputs: Names of the ops that have the inputs.
        outputs: Elements of an output vector.

    Yields:
        The product and, if counted, the dequantisation of its sums.

    Returns:
        Name of the op that has the outputs.
    """
    yield Projection(
        name,
        inputs,
        role="router",
        in_features=step.spec.d_model,
        out_features=outputs,
        vectors=step.vectors,
        weight_bits=ROUTER_BITS,
        activation_bits=step.activation_bits,
    )
    if not step.quantisation:
        return name
    yield Dequantise(f"{name}_dequantise", (name,), vectors=step.vectors, elements=outputs)
    return f"{name}_dequantise"


def _experts(step: DecoderPass, inputs: tuple[str, ...], loads: Loads) -> Generator[Op, None, str]:
    """Build the matrices of the experts, for all pairs of a token and one of its experts.

    Args:
        step: The pass.
        inputs: Names of the ops that have the inputs.
        loads: Tokens of each expert that has any.

    Yields:
        The ops.

    Returns:
        Name of the op that has the outputs.
    """
    spec, pairs = step.spec, sum(loads)
    assert spec.experts is not None
    width, build = spec.experts.d_expert, replace(step.build, vectors=pairs)
    gate = ""
    if spec.gated:
        gate = yield from grouped(step, "experts_gate", "ffn_gate", inputs, (spec.d_model, width), loads)
    up = yield from grouped(step, "experts_up", "ffn_up", inputs, (spec.d_model, width), loads)
    inside = "experts_activation"
    yield Activation(inside, (gate or up,), function=spec.activation, vectors=pairs, elements=width)
    if spec.gated:
        yield Multiply("experts_multiply", (inside, up), vectors=pairs, elements=width)
        inside = "experts_multiply"
    activated = yield from build.quantised("experts_inside", (inside,), pairs, width)
    return (yield from grouped(step, "experts_down", "ffn_down", activated, (width, spec.d_model), loads))


def grouped(
    step: DecoderPass,
    name: str,
    role: str,
    inputs: tuple[str, ...],
    shape: tuple[int, int],
    loads: Loads,
    matrices: int | None = None,
) -> Generator[Op, None, str]:
    """Build products with several matrices of one shape.

    Args:
        step: The pass.
        name: Name of the op.
        role: Role of the matrices.
        inputs: Names of the ops that have the input vectors.
        shape: Elements of an input vector and of an output vector.
        loads: Vectors of each matrix that has any.
        matrices: Number of matrices; None means one per expert.

    Yields:
        The products and, if counted, the dequantisation of their sums.

    Returns:
        Name of the op that has the outputs.
    """
    if matrices is None:
        assert step.spec.experts is not None
        matrices = step.spec.experts.experts
    yield GroupedProjection(
        name,
        inputs,
        role=role,
        in_features=shape[0],
        out_features=shape[1],
        vectors=sum(loads),
        weight_bits=LAYER_WEIGHT_BITS,
        activation_bits=step.activation_bits,
        matrices=matrices,
        loads=loads,
    )
    if not step.quantisation:
        return name
    yield Dequantise(f"{name}_dequantise", (name,), vectors=sum(loads), elements=shape[1])
    return f"{name}_dequantise"
