"""The ops of a KV cache and of the attention over it, for the groups of sequences of one pass.

Reference:
    docs/model.md, eqs. (43) and (44); docs/kv-cache.md; docs/inference.md, eqs. (4) to (7).
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workloads.kv_cache import PARTS, KvCacheSpec, Part
from workloads.kv_entries import HALF_BITS
from workloads.kv_ops import KVAccumulate, KVEvict
from workloads.models import ModelSpec
from workloads.op_builder import OpBuilder
from workloads.ops import (
    Activation,
    AttentionScores,
    AttentionValues,
    Dequantise,
    KVAppend,
    Op,
    Quantise,
    Residual,
    Softmax,
)

if TYPE_CHECKING:
    from workloads.decoder_pass import SequenceGroup

ATTENTION_OPS = (
    *("key_settle", "key_append", "value_settle", "value_append"),
    *("kv_evict", "scores", "scores_dequantise", "scores_cap", "scores_alibi", "softmax", "kv_accumulate"),
    *("probabilities_quantise", "values", "values_dequantise"),
)
"""Names of the ops of one group of sequences, without the suffix that numbers the group."""


@dataclass(frozen=True, slots=True)
class CachedAttention:
    """Builder of the ops of a KV cache and of the attention over it.

    Attributes:
        spec: The model.
        kv: What the cache keeps, and how.
        quantisation: Whether the passes that quantise and dequantise are counted.
    """

    spec: ModelSpec
    kv: KvCacheSpec
    quantisation: bool

    def appended(self, build: OpBuilder, key: str, value: str) -> Generator[Op, None, tuple[str, str]]:
        """Build what appends the new keys and values of all sequences, if it does not depend on their contexts.

        Args:
            build: Builder for the vectors of the pass.
            key: Name of the op that produces the keys.
            value: Name of the op that produces the values.

        Yields:
            The quantisation, and the append.

        Returns:
            Names of the ops after which keys, and values, are in the cache; of a cache whose scales cover several
            tokens (`EntryBits.by_tokens`), names of the ops that produce them, which `of` appends.
        """
        spec, tokens, names = self.spec, build.vectors, {"key": key, "value": value}
        shared = [part for part in PARTS if not self.kv.entry(part).by_tokens]
        for part in shared:
            if (entry := self.kv.entry(part)).bits != HALF_BITS:
                share = entry.group_size if entry.scales == "per_group" else spec.d_head
                vectors = spec.kv_heads * tokens * spec.d_head // share
                (names[part],) = yield from build.quantised(part, (names[part],), vectors, share)
        if shared:
            first, sizes = self.kv.entry(shared[0]), [self.kv.entry(part).entry_bits(spec.d_head) for part in shared]
            yield KVAppend(
                "kv_append",
                tuple(names[part] for part in shared),
                tokens=tokens,
                kv_heads=spec.kv_heads,
                d_head=spec.d_head,
                bits=first.bits,
                step_bits=first.step_bits(spec.d_head),
                write_bits=None if sizes == 2 * sizes[:1] else tokens * spec.kv_heads * sum(sizes),
            )
            names |= dict.fromkeys(shared, "kv_append")
        return names["key"], names["value"]

    def of(
        self, index: int, group: "SequenceGroup", window: int | None, query: str, sources: tuple[str, str]
    ) -> Iterator[Op]:
        """Build the attention of one group of sequences.

        A query attends to the tokens that the cache keeps, at most `window` of them. Each further query adds its own
        token to those that the queries read together.

        Args:
            index: Number of the group, which becomes the suffix of the op names.
            group: The group.
            window: Window of the layer; None means that a query attends to all kept tokens.
            query: Name of the op that produces the queries.
            sources: What `appended` returns.

        Yields:
            The ops that append what `appended` does not, those for scores, softmax and weighted values, those that
            rescale and quantise between them, and those that choose tokens.
        """
        spec, end, kv = self.spec, suffix(index), self.kv
        key, value = sources
        if kv.key.by_tokens:
            key = yield from self._appended_group("key", key, group, end)
        if kv.value.by_tokens:
            value = yield from self._appended_group("value", value, group, end)
        tokens, queries = group.context, group.queries
        kept, together = kv.most_kept(tokens, queries, window), kv.together(tokens, queries, window)
        evict = self._evict(group, window, end, kept)
        rows = spec.heads * group.sequences * queries
        scores, softmax, values = f"scores{end}", f"softmax{end}", f"values{end}"
        inputs = tuple(dict.fromkeys((query, key)))
        # The tokens that a prompt drops follow from its own scores, so all scores of its tokens are computed first.
        first = evict is not None and queries == 1
        if evict is not None and first:
            yield replace(evict, inputs=(key,))
            inputs = (*inputs, evict.name)
        scored = kept if evict is None or first else together
        yield AttentionScores(scores, inputs, **self._shape("key", group, window, scored, together))
        chosen: tuple[str, ...] = ()
        if evict is not None and not first:
            yield evict
            chosen = (evict.name,)
        each = {"vectors": rows, "elements": kept}
        if self.quantisation:
            rescaled = f"scores_dequantise{end}"
            yield Dequantise(rescaled, (scores, *chosen), **each)
            scores, chosen = rescaled, ()
        if spec.score_cap:
            capped = f"scores_cap{end}"
            yield Activation(capped, (scores, *chosen), function="tanh", **each)
            scores, chosen = capped, ()
        if spec.position == "alibi":
            biased = f"scores_alibi{end}"
            yield Residual(biased, (scores, *chosen), **each)
            scores, chosen = biased, ()
        yield Softmax(softmax, (scores, *chosen), rows=rows, row_length=kept)
        if kv.sums_attention:
            yield self._accumulate(group, window, end, kept, read=evict is None)
        shape = self._shape("value", group, window, kept, together)
        if not self.quantisation:
            yield AttentionValues(values, (softmax, value), **shape)
            return
        rounded = f"probabilities_quantise{end}"
        yield Quantise(rounded, (softmax,), **each)
        yield AttentionValues(values, (rounded, value), **shape)
        yield Dequantise(f"values_dequantise{end}", (values,), vectors=rows, elements=spec.d_head)

    def _shape(
        self, part: Part, group: "SequenceGroup", window: int | None, context: int, together: int
    ) -> dict[str, Any]:
        """Return the fields of an attention matmul; those that the entries of `bits` and `step_bits` say are absent."""
        spec, entry, kv = self.spec, self.kv.entry(part), self.kv
        shape = {"heads": spec.heads, "kv_heads": spec.kv_heads, "d_head": spec.d_head, "bits": entry.bits}
        shape |= {"queries": group.queries, "context": context, "sequences": group.sequences}
        shape["step_bits"] = entry.step_bits(spec.d_head)
        if together > context:
            shape["cached"] = together
        read = kv.head_bits(part, spec.d_head, group.context, group.queries, window)
        kept = kv.head_bits(part, spec.d_head, group.context, 1, window)
        if entry.by_tokens:
            shape["read_bits"] = read
        if kv.keep != "all" and kept != read:
            shape["kept_bits"] = kept
        if self.quantisation:
            shape["convert_passes"] = entry.convert_passes
        return shape

    def _appended_group(self, part: Part, source: str, group: "SequenceGroup", end: str) -> Generator[Op, None, str]:
        """Build what appends the new keys, or values, of one group to a cache whose scales cover several tokens.

        Args:
            part: "key" or "value".
            source: Name of the op that produces them.
            group: The group.
            end: Suffix of the op names.

        Yields:
            The quantisation of the groups of tokens that are complete now, if there are any, and the append.

        Returns:
            Name of the append.
        """
        spec, entry, name = self.spec, self.kv.entry(part), f"{part}_append{end}"
        moved, heads = (
            self.kv.appended(part, spec.d_head, group.context, group.queries),
            spec.kv_heads * group.sequences,
        )
        if self.quantisation and moved.settled:
            vectors = heads * spec.d_head * moved.settled // entry.group_size
            yield Quantise(settled := f"{part}_settle{end}", (source,), vectors=vectors, elements=entry.group_size)
            source = settled
        yield KVAppend(
            name,
            (source,),
            tokens=group.queries * group.sequences,
            kv_heads=spec.kv_heads,
            d_head=spec.d_head,
            bits=entry.bits,
            write_bits=heads * moved.write_bits,
            read_bits=heads * moved.read_bits,
        )
        return name

    def _evict(self, group: "SequenceGroup", window: int | None, end: str, kept: int) -> KVEvict | None:
        """Return the op that chooses the tokens which make room for the new ones; None if none is chosen."""
        kv, tokens, queries = self.kv, group.context, group.queries
        if not kv.sums_attention or kv.budget is None or min(tokens, window or tokens) <= kv.budget:
            return None
        choices = min(queries, tokens - kv.budget)
        heads = self.spec.kv_heads * group.sequences
        return KVEvict(
            f"kv_evict{end}",
            (f"scores{end}",),
            vectors=heads * choices,
            elements=kv.budget + 1 - kv.sinks - kv.newest,
            context=kept,
            read_sums=heads * self._kept_before(group, window),
        )

    def _accumulate(
        self, group: "SequenceGroup", window: int | None, end: str, kept: int, *, read: bool
    ) -> KVAccumulate:
        heads = self.spec.kv_heads * group.sequences
        return KVAccumulate(
            f"kv_accumulate{end}",
            (f"softmax{end}",),
            vectors=self.spec.heads * group.sequences * group.queries,
            elements=kept,
            read_sums=heads * self._kept_before(group, window) if read else 0,
            kept_sums=heads * self.kv.kept(group.context, window),
        )

    def _kept_before(self, group: "SequenceGroup", window: int | None) -> int:
        before = group.context - group.queries
        return self.kv.kept(before, window) if before else 0


def suffix(index: int) -> str:
    """Return the suffix that makes the op names of a group unique.

    Args:
        index: Number of the group.

    Returns:
        Text such as ":1"; empty for the first group.
    """
    return f":{index}" if index else ""
