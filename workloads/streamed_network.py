"""A network whose layers are read from its files one at a time, for models that do not fit into memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from workloads.checkpoint import open_network
from workloads.checkpoint_reader import NetworkReader
from workloads.neural_network import Float, LayerWeights, Network
from workloads.one_bit import WeightKind

ROWS = 4096
"""Rows of the embedding table and of the LM head that are read at once."""


class LayersOnDisk(Sequence[LayerWeights]):
    """Layers of a network that are read whenever they are asked for; none stays in memory.

    Args:
        reader: Reader of the network.
    """

    def __init__(self, reader: NetworkReader) -> None:
        self._reader = reader

    def __len__(self) -> int:
        """Return the number of layers."""
        return self._reader.spec.layers

    @overload
    def __getitem__(self, number: int) -> LayerWeights: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[LayerWeights]: ...

    def __getitem__(self, number: int | slice) -> LayerWeights | Sequence[LayerWeights]:
        """Read a layer.

        Args:
            number: Number of the layer, or several.

        Returns:
            Its weights.

        Raises:
            CheckpointError: If they cannot be read.
        """
        if isinstance(number, slice):
            return tuple(self._reader.layer(each) for each in range(*number.indices(len(self))))
        return self._reader.layer(range(len(self))[number])


@dataclass(frozen=True, slots=True, eq=False)
class StreamedNetwork:
    """A network on disk, all of whose tensors have been read once and found valid.

    Attributes:
        network: The network with `LayersOnDisk`, and without embedding table and LM head: no decoder can read tokens.
        reader: Reader of its tensors.
        warnings: Restrictions that affect results, one sentence each.
        trained: Whether the codes of the projections are those that the model was trained with, so that there is no
            other float model.
        largest_head: Largest magnitude in the LM head.
    """

    network: Network
    reader: NetworkReader
    warnings: tuple[str, ...]
    trained: bool
    largest_head: float

    def embedded(self, ids: NDArray[np.integer]) -> Float:
        """Look tokens up in the embedding table.

        Args:
            ids: Token ids, any shape.

        Returns:
            Their rows, [..., d_model] float32.
        """
        found = np.empty((*ids.shape, self.network.spec.d_model), np.float32)
        for first, rows in enumerate(self.reader.embedding_rows(ROWS)):
            inside = (ids >= first * ROWS) & (ids < (first + 1) * ROWS)
            found[inside] = rows[ids[inside] - first * ROWS]
        return found

    def head(self) -> Iterator[Float]:
        """Read the LM head in parts.

        Yields:
            [rows, d_model] float32.
        """
        yield from self.reader.head_rows(ROWS)


def stream_network(
    folder: str | os.PathLike[str], *, weights: WeightKind = "ternary", bits: int | Mapping[str, int] = 8
) -> StreamedNetwork:
    """Open a decoder in a local folder, or in a GGUF file, and read each tensor once to check it.

    What is wrong in the last layer is so found before hours of work, and the warnings cover all layers.

    Args:
        folder: As for `workloads.checkpoint.load_network`.
        weights: As there.
        bits: As there.

    Returns:
        The network; one layer was in memory at a time.

    Raises:
        ConfigFileError: If `config.json` cannot be read or requests a feature that is not computed.
        CheckpointError: If weights cannot be read, or their names or shapes do not match the config.
        SpecError: If `weights` is not one of these kinds, or `bits` is out of range.
    """
    reader = open_network(folder, weights=weights, bits=bits)
    layers, spec = LayersOnDisk(reader), reader.spec
    for number in range(spec.layers):
        layers[number]
    for _ in reader.embedding_rows(ROWS):
        pass
    largest = max(float(np.abs(part).max(initial=0)) for part in reader.head_rows(ROWS))
    network = Network(
        spec=spec,
        details=reader.config.details,
        embedding=np.zeros((0, spec.d_model), np.float32),
        positions=reader.positions(),
        layers=layers,
        final_norm=reader.final_norm(),
        lm_head=np.zeros((1, spec.d_model), np.float32),
    )
    return StreamedNetwork(network, reader, (*reader.config.warnings, *reader.warnings()), reader.is_trained, largest)
