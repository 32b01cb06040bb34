"""Router and experts of a mixture of experts.

The router is computed in float32, as transformers does. Each expert is an FFN, which computes the tokens that chose it.

Reference:
    docs/experts.md; `MixtralTopKRouter` and `DeepseekV3TopkRouter` in modeling_mixtral.py and modeling_deepseek_v3.py
    of transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workloads.neural_network import ExpertWeights, RouterDetails

Float = NDArray[np.float32]
Indices = NDArray[np.intp]
ExpertFunction = Callable[[int, Float, int], Float]
"""Function that computes an expert: its number, inputs of consecutive tokens, and the number of the first of them."""

TINY = np.float32(1e-20)
"""Number that DeepSeek-V3 adds to a sum of weights before it divides by it."""


def mixed(x: Float, experts: ExpertWeights, details: RouterDetails, per_token: int, compute: ExpertFunction) -> Float:
    """Compute the weighted sum of the experts of each token.

    Args:
        x: Inputs, [tokens, d_model] float32.
        experts: Weights of router and experts.
        details: How experts are chosen and weighed.
        per_token: Experts of a token.
        compute: Computes an expert for consecutive tokens.

    Returns:
        [tokens, d_model] float32.
    """
    chosen, weights = route(x, experts, details, per_token)
    out = np.zeros_like(x)
    for expert in np.unique(chosen):
        tokens, place = np.nonzero(chosen == expert)
        for run in _runs(tokens):
            computed = compute(int(expert), x[tokens[run]], int(tokens[run][0]))
            out[tokens[run]] += computed * weights[tokens[run], place[run], None]
    return out


def route(x: Float, experts: ExpertWeights, details: RouterDetails, per_token: int) -> tuple[Indices, Float]:
    """Choose the experts of each token.

    Args:
        x: Inputs, [tokens, d_model] float32.
        experts: Weights of the router.
        details: How experts are chosen and weighed.
        per_token: Experts of a token.

    Returns:
        Experts, [tokens, per_token], and their weights, [tokens, per_token] float32.
    """
    logits = by_row(x, experts.router)
    if details.scores == "sigmoid":
        scores: Float = (1 / (1 + np.exp(-logits))).astype(np.float32, copy=False)
    else:
        scores = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
    deciding: Float = scores if experts.bias is None else scores + experts.bias
    if details.groups > 1:
        deciding = _in_groups(deciding, details)
    chosen = np.argsort(-deciding, axis=1, kind="stable")[:, :per_token]
    weights = np.take_along_axis(scores, chosen, axis=1)
    if details.normalised:
        weights = weights / (weights.sum(axis=1, keepdims=True) + (TINY if details.scores == "sigmoid" else 0))
    scaled: Float = (weights * np.float32(details.scaling)).astype(np.float32)
    return chosen, scaled


def by_row(x: Float, matrix: Float) -> Float:
    """Multiply row by row, so that the result of a token does not depend on how many tokens are computed at once.

    Args:
        x: [tokens, in] float32.
        matrix: [out, in] float32.

    Returns:
        [tokens, out] float32.
    """
    return np.stack([matrix @ row for row in x])


def _in_groups(deciding: Float, details: RouterDetails) -> Float:
    """Return the scores with minus infinity for the experts of groups that are not chosen, [tokens, experts]."""
    grouped = deciding.reshape(len(deciding), details.groups, -1)
    best = np.sort(grouped, axis=2)[:, :, -details.group_terms :].sum(axis=2)
    chosen = np.argsort(-best, axis=1, kind="stable")[:, : details.chosen_groups]
    hidden = np.full_like(grouped, -np.inf)
    np.put_along_axis(hidden, chosen[:, :, None], 0, axis=1)
    limited: Float = (grouped + hidden).reshape(deciding.shape)
    return limited


def _runs(tokens: Indices) -> Iterator[slice]:
    """Cut increasing numbers of tokens into runs of consecutive ones, whose random effects are numbered in a row.

    Args:
        tokens: The numbers.

    Yields:
        The place of each run.
    """
    starts = [0, *(np.flatnonzero(np.diff(tokens) != 1) + 1), len(tokens)]
    yield from (slice(start, stop) for start, stop in pairwise(starts))
