"""Codebooks: k-means finds clusters, the same for a seed; products and winners are those of loops."""

from __future__ import annotations

import numpy as np
import pytest

from pimsim.base.errors import WorkloadInputError
from pimsim.inference.codebooks import CodebookFormat, Codebooks, train_codebooks
from pimsim.inference.quantisation import quantise

FORM = CodebookFormat(subspaces=2, centroids=4, input_bits=8, centroid_bits=8)
CORNERS = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], np.float32)
LAYERS, KV_HEADS, HEADS = 2, 3, slice(1, 3)


def sample(seed: int = 0, count: int = 200) -> np.ndarray:
    """Keys of two parts, each near one of four corners, [layers, kv_heads, keys, 4]."""
    rng = np.random.default_rng(seed)
    corners = CORNERS[rng.integers(0, 4, (LAYERS, KV_HEADS, count, 2))].reshape(LAYERS, KV_HEADS, count, 4)
    return corners + rng.normal(0, 0.02, corners.shape).astype(np.float32)


@pytest.fixture(scope="module")
def codebooks() -> Codebooks:
    return train_codebooks(np.random.default_rng(1).normal(size=(LAYERS, KV_HEADS, 64, 4)).astype(np.float32), FORM)


def test_clusters_are_found() -> None:
    """With a first centroid in each cluster the found ones are the corners; k-means may miss some of them otherwise."""
    found = train_codebooks(sample(), FORM)
    centres = found.values * found.steps[..., None, None, None]
    distance = np.abs(centres[..., :, None, :] - CORNERS).max(axis=-1)
    nearest = distance.argmin(axis=-1)
    complete = [np.unique(each).size == 4 for each in nearest.reshape(-1, 4)]
    assert any(complete)
    assert distance.min(axis=-1).reshape(-1, 4)[complete].max() < 0.02
    assert np.abs(found.values).max() == 127


def test_a_centroid_is_the_mean_of_the_keys_nearest_to_it() -> None:
    """A fixed point of Lloyd's algorithm, which more than enough iterations reach."""
    keys = np.random.default_rng(1).normal(size=(1, 1, 64, 4)).astype(np.float32)
    found = train_codebooks(keys, CodebookFormat(2, 4, 8, 8, iterations=100))
    for part in range(2):
        pieces = keys[0, 0, :, 2 * part : 2 * part + 2]
        centroids = found.values[0, 0, part] * found.steps[0, 0]
        nearest = np.square(pieces[:, None] - centroids).sum(axis=2).argmin(axis=1)
        means = np.array([pieces[nearest == each].mean(axis=0) for each in range(4)])
        assert np.abs(means - centroids).max() < 3 * found.steps[0, 0]  # a key between two may have changed sides


def test_the_seed_decides() -> None:
    keys = sample()
    again, other = train_codebooks(keys, FORM), train_codebooks(keys, CodebookFormat(2, 4, 8, 8, seed=1))
    assert np.array_equal(again.values, train_codebooks(keys, FORM).values)
    assert not np.array_equal(again.values, other.values)


def test_products_and_winners_by_loops(codebooks: Codebooks) -> None:
    vectors = np.random.default_rng(2).normal(size=(2, 5, 4)).astype(np.float32)
    rounded = quantise(vectors, 8)
    by_adc = codebooks.lookup(1, HEADS, vectors, "adc")
    by_winner = codebooks.lookup(1, HEADS, vectors, "winner_take_all")
    nearest = codebooks.nearest(1, HEADS, vectors)
    for head, vector, part in np.ndindex(2, 5, 2):
        step = codebooks.steps[1, head + 1]
        centroids = codebooks.values[1, head + 1, part]
        piece = rounded.values[head, vector, 2 * part : 2 * part + 2].astype(float)
        real = piece * float(rounded.step[head, vector, 0])
        winner = min(range(4), key=lambda each: sum((real - centroids[each] * step) ** 2))
        assert nearest[head, vector, part] == winner
        for each in range(4):
            assert by_adc[head, vector, part, each] == float(rounded.step[head, vector, 0]) * (piece @ centroids[each])
            assert by_winner[head, vector, part, each] == centroids[winner] @ centroids[each]


def test_refusals() -> None:
    with pytest.raises(WorkloadInputError, match="subspaces must divide the 4 elements of a head, not 3"):
        train_codebooks(sample(), CodebookFormat(subspaces=3))
    with pytest.raises(WorkloadInputError, match=r"centroids is 16, but the calibration text has only 9 keys"):
        train_codebooks(sample(count=9), CodebookFormat(subspaces=2))
