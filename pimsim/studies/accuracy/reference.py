"""What a model makes of a text without arrays: the exact results that every chip is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pimsim.inference import Decoder, ExactProjector, Projector, Site
from pimsim.studies.accuracy.evaluation_inputs import MAX_WINDOW, Inputs, Window, cut_windows
from pimsim.studies.accuracy.measures import nll
from workloads.neural_network import Network

CALIBRATION_WINDOWS = 8
CALIBRATION_VECTORS = 256
"""Of each matrix: tokens spread evenly over windows that are spread evenly over the calibration text."""
MAX_RESIDUALS = 2**26
"""Numbers of exact residual streams that are kept, 256 MiB: of as many of the first windows as that holds."""

Floats = NDArray[np.float32]
Tick = Callable[[], None]


@dataclass(frozen=True, eq=False)
class Reference:
    """The exact model over the windows of a text.

    Attributes:
        inputs: network, text and windows.
        float_nll, exact_nll: nats of each window, added up: of the float path and of the exact 1-bit model.
        logits: the exact ones, [tokens, vocab] for each window.
        residuals: the exact residual stream after each layer, [layers, tokens, d_model] for each of the first windows.
        calibration: what enters each matrix when the exact model reads the calibration text, [vectors, in].

    """

    inputs: Inputs
    float_nll: tuple[float, ...]
    exact_nll: tuple[float, ...]
    logits: tuple[Floats, ...]
    residuals: tuple[Floats, ...]
    calibration: Mapping[Site, NDArray[np.int8]]

    @property
    def windows(self) -> tuple[Window, ...]:
        """The windows."""
        return self.inputs.windows

    @property
    def network(self) -> Network:
        """The network as the arrays hold it."""
        return self.inputs.network

    def tokens(self, window: Window) -> NDArray[np.int64]:
        """What is read in a window."""
        ids: NDArray[np.int64] = self.inputs.text.ids[window.start : window.start + window.length]
        return ids

    def targets(self, window: Window) -> NDArray[np.int64]:
        """What is to be predicted there."""
        ids: NDArray[np.int64] = self.inputs.text.ids[window.start + 1 : window.start + window.length + 1]
        return ids

    def characters(self, window: Window) -> int:
        """Characters that the targets stand for."""
        return int(self.inputs.text.characters[window.start + 1 : window.start + window.length + 1].sum())


def steps(inputs: Inputs) -> int:
    """How many times `refer` ticks."""
    return 2 * len(inputs.windows) + len(_calibration_windows(inputs))


def refer(inputs: Inputs, tick: Tick) -> Reference:
    """Run the float and the exact model over the text, and the exact one over the text for calibration."""
    empty = Reference(inputs, (), (), (), (), {})
    floats = Decoder(inputs.float_network, None)
    float_nll = []
    for window in inputs.windows:
        float_nll.append(nll(floats.logits(empty.tokens(window)), empty.targets(window)))
        tick()
    streams: list[Floats] = []
    exact = ExactProjector(inputs.network)
    decoder = Decoder(inputs.network, exact, watch=lambda _, x: streams.append(x.copy()))
    exact_nll, logits, residuals = [], [], []
    kept = max(
        1, MAX_RESIDUALS // (inputs.windows[0].length * inputs.network.spec.d_model * inputs.network.spec.layers)
    )
    for number, window in enumerate(inputs.windows):
        logits.append(decoder.logits(empty.tokens(window)))
        exact_nll.append(nll(logits[-1], empty.targets(window)))
        if number < kept:
            residuals.append(np.stack(streams))
        streams.clear()
        tick()
    calibration = _calibration(inputs, exact, tick)
    return Reference(inputs, tuple(float_nll), tuple(exact_nll), tuple(logits), tuple(residuals), calibration)


def _calibration_windows(inputs: Inputs) -> tuple[Window, ...]:
    most = min(inputs.network.details.max_positions, MAX_WINDOW)
    return cut_windows(len(inputs.calibration), CALIBRATION_WINDOWS * most, most)


def _calibration(inputs: Inputs, exact: Projector, tick: Tick) -> dict[Site, NDArray[np.int8]]:
    windows = _calibration_windows(inputs)
    stride = max(1, sum(window.length for window in windows) // CALIBRATION_VECTORS)
    found: dict[Site, list[NDArray[np.int8]]] = {}

    def observe(site: Site, x: NDArray[np.int8], sums: NDArray[np.int32]) -> None:
        del sums
        found.setdefault(site, []).append(x[stride // 2 :: stride].copy())

    decoder = Decoder(inputs.network, exact, observe=observe)
    for window in windows:
        decoder.logits(inputs.calibration[window.start : window.start + window.length])
        tick()
    return {site: np.concatenate(parts) for site, parts in found.items()}
