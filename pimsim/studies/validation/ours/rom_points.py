"""Rows about accelerators with weights in ROM, configs/tom.yaml and configs/bitrom.yaml."""

from __future__ import annotations

from functools import cache
from typing import Any

from pimsim.config.loading import load_config
from pimsim.hardware.machine import build_machine
from pimsim.hardware.op_share import OpShare
from pimsim.hardware.rom import Rom
from pimsim.results.run_result import RunResult
from pimsim.simulation import make_trace, simulate
from pimsim.studies.validation.workbench import Makers, from_labels
from workloads.ops import Projection

MIB_BITS = 8 << 20
TOM_TERNARY_BITS = 2


@cache
def _tom(*changes: tuple[str, Any]) -> RunResult:
    # As its paper does, whose ROM has no room for the LM head.
    return simulate(load_config("tom", {"workload.lm_head": False} | dict(changes)))


def _whole_tokens_per_s(model: str) -> float:
    """Return the speed with the LM head."""
    return _tom(("workload.lm_head", True), ("workload.model", model)).tokens_per_s


def _tokens_per_s(inputs: str) -> float:
    """Return the speed with a width of the adder trees; attention has the same units."""
    rom = load_config("tom").machine.rom
    assert rom is not None  # of the config
    macs = rom.macros * rom.trees_per_macro * int(inputs)
    width = ("machine.rom.inputs_per_tree", int(inputs))
    return _tom(width, ("machine.rom.attention_macs_per_cycle", macs)).tokens_per_s


def _power_w(weight_pj: str) -> float:
    result = _tom(("machine.rom.weight_energy_j", float(weight_pj) * 1e-12))
    return result.energy_j / result.latency_s


def _ternary_mib(model: str) -> float:
    trace = make_trace(load_config("tom", {"workload.model": model}))
    weights = sum(
        block.repeat * op.weights
        for block in trace.blocks
        for op in block.ops
        if isinstance(op, Projection) and op.weight_bits == 1
    )
    return weights * TOM_TERNARY_BITS / MIB_BITS


def _cache_mib(model: str) -> float:
    trace = make_trace(load_config("tom", {"workload.model": model}))
    return sum(block.repeat * sum(op.cache_bytes for op in block.ops) for block in trace.blocks) * 8 / MIB_BITS


def _saved_reads_percent(tokens: str) -> float:
    """Return the part of all reads of the cache that are on the die, while some tokens are generated."""
    rom = build_machine(load_config("bitrom").machine).processor
    assert isinstance(rom, Rom)
    contexts = range(1, int(tokens) + 1)
    shares = [OpShare("scores", "scores", outputs=each, inputs=1, cache_read_bytes=each) for each in contexts]
    return 100 * sum(rom.cache_bytes(share)[0] for share in shares) / sum(contexts)


MAKERS: Makers = {
    "tom-tokens": from_labels(_tokens_per_s),
    "tom-tokens-other-widths": from_labels(_tokens_per_s),
    "tom-tokens-lm-head": from_labels(_whole_tokens_per_s),
    "tom-power": from_labels(_power_w),
    "tom-power-multiplied": from_labels(_power_w),
    "tom-rom-size": from_labels(_ternary_mib),
    "tom-sram-size": from_labels(_cache_mib),
    "bitrom-memory-reads": from_labels(_saved_reads_percent),
}
