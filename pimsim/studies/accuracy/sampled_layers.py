"""Estimate of what the arrays cost from some of the layers, drawn for each chip.

The other layers of a chip are computed exactly. To second order, the expected increase of the likelihood is the sum
of what each layer costs alone, if the errors of the layers are independent. So the increase of a chip, divided by the
share of its layers that are on arrays, estimates the increase with all layers, and the spread over chips, each with a
draw of its own, holds the error of the draw, too.

Reference:
    docs/accuracy.md, eqs. (9) and (10).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossbar.device import stream_key
from pimsim.base.errors import ConfigError, Problem
from pimsim.config.schema import Config
from pimsim.inference import Projector, Site

KEY = "accuracy.sampled_layers"


@dataclass(frozen=True, slots=True)
class LayerSample:
    """Number of layers of each chip that are on arrays.

    Attributes:
        layers: Layers on arrays, fewer than `of`.
        of: Layers of the network.
    """

    layers: int
    of: int

    @property
    def factor(self) -> float:
        """Layers of the network per layer on arrays."""
        return self.of / self.layers

    def drawn(self, seed: int) -> frozenset[int]:
        """Draw the layers of a chip: evenly spaced, from a random first one, so that all are equally likely.

        Args:
            seed: Seed of the chip.

        Returns:
            Numbers of the layers, from 0; `layers` different ones.

        Reference:
            Systematic sampling with a fractional interval, W. G. Cochran, Sampling Techniques, ch. 8.
        """
        generator = np.random.Generator(np.random.Philox(key=stream_key(seed, "sampled layers")))
        start = generator.random()
        # Floors of numbers that are `factor` apart; rounding may not lead to the layer behind the last one.
        return frozenset(min(int((start + number) * self.factor), self.of - 1) for number in range(self.layers))

    def extrapolated(self, nats: Sequence[float], exact: Sequence[float]) -> list[float]:
        """Estimate the likelihoods with all layers on arrays.

        Args:
            nats: Negative log likelihood by window of a chip with some layers on arrays, nats.
            exact: The same of the exact model.

        Returns:
            Negative log likelihood by window, nats.

        Reference:
            docs/accuracy.md, eq. (9).
        """
        return [known + self.factor * (each - known) for each, known in zip(nats, exact, strict=True)]

    def notes(self, chips: int) -> tuple[str, ...]:
        """Say what is estimated.

        Args:
            chips: Number of chips.

        Returns:
            Sentences for the head of a result.
        """
        what = "increase of the likelihood and writes are estimated as"
        share = f"{self.layers} of {self.of} layers of each chip are on arrays ({KEY}), a draw for each chip"
        error = "so the intervals over chips hold the error of the draw"
        if chips == 1:
            error = "with one chip the error of the draw is not known"
        whole = f"{what} {self.factor:.4g} times those of these layers"
        note = f"{share}: {whole}, {error}, as far as the errors of layers add"
        others = "agreement, divergence and SNR of the logits and of the residual stream are those of chips with these"
        return (f"{note}; {others} layers only",)


def layer_sample(config: Config, layers: int) -> LayerSample | None:
    """Return the sample that a config asks for.

    Args:
        config: Config with the key `accuracy.sampled_layers`.
        layers: Layers of the evaluated network.

    Returns:
        The sample; None if all layers are on arrays.

    Raises:
        ConfigError: If the network has fewer layers than the sample.
    """
    sampled = config.accuracy.sampled_layers
    if sampled is not None and sampled > layers:
        raise ConfigError(
            [Problem(KEY, str(sampled), f"must be at most {layers}, the layers of the model")], config.name
        )
    return None if sampled is None or sampled == layers else LayerSample(sampled, layers)


@dataclass(frozen=True, slots=True)
class SampledProjector:
    """Projector that multiplies some layers on arrays and the others exactly.

    Attributes:
        arrays: Projector of the layers on arrays.
        exact: Projector of the others.
        layers: Numbers of the layers on arrays.
    """

    arrays: Projector
    exact: Projector
    layers: frozenset[int]

    @property
    def activation_bits(self) -> int:
        """Bits of the activations, their sign included."""
        return self.arrays.activation_bits

    def project(self, site: Site, x: NDArray[np.int8], first_vector: int) -> NDArray[np.int32]:
        """Multiply activations by a matrix; see `Projector.project`.

        Args:
            site: Matrix of the network.
            x: Input activations, [vectors, in] int8.
            first_vector: Number of the first vector, which selects the read noise.

        Returns:
            Products, [vectors, out] int32.
        """
        projector = self.arrays if site.layer in self.layers else self.exact
        return projector.project(site, x, first_vector)


def scaled_writes(sample: LayerSample | None, writes: int, energy_j: float) -> tuple[int, float]:
    """Estimate the write pulses and their energy for all layers.

    Args:
        sample: The sample; None means that all layers were programmed.
        writes: Write pulses of the programmed layers.
        energy_j: Their energy, joules.

    Returns:
        Write pulses and energy in joules of all layers.

    Reference:
        docs/accuracy.md, eq. (10).
    """
    if sample is None:
        return writes, energy_j
    return math.floor(writes * sample.factor + 0.5), energy_j * sample.factor
