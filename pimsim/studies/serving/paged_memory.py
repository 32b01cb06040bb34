"""KV memory in blocks (pages), which are allocated while sequences grow, and shared by requests with equal prefixes.

The rules are vLLM's (revisions of June 2026; `docs/design/prefix_caching.md`, `SchedulerConfig.watermark` and
`scheduler_reserve_full_isl`): a request is admitted if there are blocks for all tokens that it has to process, beside a
watermark unless no other request is admitted, and beside the blocks that admitted sequences need for their next token.
Full blocks of a prompt whose prefix is kept are not computed again, but at least one token is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pimsim.studies.serving.block_pool import BlockPool, Key, SharedBlockPool
from pimsim.studies.serving.served_request import ServedRequest

KeysOf = Callable[[ServedRequest], Sequence[Key]]
"""Function that returns the keys of the full blocks of the prompt of a request; fewer if not all are known."""


@dataclass(slots=True)
class PageCounts:
    """What happened in a paged memory.

    Attributes:
        largest_blocks: Largest number of blocks in use at once.
        released_tokens: Room for tokens in the blocks of all sequences that ended or were preempted.
        unused_tokens: Room of it that was empty: internal fragmentation, mostly of the last block of each sequence.
        asked_tokens: Tokens that requests had to process when they were admitted.
        shared_tokens: Tokens of them whose KV entries were kept already.
    """

    largest_blocks: int = 0
    released_tokens: int = 0
    unused_tokens: int = 0
    asked_tokens: int = 0
    shared_tokens: int = 0


class PagedMemory:
    """KV memory of blocks of equal size.

    Args:
        blocks: Number of blocks.
        block_tokens: Tokens per block.
        block_bytes: Size of a block, bytes.
        watermark_blocks: Blocks that an admission leaves free, unless no request is admitted.
        keys_of: Function that returns what the blocks of a prompt contain; None means that nothing is shared.
        step_tokens: Largest number of new tokens of a decode step.
    """

    def __init__(
        self,
        blocks: int,
        block_tokens: int,
        block_bytes: int,
        watermark_blocks: int,
        keys_of: KeysOf | None = None,
        step_tokens: int = 1,
    ) -> None:
        self.block_tokens, self.block_bytes = block_tokens, block_bytes
        self.counts = PageCounts()
        self.pool = BlockPool(blocks) if keys_of is None else SharedBlockPool(blocks)
        self._watermark_blocks, self._keys_of, self._step_tokens = watermark_blocks, keys_of, step_tokens
        self._admitted: dict[int, ServedRequest] = {}
        self._keys: dict[int, Sequence[Key]] = {}
        self._noted: dict[int, int] = {}
        """Blocks of admitted requests that others can find; only of requests whose prompt has more."""

    @property
    def used_bytes(self) -> int:
        """Size of the blocks that admitted requests use, bytes."""
        return (self.pool.blocks - self.pool.free) * self.block_bytes

    def blocks_for(self, tokens: int) -> int:
        """Return the number of blocks that hold some tokens.

        Args:
            tokens: Number of tokens.

        Returns:
            Number of blocks.
        """
        return -(-tokens // self.block_tokens)

    def fits(self, request: ServedRequest) -> bool:
        """Return whether a waiting request can be admitted.

        Args:
            request: The request.

        Returns:
            True if there are blocks for its tokens beside the next tokens of each admitted request, and a watermark.
        """
        kept = self._kept(request)
        needed = self._at_admission(request) - len(kept) + self.pool.unused(kept)
        if self._admitted:
            needed += self._watermark_blocks
            needed += sum(self._next_blocks(each) for each in self._admitted.values())
        return needed <= self.pool.free

    def _next_blocks(self, request: ServedRequest) -> int:
        """Return the blocks that the next decode step of an admitted request needs beyond those that it has."""
        if request.entries < request.fill_tokens:
            return 0
        entries = min(request.entries + self._step_tokens, request.prompt_tokens + request.output_tokens - 1)
        return max(0, self.blocks_for(entries) - self.pool.held(request.number))

    def admit(self, request: ServedRequest) -> None:
        """Take the blocks of a request that fits, and set `request.entries` to what is kept of its prefix.

        Args:
            request: The request.
        """
        kept, number = self._kept(request), request.number
        blocks = self._at_admission(request)
        self.pool.share(number, kept)
        self.pool.take(number, blocks - len(kept))
        if not request.entries:
            request.entries = len(kept) * self.block_tokens
            self.counts.asked_tokens += request.fill_tokens
            self.counts.shared_tokens += request.entries
            request.shared_tokens += request.entries
        self._admitted[number] = request
        if self._keys.get(number):
            self._noted[number] = len(kept)
        self._note_use()

    def grow(self, request: ServedRequest, tokens: int) -> bool:
        """Take the blocks that the next KV entries of an admitted request need.

        Args:
            request: The request; `request.entries` are in the memory already.
            tokens: Number of new entries.

        Returns:
            False, and nothing is taken, if not enough blocks are free.
        """
        missing = self.blocks_for(request.entries + tokens) - self.pool.held(request.number)
        if missing > 0:
            if missing > self.pool.free:
                return False
            self.pool.take(request.number, missing)
            self._note_use()
        return True

    def release(self, request: ServedRequest) -> None:
        """Give back all blocks of an admitted request; their content is kept until they are taken again.

        Args:
            request: The request.
        """
        self._note_content()
        room = self.pool.held(request.number) * self.block_tokens
        self.counts.released_tokens += room
        self.counts.unused_tokens += room - request.entries
        self.pool.give_back(request.number)
        self._admitted.pop(request.number, None)
        self._keys.pop(request.number, None)
        self._noted.pop(request.number, None)

    def steps_that_fit(self, running: Sequence[ServedRequest]) -> int:
        """Return the number of decode iterations, one new token per request, before blocks are short.

        Args:
            running: The requests of these iterations, which all decode.

        Returns:
            Number of iterations, 0 if the first one may already need a decision.
        """
        free = self.pool.free
        low, high = 0, (free // max(1, len(running)) + 2) * self.block_tokens
        while low < high:
            middle = (low + high + 1) // 2
            if self._missing(running, middle) <= free:
                low = middle
            else:
                high = middle - 1
        return low

    def used_bytes_over(self, running: Sequence[ServedRequest], steps: int) -> int | Sequence[int]:
        """Return the size of the blocks in use in each of the next decode iterations.

        Args:
            running: The requests of these iterations, which all decode.
            steps: Number of iterations, at most `steps_that_fit(running)`.

        Returns:
            Bytes of each iteration; one number if all are equal.
        """
        used = self.pool.blocks - self.pool.free
        if not self._missing(running, steps):
            return used * self.block_bytes
        added = [0] * steps
        for each in running:
            held = self.pool.held(each.number)
            # The first step whose last token is beyond the blocks so far, and every block of tokens after it.
            for step in range(held * self.block_tokens - each.entries, steps, self.block_tokens):
                added[step] += 1
        sizes = []
        for count in added:
            used += count
            sizes.append(used * self.block_bytes)
        return sizes

    def _missing(self, running: Sequence[ServedRequest], steps: int) -> int:
        """Return the blocks that decode iterations need beyond those that their requests have."""
        return sum(max(0, self.blocks_for(each.entries + steps) - self.pool.held(each.number)) for each in running)

    def _at_admission(self, request: ServedRequest) -> int:
        """Return the blocks that a request has to have: for all tokens to process, or for its next one."""
        return self.blocks_for(max(request.fill_tokens, request.entries + 1))

    def _kept(self, request: ServedRequest) -> Sequence[Key]:
        """Return the keys of the blocks with the prefix of a waiting request that are kept.

        A request that brings its KV entries along, from a link or a swap, gets blocks of its own.
        """
        if self._keys_of is None or request.entries:
            return ()
        self._note_content()
        keys = self._keys.get(request.number)
        if keys is None:
            keys = self._keys[request.number] = self._keys_of(request)
        most = (request.fill_tokens - 1) // self.block_tokens
        return keys[: min(most, self.pool.cached(keys))]

    def _note_content(self) -> None:
        """Let others find the full blocks of prompts that have been computed by now."""
        for number, noted in list(self._noted.items()):
            each, keys = self._admitted[number], self._keys[number]
            full = min(len(keys), each.entries // self.block_tokens)
            if full > noted:
                self.pool.fill(number, noted, keys[noted:full])
                self._noted[number] = full
            if full == len(keys):
                del self._noted[number]

    def _note_use(self) -> None:
        self.counts.largest_blocks = max(self.counts.largest_blocks, self.pool.blocks - self.pool.free)


def prefix_keys(hashes: Sequence[int], hash_tokens: int, block_tokens: int, prompt_tokens: int) -> tuple[Key, ...]:
    """Return what the full blocks of a prompt contain, as far as its hashes say.

    A hash stands for its tokens and all before them, so that equal hashes of the last token of a block mean equal
    blocks, also if blocks and hashes have different sizes.

    Args:
        hashes: Hashes of the prompt, in order.
        hash_tokens: Tokens per hash.
        block_tokens: Tokens per block.
        prompt_tokens: Length of the prompt, tokens; the last hash may stand for fewer tokens.

    Returns:
        One key per full block.
    """
    known = min(prompt_tokens, len(hashes) * hash_tokens) // block_tokens
    return tuple((hashes[((block + 1) * block_tokens - 1) // hash_tokens], block) for block in range(known))
