"""Keys of calibrated ADC ranges, digital gains and wires without effect, for `pimsim.config.ineffective_keys`."""

from __future__ import annotations

from collections.abc import Callable

from crossbar.params import CrossbarParams
from pimsim.config.schema import Config

_PAIR = "machine.crossbar.pair"
_RANGE, _GAINS, _WIRES = f"{_PAIR}.adc.range", f"{_PAIR}.correction.gains", f"{_PAIR}.wires.model"


def _when(condition: Callable[[CrossbarParams], bool], reason: str) -> Callable[[Config], str]:
    def because(config: Config) -> str:
        crossbar = config.machine.crossbar
        return reason if crossbar is not None and condition(crossbar.pair) else ""

    return because


def _full_range(pair: CrossbarParams) -> bool:
    return pair.adc.range == "full"


def _no_gains(pair: CrossbarParams) -> bool:
    return pair.correction.gains == "none"


CORRECTION_RULES: tuple[tuple[tuple[str, ...], Callable[[Config], str], tuple[str, ...]], ...] = (
    (
        (f"{_PAIR}.adc.range_coverage",),
        _when(_full_range, f"{_RANGE}=full needs no sample vectors"),
        (_RANGE,),
    ),
    (
        ("machine.crossbar.calibration_vectors",),
        _when(
            lambda pair: _full_range(pair) and _no_gains(pair),
            f"{_RANGE}=full and {_GAINS}=none need no sample vectors",
        ),
        (_RANGE, _GAINS),
    ),
    (
        (
            *(f"{_PAIR}.correction.gain_bits", f"{_PAIR}.correction.input_sums"),
            *("machine.crossbar.digital.multiply_energy_j", "machine.crossbar.digital.multiplier_area_m2"),
        ),
        _when(_no_gains, f"{_GAINS}=none has no gains"),
        (_GAINS,),
    ),
    (
        (f"{_PAIR}.wires.attenuates_noise",),
        _when(lambda pair: pair.wires.model == "none", f"{_WIRES}=none has ideal wires"),
        (_WIRES,),
    ),
)
"""Keys, a function that returns why they have no effect in a config, and the keys on which that depends."""
