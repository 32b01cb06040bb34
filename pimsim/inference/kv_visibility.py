"""Which cached tokens a query sees: policies that keep tokens by their position, or at random.

A policy that decides without the numbers of the attention states for each cached token the first query that does not
see it any more. A token that was dropped never comes back, so this one position describes the whole policy.
`heavy_hitters` decides by the numbers.

Positions are those of the sequence, also after tokens were dropped: keys are stored after the rotary embedding with
the position at which they were computed, as in models with sliding windows.

Reference:
    docs/kv-quality.md, "Which tokens a query sees". Sinks: Xiao et al., "StreamingLLM", arXiv:2309.17453.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pimsim.base.errors import WorkloadInputError
from workloads.kv_cache import KvCacheSpec
from workloads.kv_policies import REGISTERED, SHIPPED, KeptPositions, kept_positions
from workloads.workload_errors import SpecError

Mask = NDArray[np.bool_]
Positions = NDArray[np.int64]
NEVER = np.iinfo(np.int64).max
"""Position of the first query that does not see a token that is never dropped."""


def sliding_window(kv: KvCacheSpec) -> int | None:
    """Return the number of newest tokens that a query sees, if this is all that the policy says.

    Args:
        kv: What the cache keeps.

    Returns:
        Tokens, the query's own included; None if the policy is another one.
    """
    return kv.recent if kv.keep == "recent" and not kv.sinks else None


def dropped_tokens(
    kv: KvCacheSpec, shape: tuple[int, int], layer: int, entries: int, window: int | None = None
) -> Positions | None:
    """Return the first query that does not see each cached token any more.

    Args:
        kv: What the cache keeps.
        shape: Layers of the model, and KV heads of a layer.
        layer: Number of the layer.
        entries: Number of cached tokens.
        window: Window of the layer, which drops the tokens before it; None: without a window.

    Returns:
        Positions, [kv_heads or 1, entries]; None if the policy drops no token, is a sliding window, or decides by the
        attention.

    Raises:
        WorkloadInputError: If the policy is not registered, returns something else than positions, or a token that was
            dropped comes back.
    """
    if kv.keep == "random":
        dropped: Positions = _randomly_dropped(kv, shape, entries, window)[layer]
        return dropped
    if kv.keep in SHIPPED:
        return None if kv.keep != "recent" or sliding_window(kv) is not None else _sinks_stay(kv, entries)
    try:
        kept_positions(kv, 1)  # looks for the policy in installed packages
        return _dropped_by(kv, REGISTERED[kv.keep], entries)
    except SpecError as error:
        raise WorkloadInputError(str(error)) from error


def hidden_tokens(dropped: Positions, first: int, tokens: int) -> Mask:
    """Return which of the earlier tokens each query does not see.

    Args:
        dropped: First query that does not see each token, [kv_heads or 1, entries].
        first: Position of the first query.
        tokens: Number of queries.

    Returns:
        [kv_heads or 1, 1, tokens, entries] bool; tokens after the query are not considered.
    """
    positions = np.arange(first, first + tokens)[:, None]
    mask: Mask = (dropped[:, None, :] <= positions)[:, None]
    return mask


def _sinks_stay(kv: KvCacheSpec, entries: int) -> Positions:
    assert kv.recent is not None
    dropped = np.arange(entries) + kv.recent
    dropped[: kv.sinks] = NEVER
    return dropped[None]


@lru_cache(8)
def _randomly_dropped(kv: KvCacheSpec, shape: tuple[int, int], entries: int, window: int | None) -> Positions:
    """Draw a number for each token, layer and head; a full cache drops the token with the largest number.

    So the tokens that a head keeps, besides the sinks and the newest ones, are a uniformly random choice of the tokens
    so far, at every position. The numbers are drawn token by token, so that they do not depend on `entries`.

    Returns:
        First query that does not see each token, [layers, kv_heads, entries].
    """
    assert kv.budget is not None
    numbers = np.random.default_rng(kv.seed).random((entries, *shape)).reshape(entries, -1).T.copy()
    dropped = np.full(numbers.shape, NEVER)
    kept = np.zeros(len(numbers), np.int64)
    for query in range(entries):
        if window is not None and query >= window:
            kept -= dropped[:, query - window] == NEVER
            dropped[:, query - window] = np.minimum(dropped[:, query - window], query)
            numbers[:, query - window] = -np.inf
        kept += 1
        full = np.flatnonzero(kept > kv.budget)
        if len(full):
            losers = kv.sinks + numbers[full, kv.sinks : query + 1 - kv.newest].argmax(axis=1)
            dropped[full, losers], numbers[full, losers] = query, -np.inf
            kept[full] -= 1
    dropped.flags.writeable = False
    return dropped.reshape(*shape, entries)


@lru_cache(8)
def _dropped_by(kv: KvCacheSpec, policy: KeptPositions, entries: int) -> Positions:
    """Ask a registered policy at every position; `policy` is its function, since a name can be registered again.

    Returns:
        First query that does not see each token, [1, entries].

    Raises:
        WorkloadInputError: If a token that was dropped comes back.
        SpecError: If the policy returns something else than positions.
    """
    del policy
    dropped = np.full(entries, NEVER)
    before: frozenset[int] = frozenset()
    for query in range(entries):
        kept = frozenset(kept_positions(kv, query + 1))
        if back := kept - before - {query}:
            raise WorkloadInputError(
                f"the KV policy {kv.keep!r} keeps position {min(back)} of {query + 1} tokens, and not of {query}: a "
                "token that was dropped cannot come back"
            )
        dropped[list(before - kept)] = query
        before = kept
    dropped.flags.writeable = False
    return dropped[None]
