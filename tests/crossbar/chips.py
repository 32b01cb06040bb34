"""Chips to test: the parameters of a shipped config with every error off, changed key by key and checked again."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from crossbar.encoding import activation_range, weight_code
from crossbar.params import CrossbarParams, EncodingParams
from pimsim.config.loading import load_config

SHIPPED = load_config("pim-llm").machine.crossbar.pair.model_dump()
_NO_SPREAD = {"distribution": "normal", "sigma": 0.0}
IDEAL: dict[str, Any] = {
    "noise.variation": {"lrs": _NO_SPREAD, "hrs": _NO_SPREAD, "sigma_polynomial": None},
    "noise.write_verify": {"tolerance": None, "max_pulses": 1},
    "noise.read": {"lrs": 0.0, "hrs": 0.0},
    "noise.faults": {"stuck_lrs": 0.0, "stuck_hrs": 0.0},
    "wires.model": "none",
    "adc.range": "full",
    "encoding.polarity": "one_is_lrs",
}
ALPHABETS = ("binary", "ternary", "unit", "int2", "int3", "int4", "int5", "int6", "int7", "int8")


def chip(changes: dict[str, Any] | None = None) -> CrossbarParams:
    """An ideal chip but for `changes`, from dotted key to value."""
    tree = _copied(SHIPPED)
    for key, value in {**IDEAL, **(changes or {})}.items():
        *folders, name = key.split(".")
        place = tree
        for folder in folders:
            place = place[folder]
        place[name] = _copied(value)
    return CrossbarParams.model_validate(tree)


def _copied(value: Any) -> Any:
    return {name: _copied(part) for name, part in value.items()} if isinstance(value, dict) else value


def small(changes: dict[str, Any] | None = None) -> CrossbarParams:
    """As `chip`, with arrays of some rows and columns that fit neither words of 32 nor tiles of 16."""
    array = {"array.rows": 45, "array.columns": 21, "array.rows_at_once": 19, "array.adcs": 5}
    return chip({**array, "adc.bits": 8, "encoding.activation_bits": 4, **(changes or {})})


def sufficient_bits(params: CrossbarParams) -> int:
    """The fewest ADC bits with which every sum of ideal cells has a code of its own."""
    largest = params.array.driven_rows * (2**params.dac.bits - 1)
    encoding = params.encoding
    if encoding.cells == "differential" and encoding.readout == "difference":
        return largest.bit_length() + 1
    if encoding.cells == "reference_column":
        return largest.bit_length()
    # All rows in LRS: their currents, and what cells in HRS would conduct besides.
    hrs_steps = 1 / (params.cell.hrs_ohm / params.cell.lrs_ohm - 1)
    return int(np.ceil(largest * (1 + hrs_steps))).bit_length()


def with_adc_bits(params: CrossbarParams, bits: int) -> CrossbarParams:
    """The same chip with other ADCs."""
    return params.model_copy(update={"adc": params.adc.model_copy(update={"bits": bits})})


def random_weights(params: CrossbarParams, shape: tuple[int, int], seed: int) -> NDArray[np.int64]:
    """Uniform over the alphabet."""
    code = weight_code(params.encoding)
    alphabet = np.array([w for w in range(code.lowest, code.highest + 1) if w != code.excluded])
    return np.random.default_rng(seed).choice(alphabet, shape)


def random_vectors(params: CrossbarParams, vectors: int, inputs: int, seed: int) -> NDArray[np.int64]:
    """Uniform over what the format of activations holds."""
    low, high = activation_range(params.encoding)
    return np.random.default_rng(seed).integers(low, high, (vectors, inputs), endpoint=True)


def encodings() -> st.SearchStrategy[dict[str, Any]]:
    """Every way to store weights and to send activations."""
    ways: dict[str, st.SearchStrategy[Any]] = {
        "encoding.weights": st.sampled_from(ALPHABETS),
        "encoding.cells": st.sampled_from(("differential", "reference_column", "offset")),
        "encoding.readout": st.sampled_from(("difference", "separate")),
        "encoding.polarity": st.sampled_from(("one_is_lrs", "one_is_hrs")),
        "dac.bits": st.integers(1, 8),
    }
    formats = st.one_of(
        st.tuples(st.just("unsigned"), st.integers(1, 8)), st.tuples(st.just("twos_complement"), st.integers(2, 8))
    )
    return st.builds(
        lambda chosen, format_: {**chosen, "encoding.activations": format_[0], "encoding.activation_bits": format_[1]},
        st.fixed_dictionaries(ways),
        formats,
    )


def arrays(largest: int = 48) -> st.SearchStrategy[dict[str, Any]]:
    """Arrays of every size up to `largest`, with every limit on rows at once."""
    sizes = st.tuples(st.integers(1, largest), st.integers(1, largest))
    return sizes.flatmap(
        lambda size: st.fixed_dictionaries(
            {
                "array.rows": st.just(size[0]),
                "array.columns": st.just(size[1]),
                "array.rows_at_once": st.integers(1, size[0]),
                "array.adcs": st.integers(1, size[1]),
                "array.reference_columns": st.integers(1, size[1]),
            }
        )
    )


def encoding_of(**changes: Any) -> EncodingParams:
    """An encoding alone."""
    return chip({f"encoding.{name}": value for name, value in changes.items()}).encoding
