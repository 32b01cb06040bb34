"""From a config to perplexity on its arrays, beside what the same chip takes for it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from crossbar.array_errors import CrossbarError
from crossbar.samples import chip_seeds
from pimsim.base.errors import WorkloadInputError
from pimsim.base.units import ps_to_s
from pimsim.config.loading import load_config
from pimsim.config.schema import Config
from pimsim.simulation import simulate
from pimsim.studies.accuracy.accuracy_result import (
    AccuracyResult,
    ChipAccuracy,
    LayerErrors,
    MachineFigures,
    SiteErrors,
    WindowAccuracy,
)
from pimsim.studies.accuracy.chips import ChipRun, run_chip
from pimsim.studies.accuracy.evaluation_inputs import Inputs, read_inputs, weight_kind
from pimsim.studies.accuracy.measures import Powers
from pimsim.studies.accuracy.reference import Reference, refer, steps
from pimsim.version import __version__

Path = str | os.PathLike[str]
Progress = Callable[[int, int], None]
"""Told after each window that a model has read how many are done, of how many."""


class ProgressTotal:
    """Tells a progress how far several steps are together."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.done, self.total, self.progress = 0, total, progress

    def tick(self) -> None:
        """One step more is done."""
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
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> AccuracyResult:
    """Let a network read a text on several chips of a config, and run its shape on the same machine.

    Args:
        config: with crossbars. What is not given otherwise is as its section `accuracy` says.
        model: a folder with config.json, safetensors and tokenizer.json, or a shipped network by name.
        text: a UTF-8 file.
        calibration: a UTF-8 file whose activations set calibrated ADC ranges.
        chips: how many; each has its own seed, spawned from `seed`.
        tokens: how many to predict, in windows spread evenly over the text.
        seed: of everything random.
        threads: of the compiled loops; no result depends on it. None: one per core.
        progress: told how far it is.

    Raises:
        ConfigError: a config without crossbars, or with arrays for other weights; numbers out of range.
        WorkloadInputError: a model or text that cannot be used.
        CapacityError: a model that needs more tiles than the machine has.

    """
    config = with_accuracy(config, model=model, text=text, calibration=calibration, chips=chips, tokens=tokens)
    inputs = inputs_of(config)
    seeds = seeds_of(config, seed)
    machine = machine_figures(config, inputs)
    counter = ProgressTotal(steps(inputs) + len(seeds) * len(inputs.windows), progress)
    reference = reference_of(inputs, counter)
    return evaluate_point(config, reference, machine, seed, threads, counter)


def with_accuracy(config: Config, **given: Any) -> Config:
    """A config with other values in its section `accuracy`, where they are not None. Raises ConfigError."""
    texts = {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in given.items()}
    settings = [f"accuracy.{name}={json.dumps(value)}" for name, value in texts.items() if value is not None]
    return load_config(config.model_dump(mode="json"), settings) if settings else config


def inputs_of(config: Config) -> Inputs:
    """What a config has evaluated. Raises ConfigError, WorkloadInputError."""
    return read_inputs(config.accuracy, weight_kind(config))


def seeds_of(config: Config, seed: int) -> tuple[int, ...]:
    """Seeds of its chips. Raises WorkloadInputError."""
    try:
        return chip_seeds(seed, config.accuracy.chips)
    except CrossbarError as error:
        raise WorkloadInputError(str(error)) from error


def reference_of(inputs: Inputs, counter: ProgressTotal) -> Reference:
    """What the exact model makes of some inputs. The last ones are kept: points of a sweep have them in common."""
    kept = _REFERENCES.pop(inputs, None)
    if kept is None:
        kept = refer(inputs, counter.tick)
    else:
        counter.total -= steps(inputs)
    _REFERENCES[inputs] = kept
    while len(_REFERENCES) > MAX_REFERENCES:
        del _REFERENCES[next(iter(_REFERENCES))]
    return kept


_REFERENCES: dict[Inputs, Reference] = {}
MAX_REFERENCES = 2


def machine_figures(config: Config, inputs: Inputs) -> MachineFigures:
    """The machine running the network's shape. Raises WorkloadInputError, CapacityError."""
    most = inputs.network.details.max_positions
    old = config.workload
    changes = {
        "model": inputs.model_reference,
        "trace": None,
        "phase": "decode" if old.phase == "generate" else old.phase,
        "context_length": min(old.context_length, most),
        "prompt_length": min(old.prompt_length, most),
        "d_ff": None,
        "gated": None,
    }
    run = simulate(config.model_copy(update={"workload": old.model_copy(update=changes)}))
    return MachineFigures(
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


def evaluate_point(
    config: Config,
    reference: Reference,
    machine: MachineFigures,
    seed: int,
    threads: int | None,
    counter: ProgressTotal,
) -> AccuracyResult:
    """All chips of a config. Raises WorkloadInputError."""
    crossbar = config.machine.crossbar
    assert crossbar is not None
    runs = [run_chip(reference, crossbar.pair, each, threads, counter.tick) for each in seeds_of(config, seed)]
    inputs = reference.inputs
    return AccuracyResult(
        config=config,
        version=__version__,
        model=inputs.model_name,
        text=inputs.text_name,
        seed=seed,
        windows=tuple(
            WindowAccuracy(window.start, window.length, reference.characters(window), *nats)
            for window, *nats in zip(reference.windows, reference.float_nll, reference.exact_nll, strict=True)
        ),
        chips=tuple(map(_chip, runs)),
        sites=tuple(
            SiteErrors(site.layer, site.role, powers.snr_db, powers.saturated_part)
            for site, powers in _pooled([run.sites for run in runs]).items()
        ),
        layers=tuple(
            LayerErrors(layer, powers.snr_db) for layer, powers in _pooled([run.layers for run in runs]).items()
        ),
        machine=machine,
        warnings=inputs.warnings,
    )


def _chip(run: ChipRun) -> ChipAccuracy:
    conversions, saturated = (
        sum(getattr(powers, name) for powers in run.sites.values()) for name in ("conversions", "saturated")
    )
    return ChipAccuracy(
        seed=run.seed,
        window_nll=tuple(run.nll),
        agreement=run.logits.agreement,
        kl=run.logits.kl,
        logit_snr_db=run.logits.snr_db,
        saturated=saturated / conversions if conversions else 0.0,
        writes=run.writes,
        write_energy_j=run.write_energy_j,
    )


def _pooled(runs: list[Any]) -> dict[Any, Powers]:
    """The powers of all chips together, by site or layer."""
    total: dict[Any, Powers] = {}
    for run in runs:
        for key, powers in run.items():
            total[key] = total.get(key, Powers()) + powers
    return total
