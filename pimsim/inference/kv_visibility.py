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
from heapq import heappush, heappushpop

import numpy as np
from numpy.typing import NDArray

from workloads.kv_cache import KvCacheSpec

Mask = NDArray[np.bool_]
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


def dropped_tokens(kv: KvCacheSpec, layers: int, kv_heads: int, layer: int, entries: int) -> NDArray[np.int64] | None:
    """Return the first query that does not see each cached token any more.

    Args:
        kv: What the cache keeps.
        layers: Layers of the model.
        kv_heads: KV heads of a layer.
        layer: Number of the layer.
        entries: Number of cached tokens.

    Returns:
        Positions, [kv_heads or 1, entries]; None if the policy drops no token, or does not decide by the position.
    """
    if kv.keep == "recent" and sliding_window(kv) is None:
        assert kv.recent is not None
        dropped = np.arange(entries) + kv.recent
        dropped[: kv.sinks] = NEVER
        return dropped[None]
    if kv.keep == "random":
        return _randomly_dropped(kv, layers, kv_heads, entries)[layer]
    return None


def hidden_tokens(dropped: NDArray[np.int64], first: int, tokens: int) -> Mask:
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


@lru_cache(8)
def _randomly_dropped(kv: KvCacheSpec, layers: int, kv_heads: int, entries: int) -> NDArray[np.int64]:
    """Draw a number for each token, layer and head, and keep the tokens with the smallest numbers.

    So the tokens that a head keeps are a uniformly random choice of the tokens so far, at every position. The numbers
    are drawn token by token, so that they do not depend on the number of entries.

    Returns:
        First query that does not see each token, [layers, kv_heads, entries].
    """
    assert kv.budget is not None
    recent = kv.recent or 1
    chosen = kv.budget - kv.sinks - recent
    numbers = np.random.default_rng(kv.seed).random((entries, layers, kv_heads))
    dropped = np.full((layers, kv_heads, entries), NEVER)
    for place in np.ndindex(layers, kv_heads):
        kept: list[tuple[float, int]] = []
        for token in range(kv.sinks, entries):
            mine = (-numbers[(token, *place)], token)
            if len(kept) < chosen:
                heappush(kept, mine)
                continue
            _, loser = heappushpop(kept, mine) if chosen else mine
            dropped[(*place, loser)] = token + recent
    dropped.flags.writeable = False
    return dropped
