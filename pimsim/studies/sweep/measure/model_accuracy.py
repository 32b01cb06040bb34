"""What a point's analog arrays make of a trained model: the figures of `pimsim accuracy` that a sweep can ask for.

Model, text, tokens and chips are as the config's section `accuracy` says; chips of all points have the same seeds, so
that points differ by their arrays and not by chance.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pimsim.config.schema import Config
from pimsim.results.run_result import RunResult

NAMES = ("perplexity", "perplexity_per_character", "next_token_agreement")
_KEPT = 4096


@dataclass(frozen=True, slots=True)
class ModelAccuracy:
    """Figures of `pimsim.studies.accuracy.accuracy_result.AccuracyResult`, means over chips."""

    perplexity: float
    perplexity_per_character: float
    next_token_agreement: float


def model_accuracy(result: RunResult) -> ModelAccuracy | None:
    """Of the arrays of a result's config; None if it has none. Raises ConfigError, WorkloadInputError."""
    if result.config.machine.crossbar is None:
        return None
    return _accuracy(_Key(result.config, (result.config.machine.crossbar.pair, result.config.accuracy)))


@dataclass(frozen=True, eq=False)
class _Key:
    """A config, of which only what matters here tells it from others: points that differ elsewhere share a study."""

    config: Config
    what: object

    def __hash__(self) -> int:
        return hash(self.what)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.what == other.what


@lru_cache(_KEPT)
def _accuracy(key: _Key) -> ModelAccuracy:
    from pimsim.studies.accuracy.chips import (
        run_chip,  # these import Numba, which a sweep without such metrics never does
    )
    from pimsim.studies.accuracy.evaluation import ProgressTotal, inputs_of, reference_of, seeds_of

    crossbar = key.config.machine.crossbar
    assert crossbar is not None
    reference = reference_of(inputs_of(key.config), ProgressTotal(0, None))
    # One thread: a sweep's workers have a core each, and the result does not depend on it.
    runs = [run_chip(reference, crossbar.pair, seed, 1, lambda: None) for seed in seeds_of(key.config, 0)]
    tokens = sum(window.length for window in reference.windows)
    characters = sum(map(reference.characters, reference.windows))
    nats = math.fsum(math.fsum(run.nll) / tokens for run in runs) / len(runs)
    return ModelAccuracy(
        perplexity=_exp(nats),
        perplexity_per_character=_exp(nats * tokens / characters),
        next_token_agreement=math.fsum(run.logits.agreement for run in runs) / len(runs),
    )


def _exp(nats: float) -> float:
    return math.exp(nats) if nats < 709 else math.inf


def files_digest(config: Config) -> bytes:
    """A hash of the files that these figures come from."""
    from pimsim.studies.accuracy.evaluation_inputs import input_files

    digest = hashlib.blake2b(digest_size=16)
    for path in input_files(config.accuracy):
        digest.update(_file_digest(path))
    return digest.digest()


@lru_cache(64)
def _file_digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except (OSError, ValueError):
        return b""
