"""Traces of models are shared by runs with equal workloads, and by no others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pimsim import load_config
from pimsim.mapping import model_traces
from pimsim.mapping.model_traces import model_trace
from workloads import decode_step
from workloads.decoder_ops import PassOptions
from workloads.kv_cache import KvCacheSpec
from workloads.models import find_model

SPEC = replace(find_model("gpt2-small"), layers=2)
WORKLOAD = load_config("pim-llm", ["workload.context_length=9"]).workload
OPTIONS: PassOptions = {
    "embedding": True,
    "lm_head": True,
    "quantisation": True,
    "kv": KvCacheSpec(),
    "activation_bits": 8,
}


def test_equal_workloads_share_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_traces, "_TRACES", {})
    first = model_trace(WORKLOAD, SPEC, 1, OPTIONS)
    assert first == decode_step(SPEC, 9, **OPTIONS)
    same = model_trace(WORKLOAD.model_copy(deep=True), replace(SPEC), 1, {**OPTIONS})
    assert same is first


def test_whatever_changes_a_trace_gives_another_one() -> None:
    assert len(OPTIONS) == len(PassOptions.__annotations__)
    changed = [
        model_trace(WORKLOAD, SPEC, 1, OPTIONS),
        model_trace(WORKLOAD, SPEC, 2, OPTIONS),
        model_trace(WORKLOAD, replace(SPEC, layers=3), 1, OPTIONS),
        model_trace(WORKLOAD.model_copy(update={"context_length": 10}), SPEC, 1, OPTIONS),
        model_trace(WORKLOAD.model_copy(update={"phase": "prefill", "prompt_length": 9}), SPEC, 1, OPTIONS),
        model_trace(WORKLOAD.model_copy(update={"phase": "prefill", "prompt_length": 8}), SPEC, 1, OPTIONS),
        model_trace(WORKLOAD.model_copy(update={"phase": "prefill", "stored_tokens": 3}), SPEC, 1, OPTIONS),
        model_trace(WORKLOAD, SPEC, 1, {**OPTIONS, "embedding": False}),
        model_trace(WORKLOAD, SPEC, 1, {**OPTIONS, "lm_head": False}),
        model_trace(WORKLOAD, SPEC, 1, {**OPTIONS, "quantisation": False}),
        model_trace(WORKLOAD, SPEC, 1, {**OPTIONS, "kv": KvCacheSpec(key_bits=4)}),
        model_trace(WORKLOAD, SPEC, 1, {**OPTIONS, "activation_bits": 4}),
    ]
    assert all(one != other for place, one in enumerate(changed) for other in changed[:place])


def test_few_traces_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_traces, "_TRACES", kept := {})
    for context in range(1, model_traces.MAX_TRACES + 4):
        model_trace(WORKLOAD, SPEC, 1, OPTIONS)
        model_trace(WORKLOAD.model_copy(update={"context_length": 100 + context}), SPEC, 1, OPTIONS)
    assert len(kept) == model_traces.MAX_TRACES
    assert any(trace.context_length == 9 for trace in kept.values())  # used again and again
