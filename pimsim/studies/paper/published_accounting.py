"""The `published` accounting: functions of run results that count time and energy as the paper does.

The simulated machine has a vector unit, a global buffer, memory and a controller. The paper's figures leave out their
time and energy. The rules are inferred from the published values, not printed in the paper. Each rule is a function or
an option of this module, and docs/accounting.md explains it.
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
"""Categories of the latency breakdown that the paper counts, with their names in Fig. 6."""

USABLE_BATTERY_J = 14_400.0
"""Usable energy per battery charge in Fig. 8, joules: 4 Wh of the 5 Wh battery (inferred, rule 8)."""

TOKENS_PER_WORD = 1.5
"""Tokens per word in Fig. 8 (printed)."""


def counted_ops(result: RunResult, *, at_once: bool = True) -> Iterator[OpRecord]:
    """Select the ops whose latencies add up to the latency of the paper.

    Args:
        result: Result of a run under the serial schedule.
        at_once: Whether projections with the same input and separate crossbars (Q, K and V) run in parallel, so that
            only the longest counts. Otherwise all run one after another, as MNSIM runs the layers of a network. The
            first option agrees better with the published values (docs/placement.md).

    Yields:
        Ops that count.

    Reference:
        docs/accounting.md, rule 4.
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
    """Compute the latency breakdown of Fig. 6.

    Args:
        result: Result of a run under the serial schedule.
        at_once: Whether Q, K and V run in parallel; see `counted_ops`.

    Returns:
        Latency by category, ps.

    Reference:
        docs/accounting.md, eq. (1): the category "systolic" of PIM-LLM is T_att of all layers.
    """
    total: Counter[str] = Counter()
    for op in counted_ops(result, at_once=at_once):
        for part, name in COUNTED_PARTS.items():
            total[name] += op.repeat * op.parts_ps.get(part, 0)
    return {name: total[name] for name in COUNTED_PARTS.values()}


def latency_ps(result: RunResult, *, at_once: bool = True) -> int:
    """Compute the latency of a token as the paper counts it.

    Args:
        result: Result of a run under the serial schedule.
        at_once: Whether Q, K and V run in parallel; see `counted_ops`.

    Returns:
        Latency, ps.

    Reference:
        docs/accounting.md, eqs. (2) and (3).
    """
    return sum(parts_ps(result, at_once=at_once).values())


def tokens_per_s(result: RunResult, *, at_once: bool = True) -> float:
    """Compute the throughput of Fig. 5.

    Args:
        result: Result of a run under the serial schedule.
        at_once: Whether Q, K and V run in parallel; see `counted_ops`.

    Returns:
        Throughput, tokens/s.
    """
    return result.tokens * PS_PER_S / latency_ps(result, at_once=at_once)


def projection_ps(result: RunResult, *, at_once: bool = True) -> int:
    """Compute the latency without the systolic array, which does not depend on the context length.

    Args:
        result: Result of a run of PIM-LLM under the serial schedule.
        at_once: Whether Q, K and V run in parallel; see `counted_ops`.

    Returns:
        Latency of all projections, ps.
    """
    breakdown = parts_ps(result, at_once=at_once)
    return sum(breakdown.values()) - breakdown["systolic"]


def low_precision_share(result: RunResult) -> float:
    """Compute the fraction of low-precision matmuls of Fig. 1b: the projections' fraction of systolic cycles.

    Args:
        result: Result of a run on a machine without crossbars.

    Returns:
        Fraction, 0 to 1.

    Reference:
        docs/accounting.md, eq. (7).
    """
    cycles: Counter[str] = Counter()
    for op in result.ops:
        cycles[op.kind] += op.repeat * op.counts.get("systolic.cycle", 0)
    return cycles["projection"] / sum(cycles.values())


def systolic_energy_j(result: RunResult, *, layers_counted_once: bool) -> float:
    """Compute the dynamic energy of the systolic array.

    Args:
        result: Result of a run.
        layers_counted_once: Whether only one layer of each repeated block counts, as the paper does for the attention
            of PIM-LLM.

    Returns:
        Energy, joules.

    Reference:
        docs/accounting.md, eqs. (4) and (5).
    """
    counts = _sum_counts(((1 if layers_counted_once else op.repeat), op) for op in result.ops)
    return _energy_j(result, counts, ("systolic.",))


def crossbar_energy_j(result: RunResult) -> float:
    """Compute the dynamic energy of the crossbar tiles and the mesh.

    Args:
        result: Result of a run.

    Returns:
        Energy, joules.

    Reference:
        docs/accounting.md, E_proj of eq. (5).
    """
    return _energy_j(result, result.counts, ("tile.", "mesh."))


def energy_j(result: RunResult) -> float:
    """Compute the energy of a token as the paper counts it.

    Args:
        result: Result of a run with the shapes for energy (rule 5).

    Returns:
        Energy, joules.

    Reference:
        docs/accounting.md, eqs. (4) and (5).
    """
    has_crossbars = result.tiles.tiles_used > 0
    systolic_j = systolic_energy_j(result, layers_counted_once=has_crossbars)
    return (crossbar_energy_j(result) if has_crossbars else 0.0) + systolic_j


def gops(result: RunResult) -> float:
    """Compute the throughput of Table III. A MAC is one operation.

    Args:
        result: Result of a run with the shapes for time.

    Returns:
        Throughput, 10^9 operations/s.

    Reference:
        docs/accounting.md, eq. (6).
    """
    return result.macs / ps_to_s(latency_ps(result)) / 1e9


def gops_per_w(result: RunResult) -> float:
    """Compute the energy efficiency of Table III. A MAC is one operation.

    Args:
        result: Result of a run with the shapes for energy.

    Returns:
        Energy efficiency, 10^9 operations/J.

    Reference:
        docs/accounting.md, eq. (6).
    """
    return result.macs / energy_j(result) / 1e9


def words_per_charge(energy_per_token_j: float) -> float:
    """Compute the number of words per battery charge of Fig. 8.

    Args:
        energy_per_token_j: Energy per token, joules.

    Returns:
        Number of words.

    Reference:
        docs/accounting.md, eq. (8).
    """
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
