"""The trace of a pass quantises what the forward pass quantises."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from pimsim.inference import Decoder, ExactProjector
from pimsim.inference import attention as attention_module
from pimsim.inference import forward_pass as forward_pass_module
from pimsim.inference import kv_formats as kv_formats_module
from pimsim.inference.quantisation import Quantised, quantise
from tests.support.networks import FAMILIES, random_network
from workloads import decode_step, prefill
from workloads.ops import Dequantise, Quantise


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("prompt", [False, True])
def test_quantised_vectors_are_those_of_the_numbers(family: str, prompt: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call of `quantise` is recorded. Probabilities are rounded in line, and the LM head is computed in floats."""
    network = random_network(family)
    counted: Counter[tuple[int, int]] = Counter()
    decoder = Decoder(network, ExactProjector(network))
    tokens, cache = [1, 2, 3, 4, 5], decoder.cache()
    if not prompt:
        decoder.logits(tokens[:-1], cache)

    def recorded(x: NDArray[np.float32], bits: int) -> Quantised:
        counted[x.size // x.shape[-1], x.shape[-1]] += 1
        return quantise(x, bits)

    for module in (attention_module, kv_formats_module, forward_pass_module):
        monkeypatch.setattr(module, "quantise", recorded)
    decoder.logits(np.array(tokens if prompt else tokens[-1:]), cache)
    trace = (prefill if prompt else decode_step)(network.spec, 5, quantisation=True)
    expected: Counter[tuple[int, int]] = Counter()
    for block, op in trace.ops():
        if isinstance(op, Quantise) and op.name != "probabilities_quantise":
            expected[op.vectors, op.elements] += block.repeat
    assert counted == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_every_projection_and_both_attention_products_are_dequantised(family: str) -> None:
    """`_project` multiplies its sums by a step, and `_int8_tile` its scores and its outputs."""
    trace = decode_step(random_network(family).spec, 5, quantisation=True, lm_head=True)
    for block in trace.blocks:
        ops = {op.name: op for op in block.ops}
        products = [op for op in block.ops if op.macs]
        read_by = {op.inputs[0]: op for op in block.ops if isinstance(op, Dequantise)}
        assert set(read_by) == {op.name for op in products}
        for op in products:
            scaled = read_by[op.name]
            assert scaled.vectors * scaled.elements == op.matmul.m * op.matmul.n * op.matmul.count
            assert isinstance(ops[op.inputs[0]], Quantise)
