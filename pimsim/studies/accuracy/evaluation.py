"""Evaluation of a config: perplexity on its analog arrays, and speed and energy of the same chip."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path as FilePath
from typing import Any

from crossbar.array_errors import CrossbarError
from crossbar.samples import chip_seeds
from pimsim.base.errors import ConfigError, Problem, WorkloadInputError, show
from pimsim.base.units import ps_to_s
from pimsim.config.loading import load_config
from pimsim.config.schema import PROJECTION_ROLES, Config
from pimsim.inference.narrow_sums import TileSums
from pimsim.mapping.pass_options import number_formats
from pimsim.simulation import simulate
from pimsim.studies.accuracy.accuracy_records import (
    MachineFigures,
    TimedMachine,
)
from pimsim.studies.accuracy.accuracy_result import AccuracyResult
from pimsim.studies.accuracy.chips import ChipSettings, run_chip
from pimsim.studies.accuracy.evaluation_inputs import Inputs, read_inputs, weight_kind
from pimsim.studies.accuracy.integer_rules import check_codes, weight_bits
from pimsim.studies.accuracy.key_codebooks import selection_of
from pimsim.studies.accuracy.kv_figures import check_groups
from pimsim.studies.accuracy.reference import NumberFormats, Reference, compute_reference, reference_steps
from pimsim.studies.accuracy.result_assembly import assembled
from pimsim.studies.accuracy.sampled_layers import LayerSample, layer_sample
from pimsim.studies.accuracy.stream_state import StreamFolder, flat
from pimsim.studies.accuracy.streaming import StreamedEvaluation, fingerprints

Path = str | os.PathLike[str]
Progress = Callable[[int, int], None]
"""Function of the number of finished and of all progress steps, called after each forward pass over a window."""


class ProgressTotal:
    """Counter that reports the progress of several computations as one.

    Args:
        total: Expected number of steps of all computations together.
        progress: Function to report to; None means no reports.
    """

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.done, self.total, self.progress = 0, total, progress

    def tick(self) -> None:
        """Count one finished step and report it."""
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)


def evaluate_accuracy(
    config: Config,
    model: Path | None = None,
    text: Path | None = None,
    *,
    calibration: Path | None = None,
    chips: int | None = None,
    tokens: int | None = None,
    sampled_layers: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
    stream: Path | None = None,
) -> AccuracyResult:
    """Evaluate a network on several chips of a config, and simulate speed and energy of the same machine.

    Args:
        config: Config with crossbars. Arguments that are None are taken from its section `accuracy`.
        model: Folder with config.json, safetensors and tokenizer.json, or the name of a shipped network.
        text: UTF-8 file to evaluate on.
        calibration: UTF-8 file whose activations set calibrated ADC ranges.
        chips: Number of chips; each has a seed of its own, spawned from `seed`.
        tokens: Number of tokens to predict, rounded up to whole windows that are spread evenly over the text.
        sampled_layers: Layers of each chip on arrays, from which those with all layers are estimated.
        seed: Seed of all random numbers.
        threads: Number of threads of the compiled loops; None means one per core. The result does not depend on it.
        progress: Called after each forward pass over a window; with `stream`, at the beginning and after each layer and
            the LM head.
        stream: Folder for the state of an evaluation layer by layer, which needs the memory of one layer and continues
            after an interruption; None means that the whole model is in memory. The result does not depend on it.

    Returns:
        Perplexities of the float model, the exact model and the arrays, errors by layer, and speed and energy.

    Raises:
        ConfigError: If the config has no crossbars, its arrays cannot store the weights, or a number is out of range.
        WorkloadInputError: If the model or a text cannot be used.
        CapacityError: If the model needs more tiles than the machine has.
        OutputError: If the state cannot be written.
        StreamInterrupted: If Ctrl-C is pressed in an evaluation layer by layer.

    Reference:
        docs/accuracy.md.
    """
    given = {"model": model, "text": text, "calibration": calibration, "chips": chips, "tokens": tokens}
    config = with_accuracy(config, **given, sampled_layers=sampled_layers)
    if stream is not None:
        return _evaluate_streamed(config, seed, threads, progress, FilePath(stream))
    inputs = inputs_of(config)
    seeds = seeds_of(config, seed)
    machine = machine_figures(config, inputs)
    counter = ProgressTotal(reference_steps(inputs) + len(seeds) * len(inputs.windows), progress)
    reference = reference_of(config, inputs, counter)
    return evaluate_point(config, reference, machine, seed, threads, counter)


def _evaluate_streamed(
    config: Config, seed: int, threads: int | None, progress: Progress | None, folder: FilePath
) -> AccuracyResult:
    inputs = inputs_of(config, streamed=True)
    seeds = seeds_of(config, seed)
    machine = machine_figures(config, inputs)
    pair = config.machine.operating_pair
    assert pair is not None
    sample = sample_of(config, inputs)
    chips = ChipSettings(pair, seeds, tile_sums_of(config), weights_by_role(config), threads, sample)
    evaluation = StreamedEvaluation(inputs, formats_of(config), chips)
    own = {"seed": seed, **fingerprints(inputs), **dict(flat(config.model_dump(mode="json")))}
    with closing(StreamFolder(folder, own, inputs.network.spec.d_model)) as state:
        reference, runs = evaluation.run(state, progress)
    return assembled(config, reference, machine, seed, runs)


def with_accuracy(config: Config, **given: Any) -> Config:
    """Return a config with other values in its section `accuracy`.

    Args:
        config: Config to start from.
        **given: New values by key of the section; None leaves a key unchanged.

    Returns:
        The validated new config; `config` itself if all values are None.

    Raises:
        ConfigError: If a value is not valid.
    """
    texts = {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in given.items()}
    settings = [f"accuracy.{name}={json.dumps(value)}" for name, value in texts.items() if value is not None]
    return load_config(config.model_dump(mode="json"), settings) if settings else config


def inputs_of(config: Config, *, streamed: bool = False) -> Inputs:
    """Read the network and the texts that a config evaluates.

    Args:
        config: Config with crossbars.
        streamed: Whether the layers of the network stay on disk.

    Returns:
        Network, texts and windows; the last two that were read stay in memory.

    Raises:
        ConfigError: If the config has no crossbars, its arrays cannot store the weights of a decoder, its vector unit
            computes ConSmax and the network has no constants for it, groups of the KV cache do not divide its heads,
            or it has fewer layers than `accuracy.sampled_layers`.
        WorkloadInputError: If the model or a text cannot be used.
    """
    bits = weight_bits(config, weights_by_role(config))
    inputs = read_inputs(config.accuracy, weight_kind(config), bits, streamed=streamed)
    check_codes(config, inputs.network, weights_by_role(config))
    if config.machine.vector.softmax == "consmax" and not inputs.network.has_consmax:
        message = f"needs constants that {inputs.model_name} was not trained with; set machine.vector.softmax=exact"
        raise ConfigError([Problem("machine.vector.softmax", show("consmax"), message)], config.name)
    check_groups(config, inputs)
    sample_of(config, inputs)
    return inputs


def sample_of(config: Config, inputs: Inputs) -> LayerSample | None:
    """Return the sample of layers that the chips of a config have on arrays.

    Args:
        config: Config with crossbars.
        inputs: Network of the evaluation.

    Returns:
        The sample; None means all layers.

    Raises:
        ConfigError: If the network has fewer layers.
    """
    return layer_sample(config, inputs.network.spec.layers)


def seeds_of(config: Config, seed: int) -> tuple[int, ...]:
    """Spawn the seeds of the chips of a config.

    Args:
        config: Config; `accuracy.chips` is the number of chips.
        seed: Seed from which the seeds are spawned.

    Returns:
        One seed per chip.

    Raises:
        WorkloadInputError: If `seed` is out of range.
    """
    try:
        return chip_seeds(seed, config.accuracy.chips)
    except CrossbarError as error:
        raise WorkloadInputError(str(error)) from error


def formats_of(config: Config) -> NumberFormats:
    """Return the number formats that a config's machine computes a network with, the same as in its traces.

    Args:
        config: Config with crossbars.

    Returns:
        Bits of activations, what the KV cache keeps, the softmax, and the entries of attention that are computed.
    """
    activation_bits = number_formats(config)["activation_bits"]
    kv, softmax = config.workload.kv.spec(), config.machine.vector.softmax
    return NumberFormats(activation_bits, kv, softmax, selection_of(config))


def tile_sums_of(config: Config) -> TileSums:
    """Return the width of the sums that leave the tiles of a config, the same as in its time and energy.

    Args:
        config: Config with crossbars.

    Returns:
        `machine.crossbar.output_bits`, and the arrays whose results a tile adds.
    """
    crossbar = config.machine.crossbar
    assert crossbar is not None
    return TileSums(crossbar.output_bits, crossbar.pes_per_tile)


def weights_by_role(config: Config) -> dict[str, str]:
    """Return the weights of the roles that do not have those of the arrays, the same as in time and energy.

    Args:
        config: Its `mapping.matrix_precision`.

    Returns:
        Alphabet, or "systolic", by role; without the LM head, which is computed exactly.
    """
    stated = config.mapping.matrix_precision
    return {role: weights for role in PROJECTION_ROLES if (weights := getattr(stated, role)) is not None}


def reference_of(config: Config, inputs: Inputs, counter: ProgressTotal) -> Reference:
    """Return the results of the exact model, from the cache if possible.

    The last `MAX_REFERENCES` results stay in the cache, because the points of a sweep share them.

    Args:
        config: Config with crossbars, which decides on the number formats.
        inputs: Network, text and windows.
        counter: Progress; its total is reduced if the result comes from the cache.

    Returns:
        Results of the float and the exact model.
    """
    formats = formats_of(config)
    key = (inputs, formats)
    reference = _REFERENCES.pop(key, None)
    if reference is None:
        known = next((each.float_nll for (other, _), each in _REFERENCES.items() if other is inputs), None)
        reference = compute_reference(inputs, formats, counter.tick, known)
    else:
        counter.total -= reference_steps(inputs)
    _REFERENCES[key] = reference
    while len(_REFERENCES) > MAX_REFERENCES:
        del _REFERENCES[next(iter(_REFERENCES))]
    return reference


_REFERENCES: dict[tuple[Inputs, NumberFormats], Reference] = {}
MAX_REFERENCES = 2
"""Number of references in the cache. The most recently used reference is the last entry of `_REFERENCES`."""


def machine_figures(config: Config, inputs: Inputs) -> TimedMachine:
    """Simulate the machine of a config with the shape of the evaluated network as its workload.

    A `generate` workload is replaced by a decode step, and contexts are limited to the positions of the network.

    Args:
        config: Config with crossbars.
        inputs: Network and texts of the evaluation.

    Returns:
        Speed, energy and area of the machine, with what they count and leave out.

    Raises:
        WorkloadInputError: If the shape cannot be simulated.
        CapacityError: If the network needs more tiles than the machine has.
    """
    most = inputs.network.details.max_positions
    old = config.workload
    changes = {
        "model": inputs.model_reference,
        "trace": None,
        "phase": "prefill" if old.phase == "prefill" else "decode",
        "context_length": min(old.context_length, most),
        "prompt_length": min(old.prompt_length, most),
        "d_ff": None,
        "gated": None,
    }
    run = simulate(config.model_copy(update={"workload": old.model_copy(update=changes)}))
    figures = MachineFigures(
        phase=run.phase,
        context_length=run.context_length,
        latency_s=run.latency_s,
        energy_j=run.energy_j,
        tokens_per_s=run.tokens_per_s,
        tokens_per_j=run.tokens_per_j,
        gops=run.gops,
        gops_per_w=run.gops_per_w,
        area_m2=run.area_m2,
        weight_load_s=ps_to_s(run.weight_load_ps),
    )
    return TimedMachine(figures, run.accounting)


def evaluate_point(
    config: Config,
    reference: Reference,
    machine: TimedMachine,
    seed: int,
    threads: int | None,
    counter: ProgressTotal,
) -> AccuracyResult:
    """Evaluate all chips of a config and combine the results.

    Args:
        config: Config with crossbars.
        reference: Results of the exact model for the same inputs.
        machine: Speed and energy of the machine.
        seed: Seed from which the seeds of the chips are spawned.
        threads: Number of threads of the compiled loops; None means one per core.
        counter: Progress; one step per chip and window.

    Returns:
        Result of the config.

    Raises:
        WorkloadInputError: If the arrays cannot store the weights or cannot process the activations.
    """
    pair = config.machine.operating_pair
    assert pair is not None
    sums = tile_sums_of(config)
    weights_of = weights_by_role(config)
    sample = sample_of(config, reference.inputs)
    runs = [
        run_chip(reference, pair, each, threads, counter.tick, sums, weights_of, sample)
        for each in seeds_of(config, seed)
    ]
    return assembled(config, reference, machine, seed, runs)
