"""Evaluation layer by layer, for models that do not fit into memory.

All windows, of the float model, the exact model and each chip, pass one layer before the next one is read. Only the
weights of that layer and its arrays, for one chip at a time, are in memory; residual streams lie in files. Each bit of
the result is that of an evaluation with the whole model in memory.

Reference:
    docs/accuracy.md, "Large models".
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from pimsim.base.errors import WorkloadInputError
from pimsim.inference import ExactProjector, Projector, Site
from pimsim.inference.forward_pass import ProjectionObserver
from pimsim.inference.kept_entries import EntryChooser
from pimsim.inference.layer_decoder import LayerDecoder, head_logits
from pimsim.studies.accuracy.chips import ChipRun, ChipSettings, MeasuringProjector, arrays_of
from pimsim.studies.accuracy.evaluation_inputs import Inputs
from pimsim.studies.accuracy.measures import Powers, nll_terms, tokens_per_chunk
from pimsim.studies.accuracy.reference import (
    NumberFormats,
    Reference,
    calibration_stride,
    calibration_windows,
    compared_windows,
    with_prefix,
)
from pimsim.studies.accuracy.sampled_layers import scaled_writes
from pimsim.studies.accuracy.stream_state import ActivationWriter, StreamFolder, StreamState
from workloads.neural_network import LayerWeights, Network
from workloads.streamed_network import StreamedNetwork

MAX_LOGITS = 2**27
"""Largest number of float32 logits in memory at once, for all models together (512 MiB)."""

Floats = NDArray[np.float32]
LayerProgress = Callable[[int, int], None]
"""Function of the number of finished and of all steps, one per layer and one for the LM head."""


class StreamInterrupted(KeyboardInterrupt):
    """Interruption of a streamed evaluation by Ctrl-C.

    Args:
        layers: Finished layers, whose state is kept.
        of: Layers of the model.
    """

    def __init__(self, layers: int, of: int) -> None:
        super().__init__("interrupted")
        self.layers, self.of = layers, of


@dataclass(frozen=True, slots=True)
class Stream:
    """Windows of one model in the files of residual streams.

    Attributes:
        row: Number of its first row.
        texts: Token ids of each window, [windows, tokens].
    """

    row: int
    texts: NDArray[np.int64]

    def read(self, state: StreamState, window: int) -> Floats:
        """Read the residual stream of a window.

        Args:
            state: State with the file.
            window: Number of the window, from 0.

        Returns:
            [tokens, d_model] float32.
        """
        tokens = self.texts.shape[1]
        return state.read(self.row + window * tokens, tokens)


@dataclass
class _Chip:
    """Measurements of a chip, and the first window in which each matrix was used."""

    run: ChipRun
    first: dict[Site, int] = field(default_factory=dict)

    def add(self, measuring: MeasuringProjector) -> None:
        """Add what was measured on the arrays of a layer."""
        self.run.sites |= measuring.powers
        for site in measuring.arrays.sites():
            self.run.writes += measuring.arrays.matrix(site).writes
            self.run.write_energy_j += measuring.arrays.matrix(site).write_energy_j

    def record(self) -> dict[str, Any]:
        run = self.run
        return {
            "sites": [[*site, self.first[site], *asdict(powers).values()] for site, powers in run.sites.items()],
            "layers": [[layer, *asdict(powers).values()] for layer, powers in run.layers.items()],
            "writes": run.writes,
            "write_energy_j": run.write_energy_j,
        }

    @classmethod
    def of(cls, seed: int, record: Mapping[str, Any]) -> _Chip:
        chip = cls(ChipRun(seed, writes=record["writes"], write_energy_j=record["write_energy_j"]))
        for layer, role, block, first, *powers in record["sites"]:
            site = Site(layer, role, block)
            chip.run.sites[site], chip.first[site] = Powers(*powers), first
        chip.run.layers |= {layer: Powers(*powers) for layer, *powers in record["layers"]}
        return chip

    def finished(self) -> ChipRun:
        """Return the measurements, with the matrices in the order in which a whole decoder uses them first."""
        order = sorted(self.run.sites, key=lambda site: self.first[site])
        self.run.sites = {site: self.run.sites[site] for site in order}
        return self.run


class StreamedEvaluation:
    """Evaluation of all models of a config, layer by layer.

    Args:
        inputs: Network on disk, text and windows.
        formats: Number formats of the exact model.
        chips: The chips.

    Raises:
        WorkloadInputError: If the formats need the keys of all layers at once.
    """

    def __init__(self, inputs: Inputs, formats: NumberFormats, chips: ChipSettings) -> None:
        if formats.selection is not None and formats.selection.needs_codebooks:
            raise WorkloadInputError(
                "--stream: codebooks (machine.prediction.method is product_quantised) are trained with the whole "
                "model in memory; evaluate this config without --stream"
            )
        assert inputs.streamed is not None
        assert inputs.float_streamed is not None
        self.inputs, self.chips = inputs, chips
        self.model: StreamedNetwork = inputs.streamed
        self.floats: StreamedNetwork = inputs.float_streamed
        chooser = None if formats.selection is None else EntryChooser(formats.selection)
        self.reference = Reference(inputs, formats, (), (), (), (), {}, chooser)
        windows = np.stack([np.concatenate([inputs.prefix, self.reference.tokens(each)]) for each in inputs.windows])
        texts = {"float": windows, "exact": windows}
        if chips.calibrated:
            texts["calibration"] = np.stack([with_prefix(inputs, each) for each in calibration_windows(inputs)])
        texts |= {f"chip {number}": windows for number in range(len(chips.seeds))}
        rows = np.cumsum([0, *(each.size for each in texts.values())])
        self.streams = {name: Stream(int(row), each) for row, (name, each) in zip(rows, texts.items(), strict=False)}

    def run(self, folder: StreamFolder, progress: LayerProgress | None) -> tuple[Reference, list[ChipRun]]:
        """Evaluate all models, from the last finished layer of the folder on.

        Args:
            folder: Folder with the state.
            progress: Called at the beginning and after each step.

        Returns:
            Likelihoods of the float and the exact model, and the measurements of the chips.

        Raises:
            WorkloadInputError: If the state cannot be resumed, or the arrays cannot store the weights.
            OutputError: If the state cannot be written.
            StreamInterrupted: If Ctrl-C is pressed; the finished layers are kept.
        """
        report = progress or (lambda done, of: None)
        layers, done = self.model.network.spec.layers, 0
        try:
            state = folder.load() or self._begin(folder)
            done = state.layers
            chips = [_Chip.of(*each) for each in zip(self.chips.seeds, state.records["chips"], strict=True)]
            report(done, layers + 1)
            for number in range(done, layers):
                with one_blas_thread(), folder.writing(number + 1) as writer:
                    self._layer(number, state, writer, chips)
                state = folder.commit(number + 1, {"chips": [each.record() for each in chips]}, writer.sha256)
                done = number + 1
                report(done, layers + 1)
            runs = [each.finished() for each in chips]
            reference = self._head(state, runs)
            report(layers + 1, layers + 1)
        except KeyboardInterrupt:
            raise StreamInterrupted(done, layers) from None
        return reference, runs

    def _begin(self, folder: StreamFolder) -> StreamState:
        """Write the residual streams before the first layer.

        Args:
            folder: Folder for the state.

        Returns:
            The state with no finished layer.
        """
        decoder = LayerDecoder(replace(self.model.network, layers=()), None)
        embedded: dict[int, Floats] = {}
        with folder.writing(0) as writer:
            for stream in self.streams.values():
                if id(stream.texts) not in embedded:
                    embedded = {id(stream.texts): self.model.embedded(stream.texts)}  # of one text at a time
                for rows in embedded[id(stream.texts)]:
                    writer.append(decoder.first_stream(rows))
        empty = [_Chip(ChipRun(seed)).record() for seed in self.chips.seeds]
        return folder.commit(0, {"chips": empty}, writer.sha256)

    def _layer(self, number: int, state: StreamState, writer: ActivationWriter, chips: list[_Chip]) -> None:
        """Pass all windows through a layer, in the order of the streams."""
        layer = None
        if self.floats is self.model:
            layer = self.model.network.layers[number]
        self._float_layer(number, layer, state, writer)
        part = _part(self.model.network, number, layer)
        exact = ExactProjector(part, self.reference.formats.activation_bits)
        decoder = self._decoder(part, exact)
        kept: list[Floats] = []
        for window in range(len(self.inputs.windows)):
            x = self.streams["exact"].read(state, window)
            decoder.through(x)
            writer.append(x)
            if window < compared_windows(self.inputs):
                kept.append(x)
        calibration = self._calibration(part, exact, state, writer) if self.chips.calibrated else {}
        for place, chip in enumerate(chips):
            self._chip_layer((f"chip {place}", chip), part, exact, (calibration, kept), state, writer)

    def _float_layer(
        self, number: int, layer: LayerWeights | None, state: StreamState, writer: ActivationWriter
    ) -> None:
        decoder = LayerDecoder(_part(self.floats.network, number, layer), None)
        for window in range(len(self.inputs.windows)):
            x = self.streams["float"].read(state, window)
            decoder.through(x)
            writer.append(x)

    def _calibration(
        self, part: Network, exact: Projector, state: StreamState, writer: ActivationWriter
    ) -> dict[Site, NDArray[np.int8]]:
        found: dict[Site, list[NDArray[np.int8]]] = {}
        stride = calibration_stride(self.inputs)

        def observe(site: Site, x: NDArray[np.int8], sums: NDArray[np.int32]) -> None:
            del sums
            found.setdefault(site, []).append(x[stride // 2 :: stride].copy())

        decoder, stream = self._decoder(part, exact, observe), self.streams["calibration"]
        for window in range(len(stream.texts)):
            x = stream.read(state, window)
            decoder.through(x)
            writer.append(x)
        return {site: np.concatenate(parts) for site, parts in found.items()}

    def _chip_layer(
        self,
        which: tuple[str, _Chip],
        part: Network,
        exact: ExactProjector,
        measured: tuple[Mapping[Site, NDArray[np.int8]], list[Floats]],
        state: StreamState,
        writer: ActivationWriter,
    ) -> None:
        """Program a layer of a chip, pass all windows through it, and add what is measured to the chip's run."""
        (name, chip), (calibration, kept), settings = which, measured, self.chips
        measuring = None
        if settings.on_arrays(part.first_layer, chip.run.seed):
            arrays = arrays_of(
                part, calibration, settings.params, chip.run.seed, settings.threads, settings.tile_sums,
                settings.weights_of,
            )  # fmt: skip
            measuring = MeasuringProjector(arrays, exact)
        decoder = self._decoder(part, measuring or exact)
        for window in range(len(self.inputs.windows)):
            x = self.streams[name].read(state, window)
            decoder.through(x, window)
            writer.append(x)
            for site in measuring.powers if measuring else ():
                chip.first.setdefault(site, window)
            if window < len(kept):
                chip.run.layers.setdefault(part.first_layer, Powers()).add(x, kept[window])
        if measuring:
            chip.add(measuring)

    def _decoder(self, part: Network, projector: Projector, observe: ProjectionObserver | None = None) -> LayerDecoder:
        formats, chooser = self.reference.formats, self.reference.chooser
        return LayerDecoder(part, projector, kv=formats.kv, softmax=formats.softmax, chooser=chooser, observe=observe)

    def _head(self, state: StreamState, runs: list[ChipRun]) -> Reference:
        """Compute the logits of all models, some tokens of a window at a time, and compare them.

        Args:
            state: State after the last layer.
            runs: Measurements of the chips, to which the likelihoods are added.

        Returns:
            Likelihoods of the float and the exact model.
        """
        decoder = LayerDecoder(replace(self.model.network, layers=()), None)
        streams = [self.streams[name] for name in self.streams if name != "calibration"]
        vocab, prefix = self.model.network.spec.vocab, len(self.inputs.prefix)
        chunk = tokens_per_chunk(vocab)
        at_once = max(1, MAX_LOGITS // (len(streams) * vocab) // chunk) * chunk
        nats: list[list[float]] = [[] for _ in streams]
        for number, window in enumerate(self.inputs.windows):
            normed = [decoder.normed(stream.read(state, number))[prefix:] for stream in streams]
            targets = self.reference.targets(window)
            terms: list[list[float]] = [[] for _ in streams]
            for first in range(0, window.length, at_once):
                some = slice(first, first + at_once)
                together = np.concatenate([each[some] for each in normed])
                logits = np.split(
                    head_logits(together, self.model.head(), vocab, self.model.largest_head), len(streams)
                )
                for place, each in enumerate(logits):
                    terms[place] += nll_terms(each, targets[some])
                for run, each in zip(runs, logits[2:], strict=True):
                    run.logits.add(each, logits[1])
            for place, each_terms in enumerate(terms):
                nats[place].append(math.fsum(each_terms))
        for run, found in zip(runs, nats[2:], strict=True):
            run.nll = found
            if self.chips.sample is not None:
                run.nll = self.chips.sample.extrapolated(found, nats[1])
                run.writes, run.write_energy_j = scaled_writes(self.chips.sample, run.writes, run.write_energy_j)
        return replace(self.reference, float_nll=tuple(nats[0]), exact_nll=tuple(nats[1]))


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread, as decoders do: sums of floats depend on their order.

    Yields:
        None, while the limit holds.
    """
    with ThreadpoolController().limit(limits=1, user_api="blas"):
        yield


def fingerprints(inputs: Inputs) -> dict[str, str]:
    """Return checksums of all that an evaluation reads.

    Args:
        inputs: Network on disk and texts.

    Returns:
        SHA-256 of the files of the model, and of the tokens of each text.

    Raises:
        WorkloadInputError: If a file cannot be read.
    """
    assert inputs.streamed is not None
    digest = hashlib.sha256()
    for path in inputs.streamed.reader.files():
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise WorkloadInputError(f"{Path(path).name}: cannot be read: {error.strerror or error}") from error
    texts = {"text": inputs.text.ids, "calibration text": inputs.calibration, "prefix": inputs.prefix}
    found = {f"tokens of the {name}": hashlib.sha256(ids.tobytes()).hexdigest() for name, ids in texts.items()}
    return {"checksum of the model": digest.hexdigest(), **found}


def _part(network: Network, number: int, layer: LayerWeights | None) -> Network:
    """Return a network with one layer, which is read if it is not given."""
    return replace(network, layers=(layer or network.layers[number],), first_layer=number)
