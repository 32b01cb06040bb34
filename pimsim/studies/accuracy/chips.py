"""Evaluation of a network on the arrays of one chip, compared with the exact network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crossbar.params import CrossbarParams
from pimsim.inference import ArrayProjector, ExactProjector, Site
from pimsim.inference.narrow_sums import TileSums
from pimsim.studies.accuracy.measures import Comparison, Powers, nll
from pimsim.studies.accuracy.reference import Floats, Reference, Tick
from pimsim.studies.accuracy.sampled_layers import LayerSample, SampledProjector, scaled_writes
from workloads.neural_network import Network


@dataclass
class ChipRun:
    """Measurements of one chip.

    Attributes:
        seed: Seed of the chip.
        nll: Negative log likelihood of each window, summed over its tokens, nats; with a sample of layers the estimate
            for all of them.
        logits: Comparison of the logits with those of the exact model.
        sites: Signal and noise of each matrix's products, compared with exact products of the same (already
            erroneous) input activations; so errors of earlier layers are not included.
        layers: Signal and noise of the residual stream after each layer, compared with the exact model; so errors of
            all earlier layers are included.
        writes: Number of write pulses for programming all matrices, with a sample of layers an estimate.
        write_energy_j: Energy of these writes, joules.
    """

    seed: int
    nll: list[float] = field(default_factory=list)
    logits: Comparison = field(default_factory=Comparison)
    sites: dict[Site, Powers] = field(default_factory=dict)
    layers: dict[int, Powers] = field(default_factory=dict)
    writes: int = 0
    write_energy_j: float = 0.0


@dataclass(frozen=True, slots=True)
class ChipSettings:
    """Chips that are evaluated.

    Attributes:
        params: Parameters of the arrays.
        seeds: Seed of each chip.
        tile_sums: Width of the sums that leave a tile.
        weights_of: Alphabet of the weights by role, as for `ArrayProjector`.
        threads: Number of threads of the compiled loops; None means one per core.
        sample: Layers of each chip that are on arrays; None means all of them.
    """

    params: CrossbarParams
    seeds: tuple[int, ...]
    tile_sums: TileSums
    weights_of: Mapping[str, str]
    threads: int | None
    sample: LayerSample | None = None

    @property
    def calibrated(self) -> bool:
        """Whether a chip depends on the calibration text."""
        return self.params.needs_sample or self.tile_sums.bits is not None

    def on_arrays(self, layer: int, seed: int) -> bool:
        """Return whether a layer of a chip is on arrays.

        Args:
            layer: Number of the layer, from 0.
            seed: Seed of the chip.

        Returns:
            Whether it is on arrays; the others are computed exactly.
        """
        return self.sample is None or layer in self.sample.drawn(seed)


class MeasuringProjector:
    """Projector of programmed arrays that records errors and saturated ADC conversions.

    Args:
        arrays: Projector through programmed arrays.
        exact: Projector that computes exact products.
    """

    def __init__(self, arrays: ArrayProjector, exact: ExactProjector) -> None:
        self.arrays, self.exact = arrays, exact
        self.activation_bits = arrays.activation_bits
        self.powers: dict[Site, Powers] = {}

    def project(self, site: Site, x: NDArray[np.int8], first_vector: int) -> NDArray[np.int32]:
        """Multiply activations by a programmed matrix and record the errors; see `Projector.project`.

        Args:
            site: Matrix of the network.
            x: Input activations, [vectors, in] int8.
            first_vector: Number of the first vector, which selects the read noise.

        Returns:
            Products computed by the arrays, [vectors, out] int32.
        """
        conversion = self.arrays.convert(site, x, first_vector)
        powers = self.powers.setdefault(site, Powers())
        powers.add(conversion.result, self.exact.project(site, x, first_vector))
        powers.conversions += conversion.conversions
        powers.saturated += conversion.saturated
        return conversion.result


def arrays_of(
    network: Network,
    calibration: Mapping[Site, NDArray[np.int8]],
    params: CrossbarParams,
    seed: int,
    threads: int | None,
    tile_sums: TileSums | None,
    weights_of: Mapping[str, str] | None,
) -> ArrayProjector:
    """Create the arrays of a chip, which are programmed when they are used first.

    Args:
        network: Network, or a part of it.
        calibration: Input activations of each matrix when the exact model reads the calibration text,
            [vectors, in] int8.
        params: As for `run_chip`.
        seed: As for `run_chip`.
        threads: As for `run_chip`.
        tile_sums: As for `run_chip`.
        weights_of: As for `run_chip`.

    Returns:
        The arrays.

    Raises:
        WorkloadInputError: If the arrays cannot store the weights or cannot process the activations.
    """
    return ArrayProjector(
        network,
        params,
        seed,
        calibration=calibration if params.needs_sample else {},
        tile_sums=tile_sums,
        sum_sample=calibration,
        weights_of=weights_of,
        threads=threads,
    )


def run_chip(
    reference: Reference,
    params: CrossbarParams,
    seed: int,
    threads: int | None,
    tick: Tick,
    tile_sums: TileSums | None = None,
    weights_of: Mapping[str, str] | None = None,
    sample: LayerSample | None = None,
) -> ChipRun:
    """Program a network into the arrays of a chip and evaluate it on all windows of the text.

    Args:
        reference: Results of the exact model; contains network, text and windows.
        params: Parameters of the arrays.
        seed: Seed of the chip: programming variation, stuck cells and read noise.
        threads: Number of threads of the compiled loops; None means one per core. The result does not depend on it.
        tick: Called after each window.
        tile_sums: Width of the sums that leave a tile; None means that they are as wide as they need. The calibration
            text determines the scale of narrower ones.
        weights_of: Alphabet of the weights by role, as for `ArrayProjector`.
        sample: Layers that are on arrays; None means all of them.

    Returns:
        Measurements of the chip.

    Raises:
        WorkloadInputError: If the arrays cannot store the weights or cannot process the activations.
    """
    network = reference.network
    arrays = arrays_of(network, reference.calibration, params, seed, threads, tile_sums, weights_of)
    exact = ExactProjector(network, arrays.activation_bits)
    measuring = MeasuringProjector(arrays, exact)
    drawn = frozenset(range(network.spec.layers)) if sample is None else sample.drawn(seed)
    projector = measuring if sample is None else SampledProjector(measuring, exact, drawn)
    streams: list[Floats] = []
    decoder = reference.decoder(projector, watch=lambda _, x: streams.append(x.copy()))
    run = ChipRun(seed, sites=measuring.powers)
    for number, window in enumerate(reference.windows):
        logits = reference.logits_of(decoder, window, number)
        run.nll.append(nll(logits, reference.targets(window)))
        run.logits.add(logits, reference.logits[number])
        if number < len(reference.residuals):
            for layer, stream in enumerate(streams):
                run.layers.setdefault(layer, Powers()).add(stream, reference.residuals[number][layer])
        streams.clear()
        tick()
    for site in arrays.sites():
        if site.layer in drawn:
            run.writes += arrays.matrix(site).writes
            run.write_energy_j += arrays.matrix(site).write_energy_j
    if sample is not None:
        run.nll = sample.extrapolated(run.nll, reference.exact_nll)
        run.writes, run.write_energy_j = scaled_writes(sample, run.writes, run.write_energy_j)
    return run
