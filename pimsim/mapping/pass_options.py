"""What the traces of a config's workload contain besides the ops of the layers, and the widths of their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pimsim.base.summaries import counted
from pimsim.config.schema import Config
from pimsim.mapping import kv_policy_registry  # noqa: F401  # makes policies of packages known
from pimsim.mapping.matrix_precision import on_crossbars
from workloads.decoder_ops import NumberWidths, PassOptions
from workloads.kv_entries import HALF_BITS
from workloads.ops import AttentionMatmul, Embedding, KVAppend, Projection, Quantise
from workloads.trace import Trace

STEP_BITS = 32
"""Bits of a quantisation step for which the accounting prices steps that are left out: float32."""

SYSTOLIC_BITS = 8
"""Bits of an operand of the systolic array (arXiv:2504.01994: 8-bit MACs)."""


def counted_options(config: Config) -> PassOptions:
    """Return what the traces of a workload contain besides the ops of the layers.

    Args:
        config: Its `workload` and `number_formats`.

    Returns:
        Arguments of the functions of `workloads.decoder_ops` that build traces.
    """
    workload = config.workload
    return {
        "embedding": workload.embedding,
        "lm_head": workload.lm_head,
        "quantisation": workload.quantisation,
        **number_formats(config),
    }


def complete_options(config: Config) -> PassOptions:
    """Return the options with which a trace contains everything that its pass takes.

    Args:
        config: Its `workload.kv.scale_bits` are kept if they are not 0.

    Returns:
        Arguments of the functions of `workloads.decoder_ops` that build traces.
    """
    formats = number_formats(config)
    formats["kv"] = replace(formats["kv"], scale_bits=formats["kv"].scale_bits or STEP_BITS)
    return {"embedding": True, "lm_head": True, "quantisation": True, **formats}


def number_formats(config: Config) -> NumberWidths:
    """Return the widths of the numbers in the traces of a config's model; `pimsim accuracy` computes with the same.

    Args:
        config: Its `workload.kv`, and `machine.crossbar.pair.encoding.activation_bits` if it has crossbars.

    Returns:
        The arguments `kv` and `activation_bits` of the functions that make traces. Activations have 8 bits on a
        machine without crossbars, as the operands of the systolic array have.
    """
    crossbar = config.machine.crossbar
    activation_bits = SYSTOLIC_BITS if crossbar is None else crossbar.pair.encoding.activation_bits
    return {"kv": config.workload.kv.spec(), "activation_bits": activation_bits}


def trace_file_notes(trace: Trace) -> Iterator[str]:
    """Say what the trace file of a decoder does not contain. It is not priced, since a trace does not tell its size.

    Args:
        trace: Trace from a file.

    Yields:
        One sentence about the KV cache, if the trace has one of its own, and at most one about what is left out; none
        for a trace without attention, which is not that of a decoder.
    """
    if trace.kv is not None:
        said = ", ".join(f"{key} {value}" for key, value in trace.kv.changed.items())
        yield f"the KV cache is that of the trace file ({said}), not that of workload.kv"
    ops = [op for _, op in trace.ops()]
    if not any(isinstance(op, AttentionMatmul) for op in ops):
        return
    present = {
        "LM head": any(block.name == "lm_head" for block in trace.blocks),
        "embedding": any(isinstance(op, Embedding) for op in ops),
        "quantisation passes": any(isinstance(op, Quantise) for op in ops),
        "steps of the KV cache": any(_has_scales(op) for op in ops if isinstance(op, AttentionMatmul | KVAppend)),
    }
    if missing := [name for name, there in present.items() if not there]:
        yield f"the trace file has no {', '.join(missing)}: left out, and not priced above"


def _has_scales(op: AttentionMatmul | KVAppend) -> bool:
    """Return whether the bits of an op contain scales, or its entries have none."""
    given = op.read_bits is not None if isinstance(op, AttentionMatmul) else op.write_bits is not None
    return bool(op.step_bits) or given or op.bits == HALF_BITS


def weight_notes(config: Config, trace: Trace) -> Iterator[str]:
    """Say which projections of a trace have weights of more bits than the crossbars hold.

    A trace of another tool may state 2 bits for a ternary weight, and would silently be timed on the systolic array.

    Args:
        config: Config of the run.
        trace: Trace from a file.

    Yields:
        At most one sentence; none if the systolic array computes all projections anyway.
    """
    wide = [
        op
        for _, op in trace.ops()
        if isinstance(op, Projection) and 1 < op.weight_bits < SYSTOLIC_BITS and not on_crossbars(config, op)
    ]
    if wide and config.mapping.projections == "crossbar":
        bits = ", ".join(str(each) for each in sorted({op.weight_bits for op in wide}))
        names = ", ".join(list(dict.fromkeys(op.name for op in wide))[:4])
        have, are = ("has", "is") if len(wide) == 1 else ("have", "are")
        yield (
            f"{counted(len(wide), 'projection')} of the trace ({names}) {have} weights of {bits} bits and {are} "
            "computed by the systolic array; crossbars compute weights of 1 bit, which also stands for ternary ones "
            "(weight_bits: 1), and weights of more bits with machine.crossbar.pair.encoding.weights of as many "
            "(int4) or mapping.matrix_precision"
        )
