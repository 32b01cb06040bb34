"""The study of a config's array: figures of `crossbar.error_analysis`, beside what the timing side assumes."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest

import pimsim
from crossbar.programmed_matrix import program_matrix
from crossbar.samples import chip_seeds, random_activations, random_weights
from pimsim import ArrayStudy, ArrayStudyOptions, load_config, simulate, study_array
from pimsim.base.errors import ConfigError, WorkloadInputError
from pimsim.base.shipped_files import list_configs
from pimsim.present.formats import to_json
from pimsim.studies.array.array_description import describe_array
from pimsim.studies.array.array_result import source_label
from tests.support.closeness import near

PAIR = "machine.crossbar.pair"
IDEAL_WIRES = f"{PAIR}.wires.model=none"
SMALL = ArrayStudyOptions(rows=40, columns=30, vectors=8, chips=3, seed=5)


@pytest.fixture(scope="module")
def study() -> ArrayStudy:
    return study_array(load_config("pim-llm"), options=SMALL)


def test_it_is_frozen_json_and_pandas(study: ArrayStudy) -> None:
    with pytest.raises(FrozenInstanceError):
        study.seed = 1  # type: ignore[misc]
    told = json.loads(to_json(study.to_dict()))
    assert told["summary"]["snr_db"]["mean"] == study.snr_db.mean
    assert len(told["columns"]) == 30
    assert load_config(told["config"]) == study.config
    frame = study.to_dataframe()
    assert frame["rms"].tolist() == [chip.rms for chip in study.chips]
    assert told["sources"] == json.loads(to_json(study.source_rows()))


def test_the_matrix_and_the_chips_are_those_of_the_seed(study: ArrayStudy) -> None:
    params = study.params
    weights, x = random_weights(params.encoding, 40, 30, 5), random_activations(params.encoding, 8, 40, 5)
    seen = program_matrix(weights, params, chip_seeds(5, 3)[1]).observe(x)
    assert study.chips[1].rms == near(seen.errors.rms)
    given = study_array(load_config("pim-llm"), weights, activations=x, options=ArrayStudyOptions(chips=3, seed=5))
    assert given.chips == study.chips
    assert given.sources == study.sources
    assert (given.matrix, study.matrix) == ("given weights", "random ternary weights")
    assert study_array(load_config("pim-llm"), options=replace(SMALL, seed=6)).chips != study.chips


def test_without_a_size_it_is_that_of_one_array() -> None:
    config = load_config("pim-llm", [f"{PAIR}.array.{key}=24" for key in ("rows", "columns", "rows_at_once", "adcs")])
    one = study_array(config, options=ArrayStudyOptions(vectors=2, chips=1, source_chips=0))
    assert (one.inputs, one.outputs, one.sources[0].alone, one.by_adc_bits) == (24, 24, None, ())


def test_energy_by_the_data_by_hand() -> None:
    config = load_config("pim-llm", [f"{PAIR}.noise.variation.{s}.sigma=0" for s in ("lrs", "hrs")] + [IDEAL_WIRES,
        f"{PAIR}.noise.faults.stuck_lrs=0", f"{PAIR}.noise.faults.stuck_hrs=0"])  # fmt: skip
    weights, x = np.array([[1, 0], [0, -1], [1, 1]], np.int8), np.array([[3, -1, 0], [0, 0, 1]], np.int32)
    study = study_array(config, weights, activations=x, options=ArrayStudyOptions(chips=1, source_chips=0))
    reading, cell = study.reading, study.params.cell
    # One is HRS: a 0 has two cells in LRS, +1 and -1 one. By row: 1 + 2, 2 + 1, 1 + 1 in LRS of four cells.
    rows_s = [lrs / cell.lrs_ohm + (4 - lrs) / cell.hrs_ohm for lrs in (3, 3, 2)]
    pulses = [2, 8, 1]  # ones of 3, of -1 in two's complement, of 1
    assert reading.rows_active == sum(pulses)
    assert reading.row_pulses == 2 * 8 * 3
    assert reading.cell_reads == 2 * 8 * 3 * 2 * 2
    assert reading.conversions == 2 * 8 * 2
    energy_j = cell.read_voltage_v**2 * cell.read_pulse_s * sum(g * n for g, n in zip(rows_s, pulses, strict=True))
    assert reading.cell_energy_j == near(energy_j)
    assert reading.cell_read_energy_j == near(energy_j / reading.cell_reads)
    assert reading.ratio == near(energy_j / reading.cell_reads / (cell.read_power_w * cell.read_pulse_s))
    assert reading.dac_energy_j == near(11 * study.params.dac.conversion_energy_j)
    assert reading.adc_energy_j == near(32 * study.params.adc.energy_per_conversion_j)


def test_cells_are_read_as_often_as_the_timing_side_counts() -> None:
    # The projections of a run, vector by vector: each cell of each matrix once per pulse.
    result = simulate(load_config("pim-llm", ["workload.model=gpt2-small"]))
    op = next(op for op in result.ops if "tile.cell_read" in op.counts)
    reads = 8 * 2 * op.macs
    assert op.counts["tile.cell_read"] == reads
    inputs = 768
    size = ArrayStudyOptions(rows=inputs, columns=op.macs // inputs, vectors=1, chips=1, source_chips=0)
    study = study_array(result.config, options=size)
    assert study.reading.cell_reads == reads
    charged = replace(
        result, action_energies_j={**result.action_energies_j, "tile.cell_read": study.reading.cell_read_energy_j}
    )
    more_j = charged.energies_j["tile.cell_read"] - result.energies_j["tile.cell_read"]
    assert charged.energy_j == near(result.energy_j + more_j)
    assert charged.energies_j["tile.cell_read"] == near(result.energies_j["tile.cell_read"] * study.reading.ratio)


def test_programming_by_hand(study: ArrayStudy) -> None:
    cell = study.params.cell
    assert study.writing.writes == 2 * 40 * 30
    assert study.writing.energy_j == near(2400 * cell.write_energy_j)
    assert study.writing.time_s == near(1200 * cell.write_pulse_s)
    assert study.writing.endurance_used == near(1 / cell.endurance_writes)


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    options = replace(SMALL, adc_bits=(4,))
    study_array(load_config("pim-llm"), options=options, progress=lambda done, of: told.append((done, of)))
    runs = 3 + 3 * (6 + 6 + 1)
    assert told[-1] == (runs, runs)
    assert len(told) == runs


def test_a_machine_without_crossbars_has_no_array() -> None:
    with pytest.raises(ConfigError, match=r"tpu-llm: has no crossbars \(machine\.crossbar is null\)"):
        study_array(load_config("tpu-llm"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"rows": 0}, "0 x 256 weights"),
        ({"columns": -1}, "256 x -1 weights"),
        ({"rows": 10**6, "columns": 10**6}, "weights: their number must be from 1 to"),
        ({"vectors": 0}, "0 vectors"),
        ({"chips": 0}, "chips is 0"),
        ({"chips": -4}, "chips is -4"),
        ({"seed": -1}, "seed is -1"),
        ({"weights": [[2]]}, "ternary weights are integers"),
        ({"weights": [[0.5]]}, "must be integers"),
        ({"weights": 3}, "must be \\[in, out\\]"),
        ({"weights": [[1, 2], [3]]}, "not an array"),
        ({"weights": [[1]], "rows": 1}, "rows and columns are the size of random weights"),
    ],
)
def test_what_cannot_be_used_is_told(options: dict[str, Any], told: str) -> None:
    weights = options.pop("weights", None)
    with pytest.raises(WorkloadInputError, match=told):
        study_array(load_config("pim-llm"), weights, options=ArrayStudyOptions(**options))


def test_it_is_public_and_loaded_on_first_use() -> None:
    assert {"ArrayStudy", "study_array"} <= set(pimsim.__all__)


# --- words ----------------------------------------------------------------------------------------------------------


def test_every_shipped_config_has_words_for_its_array() -> None:
    for name in list_configs():
        config = load_config(name)
        if config.machine.crossbar is not None:
            words = {each.what: each for each in describe_array(config)}
            assert {"weights", "cells", "array", "activations", "ADC"} <= set(words)
            assert all(each.source for each in words.values()), name


def test_words_say_what_the_config_says_and_where_it_is_from() -> None:
    words = {each.what: (each.text, each.source) for each in describe_array(load_config("pim-llm"))}
    assert words["weights"][0] == "ternary weights (-1, 0, +1) in differential pairs of cells; 1 is HRS"
    assert words["cells"] == (
        "LRS 10 kOhm, HRS 1 MOhm (1 : 100)",
        "MNSIM Device_Resistance, 130 nm 1T1R [A]",
    )
    assert words["activations"][0] == "8 bits two's complement in 8 pulses of 1 bit"
    assert words["wires"][0] == "2.82 Ohm per cell of word line, 2.82 Ohm of bit line; approximate model"
    assert "drift" not in words


def test_what_a_config_changes_is_its_own() -> None:
    values = {
        "cell.lrs_ohm": "5 kOhm",
        "noise.drift.age_s": 86400,
        "noise.drift.exponent": 0.1,
        "noise.telegraph.fraction": 0.1,
        "noise.telegraph.amplitude": 0.3,
        "noise.write_verify.tolerance": 0.1,
        "dac.level_error": 0.1,
        "adc.noise_lsb": 0.5,
    }
    settings = [f"{PAIR}.{key}={value}" for key, value in values.items()]
    words = {each.what: (each.text, each.source) for each in describe_array(load_config("pim-llm", settings))}
    assert words["cells"] == ("LRS 5 kOhm, HRS 1 MOhm (1 : 200)", "set by this config")
    assert words["drift"][1] == words["telegraph"][1] == words["drivers"][1] == "set by this config"
    assert "noise 0.5 steps" in words["ADC errors"][0]
    assert "write-verify to 0.1" in words["variation"][0]


def test_labels() -> None:
    assert [source_label(name) for name in ("read_noise", "adc_quantisation", "dac", "wires")] == [
        "read noise",
        "ADC quantisation",
        "DAC levels",
        "wires",
    ]
