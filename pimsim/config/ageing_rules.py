"""Keys of ageing cells and their upkeep that have no effect beside other keys, for `pimsim.config.ineffective_keys`."""

from __future__ import annotations

from collections.abc import Callable

from pimsim.config.schema import Config, CrossbarConfig

CROSSBAR, PAIR = "machine.crossbar", "machine.crossbar.pair"
_UPKEEP, _RANGE = f"{PAIR}.upkeep", f"{PAIR}.adc.range"


def _when(condition: Callable[[CrossbarConfig], bool], reason: str) -> Callable[[Config], str]:
    def because(config: Config) -> str:
        crossbar = config.machine.crossbar
        return reason if crossbar is not None and condition(crossbar) else ""

    return because


def _fixed_ranges(crossbar: CrossbarConfig) -> bool:
    return crossbar.pair.adc.range == "full" or crossbar.pair.upkeep.adc_ranges == "at_programming"


def _uncompensated(crossbar: CrossbarConfig) -> bool:
    return crossbar.pair.upkeep.drift_compensation == "none"


def _ageless(crossbar: CrossbarConfig) -> bool:
    pair = crossbar.operating_pair(None)
    drift, upkeep = pair.noise.drift, pair.upkeep
    ages = _activated(crossbar) or pair.noise.telegraph.fraction > 0 or (drift.changes and drift.age_s > drift.start_s)
    return not ages and (upkeep.interval_s is None or not crossbar.calibration_vectors)


def _activated(crossbar: CrossbarConfig) -> bool:
    thermal = crossbar.pair.thermal
    return any((thermal.lrs_tcr, thermal.hrs_ev, thermal.drift_ev))


def _at_reference(config: Config) -> str:
    pair = config.machine.operating_pair
    if pair is None or config.machine.crossbar is None:
        return ""
    stated = config.machine.crossbar.pair.thermal.reference_k
    if pair.thermal.read_k != stated or pair.thermal.written_k != stated:
        return ""
    return f"the arrays are at {PAIR}.thermal.reference_k, {stated:g} K, that their cells are stated for"


AGEING_RULES: tuple[tuple[tuple[str, ...], Callable[[Config], str], tuple[str, ...]], ...] = (
    (
        (f"{PAIR}.noise.drift.age_s",),
        _when(
            lambda crossbar: crossbar.rewrite_interval_s is not None,
            f"{CROSSBAR}.rewrite_interval_s is the age of the oldest cells, at which arrays are read; set it to null "
            "for a stated age",
        ),
        (f"{CROSSBAR}.rewrite_interval_s",),
    ),
    (
        (f"{_UPKEEP}.test_vectors",),
        _when(_uncompensated, f"{_UPKEEP}.drift_compensation=none measures no drift"),
        (f"{_UPKEEP}.drift_compensation",),
    ),
    (
        (f"{_UPKEEP}.interval_s",),
        _when(
            lambda crossbar: _uncompensated(crossbar) and _fixed_ranges(crossbar),
            f"without {_UPKEEP}.drift_compensation and calibrated ADC ranges that are set again at age, nothing is "
            "checked",
        ),
        (f"{_UPKEEP}.drift_compensation", f"{_UPKEEP}.adc_ranges", _RANGE),
    ),
    (
        (f"{_UPKEEP}.adc_ranges",),
        _when(lambda crossbar: crossbar.pair.adc.range == "full", f"{_RANGE}=full needs no sample vectors"),
        (_RANGE,),
    ),
    (
        (f"{_UPKEEP}.adc_ranges",),
        _when(_ageless, f"the cells do not age ({PAIR}.noise.drift), so their ranges are the same at any time"),
        (
            *(f"{PAIR}.noise.drift", f"{PAIR}.noise.telegraph", f"{CROSSBAR}.rewrite_interval_s"),
            *(f"{_UPKEEP}.interval_s", f"{CROSSBAR}.calibration_vectors", f"{PAIR}.thermal"),
        ),
    ),
    (
        (f"{PAIR}.thermal.calibration_k", f"{PAIR}.thermal.reference_k"),
        _when(
            lambda crossbar: not _activated(crossbar),
            f"{PAIR}.thermal has no lrs_tcr, hrs_ev or drift_ev, so cells are the same at every temperature",
        ),
        tuple(f"{PAIR}.thermal.{key}" for key in ("lrs_tcr", "hrs_ev", "drift_ev")),
    ),
    (
        tuple(f"{PAIR}.thermal.{key}" for key in ("lrs_tcr", "hrs_ev", "drift_ev")),
        _at_reference,
        ("machine.temperature_k", *(f"{PAIR}.thermal.{key}" for key in ("temperature_k", "calibration_k"))),
    ),
)
