"""Description of the array of a config in words; each line names the source of its values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from crossbar.params import CrossbarParams, StateSpread
from crossbar.sources import present
from pimsim.base.shipped_files import defaults_path, find_config, list_configs
from pimsim.base.units import dimension_of_key, format_quantity
from pimsim.config.loading import load_config
from pimsim.config.provenance import Provenance, read_provenance
from pimsim.config.schema import Config

PAIR = "machine.crossbar.pair"

_ALPHABETS = {"binary": "binary weights (-1, +1)", "ternary": "ternary weights (-1, 0, +1)", "unit": "weights 0 and 1"}
_CELLS = {
    "differential": "in differential pairs of cells",
    "reference_column": "in single cells with a reference column",
    "offset": "in single cells with a digital offset",
}
_READOUTS = {"difference": " of the difference", "separate": " of each current"}
_REMAPPINGS = {
    "none": "no remapping of columns",
    "spares": "spare columns replace the columns with the largest stuck-at error",
    "columns": "columns are assigned to the bit lines with the smallest stuck-at error",
}
_COMPENSATIONS = {"global": "one factor per matrix", "per_array": "one factor per array"}
_RANGES = {
    "full": "full range of possible sums",
    "calibrated": "range calibrated with sample vectors",
    "per_column": "range calibrated per column with sample vectors",
}
_GAINS = {"column": "one per column of an array", "row_group": "one per column and group of rows"}


class DescriptionLine(NamedTuple):
    """One line of a description.

    Attributes:
        what: Subject of the line.
        text: Values in words, with units.
        source: Source of the first value; "set by this config" if the config changes the sourced value.
    """

    what: str
    text: str
    source: str


def describe_array(config: Config) -> list[DescriptionLine]:
    """Describe the array of a config in words.

    Args:
        config: Config with crossbars.

    Returns:
        Lines on weights, cells, array, activations and ADC, and one line for each error source that is present.
    """
    params = config.machine.operating_pair
    assert params is not None
    sources = _Sources(config)
    return [DescriptionLine(what, text, sources.of(key)) for what, text, key in _lines(params)]


def _lines(params: CrossbarParams) -> Iterator[tuple[str, str, str]]:
    encoding, cell, array, adc, dac = params.encoding, params.cell, params.array, params.adc, params.dac
    weights = _ALPHABETS.get(encoding.weights) or f"{encoding.weights} weights in {encoding.slices} slices"
    state = {"one_is_lrs": "LRS", "one_is_hrs": "HRS"}[encoding.polarity]
    stored = _CELLS[encoding.cells]
    if params.reference_columns > 1:
        stored = f"in single cells with {params.reference_columns} reference columns per array"
    yield "weights", f"{weights} {stored}; 1 is {state}", "encoding.weights"
    ratio = cell.hrs_ohm / cell.lrs_ohm
    yield "cells", f"LRS {_q(cell.lrs_ohm, '_ohm')}, HRS {_q(cell.hrs_ohm, '_ohm')} (1 : {ratio:.3g})", "cell.lrs_ohm"
    grid = f"{array.rows} x {array.columns} cells, {array.driven_rows} rows active at once"
    yield "array", grid, "array.rows"
    if array.spare_columns or array.remapping != "none":
        spares = "no spare columns" if not array.spare_columns else f"{_count(array.spare_columns, 'spare column')}"
        yield "remapping", f"{_REMAPPINGS[array.remapping]}; {spares}", "array.remapping"
    planes = params.planes(encoding.activation_bits)
    signed = {"unsigned": "unsigned", "twos_complement": "two's complement"}[encoding.activations]
    pulses = (
        f"{_count(encoding.activation_bits, 'bit')} {signed} in {_count(planes, 'pulse')} of {_count(dac.bits, 'bit')}"
    )
    yield "activations", pulses, "encoding.activation_bits"
    separate = _READOUTS[encoding.readout] if encoding.cells == "differential" else ""
    yield "ADC", f"{_count(adc.bits, 'bit')}{separate}, {_RANGES[adc.range]}", "adc.bits"
    if params.correction.gains != "none":
        sums = ", and a factor of the sum of the inputs" if params.correction.input_sums else ""
        yield (
            "gains",
            f"{_GAINS[params.correction.gains]}, {params.correction.gain_bits} bits{sums}",
            "correction.gains",
        )
    yield from _noise(params)


def _noise(params: CrossbarParams) -> Iterator[tuple[str, str, str]]:
    """Describe the error sources that are present. ADC resolution and range are described with the ADC.

    Args:
        params: Parameters of the arrays.

    Yields:
        Subject, text, and the key (below `machine.crossbar.pair`) whose source is cited.
    """
    noise, wires, adc, sources = params.noise, params.wires, params.adc, present(params)
    if "variation" in sources:
        yield "variation", _variation(params), _variation_key(params)
    if "read_noise" in sources:
        text = f"standard deviation {noise.read.lrs:.3g} in LRS, {noise.read.hrs:.3g} in HRS"
        yield "read noise", text, "noise.read.lrs"
    if "drift" in sources:
        age = _q(noise.drift.age_s, "_s")
        yield "drift", f"{age} after programming, nu {noise.drift.exponent:.3g}", "noise.drift.age_s"
    yield from _upkeep(params)
    if "telegraph" in sources:
        trap = noise.telegraph
        text = f"{trap.fraction:.2%} of the cells, amplitude -{trap.amplitude:.3g}"
        yield "telegraph", text, "noise.telegraph.fraction"
    if "temperature" in sources:
        thermal = params.thermal
        text = f"read at {thermal.read_k:g} K, calibrated at {thermal.written_k:g} K"
        yield "temperature", text, "thermal.calibration_k"
    if "faults" in sources:
        faults = noise.faults
        text = f"{faults.stuck_lrs:.2%} of the cells stuck in LRS, {faults.stuck_hrs:.2%} in HRS"
        yield "faults", text, "noise.faults.stuck_lrs"
    if "wires" in sources:
        lines = f"{_q(wires.word_line_ohm, '_ohm')} per cell of word line, {_q(wires.bit_line_ohm, '_ohm')} of bit line"
        for name, ends in (("word", wires.word_ends), ("bit", wires.bit_ends)):
            lines += f", both ends of {name} lines" if ends > 1 else ""
        if wires.attenuates_noise or params.correction.gains != "none":
            lines += f", read noise {'' if wires.attenuates_noise else 'not '}attenuated"
        yield "wires", f"{lines}; {wires.model} model", "wires.word_line_ohm"
    if "dac" in sources:
        yield "drivers", f"standard deviation {params.dac.level_error:.3g} steps per level", "dac.level_error"
    if "adc_imperfections" in sources:
        steps = f"offset {adc.offset_lsb:.3g}, INL {adc.inl_lsb:.3g}, noise {adc.noise_lsb:.3g} steps"
        text = f"standard deviations: {steps}, gain {adc.gain_error:.3g}"
        yield "ADC errors", text, "adc.offset_lsb"


def _upkeep(params: CrossbarParams) -> Iterator[tuple[str, str, str]]:
    upkeep, aged = params.upkeep, "drift" in present(params)
    ago = "" if upkeep.interval_s is None else f", {_q(upkeep.interval_s, '_s')} before the read"
    if upkeep.drift_compensation != "none":
        vectors = f"{_count(upkeep.test_vectors, 'test vector')}{ago}"
        text = f"{_COMPENSATIONS[upkeep.drift_compensation]}, of {vectors}"
        yield "compensation", text, "upkeep.drift_compensation"
    if aged and params.adc.range != "full":
        again = f"set again for aged cells{ago}"
        text = "set when the cells were programmed" if upkeep.adc_ranges == "at_programming" else again
        yield "ADC ranges", text, "upkeep.adc_ranges"


def _variation(params: CrossbarParams) -> str:
    variation = params.noise.variation
    if variation.sigma_polynomial is not None:
        text = "normal, standard deviation is a polynomial of the conductance"
    else:
        text = f"LRS {_spread(variation.lrs)}, HRS {_spread(variation.hrs)}"
    verify = params.noise.write_verify
    return (
        text
        if verify.tolerance is None
        else f"{text}; write-verify to {verify.tolerance:.3g}, at most {verify.max_pulses} pulses"
    )


def _variation_key(params: CrossbarParams) -> str:
    polynomial = params.noise.variation.sigma_polynomial
    return "noise.variation." + ("lrs.sigma" if polynomial is None else "sigma_polynomial.0")


def _spread(spread: StateSpread) -> str:
    return f"{spread.distribution}, standard deviation {spread.sigma:.3g}"


def _q(value: float, key: str) -> str:
    dimension = dimension_of_key(key)
    assert dimension is not None
    return format_quantity(value, dimension)


class _Sources:
    """Lookup of the sources of config values.

    The source of a key is cited from the shipped config with the same name, or else from the defaults, if the value is
    the same there.

    Args:
        config: Described config.
    """

    def __init__(self, config: Config) -> None:
        self._values = config.model_dump(mode="json")
        files = [find_config(config.name)] if config.name in list_configs() else []
        self._files = [
            (read_provenance(file, words=True), load_config(file).model_dump(mode="json"))
            for file in (*files, defaults_path())
        ]

    def of(self, key: str) -> str:
        path = f"{PAIR}.{key}"
        for provenance, values in self._files:
            if path in provenance:
                return (
                    _cited(provenance[path]) if _at(values, path) == _at(self._values, path) else "set by this config"
                )
        return ""


def _cited(provenance: Provenance) -> str:
    letter = f" [{provenance.confidence}]" if provenance.confidence else ""
    return f"{provenance.source}{letter}"


def _at(tree: Any, path: str) -> Any:
    """Return the value at a dotted path.

    Args:
        tree: Config as nested dicts and lists.
        path: Dotted path; list items by number.

    Returns:
        The value; None if the path does not exist.
    """
    for step in path.split("."):
        if isinstance(tree, list):
            tree = tree[int(step)] if int(step) < len(tree) else None
        else:
            tree = tree.get(step) if isinstance(tree, dict) else None
    return tree


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
