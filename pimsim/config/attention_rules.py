"""Keys of the units of attention that have no effect beside other keys, for `pimsim.config.ineffective_keys`."""

from __future__ import annotations

from collections.abc import Callable

from pimsim.config.schema import Config

_NEAR = ("level", "activation", "column_s", "macs_per_cycle", "clock_hz")
_NEAR_ENERGIES = ("mac_energy_j", "read_energy_j_per_bit", "transfer_energy_j_per_bit")
_MACROS = ("rows", "columns", "active_rows", "input_bits_per_cycle", "clock_hz", "write_bits_per_cycle")
_MACROS_ENERGIES = ("bit_mac_energy_j", "write_energy_j_per_bit", "add_energy_j", "bus_energy_j_per_bit")
_SWAPS = ("swap_macros", "swap_path")
_CHOICE = ("kept_share", "method", "gathering", "clock_hz", "add_energy_j")
_WINNERS, _ADCS = ("winner_s", "winner_energy_j", "winner_area_m2"), ("adcs", "conversion_s", "conversion_energy_j")
_NUMBERS = ("seed", "iterations")
_CODED = (
    *("subspaces", "centroids", "input_bits", "rows", "pulse_s", "winner_s", "winner_energy_j", "conversion_s"),
    *("conversion_energy_j", "cell_energy_j", "code_memory_bytes", "code_energy_j_per_bit", "centroid_bits", *_NUMBERS),
)
"""Keys of `machine.prediction` that only product quantisation needs; arrays and read-out count with their area."""
PREDICTION_NUMBERS = tuple(f"machine.prediction.{key}" for key in ("centroid_bits", *_NUMBERS))
"""Keys that change what is computed, and no time, energy or area."""


def _unused(unit: str) -> Callable[[Config], str]:
    return lambda config: (
        f"mapping.attention={config.mapping.attention} computes no attention there; the unit counts with its area and "
        "leakage"
        if config.mapping.attention != unit
        else ""
    )


def _refuses(config: Config) -> str:
    macros = config.machine.sram_cim
    return (
        "machine.sram_cim.overflow=refuse swaps nothing" if macros is not None and macros.overflow == "refuse" else ""
    )


def _ranks_exactly(config: Config) -> str:
    prediction = config.machine.prediction
    exact = prediction is not None and prediction.method == "exact"
    return "machine.prediction.method=exact ranks entries by their scores and codes no keys" if exact else ""


def _read_by(readout: str) -> Callable[[Config], str]:
    def because(config: Config) -> str:
        prediction = config.machine.prediction
        return f"machine.prediction.readout is {readout}" if prediction and prediction.readout == readout else ""

    return because


ATTENTION_RULES: tuple[tuple[tuple[str, ...], Callable[[Config], str], tuple[str, ...]], ...] = (
    (
        tuple(f"machine.near_memory.{key}" for key in (*_NEAR, *_NEAR_ENERGIES)),
        _unused("near_memory"),
        ("mapping.attention",),
    ),
    (
        tuple(
            f"machine.sram_cim.{key}"
            for key in (*_MACROS, *_MACROS_ENERGIES, *_SWAPS, "bus_bits_per_cycle", "overflow")
        ),
        _unused("sram_cim"),
        ("mapping.attention",),
    ),
    (
        tuple(f"machine.prediction.{key}" for key in (*_CHOICE, *_CODED)),
        _unused("sram_cim"),
        ("mapping.attention",),
    ),
    (tuple(f"machine.prediction.{key}" for key in _CODED), _ranks_exactly, ("machine.prediction.method",)),
    (tuple(f"machine.prediction.{key}" for key in _WINNERS), _read_by("adc"), ("machine.prediction.readout",)),
    (
        tuple(f"machine.prediction.{key}" for key in (*_ADCS, "adc_area_m2")),
        _read_by("winner_take_all"),
        ("machine.prediction.readout",),
    ),
    (tuple(f"machine.sram_cim.{key}" for key in _SWAPS), _refuses, ("machine.sram_cim.overflow",)),
)
"""Keys, why they have no effect (empty: they have one), and the keys on which that depends."""
