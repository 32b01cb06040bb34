"""What is evaluated: a network from a folder, texts as its tokens, and windows of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.base.errors import ConfigError, Problem, WorkloadInputError, printable, show
from pimsim.base.shipped_files import read_limited
from pimsim.config.schema import AccuracyConfig, Config
from workloads.checkpoint import WeightKind, load_network
from workloads.huggingface import read_config_file
from workloads.network_config import understand
from workloads.neural_network import Network
from workloads.shipped import CALIBRATION, DEFAULT_NETWORK, HELD_OUT, network_folder, shipped_networks, shipped_text
from workloads.text_tokens import CharacterTokenizer, TokenizedText, load_tokenizer
from workloads.workload_errors import WorkloadError

MAX_TEXT_BYTES = 64 * 2**20
MAX_WINDOW = 512
"""Tokens of a window, if the model has positions for as many."""
MAX_LOGITS = 2**29
"""Of the exact model, kept for comparison: 2 GiB."""
_NAME_CHARS = 200

WEIGHTS_KEY = "machine.crossbar.pair.encoding.weights"


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the text: tokens from `start` on, each of which predicts the one after it."""

    start: int
    length: int


@dataclass(frozen=True, eq=False)
class Inputs:
    """A network and a text, read and checked.

    Attributes:
        network: with weights as the arrays hold them.
        float_network: for the float path: as stored, or, of a model that was trained 1-bit, the same.
        text: all of its tokens.
        calibration: tokens of the text for calibration.
        windows: what of the text is predicted.
        model_name, text_name: for reports.
        model_reference: what `workload.model` takes for the network's shape.
        warnings: a sentence each.

    """

    network: Network
    float_network: Network
    text: TokenizedText
    calibration: NDArray[np.int64]
    windows: tuple[Window, ...]
    model_name: str
    text_name: str
    model_reference: str
    warnings: tuple[str, ...]


def weight_kind(config: Config) -> WeightKind:
    """The alphabet that a config's arrays hold a network in. Raises ConfigError."""
    crossbar = config.machine.crossbar
    if crossbar is None:
        raise ConfigError("has no crossbars (machine.crossbar is null), so no arrays to run a model on", config.name)
    weights = crossbar.pair.encoding.weights
    if weights == "unit":
        message = "cannot hold a decoder's weights; takes ternary or binary"
        raise ConfigError([Problem(WEIGHTS_KEY, show(weights), message)], config.name)
    return "binary" if weights == "binary" else "ternary"  # those of several bits hold -1, 0 and 1 as well


def read_inputs(accuracy: AccuracyConfig, kind: WeightKind) -> Inputs:
    """The network and texts that a config names. The last ones read stay in memory, unless their files change.

    Raises:
        WorkloadInputError: files that are missing, broken, too short or too large, or do not fit together.

    """
    return _read(accuracy.model_copy(update={"chips": 1}), kind, _stamp(accuracy))


def input_files(accuracy: AccuracyConfig) -> tuple[Path, ...]:
    """All files that an evaluation reads, as far as they can be told without reading them."""
    folder = network_folder(accuracy.model)
    inside = sorted(path for path in folder.glob("*") if path.suffix in (".json", ".safetensors"))
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
def _read(accuracy: AccuracyConfig, kind: WeightKind, stamp: tuple[Any, ...]) -> Inputs:
    del stamp
    folder, shipped = network_folder(accuracy.model), accuracy.model in (None, *shipped_networks())
    try:
        loaded = load_network(folder, weights=kind)
        trained = understand(read_config_file(folder)).quantisation != "none"
        floats = loaded if trained else load_network(folder, weights="float")
        tokenizer = load_tokenizer(folder)
        if tokenizer.vocab > loaded.network.spec.vocab:
            raise WorkloadInputError(
                f"{_shown(folder)}: the tokenizer has ids up to {tokenizer.vocab - 1}, "
                f"the network tokens up to {loaded.network.spec.vocab - 1}"
            )
        text, path = _tokenized(tokenizer, accuracy.text, HELD_OUT, "text")
        calibration, sample = _tokenized(tokenizer, accuracy.calibration, CALIBRATION, "calibration text")
    except WorkloadError as error:
        hint = f" ({WEIGHTS_KEY} is {kind})" if kind == "binary" else ""
        raise WorkloadInputError(f"{error}{hint}") from error
    network = loaded.network
    windows = cut_windows(len(text.ids), accuracy.tokens, min(network.details.max_positions, MAX_WINDOW))
    _check_size(windows, network.spec.vocab)
    unknown = [*_unknown(tokenizer, text, path), *_unknown(tokenizer, calibration, sample)]
    return Inputs(
        network=network,
        float_network=floats.network,
        text=text,
        calibration=calibration.ids,
        windows=windows,
        model_name=printable(network.spec.name, _NAME_CHARS),
        text_name=printable(path.name, _NAME_CHARS),
        model_reference=accuracy.model or DEFAULT_NETWORK if shipped else str(folder.absolute()),
        warnings=(*loaded.warnings, *unknown),
    )


def cut_windows(available: int, tokens: int, most: int) -> tuple[Window, ...]:
    """Windows that predict `tokens` tokens, rounded up to whole windows, or as many as there are.

    They do not overlap, all are of one length of at most `most`, and they are spread evenly over the text.
    """
    length = min(most, tokens, available - 1)
    whole = (available - 1) // length
    count = min(whole, -(-tokens // length))
    return tuple(Window((2 * number + 1) * whole // (2 * count) * length, length) for number in range(count))


def _check_size(windows: tuple[Window, ...], vocab: int) -> None:
    tokens = sum(window.length for window in windows)
    if tokens * vocab > MAX_LOGITS:
        most = MAX_LOGITS // vocab
        raise WorkloadInputError(f"accuracy.tokens: {tokens} tokens of a vocabulary of {vocab}; at most {most} fit")


def _tokenized(tokenizer: Any, given: str | None, shipped: str, what: str) -> tuple[TokenizedText, Path]:
    """A text's tokens: at least two, so that there is one to predict."""
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
        raise fail("has one token only; at least two are needed, one to predict the other")
    return tokens, path


def _unknown(tokenizer: Any, text: TokenizedText, path: Path) -> list[str]:
    """What to say of characters that the tokenizer has no token for; only one of characters loses any."""
    if not isinstance(tokenizer, CharacterTokenizer) or tokenizer.unknown_id is None:
        return []
    count = int(np.count_nonzero(text.ids == tokenizer.unknown_id))
    if not count:
        return []
    of = f"{count:,} of {len(text.ids):,} characters of {_shown(path)}"
    return [f"{of} are unknown to the tokenizer and count as its token for all of these"]


def _shown(path: Path) -> str:
    return printable(str(path), _NAME_CHARS)
