"""Causal mask of attention, and the folds of a systolic array that compute at least one score that exists.

A new token attends to the entries of the KV cache up to its own, at most `context` of them. The other products of the
rectangle of tokens by entries do not exist. An array that is not told so computes them, and a fold whose products are
all masked is work for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from pimsim.config.schema.digital_section import Dataflow

EntriesAxis = Literal["m", "k"]
"""Axis of a matmul that has the entries of the cache: m (scores: an output per entry) or k (values: sums over them)."""


@dataclass(frozen=True, slots=True)
class CausalMask:
    """Which entries of a KV cache each of the new tokens of a sequence attends to.

    Attributes:
        queries: New tokens.
        context: Largest number of entries that a token attends to.
        entries: Entries that the tokens attend to together, at least `queries`; the last ones are those of the tokens.
        heads: Query heads that share a KV head. The vectors of a matmul are sorted by token, then by head.

    Reference:
        docs/model.md, eq. (50).
    """

    queries: int
    context: int
    entries: int
    heads: int = 1

    def visible(self, token: int) -> tuple[int, int]:
        """Return the entries that a token attends to.

        Args:
            token: Number of the token, from 0.

        Returns:
            Index of the first entry, and the index behind the last one.
        """
        stop = self.entries - self.queries + 1 + token
        return max(0, stop - self.context), stop

    @property
    def _shorter(self) -> tuple[int, int]:
        """Number of entries of the first token, and number of tokens that attend to fewer than `context` entries."""
        first = self.entries - self.queries + 1
        return first, min(max(self.context - first, 0), self.queries)

    @property
    def scores(self) -> int:
        """Number of scores of one head that exist: the sum over the tokens of their entries."""
        return self.groups(1)

    def groups(self, lanes: int) -> int:
        """Return the number of groups of at most `lanes` scores, in which no group has scores of two tokens.

        Args:
            lanes: Largest size of a group.

        Returns:
            Sum over the tokens of their entries divided by `lanes`, each rounded up.

        Reference:
            docs/model.md, eq. (52).
        """
        first, shorter = self._shorter
        ramp = _sum_of_groups(first + shorter - 1, lanes) - _sum_of_groups(first - 1, lanes)
        return ramp + (self.queries - shorter) * -(-self.context // lanes)

    def tokens_that_see(self, start: int, stop: int) -> int:
        """Return the number of tokens that attend to at least one entry of a range.

        Args:
            start: First entry.
            stop: Index behind the last entry.

        Returns:
            Number of tokens; they are consecutive.
        """
        before = self.entries - self.queries
        low = max(0, start - before)
        high = min(self.queries - 1, stop + self.context - 2 - before)
        return max(0, high - low + 1)


def _sum_of_groups(longest: int, lanes: int) -> int:
    """Return the sum of ceil(length / lanes) over the lengths from 1 to `longest`."""
    whole, rest = divmod(longest, lanes)
    return lanes * whole * (whole + 1) // 2 + rest * (whole + 1)


class Fold(NamedTuple):
    """The part of a matmul that one fold computes: m outputs of n vectors, over k terms."""

    m: int
    n: int
    k: int


@lru_cache(maxsize=64)
def causal_folds(
    mask: CausalMask, axis: EntriesAxis, other: int, dataflow: Dataflow, rows: int, columns: int
) -> tuple[tuple[Fold, int], ...]:
    """Return the folds of a masked matmul that reach at least one score that exists.

    The axis along which a fold streams is shortened to what the others of its operands need: a fold of queries streams
    only entries that one of them attends to, and a fold of entries only the queries that attend to one of them.

    Args:
        mask: The mask.
        axis: Axis of the entries.
        other: Size of the axis that has neither entries nor queries, the elements of a head.
        dataflow: Dataflow of the array.
        rows: Rows R of the array.
        columns: Columns C of the array.

    Returns:
        Each different fold with its number, in the order of computation; the last one is the last fold, alone.

    Reference:
        docs/model.md, eq. (51).
    """
    sizes = {
        "os": {"m": rows, "n": columns, "k": 0},
        "ws": {"m": columns, "n": 0, "k": rows},
        "is": {"m": 0, "n": columns, "k": rows},
    }[dataflow]
    counts: dict[Fold, int] = {}
    last = Fold(0, 0, 0)
    for entries, vectors, number in _blocks(mask, sizes[axis], sizes["n"]):
        for size, repeat in _pieces(other, sizes["k" if axis == "m" else "m"]):
            last = Fold(entries, vectors, size) if axis == "m" else Fold(size, vectors, entries)
            counts[last] = counts.get(last, 0) + number * repeat
    counts[last] -= 1
    return (*((fold, count) for fold, count in counts.items() if count), (last, 1))


def _pieces(length: int, size: int) -> tuple[tuple[int, int], ...]:
    """Cut an axis into pieces of a size; 0 means that the axis streams as a whole.

    Args:
        length: Length of the axis.
        size: Size of a piece, or 0.

    Returns:
        Size and number of the pieces.
    """
    if not size:
        return ((length, 1),)
    whole, rest = divmod(length, size)
    return (*(((size, whole),) if whole else ()), *(((rest, 1),) if rest else ()))


def _blocks(mask: CausalMask, entries: int, vectors: int) -> Iterator[tuple[int, int, int]]:
    """Cut the rectangle of entries by vectors into blocks, and leave out blocks without a score.

    Args:
        mask: The mask.
        entries: Entries per block; 0 means those that the vectors of a block need.
        vectors: Vectors per block; 0 means those that need the entries of a block.

    Yields:
        Entries and vectors of a block, and the number of such blocks.
    """
    if not vectors:
        for start in range(0, mask.entries, entries):
            stop = min(start + entries, mask.entries)
            yield stop - start, mask.heads * mask.tokens_that_see(start, stop), 1
        return
    width = mask.heads * mask.queries
    for left in range(0, width, vectors):
        right = min(left + vectors, width)
        start, stop = mask.visible(left // mask.heads)[0], mask.visible((right - 1) // mask.heads)[1]
        if not entries:
            yield stop - start, right - left, 1
            continue
        start -= start % entries
        stop = min(start + -(-(stop - start) // entries) * entries, mask.entries)
        for size, number in _pieces(stop - start, entries):
            yield size, right - left, number
