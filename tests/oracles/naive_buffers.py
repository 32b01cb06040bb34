"""Oracle of the loads of an operand through a buffer that is emptied when it is full: word by word."""

from __future__ import annotations


def loads(slab: int, last: int, slabs: int, passes: int, capacity: int) -> int:
    """Words loaded for `slabs` slabs, each of which is used `passes` times in order before the next one follows."""
    held: set[tuple[int, int]] = set()
    loaded = 0
    for index in range(slabs):
        for _ in range(passes):
            for word in range(slab if index < slabs - 1 else last):
                if (index, word) not in held:
                    loaded += 1
                    held.add((index, word))
                    if len(held) == capacity:
                        held.clear()
    return loaded
