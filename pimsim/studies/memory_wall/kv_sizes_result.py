"""Result of `pimsim.kv_sizes`: sizes of KV caches, and how they fit into memory tiers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.config.memory_tiers import MemoryTier
from workloads.kv_cache import KvCacheSpec
from workloads.kv_entries import HALF_BITS
from workloads.kv_policies import BUDGETED
from workloads.models import ModelSpec

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class KvSize:
    """Size of the cache of one sequence in one format, with one policy.

    Attributes:
        cache: Formats and policy.
        kept: Tokens that the cache keeps, on average over the layers.
        bytes_per_token: Bytes of one kept token in all layers, scales and sums of attention included.
        sequence_bytes: Bytes of the caches of all layers.
        scale_bytes: Bytes of scales and zero points among them.
        full_bytes: Bytes in the same format with every token kept.
        mha_bytes: Bytes of those if each query head had keys and values of its own (multi-head attention).
    """

    cache: KvCacheSpec
    kept: Fraction
    bytes_per_token: float
    sequence_bytes: int
    scale_bytes: int
    full_bytes: int
    mha_bytes: int

    @property
    def policy(self) -> str:
        """Name of the policy with its numbers, such as "recent 4 + 1,020"."""
        cache = self.cache
        first = f"{cache.sinks:,} + " if cache.sinks else ""
        if cache.keep == "recent":
            return f"recent {first}{cache.newest:,}"
        return f"{cache.keep} {first}{cache.newest:,} of {cache.budget:,}" if cache.keep in BUDGETED else cache.keep

    @property
    def bits(self) -> str:
        """Bits of keys and of values, such as "8" or "8:4"."""
        key, value = self.cache.key_bits, self.cache.value_bits
        return str(key) if key == value else f"{key}:{value}"

    @property
    def scales(self) -> str:
        """What shares a scale, and its bits; empty for float16."""
        parts = []
        for name, entry in (("K", self.cache.key), ("V", self.cache.value)):
            if entry.bits != HALF_BITS:
                group = "" if entry.scales == "per_token" else f" of {entry.group_size}"
                parts.append((name, f"{entry.scales}{group}, {entry.scale_bits} bits"))
        texts = {text for _, text in parts}
        if len(parts) == 2 and len(texts) == 1:
            return texts.pop()
        return "; ".join(f"{name} {text}" for name, text in parts)

    def row(self) -> dict[str, Any]:
        """Return the size as a row of a table.

        Returns:
            Values by column; the suffixes are units.
        """
        cache = self.cache
        return {
            "policy": cache.keep,
            "key_bits": cache.key_bits,
            "value_bits": cache.value_bits,
            "key_scales": cache.key_scales if cache.key_bits != HALF_BITS else None,
            "value_scales": cache.value_scales if cache.value_bits != HALF_BITS else None,
            "sinks": cache.sinks,
            "recent": None if cache.keep == "all" else cache.newest,
            "budget": cache.budget,
            "kept_tokens": float(self.kept),
            "bytes_per_token": self.bytes_per_token,
            "sequence_bytes": self.sequence_bytes,
            "scale_bytes": self.scale_bytes,
            "full_bytes": self.full_bytes,
            "mha_bytes": self.mha_bytes,
        }


@dataclass(frozen=True, slots=True)
class TierFit:
    """What a tier holds of caches of one size.

    Attributes:
        size: Formats and policy, with the size at the context.
        tier: The tier.
        free_bytes: Its capacity, less the weights if they lie in it.
        largest_context: Largest context at which the caches of the batch fit; None if any does.
        largest_batch: Largest number of sequences at the context.
        fits: Whether the caches of the batch fit at the context.
        read_s: Time of reading these caches once, seconds.
        read_j: Energy of reading them once, joules.
        context: Context of the size.
    """

    size: KvSize
    tier: MemoryTier
    free_bytes: int
    largest_context: int | None
    largest_batch: int
    fits: bool
    read_s: float
    read_j: float
    context: int

    def row(self) -> dict[str, Any]:
        """Return the fit as columns of a table.

        Returns:
            Values by column. A largest context of None stands for any context.
        """
        return {
            "tier": self.tier.name,
            "units": self.tier.units,
            "capacity_bytes": self.tier.capacity_bytes,
            "free_bytes": self.free_bytes,
            "largest_context": self.largest_context,
            "largest_batch": self.largest_batch,
            "fits": self.fits,
            "read_s": self.read_s,
            "read_j": self.read_j,
        }


@dataclass(frozen=True, slots=True, repr=False)
class KvSizes(HeadlineRepr):
    """Sizes of the KV caches of a model, and what each memory tier holds of them.

    Attributes:
        spec: Shape of the model.
        context: Tokens of a sequence.
        batch: Sequences that are held and read.
        weights: Weights of the model: projections, embedding and LM head; from a config.json, all parameters.
        weight_bits: Bits per weight.
        weight_bytes: Bytes of all weights.
        weights_in: Names of the tiers that hold the weights, too.
        tiers: The tiers.
        sizes: One size per format and policy.
        fits: Each size in each tier.
        notes: Features of the model that limit a cache, one sentence each.
    """

    spec: ModelSpec
    context: int
    batch: int
    weights: int
    weight_bits: float
    weight_bytes: int
    weights_in: tuple[str, ...]
    tiers: tuple[MemoryTier, ...]
    sizes: tuple[KvSize, ...]
    fits: tuple[TierFit, ...]
    notes: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.spec.name

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
            Model, context, and for each format and policy its bytes per token and per sequence.
        """
        yield Figure("model", self.model)
        yield Figure("context", self.context, "tokens")
        for index, each in enumerate(self.sizes):
            name = f"{each.policy}, {each.bits} bits"
            yield Figure(name, each.sequence_bytes, "B", brief=index == 0)
            yield Figure(f"{name}, per token", each.bytes_per_token, "B", brief=index == 0)

    def of(self, tier: str, index: int = 0) -> TierFit:
        """Return how one size fits into a tier.

        Args:
            tier: Name of the tier.
            index: Index of the size.

        Returns:
            The fit.

        Raises:
            KeyError: If the tier is not among `tiers`.
        """
        for each in self.fits:
            if each.tier.name == tier and each.size is self.sizes[index]:
                return each
        raise KeyError(tier)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Iterate over sizes and tiers, for CSV and data frames.

        Yields:
            One row per size and tier: model, context and batch, the columns of `KvSize.row` and of `TierFit.row`.
        """
        for each in self.fits:
            run = {"model": self.model, "context": self.context, "batch": self.batch}
            yield run | each.size.row() | each.row()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON.

        Returns:
            Model and weights, sizes with what each tier holds of them, and the tiers with their sources.
        """
        return {
            "model": self.model,
            "context": self.context,
            "batch": self.batch,
            "weights": self.weights,
            "weight_bits": self.weight_bits,
            "weight_bytes": self.weight_bytes,
            "weights_in": list(self.weights_in),
            "notes": list(self.notes),
            "sizes": [
                each.row() | {"tiers": [fit.row() for fit in self.fits if fit.size is each]} for each in self.sizes
            ],
            "tiers": [each.to_dict() for each in self.tiers],
        }

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per size and tier.

        Returns:
            Data frame with the columns of `rows`; the suffixes of the columns are units.
        """
        from pimsim.base.pandas_library import pd

        return pd.DataFrame(list(self.rows()))
