"""Assembly of the result of an evaluation from the measurements of all chips."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pimsim.base.plugins import plugin_records
from pimsim.config.schema import Config
from pimsim.hardware.measured_energies import activity_notes
from pimsim.hardware.operating_temperature import temperature_notes
from pimsim.hardware.technology import technology_notes
from pimsim.inference.projections import Site
from pimsim.mapping.ageing_notes import ageing_notes
from pimsim.mapping.circuit_notes import circuit_notes, input_bits
from pimsim.studies.accuracy.accuracy_records import (
    ChipAccuracy,
    LayerErrors,
    SiteErrors,
    TimedMachine,
    WindowAccuracy,
)
from pimsim.studies.accuracy.accuracy_result import AccuracyResult
from pimsim.studies.accuracy.chips import ChipRun
from pimsim.studies.accuracy.key_codebooks import selection_notes
from pimsim.studies.accuracy.kv_figures import cache_figures, cache_warnings
from pimsim.studies.accuracy.measures import Powers
from pimsim.studies.accuracy.reference import Reference
from pimsim.studies.accuracy.sampled_layers import LayerSample, layer_sample
from pimsim.version import __version__


def assembled(
    config: Config, reference: Reference, machine: TimedMachine, seed: int, runs: list[ChipRun]
) -> AccuracyResult:
    """Combine the measurements of all chips of a config.

    Args:
        config: Evaluated config.
        reference: Likelihoods of the float and the exact model; its logits are not used.
        machine: Speed and energy of the machine.
        seed: Seed from which the seeds of the chips are spawned.
        runs: Measurements by chip.

    Returns:
        Result of the config.
    """
    inputs = reference.inputs
    sample = layer_sample(config, inputs.network.spec.layers)
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
            SiteErrors(site.layer, site.role, powers.snr_db, powers.saturated_fraction)
            for site, powers in _by_layer(_pooled([_whole_matrices(run.sites) for run in runs]), sample)
        ),
        layers=tuple(
            LayerErrors(layer, powers.snr_db) for layer, powers in _pooled([run.layers for run in runs]).items()
        ),
        machine=machine.figures,
        kv_caches=(cache_figures(reference),),
        warnings=(*inputs.warnings, *_format_warnings(reference), *cache_warnings(reference)),
        notes=(
            *(() if sample is None else sample.notes(len(runs))),
            *inputs.network.spec.notes_at(machine.figures.context_length),
            *config.workload.kv.spec().notes_at(machine.figures.context_length),
            *selection_notes(reference.formats.selection),
            *technology_notes(config.machine),
            *temperature_notes(config.machine),
            *activity_notes(config.machine),
            *circuit_notes(config, input_bits(config)),
            *ageing_notes(config),
        ),
        accounting=machine.accounting,
        plugins=plugin_records(),
    )


def _by_layer(powers: Mapping[Site, Powers], sample: LayerSample | None) -> Iterable[tuple[Site, Powers]]:
    """Return powers in the order of the layers, which chips with different samples of them have not."""
    return powers.items() if sample is None else sorted(powers.items(), key=lambda each: each[0].layer)


def _whole_matrices(powers: Mapping[Site, Powers]) -> dict[Site, Powers]:
    """Add the powers of the blocks of inputs of each matrix, in units of the sums.

    Args:
        powers: Powers by block.

    Returns:
        Powers by matrix, as its first block.
    """
    return _pooled([{site._replace(block=0): each} for site, each in powers.items()])


def _format_warnings(reference: Reference) -> Iterator[str]:
    if reference.network.has_consmax and reference.formats.softmax == "exact":
        yield "the network has the constants of ConSmax, but machine.vector.softmax is exact: it was trained otherwise"


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
    """Add the signal and noise powers of all chips.

    Args:
        runs: Powers by site or by layer, one mapping per chip.

    Returns:
        Sum of the powers for each site or layer.
    """
    total: dict[Any, Powers] = {}
    for run in runs:
        for key, powers in run.items():
            total[key] = total.get(key, Powers()) + powers
    return total
