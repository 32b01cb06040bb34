"""Inputs of an evaluation: the network, the texts as tokens, and the evaluated windows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.base.errors import ConfigError, Problem, WorkloadInputError, printable, show
from pimsim.base.shipped_files import read_limited
from pimsim.config.model_folders import folder_elsewhere
from pimsim.config.schema import AccuracyConfig, Config
from pimsim.hardware.tile_kinds import check_pair
from workloads.character_tokens import CharacterTokenizer
from workloads.checkpoint import load_network
from workloads.gguf_files import is_gguf
from workloads.neural_network import Network
from workloads.one_bit import WeightKind
from workloads.shipped import CALIBRATION, DEFAULT_NETWORK, HELD_OUT, network_folder, shipped_networks, shipped_text
from workloads.streamed_network import StreamedNetwork, stream_network
from workloads.text_tokens import Tokenizer, load_tokenizer
from workloads.tokenized_text import TokenizedText
from workloads.workload_errors import WorkloadError

MAX_TEXT_BYTES = 64 * 2**20
MAX_WINDOW = 512
"""Largest number of tokens in a window; a model with fewer positions has shorter windows."""
MAX_LOGITS = 2**29
"""Largest number of float32 logits of the exact model that are kept for comparison (2 GiB)."""
_NAME_CHARS = 200

WEIGHTS_KEY = "machine.crossbar.pair.encoding.weights"
Bits = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Window:
    """A window of consecutive tokens of the text, each of which predicts the next one.

    Attributes:
        start: Position of the first token in the text.
        length: Number of tokens, which is also the number of predictions.
    """

    start: int
    length: int


@dataclass(frozen=True, eq=False)
class Inputs:
    """A network and its texts, read and checked.

    Attributes:
        network: Network with the ternary or binary weights that the arrays store.
        float_network: Network of the float model: the stored weights, or `network`'s weights if the model was trained
            with quantized weights.
        text: All tokens of the evaluated text.
        calibration: Token ids of the calibration text, [tokens] int64.
        windows: Evaluated windows of the text.
        prefix: Token ids with which each window and each calibration window begins, [tokens] int64: the BOS token that
            the tokenizer adds to a text, or none.
        model_name: Name of the model in reports.
        text_name: Name of the text in reports.
        model_reference: Value of `workload.model` that selects the shape of the network.
        warnings: Warnings, one sentence each.
        streamed: `network` on disk, whose layers are read one at a time; None if it is in memory.
        float_streamed: `float_network` on disk.
    """

    network: Network
    float_network: Network
    text: TokenizedText
    calibration: NDArray[np.int64]
    windows: tuple[Window, ...]
    prefix: NDArray[np.int64]
    model_name: str
    text_name: str
    model_reference: str
    warnings: tuple[str, ...]
    streamed: StreamedNetwork | None = None
    float_streamed: StreamedNetwork | None = None


def weight_kind(config: Config) -> WeightKind:
    """Return the weight alphabet in which the arrays of a config store a network.

    Args:
        config: Config.

    Returns:
        `accuracy.weights` if it is "groups" or "columns"; else "binary" for binary arrays, and "ternary" for all
        others: multi-bit weights can store -1, 0 and 1 too.

    Raises:
        ConfigError: If the config has no crossbars, its tiles are of a registered kind without such arrays, or its
            arrays have unit weights (0 and 1).
    """
    crossbar = config.machine.crossbar
    if crossbar is None:
        raise ConfigError(
            "has no crossbars (machine.crossbar is null), so there are no arrays to evaluate a model on", config.name
        )
    check_pair(config, "evaluate a model on arrays")
    weights = crossbar.pair.encoding.weights
    if weights == "unit":
        message = "cannot represent a decoder's weights; use ternary or binary"
        raise ConfigError([Problem(WEIGHTS_KEY, show(weights), message)], config.name)
    if config.accuracy.weights != "one_bit":
        return config.accuracy.weights
    return "binary" if weights == "binary" else "ternary"


def read_inputs(accuracy: AccuracyConfig, kind: WeightKind, bits: Bits = (), *, streamed: bool = False) -> Inputs:
    """Read the network and the texts that a config names.

    The last two results stay in a cache; an entry is not used after the time stamp or size of one of its files changed.

    Args:
        accuracy: Section `accuracy` of the config.
        kind: Weight alphabet of the arrays.
        bits: Bits of a weight by role for "columns", as pairs, with the role "" for all other roles.
        streamed: Whether the layers of the network stay on disk.

    Returns:
        Network, texts and windows.

    Raises:
        WorkloadInputError: If a file is missing, invalid, too short or too large, or if model and tokenizer disagree.
    """
    return _read(
        accuracy.model_copy(update={"chips": 1, "sampled_layers": None}), kind, bits, _stamp(accuracy), streamed
    )


def input_files(accuracy: AccuracyConfig) -> tuple[Path, ...]:
    """List the files that an evaluation reads, without opening them.

    Args:
        accuracy: Section `accuracy` of the config.

    Returns:
        The GGUF file, or all .json, .model and .safetensors files of the model folder; the text and the calibration
        text.
    """
    folder = network_folder(accuracy.model)
    inside = (
        [folder]
        if is_gguf(folder)
        else sorted(path for path in folder.glob("*") if path.suffix in (".json", ".model", ".safetensors"))
    )
    return (*inside, _text_path(accuracy.text, HELD_OUT), _text_path(accuracy.calibration, CALIBRATION))


def _stamp(accuracy: AccuracyConfig) -> tuple[Any, ...]:
    def of(path: Path) -> tuple[Any, ...]:
        try:
            status = path.stat()
        except (OSError, ValueError):
            return (str(path),)
        return str(path.absolute()), status.st_mtime_ns, status.st_size

    return tuple(map(of, input_files(accuracy)))


def _text_path(given: str | None, shipped: str) -> Path:
    return shipped_text(shipped) if given is None else Path(given)


@lru_cache(2)
def _read(accuracy: AccuracyConfig, kind: WeightKind, bits: Bits, stamp: tuple[Any, ...], streamed: bool) -> Inputs:
    del stamp
    folder, shipped = network_folder(accuracy.model), accuracy.model in (None, *shipped_networks())
    try:
        read = stream_network if streamed else load_network
        loaded = read(folder, weights=kind, bits=dict(bits) if bits else 8)
        floats = loaded if loaded.trained else read(folder, weights="float")
        tokenizer = load_tokenizer(folder)
        if tokenizer.vocab > loaded.network.spec.vocab:
            raise WorkloadInputError(
                f"{_shown(folder)}: the tokenizer has token ids up to {tokenizer.vocab - 1}, "
                f"but the network only up to {loaded.network.spec.vocab - 1}"
            )
        text, path = _tokenized(tokenizer, accuracy.text, HELD_OUT, "text")
        calibration, sample = _tokenized(tokenizer, accuracy.calibration, CALIBRATION, "calibration text")
    except WorkloadError as error:
        hint = f" ({WEIGHTS_KEY} is {kind})" if kind == "binary" else ""
        hint = f" (accuracy.weights is {kind})" if kind == "groups" else hint
        raise WorkloadInputError(f"{error}{hint}{folder_elsewhere(str(folder))}") from error
    network = loaded.network
    prefix = np.array(tokenizer.prefix_ids if accuracy.bos else (), np.int64)
    windows = cut_windows(len(text.ids), accuracy.tokens, longest_window(network, prefix))
    if not streamed:
        _check_size(windows, network.spec.vocab)
    unknown = [*_unknown(tokenizer, text, path), *_unknown(tokenizer, calibration, sample)]
    return Inputs(
        network=network,
        float_network=floats.network,
        text=text,
        calibration=calibration.ids,
        windows=windows,
        prefix=prefix,
        model_name=printable(network.spec.name, _NAME_CHARS),
        text_name=printable(path.name, _NAME_CHARS),
        model_reference=accuracy.model or DEFAULT_NETWORK if shipped else str(folder.absolute()),
        warnings=(*loaded.warnings, *unknown, *_bos_note(tokenizer, prefix)),
        streamed=loaded if isinstance(loaded, StreamedNetwork) else None,
        float_streamed=floats if isinstance(floats, StreamedNetwork) else None,
    )


def longest_window(network: Network, prefix: NDArray[np.int64]) -> int:
    """Return the largest length of a window, which shares the positions of the network with its prefix.

    Args:
        network: The network.
        prefix: Token ids at the beginning of each window.

    Returns:
        Tokens, at least 1.
    """
    return max(1, min(network.details.max_positions - len(prefix), MAX_WINDOW))


def cut_windows(available: int, tokens: int, most: int) -> tuple[Window, ...]:
    """Select windows of a text: of equal length, without overlap, and spread evenly over the text.

    Args:
        available: Number of tokens of the text, at least 2.
        tokens: Number of tokens to predict; it is rounded up to whole windows and limited by the text.
        most: Largest length of a window.

    Returns:
        Windows in the order of the text.
    """
    length = min(most, tokens, available - 1)
    whole = (available - 1) // length
    count = min(whole, -(-tokens // length))
    return tuple(Window((2 * number + 1) * whole // (2 * count) * length, length) for number in range(count))


def _check_size(windows: tuple[Window, ...], vocab: int) -> None:
    tokens = sum(window.length for window in windows)
    if tokens * vocab > MAX_LOGITS:
        most = MAX_LOGITS // vocab
        raise WorkloadInputError(
            f"accuracy.tokens: {tokens} tokens with a vocabulary of {vocab} are too many; at most {most} are possible "
            "without --stream"
        )


def _tokenized(tokenizer: Any, given: str | None, shipped: str, what: str) -> tuple[TokenizedText, Path]:
    path = _text_path(given, shipped)

    def fail(message: str) -> WorkloadInputError:
        return WorkloadInputError(f"{what} {_shown(path)}: {message}")

    data = read_limited(path, MAX_TEXT_BYTES, fail)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise fail(f"is not UTF-8 text (byte {error.start})") from None
    if not text:
        raise fail("is empty")
    try:
        tokens: TokenizedText = tokenizer.tokenize(text)
    except WorkloadError as error:
        raise fail(str(error)) from error
    if len(tokens.ids) < 2:
        raise fail("has only one token; at least two are needed, so that the first can predict the second")
    return tokens, path


def _bos_note(tokenizer: Tokenizer, prefix: NDArray[np.int64]) -> list[str]:
    """Return one sentence about the prefix of the windows, or about one that is left out."""
    ids = tokenizer.prefix_ids
    if not ids:
        return []
    name = f"token {ids[0]}" if len(ids) == 1 else f"tokens {', '.join(map(str, ids))}"
    if len(prefix):
        return [f"each window begins with {name}, which the tokenizer adds to a text; --no-bos leaves it out"]
    return [f"windows begin without {name}, which the tokenizer adds to a text (accuracy.bos is false)"]


def _unknown(tokenizer: Any, text: TokenizedText, path: Path) -> list[str]:
    """Warn of characters that are not in the vocabulary of a character tokenizer.

    Other tokenizers can represent every text.

    Args:
        tokenizer: Tokenizer of the model.
        text: Tokenized text.
        path: File of the text.

    Returns:
        At most one warning.
    """
    if not isinstance(tokenizer, CharacterTokenizer) or tokenizer.unknown_id is None:
        return []
    count = int(np.count_nonzero(text.ids == tokenizer.unknown_id))
    if not count:
        return []
    of = f"{count:,} of {len(text.ids):,} characters of {_shown(path)}"
    return [f"{of} are unknown to the tokenizer; its token for unknown characters replaces them"]


def _shown(path: Path) -> str:
    return printable(str(path), _NAME_CHARS)
