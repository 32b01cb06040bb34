"""Which entries of attention a prediction leaves to the macros, and what its codes and codebooks need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from pimsim.base.errors import CapacityError, WorkloadInputError
from pimsim.base.kept_share import kept_entries
from pimsim.config.schema import Config
from pimsim.hardware.component import ceil_div
from pimsim.hardware.prediction import Prediction
from pimsim.hardware.sram_cim import SramCim
from workloads.ops import AttentionMatmul, AttentionScores
from workloads.trace import Trace


def computed_part(config: Config, unit: SramCim, op: AttentionMatmul) -> AttentionMatmul:
    """Return an attention matmul with the entries that macros compute.

    Args:
        config: Its `machine.prediction` says which.
        unit: The macros, which may compute whole tiles only.
        op: The matmul of a decode step.

    Returns:
        The op itself without a prediction; otherwise the same op with fewer entries, whose sizes follow from these.

    Reference:
        docs/baselines.md, "HARDSEA".
    """
    prediction = config.machine.prediction
    if prediction is None:
        return op
    scores = isinstance(op, AttentionScores)
    if scores and prediction.method == "exact":
        return op
    kept = kept_entries(op.context, prediction.kept_share)
    if prediction.gathering == "whole_tiles":
        in_tile = unit.config.columns // op.bits if scores else unit.config.active_rows
        kept = min(op.context, kept * in_tile)
    if kept == op.context:
        return op
    return replace(op, context=kept, cached=None, read_bits=None, kept_bits=None)


def code_sizes(config: Config, trace: Trace, layers_of: Mapping[int, Mapping[str, int]]) -> dict[int, tuple[int, int]]:
    """Return the size of codes and tables of each chip, and check that the arrays hold its codebooks.

    Args:
        config: Its `machine.prediction`.
        trace: The ops.
        layers_of: Layers of each block on each chip.

    Returns:
        Bits that are needed and bits that the unit holds, by chip; empty if nothing is coded.

    Raises:
        CapacityError: If the arrays are too few for the codebooks of a chip.
        WorkloadInputError: If the parts of a key have no equal length, or a codebook does not fit an array.
    """
    section = config.machine.prediction
    if section is None or section.method == "exact":
        return {}
    unit, sizes = Prediction(section), {}
    blocks = {block.name: [op for op in block.ops if isinstance(op, AttentionScores)] for block in trace.blocks}
    for op in (op for ops in blocks.values() for op in ops):
        _check_parts(unit, op)
    for chip, layers in layers_of.items():
        needed = arrays = 0
        for block, count in layers.items():
            if not (ops := blocks[block]):
                continue
            keys = sum(op.matmuls * op.entries for op in ops) * config.mapping.microbatches
            kv_heads = max(op.kv_heads for op in ops)
            needed += count * (unit.code_bits(keys) + unit.table_bits(kv_heads))
            arrays += ceil_div(count * kv_heads * section.subspaces, unit.codebooks_per_array(ops[0].d_head))
        if arrays > section.arrays:
            raise CapacityError(
                f"the codebooks of {trace.model} need {arrays:,} arrays of {section.rows} x {section.columns} cells; "
                f"machine.prediction.arrays is {section.arrays:,}. Set it to at least {arrays:,}, or lower subspaces "
                "or centroids"
            )
        sizes[chip] = needed, 8 * section.code_memory_bytes
    return sizes


def _check_parts(unit: Prediction, op: AttentionScores) -> None:
    """Check that the parts of a key have equal lengths, and that their codebooks fit an array.

    Args:
        unit: The unit.
        op: The scores.

    Raises:
        WorkloadInputError: If not.
    """
    section, where = unit.config, f"op {op.name!r}: machine.prediction"
    if op.d_head % section.subspaces:
        divisors = [each for each in range(1, op.d_head + 1) if op.d_head % each == 0]
        nearest = min(divisors, key=lambda each: abs(each - section.subspaces))
        raise WorkloadInputError(
            f"{where}.subspaces must divide the {op.d_head} elements of a head, not {section.subspaces}; the nearest "
            f"divisor is {nearest}"
        )
    if not unit.codebooks_per_array(op.d_head):
        raise WorkloadInputError(
            f"{where}.rows is {section.rows}, but a codebook has {op.d_head // section.subspaces + 1}: a row per "
            "element of a part of a key, and one more; set more subspaces or rows"
        )


def prediction_notes(config: Config, trace: Trace, ops: Iterable[tuple[int, AttentionMatmul]]) -> Iterator[str]:
    """Say what the prediction keeps, and how many of the multiply-accumulates of a trace are computed.

    Args:
        config: Its `machine.prediction`.
        trace: The ops.
        ops: The matmuls in macros, each after the number of its layers.

    Yields:
        At most one sentence.
    """
    section, macros = config.machine.prediction, config.machine.sram_cim
    ops = tuple(ops)
    if section is None or macros is None or not ops:
        return
    unit = SramCim(macros)
    left = sum(layers * (op.macs - computed_part(config, unit, op).macs) for layers, op in ops)
    computed, total = (config.mapping.microbatches * each for each in (trace.macs - left, trace.macs))
    how = "scores" if section.method == "exact" else f"product quantisation ({section.readout.replace('_', '-')})"
    yield (
        f"a row of scores keeps {section.kept_share:.4g} of its entries, chosen by {how}: {computed:,} of the "
        f"{total:,} MACs of the trace are computed ({computed / total:.1%}); GOPS count all of them"
    )
