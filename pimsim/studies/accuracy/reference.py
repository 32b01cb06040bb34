"""Reference results without arrays: the float model and the exact quantized model, with which chips are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pimsim.inference import Decoder, ExactProjector, Projector, Site
from pimsim.inference.attention import Softmax
from pimsim.inference.forward_pass import LayerObserver, ProjectionObserver
from pimsim.inference.kept_entries import EntryChooser, Selection
from pimsim.studies.accuracy.evaluation_inputs import Inputs, Window, cut_windows, longest_window
from pimsim.studies.accuracy.key_codebooks import make_chooser
from pimsim.studies.accuracy.measures import nll
from workloads.kv_cache import KvCacheSpec
from workloads.neural_network import Network

CALIBRATION_WINDOWS = 8
CALIBRATION_VECTORS = 256
"""Calibration vectors per matrix, approximately: tokens at a fixed stride over the calibration windows."""
MAX_RESIDUALS = 2**26
"""Largest number of float32 values of exact residual streams that are kept (256 MiB); later windows are not kept."""

Floats = NDArray[np.float32]
Tick = Callable[[], None]


@dataclass(frozen=True, slots=True)
class NumberFormats:
    """Number formats of the exact model and of the chips that are compared with it.

    Attributes:
        activation_bits: Bits of the inputs of projections.
        kv: What the KV cache keeps, and its formats.
        softmax: Function that turns scores into attention weights.
        selection: Entries of attention that are computed; None means all.
    """

    activation_bits: int
    kv: KvCacheSpec
    softmax: Softmax
    selection: Selection | None = None


@dataclass(frozen=True, eq=False)
class Reference:
    """Results of the float model and the exact model for all windows of a text.

    Attributes:
        inputs: Network, text and windows.
        formats: Number formats of the exact model.
        float_nll: Negative log likelihood of each window with the float model, summed over its tokens, nats.
        exact_nll: The same with the exact 1-bit model.
        logits: Logits of the exact model for each window, [tokens, vocab] float32.
        residuals: Residual stream of the exact model after each layer, [layers, tokens, d_model] float32, with the
            tokens of the prefix, for the first windows (as many as `MAX_RESIDUALS` allows, at least one).
        calibration: Input activations of each matrix when the exact model reads the calibration text,
            [vectors, in] int8.
        chooser: Selection of the entries of attention, with its codebooks; None means that all are computed.
    """

    inputs: Inputs
    formats: NumberFormats
    float_nll: tuple[float, ...]
    exact_nll: tuple[float, ...]
    logits: tuple[Floats, ...]
    residuals: tuple[Floats, ...]
    calibration: Mapping[Site, NDArray[np.int8]]
    chooser: EntryChooser | None = None

    @property
    def windows(self) -> tuple[Window, ...]:
        """The evaluated windows of the text."""
        return self.inputs.windows

    @property
    def network(self) -> Network:
        """The network with the quantized weights that the arrays store."""
        return self.inputs.network

    def decoder(
        self, projector: Projector, *, observe: ProjectionObserver | None = None, watch: LayerObserver | None = None
    ) -> Decoder:
        """Create a decoder of the network with these number formats.

        Args:
            projector: Multiplication by the weights.
            observe: Function called after each projection.
            watch: Function called after each layer.

        Returns:
            The decoder.
        """
        kv, softmax = self.formats.kv, self.formats.softmax
        chooser = self.chooser
        return Decoder(self.network, projector, kv=kv, softmax=softmax, chooser=chooser, observe=observe, watch=watch)

    def tokens(self, window: Window) -> NDArray[np.int64]:
        """Return the input tokens of a window.

        Args:
            window: Window of the text.

        Returns:
            Token ids, [window.length] int64.
        """
        ids: NDArray[np.int64] = self.inputs.text.ids[window.start : window.start + window.length]
        return ids

    def logits_of(self, decoder: Decoder, window: Window, sequence: int = 0) -> Floats:
        """Compute the logits after each token of a window, which begins with the prefix of the inputs.

        Args:
            decoder: Decoder of the network.
            window: Window of the text.
            sequence: Number of the sequence, which selects its read noise.

        Returns:
            Logits, [window.length, vocab] float32; those after the tokens of the prefix are left out.
        """
        prefix = self.inputs.prefix
        ids = np.concatenate([prefix, self.tokens(window)])
        return decoder.logits(ids, decoder.cache(sequence))[len(prefix) :]

    def targets(self, window: Window) -> NDArray[np.int64]:
        """Return the tokens to predict in a window: the input tokens shifted by one.

        Args:
            window: Window of the text.

        Returns:
            Token ids, [window.length] int64.
        """
        ids: NDArray[np.int64] = self.inputs.text.ids[window.start + 1 : window.start + window.length + 1]
        return ids

    def characters(self, window: Window) -> int:
        """Return the number of characters in the targets of a window.

        Args:
            window: Window of the text.

        Returns:
            Number of characters of the original text.
        """
        return int(self.inputs.text.characters[window.start + 1 : window.start + window.length + 1].sum())


def reference_steps(inputs: Inputs) -> int:
    """Return the number of progress steps of `compute_reference`.

    Args:
        inputs: Network, text and windows.

    Returns:
        Two steps per window and one per calibration window.
    """
    return 2 * len(inputs.windows) + len(calibration_windows(inputs))


def empty_reference(inputs: Inputs, formats: NumberFormats, exact: Projector) -> Reference:
    """Return a reference without results, whose decoders choose the entries of attention that the formats say.

    Args:
        inputs: Network, text and windows.
        formats: Number formats.
        exact: Exact multiplication by the weights, for the keys of the calibration text.

    Returns:
        The reference, with codebooks if the choice needs them.
    """
    empty = Reference(inputs, formats, (), (), (), (), {})
    if formats.selection is None:
        return empty
    texts = [with_prefix(inputs, window) for window in calibration_windows(inputs)]
    return replace(empty, chooser=make_chooser(formats.selection, empty.decoder(exact), texts))


def compute_reference(
    inputs: Inputs, formats: NumberFormats, tick: Tick, float_nll: tuple[float, ...] | None = None
) -> Reference:
    """Run the float model and the exact model on the text, and the exact model on the calibration text.

    Args:
        inputs: Network, text and windows.
        formats: Number formats of the exact model.
        tick: Called after each forward pass over a window.
        float_nll: Likelihoods of the float model, if they are known from other formats; None means that they are not.

    Returns:
        Likelihoods, logits, residual streams and calibration vectors.
    """
    exact = ExactProjector(inputs.network, formats.activation_bits)
    empty = empty_reference(inputs, formats, exact)
    if float_nll is None:
        float_nll = _float_nll(empty, tick)
    else:
        for _ in inputs.windows:
            tick()
    streams: list[Floats] = []
    decoder = empty.decoder(exact, watch=lambda _, x: streams.append(x.copy()))
    exact_nll, logits, residuals = [], [], []
    kept = compared_windows(inputs)
    for number, window in enumerate(inputs.windows):
        logits.append(empty.logits_of(decoder, window))
        exact_nll.append(nll(logits[-1], empty.targets(window)))
        if number < kept:
            residuals.append(np.stack(streams))
        streams.clear()
        tick()
    calibration = _calibration(empty, exact, tick)
    return replace(
        empty,
        float_nll=float_nll,
        exact_nll=tuple(exact_nll),
        logits=tuple(logits),
        residuals=tuple(residuals),
        calibration=calibration,
    )


def _float_nll(empty: Reference, tick: Tick) -> tuple[float, ...]:
    """Return the negative log likelihood of each window with the float model, which no number format changes."""
    floats = Decoder(empty.inputs.float_network, None)
    found = []
    for window in empty.windows:
        found.append(nll(empty.logits_of(floats, window), empty.targets(window)))
        tick()
    return tuple(found)


def calibration_windows(inputs: Inputs) -> tuple[Window, ...]:
    """Return the windows of the calibration text.

    Args:
        inputs: Network and texts.

    Returns:
        `CALIBRATION_WINDOWS` windows of the largest length, or fewer and shorter ones of a short text.
    """
    length = longest_window(inputs.network, inputs.prefix)
    return cut_windows(len(inputs.calibration), CALIBRATION_WINDOWS * length, length)


def with_prefix(inputs: Inputs, window: Window) -> NDArray[np.int64]:
    """Return the token ids of a window of the calibration text, after the prefix.

    Args:
        inputs: The text and the prefix.
        window: Window of the calibration text.

    Returns:
        Token ids, [tokens] int64.
    """
    ids = inputs.calibration[window.start : window.start + window.length]
    return np.concatenate([inputs.prefix, ids])


def calibration_stride(inputs: Inputs) -> int:
    """Return the distance of the tokens of the calibration text whose activations are kept.

    Args:
        inputs: Network and texts.

    Returns:
        Tokens, at least 1.
    """
    return max(1, sum(window.length for window in calibration_windows(inputs)) // CALIBRATION_VECTORS)


def compared_windows(inputs: Inputs) -> int:
    """Return the number of windows whose residual streams are compared.

    Args:
        inputs: Network and windows.

    Returns:
        At least 1; the first windows are compared.
    """
    spec = inputs.network.spec
    tokens = len(inputs.prefix) + inputs.windows[0].length
    return max(1, MAX_RESIDUALS // (tokens * spec.d_model * spec.layers))


def _calibration(reference: Reference, exact: Projector, tick: Tick) -> dict[Site, NDArray[np.int8]]:
    inputs = reference.inputs
    windows = calibration_windows(inputs)
    stride = calibration_stride(inputs)
    found: dict[Site, list[NDArray[np.int8]]] = {}

    def observe(site: Site, x: NDArray[np.int8], sums: NDArray[np.int32]) -> None:
        del sums
        found.setdefault(site, []).append(x[stride // 2 :: stride].copy())

    decoder = reference.decoder(exact, observe=observe)
    for window in windows:
        decoder.logits(with_prefix(inputs, window))
        tick()
    return {site: np.concatenate(parts) for site, parts in found.items()}
