"""Accuracy metrics of a sweep: a trained model evaluated on the analog arrays of a point's config.

The config's section `accuracy` selects the model, the text, the number of tokens and the number of chips. The chips of
all points have the same seeds, so that points differ because of their arrays and not by chance.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from crossbar.intervals import Interval, mean_interval
from pimsim.base.errors import WorkloadInputError
from pimsim.config.schema import Config
from pimsim.hardware.tile_kinds import has_pair
from pimsim.results.run_result import RunResult
from pimsim.simulation import model_spec
from workloads.huggingface import read_model_config
from workloads.mixture import Routing
from workloads.models import ModelSpec
from workloads.shipped import network_folder
from workloads.workload_errors import WorkloadError

MODEL_FIGURES = ("perplexity", "perplexity_per_character", "next_token_agreement", "perplexity_ratio")
MODEL_METRICS = tuple(f"{name}{end}" for name in MODEL_FIGURES for end in ("", "_low", "_high"))
_CACHE_SIZE = 4096


@dataclass(frozen=True, slots=True)
class ModelAccuracy:
    """Accuracy of a trained model: means over chips with their 95 % confidence intervals, as `AccuracyResult` has them.

    The ends of an interval are unknown if only one chip was evaluated; those of the ratio also with one window.

    Attributes:
        perplexity: Perplexity per token.
        perplexity_per_character: Perplexity per character of the text.
        next_token_agreement: Fraction of positions whose likeliest token is that of the exact model; not known with
            `accuracy.sampled_layers`.
        perplexity_ratio: Perplexity over that of the exact model, from paired differences; over chips and windows.
    """

    perplexity: Interval
    perplexity_per_character: Interval
    next_token_agreement: Interval | None
    perplexity_ratio: Interval


def model_accuracy(result: RunResult) -> ModelAccuracy | None:
    """Evaluate the trained model of a result's config on its analog arrays.

    Args:
        result: Result of the run; only its config is used.

    Returns:
        Accuracy, mean over chips; None if the config has no analog arrays, or if the network of `accuracy.model` is not
        the model of the workload, whose speed and energy the other metrics of the point state.

    Raises:
        ConfigError: If the encoding of the arrays cannot hold the weights of the model.
        WorkloadInputError: If a file of the model or the text is missing, invalid or too short, or if the arrays
            refuse the model's weights or activations.
    """
    if not has_pair(result.config.machine) or not _is_of_workload(result.config):
        return None
    return _accuracy(_Key(result.config, _relevant(result.config)))


def _relevant(config: Config) -> tuple[object, ...]:
    """Return the sections and values of a config that the accuracy depends on."""
    crossbar, softmax = config.machine.crossbar, config.machine.vector.softmax
    assert crossbar is not None
    sums = crossbar.output_bits, crossbar.pes_per_tile
    pair = config.machine.operating_pair
    return pair, config.accuracy, config.workload.kv, softmax, sums, config.mapping.matrix_precision


def _is_of_workload(config: Config) -> bool:
    """Return whether the evaluated network has the name and the shape of the workload's model.

    Args:
        config: Config of a point.

    Returns:
        True if both are the same; False for a trace, which names no network.

    Raises:
        WorkloadInputError: If the `config.json` of the evaluated network cannot be read.
    """
    if config.workload.trace is not None:
        return False
    try:
        evaluated = read_model_config(network_folder(config.accuracy.model))
    except WorkloadError as error:
        raise WorkloadInputError(f"accuracy.model: {error}") from error
    return _shape(evaluated) == _shape(model_spec(config))


def _shape(spec: ModelSpec) -> ModelSpec:
    # Routing and form of attention change times and no weights.
    experts = None if spec.experts is None else replace(spec.experts, routing=Routing())
    latent = None if spec.latent is None else replace(spec.latent, form="absorbed")
    return replace(spec, aliases=(), notes=(), source="", confidence="R", experts=experts, latent=latent)


@dataclass(frozen=True, eq=False)
class _Key:
    """Cache key: a config that is compared only by the sections that the accuracy depends on."""

    config: Config
    relevant: object

    def __hash__(self) -> int:
        return hash(self.relevant)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.relevant == other.relevant


@lru_cache(_CACHE_SIZE)
def _accuracy(key: _Key) -> ModelAccuracy:
    # These modules import Numba. A sweep without accuracy metrics never imports it.
    from pimsim.studies.accuracy.chips import run_chip
    from pimsim.studies.accuracy.evaluation import (
        ProgressTotal,
        inputs_of,
        reference_of,
        sample_of,
        seeds_of,
        tile_sums_of,
        weights_by_role,
    )
    from pimsim.studies.accuracy.paired_ratio import paired_increase, perplexity_of

    pair = key.config.machine.operating_pair
    assert pair is not None
    reference = reference_of(key.config, inputs_of(key.config), ProgressTotal(0, None))
    # One thread, because each worker of a sweep has one core. The result does not depend on the number of threads.
    sums = tile_sums_of(key.config)
    weights_of = weights_by_role(key.config)
    sample = sample_of(key.config, reference.inputs)
    runs = [
        run_chip(reference, pair, seed, 1, lambda: None, sums, weights_of, sample) for seed in seeds_of(key.config, 0)
    ]
    lengths = [window.length for window in reference.windows]
    tokens = sum(lengths)
    characters = sum(map(reference.characters, reference.windows))
    agreement = mean_interval([run.logits.agreement for run in runs])
    nats = mean_interval([math.fsum(run.nll) / tokens for run in runs]).limited(0.0)
    return ModelAccuracy(
        perplexity=nats.mapped(perplexity_of),
        perplexity_per_character=nats.mapped(lambda value: perplexity_of(value * tokens / characters)),
        next_token_agreement=agreement.limited(0.0, 1.0) if sample is None else None,
        perplexity_ratio=paired_increase([run.nll for run in runs], reference.exact_nll, lengths).mapped(perplexity_of),
    )


def files_digest(config: Config) -> bytes:
    """Compute a hash of the files that the accuracy metrics of a config depend on.

    Args:
        config: Config of a point.

    Returns:
        Digest of 16 bytes over the model and the text.
    """
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
