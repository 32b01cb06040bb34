"""The report of a trace: shapes, inputs and MACs of each op."""

from __future__ import annotations

import re

from pimsim.present.text.trace_report import print_trace
from tests.support.printed import printed, rows_below
from workloads.decoder_ops import decode_step
from workloads.models import find_model
from workloads.ops import BLOCK_INPUT, Norm, Projection, Residual
from workloads.trace import Block, Trace


def test_a_trace_shows_each_op_with_its_shape_and_inputs() -> None:
    trace = decode_step(find_model("llama-3-8b"), 64, embedding=True, lm_head=True)
    text = printed(print_trace, trace)
    assert text.startswith(f"llama-3-8b, decode at context 64: {trace.macs:,} MACs\n")
    for block, op in trace.ops():
        assert re.search(rf"^{block.name} x{block.repeat} +{op.name} +{op.kind} ", text, re.MULTILINE)
    assert "heads=32 kv_heads=8 d_head=128" in text


def test_a_trace_prints_the_inputs_and_macs_of_each_op() -> None:
    ops = (
        Norm("n", (BLOCK_INPUT,), norm="rmsnorm", vectors=2, elements=4),
        Projection("p", ("n",), role="q", in_features=4, out_features=300, vectors=2, weight_bits=1, activation_bits=8),
        Residual("r", ("p", BLOCK_INPUT), vectors=2, elements=300),
    )
    trace = Trace(model="m", phase="decode", context_length=4, tokens=1, blocks=(Block(name="b", repeat=3, ops=ops),))
    title, *lines = printed(print_trace, trace).splitlines()
    assert title == "m, decode at context 4: 7,200 MACs"
    rows = rows_below("\n".join(lines), "block ")
    assert [[*row[:3], row[3].removeprefix(f"kind={row[2]} "), *row[4:]] for row in rows] == [
        ["b x3", "n", "norm", "norm=rmsnorm vectors=2 elements=4", "input", "0"],
        ["b x3", "p", "projection",
         "role=q in_features=4 out_features=300 vectors=2 weight_bits=1 activation_bits=8", "n", "2,400"],
        ["b x3", "r", "residual", "vectors=2 elements=300", "p, input", "0"],
    ]  # fmt: skip
