"""Projections with weights that are codes, computed with exact integers or with programmed crossbar arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pimsim.base.errors import WorkloadInputError
from pimsim.inference.narrow_sums import NarrowSums, TileSums, narrow_sums
from workloads.neural_network import LayerWeights, Network, Weights
from workloads.op_fields import ROLE_KEYS

if TYPE_CHECKING:
    from crossbar.array_activity import Conversions
    from crossbar.params import CrossbarParams
    from crossbar.programmed_matrix import ProgrammedMatrix

ROLES = ("q", "k", "v", "o", "ffn_gate", "ffn_up", "ffn_down")
"""Projections of a layer, with the names of traces (`workloads.ops.Role`)."""

SYSTOLIC = "systolic"
"""In place of an alphabet: the arrays do not compute the projections of a role."""

EXACT_INPUTS = 2**24 // 128
"""Smallest number of inputs whose sum of int8 times -1, 0 or 1 can reach 2^24, the limit of exact float32 integers."""


class Site(NamedTuple):
    """Location of a projection in a network.

    Attributes:
        layer: Number of the layer, from 0.
        role: Role of the projection, a key of `LayerWeights.projections`.
        block: Block of inputs with scales of its own, from 0. Each block has arrays of its own.
    """

    layer: int
    role: str
    block: int = 0


class Projector(Protocol):
    """Interface for the multiplication of activations by the projection weights of one network."""

    @property
    def activation_bits(self) -> int:
        """Bits of the activations, their sign included, from 2 to 8."""
        ...

    def project(self, site: Site, x: NDArray[np.int8], first_vector: int) -> NDArray[np.int32]:
        """Multiply the codes of one projection by each row of `x`.

        Args:
            site: The projection.
            x: Quantised activations, [tokens, in] int8.
            first_vector: Number of the first row; the following rows have consecutive numbers. Random effects may
                depend on the number of a row, but not on the other rows of the call.

        Returns:
            Sums, [tokens, out] int32.
        """
        ...


def layer_weights(layer: LayerWeights, role: str) -> Weights | None:
    """Return the weights of a projection of a layer.

    Args:
        layer: The layer.
        role: A key of `LayerWeights.projections`.

    Returns:
        The weights, or None if the layer does not have this projection.
    """
    if "." in role or role == "q_a":
        return layer.projections.get(role)
    weights: Weights | None = getattr(layer, role.removeprefix("ffn_"))
    return weights


def role_key(role: str) -> str:
    """Return the role by which a config chooses the weights of a projection.

    Args:
        role: Role of the projection, such as "expert3.ffn_up".

    Returns:
        One of `ROLES`, such as "ffn_up"; those of latent attention are "q", "k" and "v".
    """
    plain = role.rpartition(".")[2]
    return ROLE_KEYS.get(plain) or plain


def sites(network: Network) -> Iterator[tuple[Site, Weights]]:
    """List the projections of a network, layer by layer, and their blocks of inputs in order.

    Args:
        network: The network.

    Yields:
        Each block of a projection with its weights; most projections have one.
    """
    for number, layer in enumerate(network.layers, network.first_layer):
        for role, weights in layer.projections.items():
            for block in range(weights.blocks):
                yield Site(number, role, block), replace(weights, values=weights.values[:, weights.inputs_of(block)])


class ExactProjector:
    """Projector that computes exact integer sums, which are also the results of ideal arrays.

    BLAS computes the sums in float32, or in float64 if they could reach 2^24. They are integers below the limit of the
    type, so no rounding occurs and the order of summation does not matter. The weights are kept in this type after
    their first use.

    Args:
        network: Network whose weights are all codes: ternary, binary or other integers.
        activation_bits: Bits of the activations, their sign included, from 2 to 8.

    Raises:
        WorkloadInputError: If weights are floats, or a projection has `EXACT_INPUTS` or more inputs.
    """

    def __init__(self, network: Network, activation_bits: int = 8) -> None:
        self.activation_bits = activation_bits
        self._weights = dict(_one_bit_sites(network))
        self._float_weights: dict[Site, NDArray[np.floating]] = {}

    def project(self, site: Site, x: NDArray[np.int8], first_vector: int) -> NDArray[np.int32]:
        """Compute the exact sums of a projection; see `Projector.project`.

        Args:
            site: The projection.
            x: Quantised activations, [tokens, in] int8.
            first_vector: Not used.

        Returns:
            Sums, [tokens, out] int32.
        """
        weights = self._float_weights.get(site)
        if weights is None:
            codes = self._weights[site].values
            largest = int(np.abs(codes).max(initial=0))
            wide = largest * codes.shape[1] >= EXACT_INPUTS
            weights = self._float_weights[site] = codes.astype(np.float64 if wide else np.float32)
        sums: NDArray[np.int32] = (x.astype(weights.dtype) @ weights.T).astype(np.int32)
        return sums


class ArrayProjector:
    """Projector with crossbar arrays: one `crossbar.ProgrammedMatrix` per projection.

    Args:
        network: Network whose weights are all codes: ternary, binary or other integers.
        params: Parameters of the arrays.
        seed: Seed of all random effects; the seed of each matrix is derived from it and from the projection.
        calibration: Activations for the calibration of ADC ranges by projection, [vectors, in] int8; projections
            without an entry use random vectors.
        tile_sums: Width of the sums that leave a tile; None means that they are as wide as they need.
        sum_sample: Activations that determine the scale of narrower sums by projection, [vectors, in] int8; projections
            without an entry have the scale with which no sum exceeds the width.
        weights_of: Alphabet of the weights by role, in place of that of `params`; "systolic" for a role whose products
            other hardware computes, exactly.
        threads: Number of threads of the compiled kernels, on which no result depends; None means one per core.

    Raises:
        WorkloadInputError: If the arrays do not support the weights or two's complement activations.
    """

    def __init__(
        self,
        network: Network,
        params: CrossbarParams,
        seed: int = 0,
        *,
        calibration: Mapping[Site, ArrayLike] | None = None,
        tile_sums: TileSums | None = None,
        sum_sample: Mapping[Site, ArrayLike] | None = None,
        weights_of: Mapping[str, str] | None = None,
        threads: int | None = None,
    ) -> None:
        encoding = params.encoding
        if encoding.activations != "twos_complement":
            raise WorkloadInputError(
                "a decoder's activations are two's complement; these arrays support "
                f"{encoding.activations.replace('_', ' ')} activations"
            )
        self.activation_bits = encoding.activation_bits
        self._weights = dict(_one_bit_sites(network))
        self._params, self._seed, self.threads = params, seed, threads
        self._calibration = dict(calibration or {})
        self._tile_sums, self._sum_sample = tile_sums, dict(sum_sample or {})
        self._params_of = {
            role: params.model_copy(update={"encoding": encoding.model_copy(update={"weights": weights})})
            for role, weights in (weights_of or {}).items()
            if weights != SYSTOLIC
        }
        self._exact_roles = {role for role, weights in (weights_of or {}).items() if weights == SYSTOLIC}
        self._exact = ExactProjector(network, self.activation_bits) if self._exact_roles else None
        self._matrices: dict[Site, ProgrammedMatrix] = {}
        self._narrow: dict[Site, NarrowSums] = {}

    def matrix(self, site: Site) -> ProgrammedMatrix:
        """Return the programmed arrays of a projection, and program them on the first call.

        Args:
            site: The projection.

        Returns:
            The programmed matrix.

        Raises:
            WorkloadInputError: If the arrays do not support the weights.
        """
        matrix = self._matrices.get(site)
        if matrix is None:
            matrix = self._matrices[site] = self._program(site)
            narrow = (
                None if self._tile_sums is None else narrow_sums(matrix, self._tile_sums, self._sum_sample.get(site))
            )
            if narrow is not None:
                self._narrow[site] = narrow
        return matrix

    def sites(self) -> Iterator[Site]:
        """List the projections that the arrays compute.

        Returns:
            Each of them, in order.
        """
        return (site for site in self._weights if role_key(site.role) not in self._exact_roles)

    def program(self) -> None:
        """Program all projections that have not been programmed yet."""
        for site in self.sites():
            self.matrix(site)

    def project(self, site: Site, x: NDArray[np.int8], first_vector: int) -> NDArray[np.int32]:
        """Compute the sums that the arrays give for a projection; see `Projector.project`.

        Args:
            site: The projection.
            x: Quantised activations, [tokens, in] int8.
            first_vector: Number of the first row, which selects its read noise.

        Returns:
            Sums, [tokens, out] int32.
        """
        return self.convert(site, x, first_vector).result

    def convert(self, site: Site, x: NDArray[np.int8], first_vector: int) -> Conversions:
        """Compute the sums of a projection, and count conversions and saturated conversions.

        Args:
            site: The projection.
            x: Quantised activations, [tokens, in] int8.
            first_vector: Number of the first row, which selects its read noise.

        Returns:
            Sums, [tokens, out] int32, and the numbers of conversions.
        """
        if self._exact is not None and role_key(site.role) in self._exact_roles:
            from crossbar.array_activity import Conversions

            return Conversions(self._exact.project(site, x, first_vector), 0, 0)
        matrix = self.matrix(site)
        narrow = self._narrow.get(site)
        if narrow is None:
            return matrix.convert(x, first_vector=first_vector, threads=self.threads)
        return narrow.convert(x, first_vector=first_vector, threads=self.threads)

    def _program(self, site: Site) -> ProgrammedMatrix:
        from crossbar.array_errors import CrossbarError
        from crossbar.programmed_matrix import program_matrix

        try:
            return program_matrix(
                self._weights[site].values.T,
                self._params_of.get(role_key(site.role), self._params),
                matrix_seed(self._seed, site),
                calibration=self._calibration.get(site),
                threads=self.threads,
            )
        except CrossbarError as error:
            raise WorkloadInputError(f"layer {site.layer}, {site.role}: {error}") from error


def matrix_seed(seed: int, site: Site) -> int:
    """Derive the seed of the arrays of one projection.

    Args:
        seed: Seed of the whole network.
        site: The projection.

    Returns:
        A 63-bit seed.
    """
    from crossbar.device import stream_key

    block = f", block {site.block}" if site.block else ""
    high, low = stream_key(seed, f"projection {site.role}{block}", site.layer)
    return (int(high) << 32 | int(low)) >> 1


def float_product(x: NDArray[np.float32], weights: Weights) -> NDArray[np.float32]:
    """Multiply activations that are not quantised by the weights of a projection.

    Args:
        x: Activations, [tokens, in] float32.
        weights: The weights.

    Returns:
        Outputs without bias, [tokens, out] float32.
    """
    parts = []
    for block in range(weights.blocks):
        at = weights.inputs_of(block)
        y: NDArray[np.float32] = x[:, at] @ weights.values[:, at].astype(np.float32, copy=False).T
        scale = weights.scale_of(block)
        if np.ndim(scale) or scale != 1:
            y = y * scale
        if weights.offset is not None:
            y += x[:, at].sum(axis=1, keepdims=True) * weights.offset[block]
        parts.append(y)
    return sum(parts[1:], parts[0])


def _one_bit_sites(network: Network) -> Iterator[tuple[Site, Weights]]:
    for site, weights in sites(network):
        if not weights.is_one_bit:
            raise WorkloadInputError(
                f"layer {site.layer}, {site.role}: weights are neither ternary nor binary, nor other codes"
            )
        if weights.values.shape[1] >= EXACT_INPUTS:
            raise WorkloadInputError(f"layer {site.layer}, {site.role}: more than {EXACT_INPUTS - 1} inputs")
        yield site, weights
