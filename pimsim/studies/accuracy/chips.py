"""A network on the arrays of one chip, beside the exact one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crossbar.params import CrossbarParams
from pimsim.inference import ArrayProjector, Decoder, ExactProjector, Site
from pimsim.inference.projections import sites
from pimsim.studies.accuracy.measures import Comparison, Powers, nll
from pimsim.studies.accuracy.reference import Floats, Reference, Tick


@dataclass
class ChipRun:
    """What came of a chip: nats of each window, logits beside the exact ones, products and residual streams too.

    `sites` are about products of the activations that a matrix was really given; `layers` about the residual stream
    after each layer, which carries the errors of all before.
    """

    seed: int
    nll: list[float] = field(default_factory=list)
    logits: Comparison = field(default_factory=Comparison)
    sites: dict[Site, Powers] = field(default_factory=dict)
    layers: dict[int, Powers] = field(default_factory=dict)
    writes: int = 0
    write_energy_j: float = 0.0


class MeasuringProjector:
    """Programmed arrays that keep account of their errors and saturated conversions."""

    def __init__(self, arrays: ArrayProjector, exact: ExactProjector) -> None:
        self.arrays, self.exact = arrays, exact
        self.powers: dict[Site, Powers] = {}

    def project(self, site: Site, x: NDArray[np.int8], first_vector: int) -> NDArray[np.int32]:
        """As `Projector.project`."""
        seen = self.arrays.matrix(site).convert(x, first_vector=first_vector, threads=self.arrays.threads)
        powers = self.powers.setdefault(site, Powers())
        powers.add(seen.result, self.exact.project(site, x, first_vector))
        powers.conversions += seen.conversions
        powers.saturated += seen.saturated
        return seen.result


def run_chip(reference: Reference, params: CrossbarParams, seed: int, threads: int | None, tick: Tick) -> ChipRun:
    """Program a network into a chip's arrays and let it read the text.

    Raises WorkloadInputError for weights or activations that the arrays cannot take.
    """
    network = reference.network
    calibration = reference.calibration if params.adc.range != "full" else {}
    arrays = ArrayProjector(network, params, seed, calibration=calibration, threads=threads)
    measuring = MeasuringProjector(arrays, ExactProjector(network))
    streams: list[Floats] = []
    decoder = Decoder(network, measuring, watch=lambda _, x: streams.append(x.copy()))
    run = ChipRun(seed, sites=measuring.powers)
    for number, window in enumerate(reference.windows):
        logits = decoder.logits(reference.tokens(window), decoder.cache(number))
        run.nll.append(nll(logits, reference.targets(window)))
        run.logits.add(logits, reference.logits[number])
        if number < len(reference.residuals):
            for layer, stream in enumerate(streams):
                run.layers.setdefault(layer, Powers()).add(stream, reference.residuals[number][layer])
        streams.clear()
        tick()
    for site, _ in sites(network):
        run.writes += arrays.matrix(site).writes
        run.write_energy_j += arrays.matrix(site).write_energy_j
    return run
