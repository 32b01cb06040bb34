"""Random numbers by position: published known answers, and the oracle's float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit
from scipy import stats

from crossbar.kernels.lanes import LANES
from crossbar.kernels.normals import exp, normal_pair, philox, unit
from crossbar.kernels.random_lanes import draw_cells, draw_normals
from tests.oracles import naive_random

ONES = 0xFFFFFFFF
KNOWN = [  # Random123's kat_vectors, philox4x32 10
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@njit
def run(words: Any, key: Any, out: Any, normal: Any, uniform: Any) -> None:
    for i in range(words.shape[0]):
        numbers = philox(words[i, 0], words[i, 1], words[i, 2], words[i, 3], key[0], key[1])
        for k in range(4):
            out[i, k] = numbers[k]
            uniform[i, k] = unit(numbers[k])
        normal[i, 0], normal[i, 1] = normal_pair(numbers[0], numbers[1])
        normal[i, 2], normal[i, 3] = normal_pair(numbers[2], numbers[3])


def drawn(counters: Any, key: Any) -> tuple[Any, Any, Any]:
    """Words, normals and uniforms of the compiled loop."""
    shape = (len(counters), 4)
    out, normal, uniform = np.zeros(shape, np.uint64), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    run(np.array(counters, np.uint64), np.array(key, np.uint64), out, normal, uniform)
    return out, normal, uniform


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter: Any, key: Any, answer: Any) -> None:
    np.testing.assert_array_equal(drawn([counter], key)[0][0], answer)
    np.testing.assert_array_equal([int(word) for word in naive_random.philox(counter, key)], answer)


def test_normals_and_uniforms() -> None:
    generator = np.random.default_rng(1)
    counters = generator.integers(0, 2**32, (50_000, 4), np.uint64)
    words, normal, uniform = drawn(counters, (1, 2**32 - 1))
    a, b, c, d = naive_random.philox(tuple(counters.T), (1, 2**32 - 1))
    np.testing.assert_array_equal(words, np.stack([a, b, c, d], axis=1))
    expected = [*naive_random.normals(a, b), *naive_random.normals(c, d)]
    np.testing.assert_allclose(normal, np.stack(expected, axis=1), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(uniform, np.stack([naive_random.uniform(word) for word in (a, b, c, d)], axis=1))
    assert stats.kstest(normal.ravel().astype(float), "norm").pvalue > 1e-7
    assert abs(np.corrcoef(normal.T) - np.eye(4)).max() < 6 / np.sqrt(len(normal))


@njit
def pair_of(word0: Any, word1: Any) -> Any:
    return normal_pair(word0, word1)


@pytest.mark.parametrize("word0", [0, 1, 2**24, 2**31, 2**32 - 1])
@pytest.mark.parametrize("word1", [0, 1, 2**30 - 1, 2**30, 2**31 - 1, 2**31, 3 * 2**30, 2**32 - 1])
def test_the_edges_of_the_unit_square(word0: int, word1: int) -> None:
    """The largest number is 6.76, the smallest uniform 2^-33; every quadrant begins and ends where the next does."""
    found = pair_of(np.uint64(word0), np.uint64(word1))
    expected = naive_random.normals(np.array([word0], np.uint64), np.array([word1], np.uint64))
    np.testing.assert_allclose(found, np.array(expected)[:, 0], rtol=1e-6, atol=2e-6)


@njit
def powers(x: Any, out: Any) -> None:
    for i in range(x.size):
        out[i] = exp(x[i])


def test_exp() -> None:
    x = np.linspace(-80, 80, 100_001, dtype=np.float32)
    out = np.zeros_like(x)
    powers(x, out)
    exact = np.exp(x.astype(float))
    # x / ln 2 is rounded to 24 bits, so the error of its fraction grows with |x|.
    assert (abs(out / exact - 1) < 3e-7 + 1e-7 * abs(x)).all()


@njit
def lanes(first: int, c1: int, c2: int, c3: int, key: Any, normal: Any, cells: Any) -> None:
    draw_normals(normal, 16, first, c1, c2, c3, key)
    draw_cells(cells, 5, 40, first, c1, c2, c3, key)


@pytest.mark.parametrize("counter", [(0, 0, 0, 0), (48, 7, 2**31 + 3, 9), (2**20, 2**32 - 1, 2**32 - 1, 2**30)])
def test_sixteen_at_a_time_are_the_same_bits(counter: tuple[int, int, int, int]) -> None:
    key = np.array([123456789, 2**32 - 5], np.uint64)
    normal, cells = np.full(96, 9, np.float32), np.full(5 + 4 * 40, 9, np.float32)
    lanes(*counter, key, normal, cells)
    _, expected, uniform = drawn([(counter[0] + lane, *counter[1:]) for lane in range(LANES)], key)
    np.testing.assert_array_equal(normal[16:80].reshape(4, LANES), expected.T)
    assert (normal[:16] == 9).all()
    assert (normal[80:] == 9).all()
    runs = np.stack([cells[5 + 40 * k : 21 + 40 * k] for k in range(4)])
    np.testing.assert_array_equal(runs, np.concatenate([expected.T[:2], uniform.T[2:]]))
