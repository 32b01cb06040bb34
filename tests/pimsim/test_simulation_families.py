"""Time and energy of what families add to a layer: norms, soft caps and biases of scores, shared norms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pimsim import load_config, simulate
from pimsim.hardware.machine import build_machine
from pimsim.mapping.operations import map_trace
from pimsim.mapping.pass_options import counted_options
from pimsim.studies.serving.iteration_costs import Groups, StepCosts
from tests.support.closeness import near
from workloads import SequenceGroup, decode_step, mixed_step, prefill
from workloads.models import ModelSpec, find_model

SMALL = replace(
    find_model("llama-3-8b"), name="small", layers=2, d_model=512, d_head=64, heads=8, kv_heads=2, d_ff=1024
)
NORM, ROTARY, CAP, SUM = 2, 2, 1, 1
"""Passes of the vector unit over each element (docs/model.md, eq. (25))."""
FAMILIES: dict[str, tuple[dict[str, Any], int]] = {
    # Elements times passes in a decode step of one layer at a context of 40, beside those of LLaMA.
    "qwen3": ({"qk_norms": "heads"}, NORM * (8 + 2) * 64),
    "olmo2": ({"qk_norms": "whole", "norm_order": "after"}, NORM * (512 + 128)),
    "gemma2": ({"norm_order": "both", "score_cap": True}, NORM * 2 * 512 + CAP * 8 * 40),
    "falcon_e": ({"projection_norms": True}, NORM * (6 * 512 + 1024)),
    "mpt": ({"position": "alibi"}, SUM * 8 * 40 - ROTARY * (8 + 2) * 64),
    "gptj": ({"parallel": True, "shared_norm": True}, -NORM * 512),
}


def spec(name: str) -> ModelSpec:
    return replace(SMALL, **FAMILIES[name][0])


@pytest.mark.parametrize("name", FAMILIES)
def test_operations_of_the_vector_unit(name: str) -> None:
    config = load_config("pim-llm")
    plain, found = (simulate(config, decode_step(each, 40)).counts["vector.operation"] for each in (SMALL, spec(name)))
    assert found - plain == SMALL.layers * FAMILIES[name][1]


@pytest.mark.parametrize(
    ("name", "schedule"), [("gemma2", "dataflow"), ("mpt", "dataflow"), ("falcon_e", "serial"), ("gptj", "serial")]
)
def test_iterations_of_serving_cost_what_their_pass_costs(
    name: str, schedule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pimsim.studies.serving.iteration_costs.model_spec", lambda _: spec(name))
    config = load_config("pim-llm", [f"schedule={schedule}"])
    mixed: Groups = ((1, 9, 2), (5, 20, 1))
    groups = [SequenceGroup(sequences, queries, context) for queries, context, sequences in mixed]
    whole = simulate(config, mixed_step(spec(name), groups, outputs=3, **counted_options(config)))
    cost = StepCosts(config).of(mixed, 3)
    assert cost.latency_ps == whole.latency_ps
    assert cost.energy_j == near(whole.energy_j, rel=1e-9)
    if schedule == "dataflow":  # the attention of each request has all ops between its queries and its outputs
        between = [op for op in whole.ops if op.name.startswith(("scores", "softmax", "probabilities", "values"))]
        attention_j = sum(op.repeat * sum(whole.dynamic_energy_j(op.counts).values()) for op in between)
        assert sum(cost.attention_j) == near(attention_j, rel=1e-9)


@pytest.mark.parametrize("name", ["gemma2", "mpt"])
def test_scores_are_capped_slice_by_slice_and_only_where_they_exist(name: str) -> None:
    """The cap and the biases have the slices and the mask of the scores, as the softmax has."""
    config = load_config("pim-llm", ["schedule=dataflow"])
    trace = prefill(spec(name), 20, quantisation=True)
    program = map_trace(config, build_machine(config.machine), trace).program
    extra, softmax = (
        next(task for block in program.blocks for task in block.tasks if task.name == op)
        for op in ("scores_cap" if name == "gemma2" else "scores_alibi", "softmax")
    )
    assert len(extra.assignments) == len(softmax.assignments)
    masks = [[each.share.mask for each in task.assignments if hasattr(each.share, "mask")] for task in (extra, softmax)]
    assert masks[0] == masks[1]
    assert all(mask is not None for mask in masks[0])
