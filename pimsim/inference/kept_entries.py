"""Attention over a share of the cached entries: those with the largest scores, or those that a prediction prefers.

The query heads of a KV head share the entries, which are ranked by the sum over these heads. Each row keeps a share of
the entries that its query sees, rounded up; of equal ones the newest.

Reference:
    docs/baselines.md, "HARDSEA".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pimsim.base.kept_share import kept_entries
from pimsim.inference.codebooks import CodebookFormat, Codebooks, Readout
from pimsim.inference.kv_store import Operands
from workloads.kv_cache import KvCacheSpec
from workloads.models import ModelSpec
from workloads.workload_errors import SpecError

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries of a row of scores are kept.

    Attributes:
        kept_share: Fraction of the entries that a query sees, above 0 and at most 1.
        method: "exact": by their scores; "product_quantised": by codes of their keys.
        codebooks: Shape and numbers of the codebooks.
        readout: What the arrays of codebooks give of a query.
    """

    kept_share: float
    method: Literal["product_quantised", "exact"] = "product_quantised"
    codebooks: CodebookFormat = field(default_factory=CodebookFormat)
    readout: Readout = "winner_take_all"

    @property
    def needs_codebooks(self) -> bool:
        """True if codebooks must be trained: not for exact scores, nor if all entries are kept."""
        return self.method == "product_quantised" and self.kept_share < 1


def check_choice(kv: KvCacheSpec, spec: ModelSpec) -> None:
    """Check that entries can be chosen in a cache.

    Args:
        kv: What the cache keeps, and its formats.
        spec: Shape of the network.

    Raises:
        SpecError: If a key has no step of its own, or the policy of the cache weighs all entries.
    """
    if spec.latent or kv.keep == "heavy_hitters" or kv.key.by_tokens:
        raise SpecError(
            "entries of attention are chosen among keys with a step of their own: not among latents, not with scales "
            "by channel, and not beside heavy hitters"
        )


@dataclass(frozen=True, eq=False)
class EntryChooser:
    """Selection of entries of a network.

    Attributes:
        selection: What is kept.
        codebooks: Codebooks of the network; None if the selection needs none.
    """

    selection: Selection
    codebooks: Codebooks | None = None

    def hidden(
        self, place: tuple[int, slice], query: Float, keys: Operands, scores: tuple[Float, Float | None], mask: Mask
    ) -> Mask:
        """Return the entries that each query leaves out.

        Args:
            place: Number of the layer, and KV heads.
            query: [kv_heads, query heads per KV head, tokens, d_head] float32.
            keys: Keys of these heads.
            scores: Scores and their factors, as `pimsim.inference.attention` computes them.
            mask: Entries that are hidden anyway, [tokens, entries] or [kv_heads or 1, 1, tokens, entries] bool.

        Returns:
            [kv_heads, 1, tokens, entries] bool; contains `mask`.
        """
        share = self.selection.kept_share
        mask = mask if mask.ndim == 4 else mask[None, None]
        if share == 1:
            return mask
        relevance = self._exact(*scores) if self.codebooks is None else self._predicted(place, query, keys)
        mask = np.broadcast_to(mask[:, 0], relevance.shape)
        seen = mask.shape[-1] - np.count_nonzero(mask, axis=-1)
        numbers, which = np.unique(seen, return_inverse=True)
        kept = np.array([kept_entries(int(number), share) if number else 0 for number in numbers])[which]
        # Reversed, since a stable sort keeps the order of equal entries, and the newest is to be kept.
        loss = np.where(mask, np.inf, -relevance)[..., ::-1]
        order = np.argsort(loss, axis=-1, kind="stable")
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(order.shape[-1])[None, None], axis=-1)
        left_out: Mask = (rank >= kept.reshape(*seen.shape, 1))[..., ::-1]
        return (mask | left_out)[:, None]

    @staticmethod
    def _exact(scores: Float, factor: Float | None) -> NDArray[np.float64]:
        wide = scores.astype(np.float64)
        total: NDArray[np.float64] = np.add.reduce(wide if factor is None else wide * factor, axis=1)
        return total

    def _predicted(self, place: tuple[int, slice], query: Float, keys: Operands) -> NDArray[np.float64]:
        """Return the sum of the products that the codes of each key select, [kv_heads, tokens, entries]."""
        assert self.codebooks is not None
        kv_heads, group, tokens, d_head = query.shape
        numbers = keys.values if not keys.steps.any() else keys.values * keys.steps[..., None]
        codes = self.codebooks.nearest(*place, numbers)
        rows = np.ascontiguousarray(query).reshape(kv_heads, group * tokens, d_head)
        lookup = self.codebooks.lookup(*place, rows, self.selection.readout)
        products = np.add.reduce(lookup.reshape(kv_heads, group, tokens, *lookup.shape[2:]), axis=1)
        total = np.zeros((kv_heads, tokens, codes.shape[1]))
        for part in range(codes.shape[-1]):
            total += np.take_along_axis(products[:, :, part], codes[:, None, :, part], axis=-1)
        return total
