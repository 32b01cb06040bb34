"""Traces of a model in the phase of a workload. Runs with equal workloads share them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pimsim.base.errors import WorkloadInputError
from pimsim.config.schema import WorkloadConfig
from workloads.decoder_ops import PassOptions, decode_step, mixed_step, prefill
from workloads.decoder_pass import SequenceGroup
from workloads.kv_policies import SHIPPED
from workloads.models import ModelSpec
from workloads.trace import Trace
from workloads.workload_errors import WorkloadError

MAX_TRACES = 8
"""Traces that are kept for further runs: four runs, each with what it leaves out. One has tens of kilobytes, or
megabytes if each layer has other experts."""

_TRACES: dict[tuple[Any, ...], Trace] = {}
"""By everything from which a trace is built; the one that was used last is at the end."""


def model_trace(workload: WorkloadConfig, spec: ModelSpec, batch: int, options: PassOptions) -> Trace:
    """Return the trace of a model in a phase, which an earlier run may have built.

    Args:
        workload: Phase and lengths.
        spec: The model.
        batch: Number of sequences.
        options: What the trace contains besides the ops of the layers, and its widths.

    Returns:
        The trace.

    Raises:
        WorkloadInputError: If the model cannot have such a pass, or the phase is "generate", which has many traces.
    """
    if options["kv"].keep not in SHIPPED:  # the function of a registered policy may be another one in the next run
        return _built(workload, spec, batch, options)
    lengths = workload.context_length, workload.prompt_length, workload.stored_tokens
    key = (workload.phase, *lengths, spec, batch, *options.values())
    trace = _TRACES.pop(key, None) or _built(workload, spec, batch, options)
    _TRACES[key] = trace
    if len(_TRACES) > MAX_TRACES:
        _TRACES.pop(next(iter(_TRACES)), None)
    return trace


def _built(workload: WorkloadConfig, spec: ModelSpec, batch: int, options: PassOptions) -> Trace:
    try:
        match workload.phase:
            case "decode" | "load":
                return decode_step(spec, workload.context_length, batch=batch, **options)
            case "prefill" if workload.stored_tokens:
                computed = workload.prompt_length - workload.stored_tokens
                group = SequenceGroup(batch, computed, workload.prompt_length)
                return replace(mixed_step(spec, (group,), **options), phase="prefill")
            case "prefill":
                return prefill(spec, workload.prompt_length, batch=batch, **options)
            case "generate":
                raise WorkloadInputError("workload.phase: a generation has many traces; run it with pimsim.generate")
    except WorkloadError as error:
        raise WorkloadInputError(str(error)) from error
