"""ADCs of the points of a sweep: how their energy, rate and area follow from a design of another resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crossbar.adc_series import AdcScaling
from pimsim.base.errors import PimsimError
from pimsim.config.loading import load_config
from pimsim.config.schema import Config
from pimsim.mapping.circuit_notes import input_bits, narrowed
from pimsim.simulation import load_trace
from pimsim.studies.sweep.table.sweep_results import SweepResults

_ADC = "machine.crossbar.pair.adc"
_INTEGRATION = "machine.crossbar.pair.sensing.integration"
_KEYS = (
    *(f"{_ADC}.{name}" for name in ("bits", "energy_bits", "series", "kind")),
    # These decide how many bits later phases have.
    _INTEGRATION,
    *(f"machine.crossbar.pair.{name}" for name in ("dac.bits", "encoding.activation_bits", "encoding.activations")),
    "workload.trace",
)


def adc_scalings(results: SweepResults, rows: Sequence[Mapping[str, Any]] | None = None) -> tuple[AdcScaling, ...]:
    """Return the derivations of the figures of the ADCs of a sweep.

    Args:
        results: Results of the sweep.
        rows: The points of interest, each with values by column name; None means all points.

    Returns:
        Distinct derivations, in the order of the points; none for ADCs whose figures are stated for their resolution,
        and none if rows lack the columns that decide.
    """
    # Values of other keys cannot change an ADC, so points that are equal in these are one.
    axes = [(axis.name, key) for axis in results.axes for key in axis.keys if _decides(key)]
    names = [name for name, _ in axes]
    if rows and not rows[0].keys() >= set(names):
        return ()
    columns = [results.columns[name] if rows is None else [row[name] for row in rows] for name in names]
    base, found = results.config.model_dump(mode="json"), dict[AdcScaling, None]()
    for values in dict.fromkeys(zip(*columns, strict=True)) if columns else [()]:
        settings = [f"{key}={value}" for (_, key), value in zip(axes, values, strict=True)]
        try:
            config = load_config(base, settings)
            found |= dict.fromkeys(_scalings(config))
        except PimsimError:
            continue  # these points failed, or other axes complete their ADCs
    return tuple(found)


def _scalings(config: Config) -> tuple[AdcScaling, ...]:
    own, crossbar = config.machine.adc_scaling, config.machine.crossbar_tile
    derived = () if own is None else (own,)
    if crossbar is None or crossbar.pair.sensing.integration is None:
        return derived
    trace = None if config.workload.trace is None else load_trace(config.workload.trace)
    return (*derived, *narrowed(config, input_bits(config, trace)))


def _decides(key: str) -> bool:
    return key.startswith(f"{_INTEGRATION}.") or any(f"{each}.".startswith(f"{key}.") for each in _KEYS)
