"""Compiled loops of a decode step: norm, quantisation, scales, and attention of one token.

Each does the operations of its counterpart in NumPy on float32 in the same order, so that the results have the same
bits: `norms`, `quantisation`, `forward_pass`, `functions.rotate` and `attention`. Sums of integers are exact in any
order. Sums of floats have the order of NumPy, see `sum_plan`. Exponentials are left to NumPy, whose last bit depends on
its own approximation.

Reference:
    docs/inference.md, "Decode steps".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numba.extending import register_jitable

NO_NORM, RMS_NORM, LAYER_NORM = range(3)
# Copies of the constants of `quantisation`, `heavy_hitters`, `attention` and `kv_store`, in this order: Numba compiles
# a cached function again only if its own file changes.
SMALLEST_ABSMAX, LARGEST_EXPONENT, SMALLEST_WEIGHT = np.float32(1e-5), np.float32(60), np.float32(1e-30)
BLOCK = 64
_MAGNITUDE = np.int32(0x7FFFFFFF)
_ONE, _ZERO = np.float32(1), np.float32(0)
_DEEPEST = 64


@register_jitable
def _leaf_sum(x: Any, first: int, last: int) -> Any:
    """Add up to 128 numbers as NumPy does: eight sums side by side, then those, then what is left.

    Returns:
        float32.
    """
    if last - first < 8:
        total = _ZERO
        for i in range(first, last):
            total += x[i]
        return total
    a, b, c, d = x[first], x[first + 1], x[first + 2], x[first + 3]
    e, f, g, h = x[first + 4], x[first + 5], x[first + 6], x[first + 7]
    eights = first + (last - first) // 8 * 8
    for i in range(first + 8, eights, 8):
        a += x[i]
        b += x[i + 1]
        c += x[i + 2]
        d += x[i + 3]
        e += x[i + 4]
        f += x[i + 5]
        g += x[i + 6]
        h += x[i + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(eights, last):
        total += x[i]
    return total


@njit(cache=True, nogil=True)
def row_sum(x: Any, plan: Any) -> Any:
    """Add numbers in the order of NumPy.

    Args:
        x: Numbers, [elements] float32.
        plan: From `decode_step.sum_plan`: the end of each part, and how many pairs of sums are added after it.

    Returns:
        float32.
    """
    waiting, count, first = np.empty(_DEEPEST, np.float32), 0, 0
    for part in range(plan.shape[0]):
        waiting[count] = _leaf_sum(x, first, plan[part, 0])
        count, first = count + 1, plan[part, 0]
        for _ in range(plan[part, 1]):
            count -= 1
            waiting[count - 1] += waiting[count]
    return waiting[0]


@register_jitable
def _codes(x: Any, top: Any, codes: Any) -> Any:
    """Quantise a row as `quantisation.quantise` does.

    Returns:
        The step, float32.
    """
    # As integers, magnitudes are compared many at once.
    bits, found = x.view(np.int32), np.zeros(1, np.int32)
    for i in range(x.size):
        found[0] = max(found[0], bits[i] & _MAGNITUDE)
    largest = max(found.view(np.float32)[0], SMALLEST_ABSMAX)
    factor = top / largest
    for i in range(x.size):
        codes[i] = np.int8(np.rint(x[i] * factor))
    return largest / top


@njit(cache=True, nogil=True)
def norm_codes(
    x: Any, kind: int, weight: Any, bias: Any, epsilon: Any, plan: Any, top: Any, normed: Any, codes: Any
) -> Any:
    """Normalise a token and quantise it.

    Args:
        x: The token, [elements] float32.
        kind: NO_NORM, RMS_NORM or LAYER_NORM.
        weight: Weight of the norm, [elements] float32.
        bias: Its bias, [elements] float32; [0] if it has none.
        epsilon: Constant of the norm, float32.
        plan: See `row_sum`.
        top: Largest code, float32.
        normed: [elements] float32; overwritten.
        codes: [elements] int8; overwritten.

    Returns:
        Step of the codes, float32.

    Reference:
        docs/inference.md, eqs. (1) and (2).
    """
    size = np.float32(x.size)
    if kind == NO_NORM:
        return _codes(x, top, codes)
    squares = np.empty(x.size, np.float32)
    mean = _ZERO
    if kind == LAYER_NORM:
        mean = row_sum(x, plan) / size
        for i in range(x.size):
            normed[i] = x[i] - mean
            squares[i] = normed[i] * normed[i]
    else:
        for i in range(x.size):
            normed[i] = x[i]
            squares[i] = x[i] * x[i]
    factor = _ONE / np.sqrt(row_sum(squares, plan) / size + epsilon)
    for i in range(x.size):
        normed[i] = normed[i] * factor * weight[i]
    for i in range(bias.size):
        normed[i] += bias[i]
    return _codes(normed, top, codes)


@njit(cache=True, nogil=True)
def scaled(sums: Any, step: Any, scale: Any, bias: Any, add: bool, out: Any) -> None:
    """Turn the integer sums of a projection into outputs.

    Args:
        sums: [out] int32.
        step: Step of the inputs, a float32 number; Numba returns one as a float of Python.
        scale: Scale of the weights, [out] or [1] float32.
        bias: [out] float32; [0] if there is none.
        add: Whether the outputs are added to `out`, the residual stream, or overwrite it.
        out: [out] float32; updated.

    Reference:
        docs/inference.md, eq. (3).
    """
    exact = np.float32(step)
    factor = exact * scale[0]
    for i in range(sums.size):
        if scale.size > 1:
            factor = exact * scale[i]
        y = np.float32(sums[i]) * factor
        if bias.size > 0:
            y += bias[i]
        out[i] = out[i] + y if add else y


@register_jitable
def _rotate(x: Any, cosine: Any, sine: Any) -> None:
    half = cosine.size
    for head in range(x.shape[0]):
        for i in range(half):
            first, second = x[head, i], x[head, i + half]
            x[head, i] = first * cosine[i] - second * sine[i]
            x[head, i + half] = second * cosine[i] + first * sine[i]


@njit(cache=True, nogil=True)
def write_and_score(
    query: Any,
    key: Any,
    value: Any,
    cosine: Any,
    sine: Any,
    entries: Any,
    steps: Any,
    tops: Any,
    scale: Any,
    merged: Any,
    at: int,
    window: int,
    skipped: int,
    scores: Any,
) -> None:
    """Write the key and the value of a token to the cache, and compute the exponents of its attention weights.

    Args:
        query: [heads, d_head] float32; overwritten.
        key: [kv_heads, d_head] float32; overwritten.
        value: [kv_heads, d_head] float32.
        cosine: Cosines of the rotary angles, [d_head / 2] float32; [0] without rotary embedding.
        sine: Sines, likewise.
        entries: Codes of the layer, [2, kv_heads, capacity, d_head] int8; those of the token are written.
        steps: Their steps, [2, kv_heads, capacity] float32; those of the token are written.
        tops: Largest codes of queries, keys and values, [3] float32.
        scale: Factor of the scores, float32.
        merged: Constants of ConSmax, [heads] float32; [0] for the softmax.
        at: Position of the token.
        window: Number of entries that it attends to.
        skipped: First entry of `scores`.
        scores: Exponents, [heads, entries] float32; overwritten.

    Reference:
        docs/inference.md, eqs. (4), (5) and (10).
    """
    kv_heads, d_head = entries.shape[1], entries.shape[3]
    group = scores.shape[0] // kv_heads
    codes = np.empty(d_head, np.int8)
    _rotate(query, cosine, sine)
    _rotate(key, cosine, sine)
    for head in range(kv_heads):
        steps[0, head, at] = _codes(key[head], tops[1], entries[0, head, at])
        steps[1, head, at] = _codes(value[head], tops[2], entries[1, head, at])
    first = max(skipped, at + 1 - window)
    for head in range(scores.shape[0]):
        factor = _codes(query[head], tops[0], codes) * scale
        keys, of_keys = entries[0, head // group], steps[0, head // group]
        highest = np.float32(-np.inf)
        for entry in range(first, at + 1):
            total = np.int32(0)
            for i in range(d_head):
                total = np.int32(total + np.int32(codes[i]) * np.int32(keys[entry, i]))
            score = np.float32(total) * of_keys[entry]
            scores[head, entry - skipped] = score
            highest = max(highest, score)
        for entry in range(first - skipped):
            scores[head, entry] = -np.inf
        for entry in range(at + 1 - skipped, scores.shape[1]):
            scores[head, entry] = -np.inf
        for entry in range(first - skipped, at + 1 - skipped):
            if merged.size > 0:
                scores[head, entry] = min(scores[head, entry] * factor - merged[head], LARGEST_EXPONENT)
            else:
                scores[head, entry] = (scores[head, entry] - highest) * factor


@njit(cache=True, nogil=True)
def weigh_values(
    weights: Any, entries: Any, steps: Any, top: Any, softmax: bool, at: int, skipped: int, out: Any
) -> None:
    """Multiply attention weights and values.

    Args:
        weights: Exponentials, [heads, entries] float32; overwritten.
        entries: As for `write_and_score`.
        steps: As for `write_and_score`.
        top: Largest code of an attention weight, float32.
        softmax: Whether the weights of a head are divided by their sum; else they are those of ConSmax.
        at: Position of the token.
        skipped: First entry of `weights`.
        out: [heads, d_head] float32; overwritten.

    Reference:
        docs/inference.md, eqs. (6) and (7).
    """
    kv_heads, d_head = entries.shape[1], entries.shape[3]
    group, last = weights.shape[0] // kv_heads, at + 1 - skipped
    sums = np.empty(d_head, np.int32)
    for head in range(weights.shape[0]):
        row, values, of_values = weights[head], entries[1, head // group], steps[1, head // group]
        total = _ONE
        if softmax:
            total = _leaf_sum(row, 0, BLOCK)
            for start in range(BLOCK, row.size, BLOCK):
                total += _leaf_sum(row, start, start + BLOCK)
        largest = _ZERO if softmax else SMALLEST_WEIGHT
        for entry in range(last):
            row[entry] *= of_values[skipped + entry]
            largest = max(largest, row[entry])
        factor = top / largest
        for i in range(d_head):
            sums[i] = 0
        for entry in range(last):
            weight = np.int32(np.rint(row[entry] * factor))
            for i in range(d_head):
                sums[i] += weight * np.int32(values[skipped + entry, i])
        back = largest / (top * total)
        for i in range(d_head):
            out[head, i] = np.float32(sums[i]) * back
