"""KV cache of one sequence: stored entries, the operands that the array reads, and the tokens that are kept."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pimsim.inference.heavy_hitters import HeavyHitters
from pimsim.inference.kv_formats import operands, rounded_half, settled_operands
from workloads.kv_cache import KvCacheSpec
from workloads.kv_entries import EntryBits
from workloads.models import ModelSpec

Float = NDArray[np.float32]
Numerics = Literal["int8", "float"]

BLOCK = 64
"""KV entries per partial sum of exponentials; the capacity of a cache is a multiple of it."""
FULL = KvCacheSpec()
"""The default cache: 8 bits, a float32 step per head and token, all tokens."""


class Operands(NamedTuple):
    """Keys, or values, of one layer as the array reads them.

    Attributes:
        values: Integers, or numbers in a float cache, [kv_heads, entries, d_head] float32.
        steps: Their steps, [kv_heads, entries] float32; 0 in a float cache.
        fresh: What queries read of an entry before its group of tokens is complete; None if there are no such groups.
        fresh_steps: Steps of `fresh`.
    """

    values: Float
    steps: Float
    fresh: Float | None = None
    fresh_steps: Float | None = None

    def of(self, which: tuple[slice, slice]) -> Operands:
        """Return some entries of some heads.

        Args:
            which: KV heads and entries.

        Returns:
            Views of the arrays.
        """
        if self.fresh is None or self.fresh_steps is None:
            return Operands(self.values[which], self.steps[which])
        return Operands(self.values[which], self.steps[which], self.fresh[which], self.fresh_steps[which])


class KeyValueCache:
    """Keys and values of one sequence for all layers.

    All entries stay in memory, also those that the policy of the cache drops: which of them a query sees is a mask.

    Args:
        spec: The model.
        numerics: Type of the entries: "int8" for the formats of `kv`, or "float" for float32, whatever the formats.
        kv: What the cache keeps.
        sequence: Number of the sequence, which selects its read noise together with the position.

    Attributes:
        numerics: Type of the entries.
        kv: What the cache keeps.
        sequence: Number of the sequence.
        length: Tokens in the cache.
        hitters: Tokens that heads keep by their attention; None with another policy.
    """

    def __init__(
        self, spec: ModelSpec, numerics: Numerics = "int8", *, kv: KvCacheSpec = FULL, sequence: int = 0
    ) -> None:
        self.numerics, self.kv, self.sequence, self.length = numerics, kv, sequence, 0
        self._shape = (spec.layers, 2, spec.kv_heads)
        self._d_head = spec.d_head
        self._formats = (kv.key, kv.value)
        self._entries: NDArray[Any] = np.zeros(
            (*self._shape, 0, self._d_head), np.int8 if numerics == "int8" else np.float32
        )
        self._steps = np.zeros((*self._shape, 0), np.float32)
        grouped = numerics == "int8" and any(form.by_tokens for form in self._formats)
        self._groups = _OpenGroups(self._shape, self._d_head) if grouped else None
        self.hitters = HeavyHitters(kv, spec.layers, spec.kv_heads) if kv.keep == "heavy_hitters" else None

    @property
    def nbytes(self) -> int:
        """Size of the allocated memory of keys and values, bytes."""
        return self._entries.nbytes + self._steps.nbytes + (0 if self._groups is None else self._groups.nbytes)

    @property
    def layers(self) -> int:
        """Number of layers."""
        return self._shape[0]

    def reserve(self, tokens: int) -> None:
        """Allocate memory for new tokens; existing entries are kept.

        Args:
            tokens: Number of tokens in total for which there must be memory; the capacity is never reduced.
        """
        capacity = self._entries.shape[3]
        if tokens <= capacity:
            return
        capacity = -(-max(tokens, capacity * 3 // 2) // BLOCK) * BLOCK
        self._entries, self._steps = (_extended(array, capacity, self.length) for array in (self._entries, self._steps))
        if self._groups is not None:
            self._groups.reserve(capacity, self.length)
        if self.hitters is not None:
            self.hitters.reserve(capacity)

    def write(self, layer: int, key: Float, value: Float) -> None:
        """Write the keys and values of new tokens of one layer after the first `length` tokens.

        `reserve` must have allocated the memory. `length` does not change, since other layers follow.

        Args:
            layer: Number of the layer.
            key: Keys, [tokens, kv_heads, d_head] float32.
            value: Values, [tokens, kv_heads, d_head] float32.
        """
        end = self.length + len(key)
        for which, (vectors, form) in enumerate(zip((key, value), self._formats, strict=True)):
            entries, steps = self._entries[layer, which], self._steps[layer, which]
            if self.numerics == "float":
                entries[:, self.length : end] = vectors.swapaxes(0, 1)
                continue
            stored = operands(vectors, form)
            codes, scales = stored.values.swapaxes(0, 1), stored.step[..., 0].T
            if form.by_tokens:
                assert self._groups is not None
                self._groups.write((layer, which), self.length, vectors, codes, scales)
                self._groups.settle((layer, which), form, (self.length, end), entries, steps)
            else:
                entries[:, self.length : end], steps[:, self.length : end] = codes, scales

    def read(self, layer: int, end: int) -> tuple[Operands, Operands]:
        """Return the first `end` entries of one layer.

        Args:
            layer: Number of the layer.
            end: Number of entries, at most the allocated ones.

        Returns:
            Keys and values.
        """
        entries = self._entries[layer, :, :, :end].astype(np.float32, copy=False)
        steps = self._steps[layer, :, :, :end]
        return self._operands(layer, 0, entries, steps), self._operands(layer, 1, entries, steps)

    def stored(self, layer: int) -> tuple[NDArray[Any], Float]:
        """Return the memory of keys and values of one layer, for kernels that write and read it as `per_token` codes.

        Args:
            layer: Number of the layer.

        Returns:
            Entries, [2, kv_heads, capacity, d_head], and their steps, [2, kv_heads, capacity] float32.
        """
        return self._entries[layer], self._steps[layer]

    def _operands(self, layer: int, which: int, entries: Float, steps: Float) -> Operands:
        if self._groups is None or not self._formats[which].by_tokens:
            return Operands(entries[which], steps[which])
        fresh, fresh_steps = self._groups.read((layer, which), entries.shape[2])
        return Operands(entries[which], steps[which], fresh, fresh_steps)

    def complete(self, first: int, tokens: int, entries: slice) -> NDArray[np.bool_] | None:
        """Return which entries belong to groups of tokens that are complete for each query.

        Args:
            first: Position of the first query.
            tokens: Number of queries.
            entries: Entries.

        Returns:
            [tokens, entries] bool; None if the cache has no groups of tokens.

        Reference:
            docs/kv-quality.md, eq. (4).
        """
        if self._groups is None:
            return None
        group = self.kv.group_size or 1
        complete = (np.arange(first, first + tokens) + 1) // group * group
        mask: NDArray[np.bool_] = np.arange(entries.start, entries.stop) < complete[:, None]
        return mask


class _OpenGroups:
    """Entries of groups of tokens: as float16 numbers, until the group is complete and gets its codes.

    Args:
        shape: Layers, 2 (keys and values), and KV heads.
        d_head: Elements of a head.
    """

    def __init__(self, shape: tuple[int, int, int], d_head: int) -> None:
        self._numbers = np.zeros((*shape, 0, d_head), np.float16)
        self._codes = np.zeros((*shape, 0, d_head), np.int8)
        self._steps = np.zeros((*shape, 0), np.float32)

    @property
    def nbytes(self) -> int:
        """Size of the allocated memory, bytes."""
        return self._numbers.nbytes + self._codes.nbytes + self._steps.nbytes

    def reserve(self, capacity: int, length: int) -> None:
        self._numbers, self._codes, self._steps = (
            _extended(array, capacity, length) for array in (self._numbers, self._codes, self._steps)
        )

    def write(self, place: tuple[int, int], at: int, vectors: Float, codes: NDArray[np.int8], steps: Float) -> None:
        new = slice(at, at + len(vectors))
        self._numbers[place][:, new] = rounded_half(vectors).astype(np.float16).swapaxes(0, 1)
        self._codes[place][:, new], self._steps[place][:, new] = codes, steps

    def settle(
        self, place: tuple[int, int], form: EntryBits, new: tuple[int, int], entries: NDArray[Any], steps: Float
    ) -> None:
        """Quantise the groups that new tokens have made complete.

        Args:
            place: Layer, and 0 for keys or 1 for values.
            form: Format of the entries.
            new: Numbers of the first new token, and of the token after the last one.
            entries: Operands of complete groups, [kv_heads, capacity, d_head], which are written.
            steps: Their steps, [kv_heads, capacity], which are written.
        """
        group = form.group_size
        first, last = (number // group * group for number in new)
        if first == last:
            return
        numbers = self._numbers[place][:, first:last].astype(np.float32)
        heads, _, d_head = numbers.shape
        settled = settled_operands(numbers.reshape(heads, -1, group, d_head), form)
        entries[:, first:last] = settled.values.reshape(heads, -1, d_head)
        steps[:, first:last] = settled.step.reshape(heads, -1)

    def read(self, place: tuple[int, int], end: int) -> tuple[Float, Float]:
        return self._codes[place][:, :end].astype(np.float32), self._steps[place][:, :end]


def _extended(array: NDArray[Any], capacity: int, length: int) -> NDArray[Any]:
    """Return an array with memory for more tokens, its fourth axis, and the first `length` tokens of the given one."""
    extended = np.zeros((*array.shape[:3], capacity, *array.shape[4:]), array.dtype)
    extended[:, :, :, :length] = array[:, :, :, :length]
    return extended
