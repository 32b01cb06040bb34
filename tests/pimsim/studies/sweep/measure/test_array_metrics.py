"""Figures of the arrays in a sweep: those of the array itself, the same for points that differ elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from crossbar.programmed_matrix import program_matrix
from crossbar.samples import chip_seeds, random_activations, random_weights
from pimsim import load_config, simulate
from pimsim.base.errors import WorkloadInputError
from pimsim.studies.sweep.measure.array_metrics import CHIPS, INPUTS, OUTPUTS, VECTORS, array_errors
from pimsim.studies.sweep.measure.metrics import METRICS
from tests.support.closeness import near

IDEAL_WIRES = "machine.crossbar.pair.wires.model=none"
SMALL = "workload.model=gpt2-small"


def test_they_are_those_of_the_same_chips_multiplied_here() -> None:
    config = load_config("pim-llm", [IDEAL_WIRES, SMALL])
    result = simulate(config)
    assert config.machine.crossbar is not None
    pair = config.machine.crossbar.pair
    weights = random_weights(pair.encoding, INPUTS, OUTPUTS)
    x = random_activations(pair.encoding, VECTORS, INPUTS)
    exact = x @ weights.astype(np.int64)
    off = np.stack([program_matrix(weights, pair, seed).multiply(x) - exact for seed in chip_seeds(0, CHIPS)])
    snr_db = 10 * np.log10(np.mean(exact.astype(float) ** 2) / np.mean(off.astype(float) ** 2))
    assert METRICS["array_snr_db"].of(result) == near(snr_db, rel=1e-9)
    assert METRICS["array_rms_error"].of(result) == near(np.sqrt(np.mean(off.astype(float) ** 2)), rel=1e-9)


def test_points_that_differ_elsewhere_share_them() -> None:
    one, other = (
        simulate(load_config("pim-llm", [SMALL, IDEAL_WIRES, f"workload.context_length={n}"])) for n in (1, 9)
    )
    assert array_errors(one) is array_errors(other)


def test_finer_converters_err_less_until_cells_set_the_limit() -> None:
    def snr_db(bits: int) -> float:
        config = load_config("pim-llm", [SMALL, IDEAL_WIRES, f"machine.crossbar.pair.adc.bits={bits}"])
        value = METRICS["array_snr_db"].of(simulate(config))
        assert value is not None
        return value

    assert snr_db(3) < snr_db(4) < snr_db(5) < snr_db(6)


def test_a_machine_without_arrays_has_none() -> None:
    assert (
        METRICS["array_snr_db"].of(
            simulate(load_config("tpu-llm", [SMALL, "machine.crossbar=null", "machine.mesh=null"]))
        )
        is None
    )


def test_what_an_array_cannot_hold_fails_the_point_with_its_message() -> None:
    wires = "machine.crossbar.pair.wires.word_line_ohm=1e-13"
    with pytest.raises(WorkloadInputError, match=r"machine\.crossbar\.pair"):
        METRICS["array_snr_db"].of(simulate(load_config("pim-llm", [SMALL, wires])))
