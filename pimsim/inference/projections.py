"""What multiplies int8 activations by a network's ternary or binary weights: exact integers, or programmed arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pimsim.base.errors import WorkloadInputError
from workloads.neural_network import LayerWeights, Network, Weights

if TYPE_CHECKING:
    from crossbar.params import CrossbarParams
    from crossbar.programmed_matrix import ProgrammedMatrix

ROLES = ("q", "k", "v", "o", "ffn_gate", "ffn_up", "ffn_down")
"""Projections of a layer, as traces call them (`workloads.ops.Role`)."""

EXACT_INPUTS = 2**24 // 128
"""128 times so many ones and minus ones is what a float32 still holds exactly, added in any order."""


class Site(NamedTuple):
    """Which projection of a network."""

    layer: int
    role: str


class Projector(Protocol):
    """Multiplies by the weights of one network."""

    def project(self, site: Site, x: NDArray[np.int8], first_vector: int) -> NDArray[np.int32]:
        """The site's weights times each row of x.

        Args:
            site: which weights.
            x: [tokens, in].
            first_vector: number of the first row; the next ones follow. What is random may depend on a row's number,
                never on the rows beside it.

        Returns:
            [tokens, out].

        """
        ...


def layer_weights(layer: LayerWeights, role: str) -> Weights | None:
    """A layer's weights by their role in the trace; None: the layer has no such projection."""
    weights: Weights | None = getattr(layer, role.removeprefix("ffn_"))
    return weights


def sites(network: Network) -> Iterator[tuple[Site, Weights]]:
    """All projections of a network with their weights, in the order in which a token meets them."""
    for number, layer in enumerate(network.layers):
        for role in ROLES:
            weights = layer_weights(layer, role)
            if weights is not None:
                yield Site(number, role), weights


class ExactProjector:
    """The exact integers, which ideal arrays give too.

    In float32 by BLAS: all sums are whole numbers below 2^24, so that rounding never happens and their order does not
    matter. It keeps the weights as float32, 4 bytes each, from their first use on.
    """

    def __init__(self, network: Network) -> None:
        self._weights = dict(_one_bit_sites(network))
        self._held: dict[Site, NDArray[np.float32]] = {}

    def project(self, site: Site, x: NDArray[np.int8], first_vector: int) -> NDArray[np.int32]:
        """As `Projector.project`; the vectors' numbers make no difference."""
        held = self._held.get(site)
        if held is None:
            held = self._held[site] = self._weights[site].values.astype(np.float32)
        return (x.astype(np.float32) @ held.T).astype(np.int32)


class ArrayProjector:
    """Programmed arrays, a `crossbar.ProgrammedMatrix` for each projection.

    Args:
        network: with ternary or binary weights only.
        params: the arrays.
        seed: of everything random; each matrix has a seed of its own, made of this one and of its site.
        calibration: [vectors, in] activations by site, that calibrated ADC ranges are set by; random ones elsewhere.
        threads: of the compiled loops; no result depends on it. None: one per core.

    Raises:
        WorkloadInputError: weights or activations that the arrays cannot take.

    """

    def __init__(
        self,
        network: Network,
        params: CrossbarParams,
        seed: int = 0,
        *,
        calibration: Mapping[Site, ArrayLike] | None = None,
        threads: int | None = None,
    ) -> None:
        encoding = params.encoding
        if (encoding.activations, encoding.activation_bits) != ("twos_complement", 8):
            raise WorkloadInputError(
                "a decoder's activations are 8-bit two's complement; these arrays take "
                f"{encoding.activation_bits}-bit {encoding.activations.replace('_', ' ')} ones"
            )
        self._weights = dict(_one_bit_sites(network))
        self._params, self._seed, self.threads = params, seed, threads
        self._calibration = dict(calibration or {})
        self._matrices: dict[Site, ProgrammedMatrix] = {}

    def matrix(self, site: Site) -> ProgrammedMatrix:
        """The arrays of a projection; programmed when they are first asked for."""
        matrix = self._matrices.get(site)
        if matrix is None:
            matrix = self._matrices[site] = self._program(site)
        return matrix

    def program(self) -> None:
        """Program all that has not been used yet."""
        for site in self._weights:
            self.matrix(site)

    def project(self, site: Site, x: NDArray[np.int8], first_vector: int) -> NDArray[np.int32]:
        """As `Projector.project`: read noise is drawn by the vectors' numbers."""
        return self.matrix(site).multiply(x, first_vector=first_vector, threads=self.threads)

    def _program(self, site: Site) -> ProgrammedMatrix:
        from crossbar.array_errors import CrossbarError
        from crossbar.programmed_matrix import program_matrix

        try:
            return program_matrix(
                self._weights[site].values.T,
                self._params,
                matrix_seed(self._seed, site),
                calibration=self._calibration.get(site),
                threads=self.threads,
            )
        except CrossbarError as error:
            raise WorkloadInputError(f"layer {site.layer}, {site.role}: {error}") from error


def matrix_seed(seed: int, site: Site) -> int:
    """The seed of a projection's arrays, of 63 bits."""
    from crossbar.device import stream_key

    high, low = stream_key(seed, f"projection {site.role}", site.layer)
    return (int(high) << 32 | int(low)) >> 1


def _one_bit_sites(network: Network) -> Iterator[tuple[Site, Weights]]:
    for site, weights in sites(network):
        if not weights.is_one_bit:
            raise WorkloadInputError(f"layer {site.layer}, {site.role}: weights are neither ternary nor binary")
        if weights.values.shape[1] >= EXACT_INPUTS:
            raise WorkloadInputError(f"layer {site.layer}, {site.role}: more than {EXACT_INPUTS - 1} inputs")
        yield site, weights
