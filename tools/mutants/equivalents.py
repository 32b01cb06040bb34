"""Mutants that no test can notice, each with the reason. They count neither as killed nor as survived."""

from __future__ import annotations

from tools.mutants.choosing import Equivalent


def _alike(module: str, line: str, reason: str, *mutated: str) -> tuple[Equivalent, ...]:
    """Return several mutants of one line that are equivalent for the same reason."""
    return tuple(Equivalent(module, line, each, reason) for each in mutated)


_BYTES = "`DIGITAL_BYTES` is 1, by which a product and a quotient are the same."
_PREFETCH = "A prefetch changes no result, and may be outside of the array; the benchmarks measure what it saves."
_SUMS, _READING = "crossbar/kernels/sums.py", "crossbar/kernels/reading.py"

EQUIVALENT: tuple[Equivalent, ...] = (
    *(
        Equivalent(
            "pimsim/engine/media.py",
            "LAST_PRIORITY = 1 << 60",
            f"LAST_PRIORITY = 1 << {bits}",
            "Every number above the engine's other priorities puts the event last.",
        )
        for bits in (59, 61)
    ),
    Equivalent(
        "pimsim/hardware/shared/busy_period.py",
        "return tuple(packet for *_, packet in sorted(ordered, key=lambda each: each[:2]))",
        "return tuple(packet for *_, packet in sorted(ordered, key=lambda each: each[: 1]))",
        "Packets are appended in the order of their messages, and sorting keeps the order of equal keys.",
    ),
    Equivalent(
        "pimsim/hardware/shared/fabric.py",
        "each.extend([-1] * more)",
        "each.extend([-2] * more)",
        "All inputs come one turn later, in the same order; a time of -2 is as negative as one of -1.",
    ),
    Equivalent(
        "pimsim/hardware/shared/fabric.py",
        "self.full_since[link] = -1",
        "self.full_since[link] = -2",
        "Both are negative, and nothing else is asked of it.",
    ),
    Equivalent(
        "pimsim/engine/media.py",
        'return max(now_ps, int(engine_ps) - 1) if engine_ps != float("inf") else 1 << 62',
        'return max(now_ps, int(engine_ps) - 1) if engine_ps != float("inf") else 2 << 62',
        "No run lasts 53 days in picoseconds, so both are after its last event.",
    ),
    Equivalent(
        "pimsim/engine/media.py",
        'return max(now_ps, int(engine_ps) - 1) if engine_ps != float("inf") else 1 << 62',
        'return max(now_ps, int(engine_ps) - 2) if engine_ps != float("inf") else 1 << 62',
        "What happens a picosecond before the engine's next event is handled by one more wake-up, at its own time.",
    ),
    Equivalent(
        "pimsim/hardware/shared/fabric.py",
        "if more <= 0:",
        "if more <= -1:",
        "With no link to add, every list grows by nothing.",
    ),
    *(
        Equivalent(
            "pimsim/hardware/shared/busy_period.py",
            code,
            mutant,
            "The numbers only put entries of one time in the order in which they came.",
        )
        for code, mutant in (("self.order += 1", "self.order += 2"), ("self.order = 0", "self.order = -1"))
    ),
    Equivalent(
        "pimsim/hardware/shared/busy_period.py",
        "limit = groups[0].end_ps",
        "limit = groups[ -1].end_ps",
        "All groups that the fabric returns at once ended at the same time.",
    ),
    *_alike(
        "pimsim/mapping/vector_ops.py",
        "input_bits: int = 8 * DIGITAL_BYTES,",
        _BYTES,
        "input_bits: int = 8 // DIGITAL_BYTES,",
    ),
    *_alike(
        "pimsim/mapping/op_mappings.py",
        "input_bits = layer.sums.get(op.inputs[0], 8 * DIGITAL_BYTES)",
        _BYTES,
        "input_bits = layer.sums.get(op.inputs[0], 8 // DIGITAL_BYTES)",
    ),
    *_alike(
        "pimsim/mapping/operations.py",
        "size_bytes = last.output_elements * DIGITAL_BYTES",
        _BYTES,
        "size_bytes = last.output_elements // DIGITAL_BYTES",
    ),
    *_alike(
        "pimsim/mapping/systolic_ops.py",
        "output_bytes = ceil_div(layer.sums.get(op.name, 8 * DIGITAL_BYTES), 8)",
        "Sums have 32 bits and values 8, and both are the same number of bytes, rounded up.",
        "output_bytes = ceil_div(layer.sums.get(op.name, 8 // DIGITAL_BYTES), 8)",
        "output_bytes = ceil_div(layer.sums.get(op.name, 7 * DIGITAL_BYTES), 8)",
        "output_bytes = ceil_div(layer.sums.get(op.name, 8 * DIGITAL_BYTES), 9)",
    ),
    *_alike(
        _SUMS,
        "ahead = base + (start + rows) * LANES",
        _PREFETCH,
        "ahead = base - (start + rows) * LANES",
        "ahead = base + (start - rows) * LANES",
        "ahead = base + (start + rows) // LANES",
    ),
    *_alike(
        _SUMS,
        "prefetch(cells, ahead + plane * part, ahead + (plane + 1) * part)",
        _PREFETCH,
        "prefetch(cells, ahead - plane * part, ahead + (plane + 1) * part)",
        "prefetch(cells, ahead + plane * part, ahead - (plane + 1) * part)",
        "prefetch(cells, ahead + plane * part, ahead + (plane - 1) * part)",
        "prefetch(cells, ahead + plane // part, ahead + (plane + 1) * part)",
        "prefetch(cells, ahead + plane * part, ahead + (plane + 1) // part)",
        "prefetch(cells, ahead + plane * part, ahead + (plane + 2) * part)",
        "prefetch(cells, ahead + plane * part, ahead + (plane + 0) * part)",
    ),
    *_alike(
        _SUMS,
        "part = PHASE * LANES // _FETCHES",
        _PREFETCH,
        "part = PHASE // LANES // _FETCHES",
        "part = PHASE * LANES * _FETCHES",
    ),
    *_alike(
        _SUMS,
        "if plane < _FETCHES:",
        _PREFETCH,
        "if plane <= _FETCHES:",
        "if plane >= _FETCHES:",
        "if not plane < _FETCHES:",
    ),
    *_alike(_SUMS, "_FETCHES = 8", _PREFETCH, "_FETCHES = 9", "_FETCHES = 7"),
    *_alike(
        _READING,
        "prefetch(masks, (words + first // WORD) * LANES, (words + last // WORD) * LANES)",
        _PREFETCH,
        "prefetch(masks, (words - first // WORD) * LANES, (words + last // WORD) * LANES)",
        "prefetch(masks, (words + first // WORD) * LANES, (words - last // WORD) * LANES)",
        "prefetch(masks, (words + first // WORD) // LANES, (words + last // WORD) * LANES)",
        "prefetch(masks, (words + first // WORD) * LANES, (words + last // WORD) // LANES)",
        "prefetch(masks, (words + first * WORD) * LANES, (words + last // WORD) * LANES)",
        "prefetch(masks, (words + first // WORD) * LANES, (words + last * WORD) * LANES)",
    ),
    *_alike(
        _READING,
        "words = (array * masks.shape[1] + tile) * masks.shape[2]",
        _PREFETCH,
        "words = (array * masks.shape[1] - tile) * masks.shape[2]",
        "words = (array // masks.shape[1] + tile) * masks.shape[2]",
        "words = (array * masks.shape[1] + tile) // masks.shape[2]",
        "words = (array * masks.shape[ 2] + tile) * masks.shape[2]",
        "words = (array * masks.shape[ 0] + tile) * masks.shape[2]",
        "words = (array * masks.shape[1] + tile) * masks.shape[ 1]",
    ),
    *_alike(
        _READING,
        "for array in range(masks.shape[0]):",
        _PREFETCH,
        "for array in range(masks.shape[ 1]):",
        "for array in range(masks.shape[ -1]):",
        "for array in []:",
    ),
    *_alike(
        _SUMS,
        "return aligned_int32(PHASE // 4 * TABLE if tabled else 0)",
        "A longer buffer is used up to the same entry.",
        "return aligned_int32(PHASE * 4 * TABLE if tabled else 0)",
        "return aligned_int32(PHASE // 3 * TABLE if tabled else 0)",
    ),
    *_alike(
        _READING,
        "noise = aligned_int32((conversions + _AT_ONCE - 1) * LANES).view(np.float32)",
        "A longer buffer is used up to the same entry.",
        "noise = aligned_int32((conversions + _AT_ONCE - 0) * LANES).view(np.float32)",
    ),
    *_alike(
        "crossbar/multiplication.py",
        "BATCH = 64",
        "Vectors do not depend on each other; the number in a batch decides the speed alone.",
        "BATCH = 63",
        "BATCH = 65",
    ),
    *_alike(
        "crossbar/kernels/planes.py",
        "value = x[row] if row >= 0 else np.int32(0)",
        "Places without a row hold cells of 0, so that their masks select nothing.",
        "value = x[row] if row >= 0 else np.int32( -1)",
        "value = x[row] if row >= 0 else np.int32(1)",
        "value = x[row] if row >= 0 else np.int32( 1)",
    ),
    *_alike(
        _READING,
        "if noise.lrs_variance != 0 and not by_amx:",
        "A variance is not negative; with one of 0, the cells are counted for nothing.",
        "if noise.lrs_variance != -1 and not by_amx:",
    ),
    Equivalent(
        "pimsim/hardware/shared/busy_period.py",
        "unicast = len(receivers) == 1",
        "unicast = len(receivers) == 0",
        "The tree to one tile is the chain to it, in each topology; the chain only takes less time to find.",
    ),
    Equivalent(
        "pimsim/hardware/shared/fabric.py",
        "if full_since[link] < 0:",
        "if full_since[link] < 1:",
        "A link lacks a credit only after a packet that it has sent, and that ends later than at 0.",
    ),
    Equivalent(
        "pimsim/hardware/shared/busy_period.py",
        "return min([*times[:1], *(each[0][0] for each in (self.phase_ends, self.injections) if each)], default=None)",
        "return min([*times[: 2], *(each[0][0] for each in (self.phase_ends, self.injections) if each)], default=None)",
        "The first entry of a heap is its least, so the second one never is the minimum.",
    ),
)
