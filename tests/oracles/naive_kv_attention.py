"""Attention over a KV cache with a policy, one query, head and cached token after another.

The tokens that a head keeps are a set of positions, from which tokens are removed as the policy's paper says. What is
stored of a token is converted number by number. Where floats are part of the definition, they are the same float32
operations.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracles.naive_decoder import F, integers, sum_in_blocks
from workloads.kv_cache import KvCacheSpec

Array = np.ndarray[Any, Any]
Codes = tuple[list[int], np.float32]


def half(x: float) -> np.float32:
    """The nearest float16 number, at most the largest one."""
    return F(np.float16(min(max(F(x), F(-65504)), F(65504))))


def scale(x: np.float32, kv: KvCacheSpec) -> np.float32:
    return half(x) if kv.scale_bits == 16 else F(x)


def between_extremes(numbers: list[np.float32], bits: int, kv: KvCacheSpec) -> list[np.float32]:
    """KIVI's quantisation of one group, arXiv:2402.02750: zero point min, step (max - min) / (2^bits - 1)."""
    top = 2**bits - 1
    zero, step = scale(min(numbers), kv), scale(max(max(numbers) - min(numbers), F(1e-5)) / F(top), kv)
    return [F(F(min(max(np.rint((x - zero) / step), 0), top)) * step) + zero for x in numbers]


def read(rows: list[Array], token: int, query: int, bits: int, scales: str, kv: KvCacheSpec) -> Codes:
    """What the array gets of one token's key or value when a later query reads it; `rows` are those of one head."""
    row = list(rows[token])
    if bits == 16:
        return integers(np.array([half(x) for x in row], F), kv.operand_bits)
    if scales == "per_token":
        codes, step = integers(row, bits)
        if kv.scale_bits == 16:
            step, top = half(step), 2 ** (bits - 1) - 1
            codes = [int(min(max(np.rint(F(x) / step), -top), top)) for x in row]
        if bits <= kv.operand_bits:
            return codes, step
        return integers(np.array([F(code) * step for code in codes], F), kv.operand_bits)
    assert kv.group_size is not None
    size = kv.group_size
    if scales == "per_group":
        groups = [row[start : start + size] for start in range(0, len(row), size)]
        stored = [x for group in groups for x in between_extremes(group, bits, kv)]
        return integers(np.array(stored, F), kv.operand_bits)
    first = token // size * size
    if query + 1 < first + size:  # the newest group is not complete yet
        return integers(np.array([half(x) for x in row], F), kv.operand_bits)
    channels = [
        between_extremes([half(rows[each][channel]) for each in range(first, first + size)], bits, kv)
        for channel in range(len(row))
    ]
    return integers(np.array([channel[token - first] for channel in channels], F), kv.operand_bits)


def weights_of(scores: dict[int, np.float32], factor: np.float32, query: int) -> tuple[Array, np.float32]:
    """Exponentials at the positions of their tokens, 0 at the others, and their sum."""
    row = np.zeros(query + 1, F)
    row[list(scores)] = np.exp(np.array([(z - max(scores.values())) * factor for z in scores.values()], F))
    return row, sum_in_blocks(row)


def attend(
    query: Array, key: Array, value: Array, kv: KvCacheSpec, window: int | None = None, layers: int = 1, layer: int = 0
) -> tuple[Array, list[list[set[int]]]]:
    """All queries of a sequence; also the tokens that each head kept for each query.

    query [tokens, heads, d_head], key and value [tokens, kv_heads, d_head].
    """
    tokens, heads, d_head = query.shape
    kv_heads, top = key.shape[1], F(2 ** (kv.operand_bits - 1) - 1)
    out, seen = np.zeros((tokens, heads, d_head), F), []
    numbers = np.random.default_rng(kv.seed).random((tokens, layers, kv_heads))[:, layer]
    for kv_head in range(kv_heads):
        kept: set[int] = set()
        given = dict.fromkeys(range(tokens), F(0))
        history = []
        for now in range(tokens):
            kept = {t for t in kept | {now} if window is None or t > now - window}
            kept = remaining(kept, now, kv, given, numbers[:, kv_head])
            history.append(set(kept))
            keys, values = (
                {t: read(list(x[:, kv_head]), t, now, bits, scales, kv) for t in sorted(kept)}
                for x, bits, scales in ((key, kv.key_bits, kv.key_scales), (value, kv.value_bits, kv.value_scales))
            )
            attention = []
            for head in range(kv_head * heads // kv_heads, (kv_head + 1) * heads // kv_heads):
                q, q_step = integers(query[now, head], kv.operand_bits)
                scores = {t: F(sum(a * b for a, b in zip(q, k, strict=True))) * step for t, (k, step) in keys.items()}
                row, total = weights_of(scores, q_step * F(d_head**-0.5), now)
                attention.append(row / np.add.reduce(row))
                folded = {t: F(row[t] * step) for t, (_, step) in values.items()}
                largest = max(folded.values())
                codes = {t: int(np.rint(w * (top / largest))) for t, w in folded.items()}
                back = largest / (top * total)
                sums = [sum(codes[t] * v[i] for t, (v, _) in values.items()) for i in range(d_head)]
                out[now, head] = [F(each) * back for each in sums]
            together = attention[0]
            for each in attention[1:]:
                together = together + each
            for t in kept:
                given[t] = F(given[t] + together[t])
        seen.append(history)
    return out.reshape(tokens, -1), seen


def remaining(kept: set[int], now: int, kv: KvCacheSpec, given: dict[int, np.float32], numbers: Array) -> set[int]:
    """The tokens that stay when the token `now` has been added."""
    sinks = {t for t in kept if t < kv.sinks}
    if kv.keep == "all":
        return kept
    if kv.keep == "recent":  # StreamingLLM, arXiv:2309.17453: the first tokens and a rolling window
        return sinks | {t for t in kept if t > now - kv.recent}
    assert kv.budget is not None
    if len(kept) <= kv.budget:
        return kept
    if kv.keep == "heavy_hitters":  # H2O, arXiv:2306.14048, algorithm 1: drop the token with the least attention so far
        newest = kv.recent or max(1, (kv.budget - kv.sinks) // 2)
        candidates = [t for t in sorted(kept) if t >= kv.sinks and t <= now - newest]
        return kept - {min(candidates, key=lambda t: (given[t], t))}
    assert kv.keep == "random"
    candidates = [t for t in sorted(kept) if t >= kv.sinks and t <= now - (kv.recent or 1)]
    return kept - {max(candidates, key=lambda t: numbers[t])}
