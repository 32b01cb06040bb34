"""Energies by a measured activity: by hand from known weights and inputs, refused files, and everything that runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from crossbar.programmed_matrix import program_matrix
from pimsim import (
    ArrayStudyOptions,
    generate,
    load_config,
    read_activity,
    read_result,
    simulate,
    study_array,
    write_activity,
    write_result,
)
from pimsim.base.errors import ConfigError
from pimsim.config.circuit_rules import WITHOUT_INFLUENCE
from pimsim.config.schema import Config
from pimsim.hardware.machine import build_machine
from pimsim.hardware.measured_energies import DIFFERENCE
from pimsim.results.measured_activity import differing_key
from pimsim.studies.ranges.config_ranges import config_ranges
from tests.support.activity_files import activity_file, activity_of
from tests.support.closeness import near

PAIR = "machine.crossbar.pair"
KEY = "machine.crossbar.activity"
SMALL = {"workload.model": "gpt2-small", "workload.context_length": 12}
IDEAL = {
    f"{PAIR}.wires.model": "none",
    **{f"{PAIR}.noise.variation.{state}.sigma": 0 for state in ("lrs", "hrs")},
    **{f"{PAIR}.noise.faults.stuck_{state}": 0 for state in ("lrs", "hrs")},
}


def with_activity(path: str | Path, **more: Any) -> Config:
    return load_config("pim-llm", SMALL | {KEY: str(path)} | more)


def test_energies_of_known_weights_and_inputs_by_hand(tmp_path: Path) -> None:
    """Three rows and two columns of pairs; a 1 is HRS, so that a 0 has two cells in LRS, +1 and -1 one.

    By row 1 + 2, 2 + 1 and 1 + 1 of four cells are in LRS. Of the inputs (3, -1, 0) and (0, 0, 1) in 8 bits, row 1 has
    2 ones (of 3), row 2 8 (of -1 in two's complement) and row 3 1. A run counts all of the 2 x 8 x 3 row pulses and the
    four cells on each of them.
    """
    weights, x = np.array([[1, 0], [0, -1], [1, 1]], np.int8), np.array([[3, -1, 0], [0, 0, 1]], np.int32)
    config = load_config("pim-llm", SMALL | IDEAL)
    study = study_array(config, weights, activations=x, options=ArrayStudyOptions(chips=1, source_chips=0))
    write_activity(study.activity, tmp_path / "a.h5")
    assert read_activity(tmp_path / "a.h5") == study.activity
    volts, pulse_s, lrs_s, hrs_s = (
        study.params.cell.read_voltage_v,
        study.params.read_pulse_s,
        1 / study.params.cell.lrs_ohm,
        1 / study.params.cell.hrs_ohm,
    )
    conductance_s = 2 * (3 * lrs_s + hrs_s) + 8 * (3 * lrs_s + hrs_s) + 1 * (2 * lrs_s + 2 * hrs_s)
    cell_j = volts**2 * conductance_s * pulse_s / (2 * 8 * 3 * 4)
    stated = simulate(config)
    measured = simulate(load_config(config.model_dump(mode="json"), {KEY: str(tmp_path / "a.h5")}))
    energies = measured.action_energies_j
    assert energies["tile.cell_read"] == near(cell_j)
    assert energies["tile.dac_conversion"] == near(11 / 48 * study.params.dac.conversion_energy_j)
    changed = {name for name in energies if energies[name] != stated.action_energies_j[name]}
    assert {"tile.cell_read", "tile.dac_conversion"} <= changed
    assert all(name.startswith(("tile.cell_read", "tile.dac_conversion")) for name in changed)
    # Only energies change, by what the counts say.
    assert measured.counts == stated.counts
    assert (measured.latency_ps, measured.area_m2) == (stated.latency_ps, stated.area_m2)
    counted = changed & measured.counts.keys()
    more_j = sum(measured.counts[name] * (energies[name] - stated.action_energies_j[name]) for name in counted)
    assert measured.energy_j - stated.energy_j == near(more_j)


def test_drive_of_several_bits_a_pulse_by_hand() -> None:
    """DACs of 2 bits: of 8 bits, 7 are in pulses of 2, 2, 2 and 1 bits, and the sign has a pulse of its own.

    3 is one pulse at level 3 of 3, 1 one at level 1: 1 and 1/9. -1 has ones only: three pulses at level 3, and two at
    level 1: 3 + 2/9.
    """
    params = load_config("pim-llm", IDEAL | {f"{PAIR}.dac.bits": 2}).machine.crossbar.pair  # type: ignore[union-attr]
    activity = program_matrix(np.ones((3, 4), np.int8), params, seed=0).activity(np.array([[3, 1, -1]], np.int32))
    assert activity.rows_active == 1 + 1 + 5
    assert activity.squared_drive == near(4 + 1 / 3)


def test_keys_without_influence_change_no_activity() -> None:
    """Each of the keys at another value, all at once; the rest of the arrays may not differ."""
    changes = {
        **{f"{PAIR}.cell.{key}": 0.123 for key in ("read_voltage_v", "read_activity", "write_voltage_v")},
        **{f"{PAIR}.cell.{key}": 1e-7 for key in ("read_pulse_s", "write_pulse_s", "area_m2")},
        f"{PAIR}.cell.endurance_writes": 10,
        f"{PAIR}.array.rows_at_once": 16,
        f"{PAIR}.array.adcs": 3,
        f"{PAIR}.array.columns_per_adc": 7,
        f"{PAIR}.array.reference_columns": 2,
        f"{PAIR}.dac.sample_rate_hz": 1e6,
        f"{PAIR}.dac.power_w": 0.5,
        f"{PAIR}.dac.area_m2": 1e-7,
        f"{PAIR}.encoding.readout": "separate",
        f"{PAIR}.wires.model": "approximate",
        f"{PAIR}.adc.noise_lsb": 2,
        f"{PAIR}.noise.read.lrs": 0.3,
        f"{PAIR}.sensing.held": False,
        f"{PAIR}.upkeep.drift_compensation": "global",
        f"{PAIR}.correction.gains": "column",
        f"{PAIR}.thermal.lrs_tcr": 1e-3,  # at the temperature that the cells are stated for
    }
    options = ArrayStudyOptions(rows=40, columns=9, vectors=3, chips=1, source_chips=0, adc_bits=())
    one, other = (study_array(load_config("pim-llm", each), options=options).activity for each in ({}, changes))
    figures = [each.figures() for each in (one, other)]
    assert figures[0] == figures[1]
    assert differing_key(one.pair, other.pair) == differing_key(other.pair, one.pair) == ""
    tried = tuple(key.removeprefix(f"{PAIR}.") for key in changes)
    assert not [key for key in WITHOUT_INFLUENCE if not any(f"{each}.".startswith(key) for each in tried)
        and not key.startswith(("lines", "drivers"))]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (f"{PAIR}.cell.lrs_ohm", 5000.0),
        (f"{PAIR}.encoding.activation_bits", 6),
        (f"{PAIR}.dac.bits", 2),
        (f"{PAIR}.noise.faults.stuck_lrs", 0.01),
        (f"{PAIR}.array.columns", 128),
        (f"{PAIR}.noise.write_verify.tolerance", 0.1),
    ],
)
def test_the_activity_of_other_arrays_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{KEY}: .*other arrays: {key} is .* there and {value} here"):
        simulate(with_activity(activity_file(), **{key: value}))


def test_files_that_hold_no_activity_are_refused(tmp_path: Path) -> None:
    def message(path: Path) -> str:
        with pytest.raises(ConfigError) as refused:
            simulate(with_activity(path))
        [problem] = refused.value.problems
        assert problem.path == KEY
        assert "\n" not in str(refused.value)
        return str(refused.value)

    assert "pim-llm: machine.crossbar.activity: " in message(tmp_path / "gone.h5")
    (tmp_path / "text.h5").write_text("no result", encoding="utf-8")
    assert "pimsim array CONFIG --out FILE" in message(tmp_path / "text.h5")
    write_result(simulate(load_config("pim-llm", SMALL)), tmp_path / "run.h5")
    assert "holds the result of a run" in message(tmp_path / "run.h5")
    damage = {"rows_active": 161, "squared_drive": -1.0, "conductance_sum_s": float("nan"), "cell_reads": 0}
    for name, value in damage.items():
        path = tmp_path / f"{name}.h5"
        shutil.copy(activity_file(), path)
        with h5py.File(path, "r+") as file:
            file.attrs[name] = value
        assert name in message(path) or "empty" in message(path)
    (tmp_path / "short.h5").write_bytes(Path(activity_file()).read_bytes()[:3000])
    message(tmp_path / "short.h5")


def test_a_file_that_is_replaced_is_read_again(tmp_path: Path) -> None:
    config = with_activity(tmp_path / "a.h5")
    energies = []
    for driven in (40, 80):
        made = activity_of(rows_active=driven, squared_drive=float(driven))
        write_activity(made, tmp_path / "a.h5")
        energies.append(build_machine(config.machine).action_energies_j()["tile.dac_conversion"])
    assert energies[1] == near(2 * energies[0])


def test_lines_are_charged_by_the_measured_drive() -> None:
    """Select lines carry the inputs: α of docs/circuits.md, eq. (2), is the measured quarter."""
    charged = load_config("pim-llm", {f"{PAIR}.lines": LINES | {"input_line": "select"}})
    measured = load_config(charged.model_dump(mode="json"), {KEY: activity_file()})
    each = build_machine(measured.machine).action_energies_j()["tile.select_line"]
    assert each == near(0.25 * 256 * 1e-15 * 2.0 * 2.0)


LINES = {
    **dict.fromkeys(("word_line_f", "word_end_f", "bit_line_f", "bit_end_f", "bit_swing_v", "select_end_f"), 0.0),
    "select_line_f": 1e-15,
    "select_low_v": 0.0,
    "select_high_v": 2.0,
}


def test_a_stored_result_keeps_it_and_runs_again_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(activity_file(), tmp_path / "a.h5")
    (tmp_path / "mine.yaml").write_text("extends: pim-llm\nmachine: {crossbar: {activity: a.h5}}\n"
        "workload: {model: gpt2-small, context_length: 12}", encoding="utf-8")  # fmt: skip
    config = load_config(tmp_path / "mine.yaml")
    assert config.machine.crossbar is not None
    assert config.machine.crossbar.activity == str(tmp_path / "a.h5")
    monkeypatch.chdir(tmp_path)
    result = simulate(with_activity("a.h5"))
    assert result.energy_j == simulate(config).energy_j
    notes = [note for note in result.notes if "measured" in note]
    assert f"{KEY} {tmp_path / 'a.h5'}: pimsim array of pim-llm, made up, 10 x 5, 2 vectors, seed 7" in notes[0]
    assert notes[1].startswith(DIFFERENCE)
    write_result(result, tmp_path / "r.h5")
    monkeypatch.chdir(tmp_path.parent)
    again = read_result(tmp_path / "r.h5")
    assert again == result
    assert simulate(again.config).energy_j == result.energy_j


def test_ranges_take_the_measured_arrays_as_exact() -> None:
    """Their statistics hold for these arrays alone; voltages and converters still vary."""
    stated, measured = (
        {each.key for each in config_ranges(load_config("pim-llm", overrides), "pim-llm", overrides)}
        for overrides in (SMALL, SMALL | {KEY: activity_file()})
    )
    assert f"{PAIR}.adc.conversion_energy_j" in measured
    exact = ("cell.lrs_ohm", "cell.hrs_ohm", "cell.read_activity", "noise.")
    assert stated - measured == {key for key in stated if key.startswith(tuple(f"{PAIR}.{each}" for each in exact))}


def test_a_generation_states_no_difference_of_one_pass() -> None:
    config = with_activity(activity_file(), **{"workload.phase": "generate", "workload.new_tokens": 2})
    notes = generate(config).notes
    assert sum(KEY in note for note in notes) == 1
    assert not any(note.startswith(DIFFERENCE) for note in notes)


def test_an_activity_without_driven_rows_takes_no_energy(tmp_path: Path) -> None:
    write_activity(activity_of(rows_active=0, squared_drive=0.0, conductance_sum_s=0.0), tmp_path / "a.h5")
    energies = simulate(with_activity(tmp_path / "a.h5")).action_energies_j
    assert energies["tile.cell_read"] == energies["tile.dac_conversion"] == 0
