"""Loading of a network from a folder with `config.json` and safetensors files, or from a GGUF file.

Nothing is downloaded and nothing is executed. Names and shapes of all tensors are checked against the config before any
tensor is read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workloads.checked_fields import Integer, OneOf, require
from workloads.checkpoint_reader import NetworkReader
from workloads.gguf_files import is_gguf
from workloads.huggingface import read_config_file
from workloads.integer_weights import BITS
from workloads.network_config import parse_network_config
from workloads.neural_network import Network
from workloads.one_bit import KINDS, WeightKind
from workloads.safetensors_files import open_tensors
from workloads.tensor_names import BITNET_1BITLLM, GGUF_NAMES, NAMES
from workloads.untrusted_files import printable
from workloads.weight_rounding import Rounding


@dataclass(frozen=True, slots=True, eq=False)
class LoadedNetwork:
    """A network that was read from a folder.

    Attributes:
        network: The network.
        warnings: Restrictions that affect results, one sentence each.
        files: The files that were read: the config, then the weights.
        trained: Whether the codes of the projections are those that the model was trained with, so that there is no
            other float model.
    """

    network: Network
    warnings: tuple[str, ...]
    files: tuple[Path, ...]
    trained: bool = False


def load_network(
    folder: str | os.PathLike[str], *, weights: WeightKind = "ternary", bits: int | Mapping[str, int] = 8
) -> LoadedNetwork:
    """Load a decoder from a local folder, or from a GGUF file.

    Embedding, norms, biases and LM head are always floats.

    Args:
        folder: Folder with `config.json` and `model.safetensors` or its shards; or a GGUF file.
        weights: Kind of the projection weights. "ternary": codes as stored, otherwise each matrix is ternarised with
            the absmean rule of BitNet b1.58, with a warning unless the model was trained in this way. Floats that are
            only -s, 0 and s are recognised and keep their scale. "binary": signs and mean |W|, with a warning unless
            the floats are only -s and s. "float": as stored; codes are multiplied by their scale. "groups": integers
            with a scale, and a minimum, per group of inputs, as Q4_0, Q4_1 and Q8_0 of GGUF store them. "columns":
            integers of `bits` bits, with one scale per output, with a warning that says what rounding has lost.
        bits: Bits of a weight for "columns", its sign included, from 2 to 8: one number, or one by role such as
            "ffn_up", with the key "" for all other roles.

    Returns:
        The network, warnings and the files that were read.

    Raises:
        ConfigFileError: If `config.json` cannot be read or requests a feature that is not computed.
        CheckpointError: If weights cannot be read, or their names or shapes do not match the config.
        SpecError: If `weights` is not one of these kinds, or `bits` is out of range.

    Reference:
        Absmean rule: Ma et al., arXiv:2402.17764, eqs. (1) to (3).
    """
    reader = open_network(folder, weights=weights, bits=bits)
    network = reader.network()  # before the warnings, which say how much rounding has lost
    return LoadedNetwork(network, (*reader.config.warnings, *reader.warnings()), reader.files(), reader.is_trained)


def open_network(
    folder: str | os.PathLike[str], *, weights: WeightKind = "ternary", bits: int | Mapping[str, int] = 8
) -> NetworkReader:
    """Open a decoder in a local folder, or in a GGUF file, and check names, shapes and types of its tensors.

    Args:
        folder: As for `load_network`.
        weights: As for `load_network`.
        bits: As for `load_network`.

    Returns:
        A reader of its weights, none of which has been read.

    Raises:
        ConfigFileError: If `config.json` cannot be read or requests a feature that is not computed.
        CheckpointError: If the names or shapes of the weights do not match the config.
        SpecError: If `weights` is not one of these kinds, or `bits` is out of range.
    """
    require("weights", weights, OneOf(KINDS))
    bits_of = {"": bits} if isinstance(bits, int) else bits
    for each in bits_of.values():
        require("bits", each, Integer(BITS[0], BITS[-1]))
    if is_gguf(folder):
        from workloads.gguf_config import gguf_network_config, read_gguf_model

        model = read_gguf_model(folder)
        config, names = gguf_network_config(model), GGUF_NAMES[model.architecture]
        reader = NetworkReader(config, model.tensors(), printable(folder), Rounding(weights, bits_of), names)
    else:
        config = parse_network_config(read_config_file(folder))
        home, file = config.file.file.parent, config.file
        names = BITNET_1BITLLM if file.is_1bitllm else NAMES[file.model_type]
        reader = NetworkReader(config, open_tensors(home), printable(home), Rounding(weights, bits_of), names)
    reader.check()
    return reader
