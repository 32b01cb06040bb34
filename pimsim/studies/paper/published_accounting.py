"""The `published` accounting: functions over run results that count what the paper counts.

The machine that is simulated has a vector unit, a global buffer, memory and a controller; the paper's figures leave
their time and energy out. These rules were worked out from the published numbers (inferred, not printed); each is a
function or a named option here, and docs/accounting.md gives the reasoning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from pimsim.base.units import PS_PER_S, ps_to_s
from pimsim.results.run_result import RunResult
from pimsim.steps.records import OpRecord

COUNTED_PARTS: Mapping[str, str] = {
    "systolic": "systolic",
    "communication": "communication",
    "tile_buffer": "buffer",
    "digital": "digital",
    "crossbar": "crossbar",
    "dac": "dac",
    "adc": "adc",
}
"""The parts whose time the paper counts, with the names that Fig. 6 has for them."""

USABLE_BATTERY_J = 14_400.0
"""Joules of a charge behind Fig. 8: 4 Wh of the 5 Wh battery (inferred, rule 8)."""

TOKENS_PER_WORD = 1.5
"""Printed with Fig. 8."""


def counted_ops(result: RunResult, *, at_once: bool = True) -> Iterator[OpRecord]:
    """The ops whose time adds up to the paper's.

    With `at_once`, projections that share their input and have crossbars of their own (Q, K and V) run side by side,
    and the longest of them counts; else all run in a chain, as MNSIM runs the layers of a network. Of both, the
    published values fit the first better (docs/placement.md).
    """
    longest: dict[tuple[str, tuple[str, ...]], OpRecord] = {}
    for op in result.ops:
        if not (at_once and "crossbar" in op.parts_ps):
            yield op
            continue
        key = (op.block, op.inputs)
        if key not in longest or _counted_ps(op) > _counted_ps(longest[key]):
            longest[key] = op
    yield from longest.values()


def parts_ps(result: RunResult, *, at_once: bool = True) -> dict[str, int]:
    """Picoseconds by Fig. 6's parts."""
    total: Counter[str] = Counter()
    for op in counted_ops(result, at_once=at_once):
        for part, name in COUNTED_PARTS.items():
            total[name] += op.repeat * op.parts_ps.get(part, 0)
    return {name: total[name] for name in COUNTED_PARTS.values()}


def latency_ps(result: RunResult, *, at_once: bool = True) -> int:
    """Picoseconds per token as the paper counts them."""
    return sum(parts_ps(result, at_once=at_once).values())


def tokens_per_s(result: RunResult, *, at_once: bool = True) -> float:
    """Fig. 5's quantity."""
    return result.tokens * PS_PER_S / latency_ps(result, at_once=at_once)


def projection_ps(result: RunResult, *, at_once: bool = True) -> int:
    """Picoseconds of everything but the systolic array: the part that does not depend on the context."""
    by_part = parts_ps(result, at_once=at_once)
    return sum(by_part.values()) - by_part["systolic"]


def low_precision_share(result: RunResult) -> float:
    """Fig. 1b's quantity: the projections' share of systolic cycles on a machine without crossbars (rule 7)."""
    cycles: Counter[str] = Counter()
    for op in result.ops:
        cycles[op.kind] += op.repeat * op.counts.get("systolic.cycle", 0)
    return cycles["projection"] / sum(cycles.values())


def systolic_energy_j(result: RunResult, *, layers_counted_once: bool) -> float:
    """Joules of the systolic array.

    With `layers_counted_once`, one layer of each block counts: so the paper charges PIM-LLM's attention (rule 5).
    """
    counts = _sum_counts(((1 if layers_counted_once else op.repeat), op) for op in result.ops)
    return _energy_j(result, counts, ("systolic.",))


def crossbar_energy_j(result: RunResult) -> float:
    """Joules of tiles and mesh: E_proj of rule 5."""
    return _energy_j(result, result.counts, ("tile.", "mesh."))


def energy_j(result: RunResult) -> float:
    """Joules per token as the paper counts them. Give the run with the energy's shapes."""
    has_crossbars = result.tiles.tiles_used > 0
    attention_or_all = systolic_energy_j(result, layers_counted_once=has_crossbars)
    return (crossbar_energy_j(result) if has_crossbars else 0.0) + attention_or_all


def gops(result: RunResult) -> float:
    """Table III's GOPS: a MAC is one operation (rule 6)."""
    return result.macs / ps_to_s(latency_ps(result)) / 1e9


def gops_per_w(result: RunResult) -> float:
    """Table III's GOPS/W: MACs per joule. Give the run with the energy's shapes."""
    return result.macs / energy_j(result) / 1e9


def words_per_charge(energy_per_token_j: float) -> float:
    """Fig. 8's quantity."""
    return USABLE_BATTERY_J / energy_per_token_j / TOKENS_PER_WORD


def _counted_ps(op: OpRecord) -> int:
    return sum(op.parts_ps.get(part, 0) for part in COUNTED_PARTS)


def _sum_counts(ops: Iterable[tuple[int, OpRecord]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for repeat, op in ops:
        for action, count in op.counts.items():
            total[action] += repeat * count
    return total


def _energy_j(result: RunResult, counts: Mapping[str, int], prefixes: tuple[str, ...]) -> float:
    chosen = {action: count for action, count in counts.items() if action.startswith(prefixes)}
    return sum(result.dynamic_energy_j(chosen).values())
