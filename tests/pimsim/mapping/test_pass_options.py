"""What a result says about the weights of a trace file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pimsim import load_config, simulate
from pimsim.mapping.pass_options import weight_notes
from pimsim.simulation import load_trace
from workloads.ops import Projection
from workloads.trace import Trace

TRACE = "gpt2-medium-decode-128"


def with_bits(bits: int) -> Trace:
    trace = load_trace(TRACE)
    blocks = tuple(
        replace(
            block, ops=tuple(replace(op, weight_bits=bits) if isinstance(op, Projection) else op for op in block.ops)
        )
        for block in trace.blocks
    )
    return replace(trace, blocks=blocks)


@pytest.mark.parametrize(("bits", "said"), [(1, 0), (2, 1), (4, 1), (8, 0)])
def test_weights_of_a_few_bits_are_said_to_leave_the_crossbars(bits: int, said: int) -> None:
    trace = with_bits(bits)
    notes = list(weight_notes(load_config("pim-llm"), trace))
    assert len(notes) == said
    assert list(weight_notes(load_config("tpu-llm"), trace)) == [], "its array computes all projections anyway"
    on_crossbars = simulate(load_config("pim-llm"), trace).tiles.pairs_used > 0
    assert on_crossbars == (bits == 1)
    assert all(f"weights of {bits} bits" in note for note in notes)


def test_one_projection_is_not_called_projections() -> None:
    trace = with_bits(1)
    block = trace.blocks[0]
    ops = tuple(replace(op, weight_bits=2) if op.name == "q_proj" else op for op in block.ops)
    trace = replace(trace, blocks=(replace(block, ops=ops), *trace.blocks[1:]))
    (note,) = weight_notes(load_config("pim-llm"), trace)
    assert note.startswith("1 projection of the trace (q_proj) has weights of 2 bits and is computed by")
