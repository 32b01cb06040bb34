"""Blocks of the KV memory: which are free, and with prefix sharing what they contain and who uses them.

The rules are those that vLLM publishes (docs/design/prefix_caching.md, revisions of 2026): a block without users is
free, but keeps its content until it is needed; the block that has been free for longest is taken first, and of a
sequence that ends, the last block becomes free first, so that prefixes lose their end first. A map from prefixes to
blocks finds what a radix tree would find.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

Key = tuple[int, int]
"""Prefix whose last tokens a block contains: hash of the prefix, and number of the block in it, from 0."""


class BlockPool:
    """Blocks of equal size, without regard to their content.

    Args:
        blocks: Number of blocks.
    """

    def __init__(self, blocks: int) -> None:
        self.blocks = self.free = blocks
        self._held: dict[int, int] = {}

    def held(self, owner: int) -> int:
        """Return the number of blocks of an owner.

        Args:
            owner: Number of a request.

        Returns:
            Its blocks; a block that it shares is among them.
        """
        return self._held.get(owner, 0)

    def cached(self, keys: Sequence[Key]) -> int:
        """Return how many leading blocks of a prefix are kept.

        Args:
            keys: Keys of its blocks, in order.

        Returns:
            Always 0: contents are not known.
        """
        return 0

    def unused(self, keys: Sequence[Key]) -> int:
        """Return how many of these kept blocks nobody uses, so that they count as free.

        Args:
            keys: Keys of kept blocks.

        Returns:
            Always 0.
        """
        return 0

    def share(self, owner: int, keys: Sequence[Key]) -> None:
        """Give an owner kept blocks, before any other ones.

        Args:
            owner: Number of a request without blocks.
            keys: Keys of kept blocks, in order; none here.
        """

    def take(self, owner: int, count: int) -> None:
        """Give an owner free blocks.

        Args:
            owner: Number of a request.
            count: Blocks to add, at most `free`.
        """
        self.free -= count
        self._held[owner] = self.held(owner) + count

    def fill(self, owner: int, first: int, keys: Sequence[Key]) -> None:
        """Note what some blocks of an owner contain, from when it has been computed.

        Args:
            owner: Number of a request.
            first: Place of the first of these blocks among those of the owner, from 0.
            keys: Keys of these blocks, in order.
        """

    def give_back(self, owner: int) -> None:
        """Free all blocks of an owner that nobody else uses.

        Args:
            owner: Number of a request.
        """
        self.free += self._held.pop(owner, 0)


class SharedBlockPool(BlockPool):
    """Blocks that keep their content while they are free, for requests with the same prefix.

    Args:
        blocks: Number of blocks.
    """

    def __init__(self, blocks: int) -> None:
        super().__init__(blocks)
        self._untouched = 0
        """Blocks from this number on have never been taken; they come before those that have become free."""
        self._freed: OrderedDict[int, None] = OrderedDict()
        self._blocks_of: dict[int, list[int]] = {}
        self._users: dict[int, int] = {}
        self._key_of: dict[int, Key] = {}
        self._blocks_with: dict[Key, dict[int, None]] = {}
        """Blocks by content, in the order in which they were computed; two requests may have computed the same."""

    def held(self, owner: int) -> int:
        """Return the number of blocks of an owner.

        Args:
            owner: Number of a request.

        Returns:
            Its blocks; a block that it shares is among them.
        """
        return len(self._blocks_of.get(owner, ()))

    def cached(self, keys: Sequence[Key]) -> int:
        """Return how many leading blocks of a prefix are kept.

        Args:
            keys: Keys of its blocks, in order.

        Returns:
            Number of blocks.
        """
        found = 0
        for key in keys:
            if key not in self._blocks_with:
                break
            found += 1
        return found

    def unused(self, keys: Sequence[Key]) -> int:
        """Return how many of these kept blocks nobody uses, so that they count as free.

        Args:
            keys: Keys of kept blocks.

        Returns:
            Number of blocks.
        """
        return sum(not self._users[self._block(key)] for key in keys)

    def share(self, owner: int, keys: Sequence[Key]) -> None:
        """Give an owner kept blocks, before any other ones.

        Args:
            owner: Number of a request without blocks.
            keys: Keys of kept blocks, in order.
        """
        blocks = [self._block(key) for key in keys]
        for block in blocks:
            if not self._users[block]:
                del self._freed[block]
                self.free -= 1
            self._users[block] += 1
        self._blocks_of[owner] = blocks

    def take(self, owner: int, count: int) -> None:
        """Give an owner free blocks, whose content is lost.

        Args:
            owner: Number of a request.
            count: Blocks to add, at most `free`.
        """
        own = self._blocks_of.setdefault(owner, [])
        for _ in range(count):
            if self._untouched < self.blocks:
                block = self._untouched
                self._untouched += 1
            else:
                block, _ = self._freed.popitem(last=False)
                if (key := self._key_of.pop(block, None)) is not None:
                    del self._blocks_with[key][block]
                    if not self._blocks_with[key]:
                        del self._blocks_with[key]
            self._users[block] = 1
            own.append(block)
        self.free -= count

    def fill(self, owner: int, first: int, keys: Sequence[Key]) -> None:
        """Note what some blocks of an owner contain, from when it has been computed.

        A block with the content of another one is not merged with it, as in vLLM.

        Args:
            owner: Number of a request.
            first: Place of the first of these blocks among those of the owner, from 0.
            keys: Keys of these blocks, in order.
        """
        for block, key in zip(self._blocks_of[owner][first : first + len(keys)], keys, strict=True):
            self._key_of[block] = key
            self._blocks_with.setdefault(key, {})[block] = None

    def give_back(self, owner: int) -> None:
        """Free all blocks of an owner that nobody else uses; the last one is the first to be taken again.

        Args:
            owner: Number of a request.
        """
        for block in reversed(self._blocks_of.pop(owner, [])):
            self._users[block] -= 1
            if not self._users[block]:
                self._freed[block] = None
                self.free += 1

    def _block(self, key: Key) -> int:
        return next(iter(self._blocks_with[key]))
