"""Formats of the entries of a KV cache: what is stored, and the operands that the array reads from it.

A key or value is stored in one of these formats:

- 16 bits: a float16 number, without scales.
- `per_token`: codes with one step per token and head, symmetric around 0, as the activations of BitNet. With 8 bits it
  is the cache of W8A8 attention.
- `per_group` and `per_channel`: codes from 0 with a step and a zero point, as in KIVI. A group is a number of
  consecutive channels of one token and head, or one channel of a number of consecutive tokens.

The array multiplies integers with one step per token and head. Codes that are stored so go to it as they are. Entries
of the other formats are converted to numbers when they are read, and quantised to the operands of the array.

Reference:
    docs/kv-quality.md, eqs. (1) to (4). KIVI: Liu et al., arXiv:2402.02750, section 3.1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pimsim.inference.quantisation import SMALLEST_ABSMAX, Quantised, largest_code, quantise
from workloads.kv_entries import HALF_BITS, EntryBits

Float = NDArray[np.float32]

LARGEST_HALF = np.float32(65504)
"""Largest float16 number; numbers beyond it are limited to it."""


def operands(x: Float, form: EntryBits) -> Quantised:
    """Return what the array reads of entries, each of which is stored at once.

    Args:
        x: Keys or values, [tokens, kv_heads, d_head] float32.
        form: Their format; entries of `by_tokens` formats are stored as float16 at first.

    Returns:
        Operands of the array, with one step per token and head.

    Reference:
        docs/kv-quality.md, eqs. (1) to (4).
    """
    if form.bits == HALF_BITS or form.by_tokens:
        return quantise(rounded_half(x), form.operand_bits)
    if form.scales == "per_token":
        codes = _symmetric(x, form)
        if form.bits <= form.operand_bits:
            return codes
        return quantise(codes.values * codes.step, form.operand_bits)
    parts = [
        min_max(x[..., start : start + form.group_size], form, axis=-1)
        for start in range(0, x.shape[-1], form.group_size)
    ]
    return quantise(np.concatenate(parts, axis=-1), form.operand_bits)


def settled_operands(x: Float, form: EntryBits) -> Quantised:
    """Return what the array reads of entries whose groups of tokens are complete.

    Args:
        x: Keys or values as they were stored at first, [kv_heads, groups, tokens of a group, d_head] float32.
        form: Their format, which is `by_tokens`.

    Returns:
        Operands of the array, with one step per token and head.

    Reference:
        docs/kv-quality.md, eqs. (2) to (4).
    """
    return quantise(min_max(x, form, axis=2), form.operand_bits)


def min_max(x: Float, form: EntryBits, axis: int) -> Float:
    """Quantise numbers to codes between the smallest and the largest one of a group, and return their values.

    Args:
        x: Numbers, float32.
        form: Bits of the codes and of the scales.
        axis: Axis whose elements share a step and a zero point.

    Returns:
        Values of the codes, same shape, float32.

    Reference:
        docs/kv-quality.md, eqs. (2) and (3); KIVI, arXiv:2402.02750, section 3.1.
    """
    top = np.float32((1 << form.bits) - 1)
    low = np.minimum.reduce(x, axis=axis, keepdims=True)
    spread = np.maximum(np.maximum.reduce(x, axis=axis, keepdims=True) - low, SMALLEST_ABSMAX)
    step, zero = _scale(spread / top, form), _scale(low, form)
    codes: Float = np.clip(np.rint((x - zero) / step), 0, top)
    codes *= step
    codes += zero
    return codes


def rounded_half(x: Float) -> Float:
    """Round numbers to float16.

    Args:
        x: Numbers, float32.

    Returns:
        The rounded numbers, same shape, float32; those beyond the largest float16 number are limited to it.
    """
    return np.clip(x, -LARGEST_HALF, LARGEST_HALF).astype(np.float16).astype(np.float32)


def _symmetric(x: Float, form: EntryBits) -> Quantised:
    """Return codes with one step per row; a float32 step gives the codes of `quantise`, bit for bit."""
    codes = quantise(x, form.bits)
    if form.scale_bits != HALF_BITS:
        return codes
    step, top = _scale(codes.step, form), largest_code(form.bits)
    return Quantised(np.clip(np.rint(x / step), -top, top).astype(np.int8), step)


def _scale(x: Float, form: EntryBits) -> Float:
    return rounded_half(x) if form.scale_bits == HALF_BITS else x
