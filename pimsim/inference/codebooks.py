"""Codebooks of product quantisation for the keys of a network, and the products that crossbars of codebooks give.

A key is cut into parts of equal length. Each part is coded by the nearest of some centroids, which k-means finds in a
sample of keys, for each layer, KV head and part. Centroids and vectors are integers of few bits, as cells and pulses
hold them, so that products are exact and do not depend on how many vectors are multiplied at once.

Reference:
    docs/baselines.md, "HARDSEA". Product quantisation: Jegou et al., IEEE TPAMI 33(1), 2011. k-means: Lloyd, IEEE
    Transactions on Information Theory 28(2), 1982.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pimsim.base.errors import WorkloadInputError
from pimsim.inference.quantisation import largest_code, quantise

Float = NDArray[np.float32]
Double = NDArray[np.float64]
Readout = Literal["winner_take_all", "adc"]


@dataclass(frozen=True, slots=True)
class CodebookFormat:
    """Shape and numbers of codebooks.

    Attributes:
        subspaces: Parts of a key.
        centroids: Centroids per part.
        input_bits: Bits per element of a query or key.
        centroid_bits: Bits per element of a centroid.
        iterations: Iterations of k-means.
        seed: Seed of its first centroids.
    """

    subspaces: int = 8
    centroids: int = 16
    input_bits: int = 4
    centroid_bits: int = 4
    iterations: int = 20
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Codebooks:
    """Centroids of a network, as integers.

    Attributes:
        format: Shape and numbers.
        values: Integers, [layers, kv_heads, subspaces, centroids, elements] float64.
        steps: Step of each KV head, [layers, kv_heads] float64.
    """

    format: CodebookFormat
    values: Double
    steps: Double

    def products(self, layer: int, heads: slice, vectors: Float) -> tuple[Double, Double]:
        """Multiply the parts of vectors by all centroids, as the arrays do.

        Args:
            layer: Number of the layer.
            heads: KV heads.
            vectors: [kv_heads, vectors, d_head] float32.

        Returns:
            Products of integers, [kv_heads, vectors, subspaces, centroids], and the step of each vector's integers,
            [kv_heads, vectors, 1, 1].
        """
        kv_heads, count, d_head = vectors.shape
        parts = self.format.subspaces
        rounded = quantise(vectors, self.format.input_bits)
        pieces = rounded.values.astype(np.float64).reshape(kv_heads, count, parts, d_head // parts).swapaxes(1, 2)
        products = (pieces @ self.values[layer, heads].swapaxes(-1, -2)).swapaxes(1, 2)
        return products, rounded.step.astype(np.float64)[..., None]

    def nearest(self, layer: int, heads: slice, vectors: Float) -> NDArray[np.intp]:
        """Return the nearest centroid of each part of some vectors; of several, the first.

        Args:
            layer: Number of the layer.
            heads: KV heads.
            vectors: [kv_heads, vectors, d_head] float32.

        Returns:
            Numbers of centroids, [kv_heads, vectors, subspaces].
        """
        products, step = self.products(layer, heads, vectors)
        lengths = 0.5 * self.steps[layer, heads, None, None] * np.square(self.values[layer, heads]).sum(axis=-1)
        winners: NDArray[np.intp] = np.argmax(step * products - lengths[:, None], axis=-1)
        return winners

    def lookup(self, layer: int, heads: slice, queries: Float, readout: Readout) -> Double:
        """Return what queries know of each centroid after the read-out of the arrays.

        Args:
            layer: Number of the layer.
            heads: KV heads.
            queries: [kv_heads, queries, d_head] float32.
            readout: "adc": the product with each centroid. "winner_take_all": the nearest centroid, and from a table
                its products with the others.

        Returns:
            [kv_heads, queries, subspaces, centroids]; a common positive factor of a KV head is left out.
        """
        if readout == "adc":
            products, step = self.products(layer, heads, queries)
            return step * products
        values = self.values[layer, heads]
        table = values @ values.swapaxes(-1, -2)
        winners = self.nearest(layer, heads, queries)
        return np.take_along_axis(table[:, None], winners[..., None, None], axis=3)[..., 0, :]


def train_codebooks(keys: Float, form: CodebookFormat) -> Codebooks:
    """Find the centroids of a sample of keys by k-means, the same for the same sample and seed.

    Args:
        keys: Sample, [layers, kv_heads, keys, d_head] float32.
        form: Shape and numbers of the codebooks.

    Returns:
        The codebooks.

    Raises:
        WorkloadInputError: If the parts have no equal length, or the sample has fewer keys than centroids.
    """
    layers, kv_heads, count, d_head = keys.shape
    if d_head % form.subspaces:
        raise WorkloadInputError(
            f"machine.prediction.subspaces must divide the {d_head} elements of a head, not {form.subspaces}"
        )
    if count < form.centroids:
        raise WorkloadInputError(
            f"machine.prediction.centroids is {form.centroids}, but the calibration text has only {count} keys"
        )
    parts = keys.astype(np.float64).reshape(layers, kv_heads, count, form.subspaces, -1).swapaxes(2, 3)
    found = np.empty((*parts.shape[:3], form.centroids, parts.shape[-1]))
    for place in np.ndindex(parts.shape[:3]):
        found[place] = _centroids(parts[place], form, np.random.default_rng([form.seed, *place]))
    top = float(largest_code(form.centroid_bits))
    steps = np.maximum(np.abs(found).max(axis=(2, 3, 4)), 1e-5) / top
    return Codebooks(form, np.rint(found / steps[..., None, None, None]), steps)


def _centroids(sample: Double, form: CodebookFormat, rng: np.random.Generator) -> Double:
    """Return the centroids of a sample, [centroids, elements]; one that no key is nearest to stays where it was."""
    centroids = sample[rng.choice(len(sample), form.centroids, replace=False)]
    for _ in range(form.iterations):
        nearest = np.argmin(np.square(centroids).sum(axis=1) - 2 * sample @ centroids.T, axis=1)
        members = np.bincount(nearest, minlength=form.centroids)
        sums = np.zeros_like(centroids)
        np.add.at(sums, nearest, sample)
        centroids = np.where(members[:, None] > 0, sums / np.maximum(members, 1)[:, None], centroids)
    return centroids
