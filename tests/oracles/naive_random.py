"""Random numbers by position, from the papers: Philox4x32-10 with Python's operators, Box-Muller in float64.

Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 4.3 and its Random123 reference values;
Box and Muller, "A note on the generation of random normal deviates", 1958.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Reals = NDArray[np.float64]
WORD = np.uint64(0xFFFFFFFF)
SHIFT = np.uint64(32)


def philox(counter: tuple[Any, Any, Any, Any], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Four 32-bit numbers for a counter of four, whose parts may be arrays, and a key of two."""
    a, b, c, d = (np.asarray(part, np.uint64) for part in np.broadcast_arrays(*counter))
    for turn in range(10):
        key0 = np.uint64((key[0] + turn * 0x9E3779B9) % 2**32)
        key1 = np.uint64((key[1] + turn * 0xBB67AE85) % 2**32)
        left, right = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a, b, c, d = (right >> SHIFT) ^ b ^ key0, right & WORD, (left >> SHIFT) ^ d ^ key1, left & WORD
    return a, b, c, d


def key_of(seed: int, stream: str, chapter: int = 0) -> tuple[int, int]:
    """The key of a stream, as `crossbar.device` describes it: from the seed, the stream's name, and a number."""
    state = np.random.SeedSequence([seed, zlib.crc32(stream.encode()), chapter]).generate_state(2, np.uint32)
    return int(state[0]), int(state[1])


def uniform(word: Words) -> Reals:
    """In (0, 1], in the precision that chips are drawn with: thresholds are then met by the same cells."""
    return ((word.astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-32)).astype(np.float64)


def normals(word0: Words, word1: Words) -> tuple[Reals, Reals]:
    """Two standard normal numbers; the angle starts an eighth of a turn below 0."""
    radius = np.sqrt(-2 * np.log(uniform(word0)))
    angle = 2 * np.pi * word1.astype(np.float64) / 2**32 - np.pi / 4
    return radius * np.cos(angle), radius * np.sin(angle)
