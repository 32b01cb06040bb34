"""What a KV cache keeps of a sequence: formats and scales of its entries, kept tokens, and their sizes in bits.

Trace, capacity, serving and the numerical decoder take their numbers from `KvCacheSpec`.

Formats of the entries (keys or values of one KV head and token, d_head elements):

- 16 bits: float16 numbers without scales.
- per_token: codes with one step per entry, symmetric around 0.
- per_group: codes with a step and a zero point per `group_size` consecutive channels of an entry.
- per_channel: codes with a step and a zero point per channel of `group_size` consecutive tokens. The tokens of the
  newest incomplete group are float16 numbers, until the group is complete (KIVI).

An array of integers multiplies codes with one step per entry. Codes of per_token go to it as they are, widened. Entries
of the other formats are converted when they are read: to numbers, and then to codes of `operand_bits` with one step.

Reference:
    docs/kv-cache.md. KIVI: Liu et al., arXiv:2402.02750. StreamingLLM: Xiao et al., arXiv:2309.17453. H2O: Zhang et
    al., arXiv:2306.14048.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from workloads.checked_fields import Checked, Integer, Name, OneOf, Optional
from workloads.kv_checks import contradictions, notes_at
from workloads.kv_entries import HALF_BITS, Appended, ElementBits, EntryBits, Scales
from workloads.kv_ops import SUM_BYTES
from workloads.kv_policies import BUDGETED, SHIPPED, kept_positions
from workloads.latent_cache import check_cache
from workloads.models import ModelSpec
from workloads.workload_errors import SpecError

SUM_BITS = 8 * SUM_BYTES

Part = Literal["key", "value"]
PARTS: tuple[Part, Part] = ("key", "value")
TOKENS = Integer(1, 1_048_576)


@dataclass(frozen=True, slots=True, kw_only=True)
class KvCacheSpec(Checked):
    """The KV cache of a run: the section `workload.kv` of a config.

    The defaults are those of W8A8 attention: 8-bit codes with a float32 step per entry, all tokens kept.

    Attributes:
        key_bits: Bits of an element of a key: 16 (float16), or 2 to 8 (codes).
        value_bits: Bits of an element of a value.
        key_scales: Elements of the keys that share a scale: per_token, per_channel or per_group.
        value_scales: Likewise of the values.
        group_size: Channels (per_group) or tokens (per_channel) that share a scale; None if neither is used.
        scale_bits: Bits of a step and of a zero point; 16 is float16, else float32; 0: scales are not counted.
        operand_bits: Bits of the operands of the array: queries, attention weights, and entries that are converted when
            they are read. Codes of per_token are operands as they are.
        keep: Name of the policy: all, recent, heavy_hitters, random, or a registered one.
        sinks: First tokens of a sequence that are always kept, if `keep` is not all.
        recent: Newest tokens that are always kept; None: see `newest`.
        budget: Tokens that are kept in all (heavy_hitters, random), sinks and newest ones included.
        seed: Seed of the random policy.

    Raises:
        SpecError: If a value is out of range, or the values contradict each other.
    """

    optional_keys: ClassVar[tuple[str, ...]] = (
        *("key_bits", "value_bits", "key_scales", "value_scales", "group_size", "scale_bits", "operand_bits"),
        *("keep", "sinks", "recent", "budget", "seed"),
    )
    key_bits: Annotated[int, ElementBits()] = 8
    value_bits: Annotated[int, ElementBits()] = 8
    key_scales: Annotated[Scales, OneOf(("per_token", "per_channel", "per_group"))] = "per_token"
    value_scales: Annotated[Scales, OneOf(("per_token", "per_channel", "per_group"))] = "per_token"
    group_size: Annotated[int | None, Optional(Integer(2, 4096))] = 64
    scale_bits: Annotated[int, Integer(0, 64)] = 32
    operand_bits: Annotated[int, Integer(2, 8)] = 8
    keep: Annotated[str, Name()] = "all"
    sinks: Annotated[int, Integer(0, 1_048_576)] = 0
    recent: Annotated[int | None, Optional(TOKENS)] = None
    budget: Annotated[int | None, Optional(TOKENS)] = None
    seed: Annotated[int, Integer(0, 2**63 - 1)] = 0

    @property
    def key(self) -> EntryBits:
        """Format of the keys."""
        return self.entry("key")

    @property
    def value(self) -> EntryBits:
        """Format of the values."""
        return self.entry("value")

    def entry(self, part: Part) -> EntryBits:
        """Return the format of the keys or values.

        Args:
            part: "key" or "value".

        Returns:
            The format.
        """
        bits, scales = (self.key_bits, self.key_scales) if part == "key" else (self.value_bits, self.value_scales)
        return EntryBits(bits, scales, self.group_size or 1, self.scale_bits, self.operand_bits)

    @property
    def newest(self) -> int:
        """Newest tokens that a cache with a budget keeps: `recent`, or half of the budget without sinks (H2O), or 1."""
        if self.recent is not None:
            return self.recent
        return max(1, (self.budget - self.sinks) // 2) if self.keep == "heavy_hitters" and self.budget else 1

    @property
    def sums_attention(self) -> bool:
        """Whether the cache holds the sum of the attention that each kept token got."""
        return self.keep == "heavy_hitters"

    def cross_problems(self) -> Iterator[str]:
        """Check the policy's parameters and the groups; see `Checked.cross_problems`.

        Returns:
            An iterator over a message per contradiction.
        """
        return contradictions(self)

    @property
    def changed(self) -> dict[str, int | str | None]:
        """The values that differ from the defaults, by name; empty for 8-bit codes of all tokens with a step each."""
        plain = KvCacheSpec()
        return {key: getattr(self, key) for key in self.optional_keys if getattr(self, key) != getattr(plain, key)}

    def notes_at(self, context: int) -> tuple[str, ...]:
        """Return what a result at a context should say about the policy.

        Args:
            context: Largest number of tokens of a sequence.

        Returns:
            One sentence each.
        """
        return notes_at(self, context)

    def check_head(self, d_head: int) -> None:
        """Check that groups of channels divide an entry.

        Args:
            d_head: Elements of an entry.

        Raises:
            SpecError: If they do not.
        """
        for name, entry in (("key_scales", self.key), ("value_scales", self.value)):
            if entry.bits != HALF_BITS and entry.scales == "per_group" and d_head % entry.group_size:
                sizes = ", ".join(str(each) for each in range(2, d_head + 1) if d_head % each == 0)
                raise SpecError(
                    f"workload.kv.group_size must divide the {d_head} elements of a head ({name}: per_group), not "
                    f"{self.group_size}; allowed: {sizes}"
                )

    def kept(self, tokens: int, window: int | None = None) -> int:
        """Return the number of tokens that the newest token attends to, its own included: those that the cache keeps.

        Args:
            tokens: Tokens of the sequence so far.
            window: Window of the layer, whose cache drops the tokens before it; None: without a window.

        Returns:
            Number of tokens, from 1 to `tokens`.

        Raises:
            SpecError: If the policy is not registered, or returns something else than positions.

        Reference:
            docs/kv-cache.md, eqs. (1) to (3).
        """
        seen = tokens if window is None else min(tokens, window)
        if self.keep in ("all", "recent"):
            return sum(stop - start for start, stop in self.ranges(tokens, 1, window))
        if self.keep in SHIPPED:
            assert self.budget is not None
            return min(seen, self.budget)
        return sum(1 for position in kept_positions(self, tokens) if position >= tokens - seen)

    def most_kept(self, tokens: int, queries: int, window: int | None = None) -> int:
        """Return the largest number of tokens that one of the newest tokens attends to.

        Args:
            tokens: Tokens of the sequence, the new ones included.
            queries: New tokens.
            window: Window of the layer, or None.

        Returns:
            Largest `kept` of the new tokens.
        """
        first = tokens - queries + 1
        # Sinks leave a window, so that fewer tokens are kept after it is full; before, the number does not decrease.
        turning = tokens if window is None else min(max(window, first), tokens)
        return max(self.kept(each, window) for each in {first, turning, tokens})

    def together(self, tokens: int, queries: int, window: int | None = None) -> int:
        """Return the number of tokens that the newest tokens attend to together.

        The first of them attends to what the cache keeps, and each further one adds its own, since a dropped token does
        not come back.

        Args:
            tokens: Tokens of the sequence, the new ones included.
            queries: New tokens.
            window: Window of the layer, or None.

        Returns:
            Number of tokens.

        Reference:
            docs/kv-cache.md, eq. (4).
        """
        return self.kept(tokens - queries + 1, window) + queries - 1

    def ranges(self, tokens: int, queries: int, window: int | None = None) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the positions that the newest tokens attend to together, if `keep` is all or recent.

        Args:
            tokens: Tokens of the sequence, the new ones included.
            queries: New tokens.
            window: Window of the layer, or None.

        Returns:
            Start and stop of the sinks that the newest ones do not include, and of the newest tokens.
        """
        first = tokens - queries + 1
        seen = first if window is None else min(first, window)
        newest = seen if self.keep == "all" or self.recent is None else min(seen, self.recent)
        start = first - newest
        sinks = 0 if self.keep == "all" else min(self.sinks, start)
        return (min(first - seen, sinks), sinks), (start, tokens)

    def head_bits(self, part: Part, d_head: int, tokens: int, queries: int = 1, window: int | None = None) -> int:
        """Return the bits of the keys, or values, of one KV head that the newest tokens attend to together.

        With one query, these are the keys or values that the cache keeps.

        Args:
            part: "key" or "value".
            d_head: Elements of an entry.
            tokens: Tokens of the sequence, the new ones included.
            queries: New tokens.
            window: Window of the layer, or None.

        Returns:
            Bits, scales included.

        Reference:
            docs/kv-cache.md, eqs. (5) to (7).
        """
        entry = self.entry(part)
        if not entry.by_tokens:
            return self.together(tokens, queries, window) * entry.entry_bits(d_head)
        size, whole = entry.group_size, tokens // entry.group_size * entry.group_size
        kept = self.ranges(tokens, queries, window)
        coded = sum(max(0, min(stop, whole) - start) for start, stop in kept)
        numbers = sum(stop - start for start, stop in kept) - coded
        (low, high), (start, _) = kept
        # Complete groups that contain a kept token: those of the newest tokens, then those of the sinks before them.
        first = min(start, whole) // size
        groups = whole // size - first
        if high > low:
            groups += max(0, min(-(-min(high, whole) // size), first) - low // size)
        return d_head * (coded * entry.bits + numbers * HALF_BITS) + groups * entry.group_scale_bits(d_head)

    def appended(self, part: Part, d_head: int, tokens: int, queries: int) -> Appended:
        """Return what appending the newest tokens moves, for the keys or values of one KV head.

        Args:
            part: "key" or "value".
            d_head: Elements of an entry.
            tokens: Tokens of the sequence, the new ones included.
            queries: New tokens.

        Returns:
            Bits written and read, and tokens that get their codes.

        Reference:
            docs/kv-cache.md, eq. (8).
        """
        entry = self.entry(part)
        if not entry.by_tokens:
            return Appended(queries * entry.entry_bits(d_head), 0, queries)
        size, before = entry.group_size, tokens - queries
        whole, earlier = tokens // size * size, before // size * size
        if whole == earlier:
            return Appended(queries * d_head * HALF_BITS, 0, 0)
        settled = whole - earlier
        codes = settled * d_head * entry.bits + settled // size * entry.group_scale_bits(d_head)
        return Appended(codes + (tokens - whole) * d_head * HALF_BITS, (before - earlier) * d_head * HALF_BITS, settled)

    def entries(self, spec: ModelSpec, tokens: int) -> int:
        """Return the number of tokens that the newest token attends to, summed over the layers.

        Args:
            spec: The model.
            tokens: Tokens of the sequence so far.

        Returns:
            Number of tokens.
        """
        return sum(layers * self.kept(tokens, window) for window, layers in Counter(spec.windows).items())

    def reach(self, spec: ModelSpec) -> int | None:
        """Return the number of tokens of a sequence beyond which a decode step does not change any more.

        Args:
            spec: The model.

        Returns:
            Number of tokens; None if a decode step always depends on it.
        """
        windows = [window for window in spec.windows if window is not None]
        if self.key.by_tokens or self.value.by_tokens or self.keep not in SHIPPED:
            return None
        if self.keep == "all":
            return max(windows) if len(windows) == spec.layers else None
        limit = self.budget if self.keep in BUDGETED else self.sinks + (self.recent or 0)
        # One token more: the first one for which another one is dropped, and the sinks, which leave a window last.
        return max(limit or 0, *(window + self.sinks for window in windows), 0) + 1

    def sequence_bits(self, spec: ModelSpec, tokens: int) -> int:
        """Return the size of the caches of all layers of a sequence, with scales and sums of attention.

        Args:
            spec: The model.
            tokens: Tokens of the sequence so far.

        Returns:
            Bits.
        """
        return sum(layers * self.layer_bits(spec, tokens, each) for each, layers in Counter(spec.windows).items())

    def layer_bits(self, spec: ModelSpec, tokens: int, window: int | None) -> int:
        """Return the size of the cache of one layer of a sequence, with scales and sums of attention.

        Args:
            spec: The model.
            tokens: Tokens of the sequence so far.
            window: Window of the layer, or None.

        Returns:
            Bits.
        """
        head = sum(self.head_bits(part, elements, tokens, 1, window) for part, elements in spec.cached_parts)
        head += SUM_BITS * self.kept(tokens, window) if self.sums_attention else 0
        return spec.cached_heads * head

    def sequence_bytes(self, spec: ModelSpec, tokens: int) -> int:
        """Return the size of the caches of all layers of a sequence.

        Args:
            spec: The model.
            tokens: Tokens of the sequence so far.

        Returns:
            Bytes, rounded up.

        Raises:
            SpecError: If groups do not divide the heads of the model, or the policy is not registered.

        Reference:
            docs/kv-cache.md, eq. (9).

        Example:
            >>> from workloads import find_model
            >>> KvCacheSpec(key_bits=16, value_bits=16).sequence_bytes(find_model("llama-3-70b"), 1)
            327680
        """
        check_cache(self, spec)
        return -(-self.sequence_bits(spec, tokens) // 8)

    def largest_bytes(self, spec: ModelSpec, tokens: int) -> int:
        """Return the largest size that the caches of a sequence have while it grows.

        Args:
            spec: The model.
            tokens: Tokens of the sequence at its end.

        Returns:
            Bytes, rounded up: more than at the end if a group of tokens is complete there, or if sinks left a window.
        """
        span = self.group_size or 1 if self.key.by_tokens or self.value.by_tokens else 1
        ends = {tokens}
        if self.keep != "all":
            ends |= {window for window in spec.windows if window is not None and window < tokens}
        return max(self.sequence_bytes(spec, each) for end in ends for each in range(max(1, end - span + 1), end + 1))


CODES_WITHOUT_SCALES = KvCacheSpec(scale_bits=0)
"""The cache of W8A8 attention without the steps of its entries, as published figures count it."""
