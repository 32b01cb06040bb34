"""Energy of conversions by measured codes: from the array to the run, old files, and arrays with other codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import pytest

from crossbar.code_energy import energy_factor
from pimsim import ArrayStudyOptions, load_config, read_activity, simulate, study_array, write_activity
from pimsim.base.errors import ConfigError
from pimsim.config.circuit_rules import WITHOUT_INFLUENCE, WITHOUT_INFLUENCE_ON_CODES, is_measured
from pimsim.config.ineffective_keys import ineffective_keys
from pimsim.hardware.machine import build_machine
from tests.support.activity_files import activity_file, activity_of
from tests.support.closeness import near

ADC = "machine.crossbar.pair.adc"
KEY = "machine.crossbar.activity"
SMALL = {"workload.model": "gpt2-small", "workload.context_length": 12}
COUNTS = tuple(range(64))


def measured(path: Path, procedure: str = "monotonic", **changes: Any) -> dict[str, Any]:
    """Write an activity with codes and return the settings of a run with it."""
    made = activity_of(overrides={f"{ADC}.code_energy": procedure}, codes=COUNTS, **changes)
    write_activity(made, path)
    assert read_activity(path) == made
    return SMALL | {KEY: str(path), f"{ADC}.code_energy": procedure}


def conversion_j(settings: dict[str, Any]) -> float:
    return build_machine(load_config("pim-llm", settings).machine).action_energies_j()["tile.adc_conversion"]


@pytest.mark.parametrize("procedure", ["conventional", "split", "monotonic", "vcm"])
def test_a_run_takes_the_energy_of_the_codes(tmp_path: Path, procedure: str) -> None:
    settings = measured(tmp_path / "a.h5", procedure)
    for fraction in (0.0, 0.3, 1.0):
        energy_j = conversion_j(settings | {f"{ADC}.code_energy_fraction": fraction})
        assert energy_j == near(10.08e-12 * energy_factor(procedure, fraction, COUNTS))  # type: ignore[arg-type]
    # Codes are counted once for all procedures, and a run without one does not use them.
    assert conversion_j(settings | {f"{ADC}.code_energy": "none"}) == near(10.08e-12)


def test_from_the_array_to_the_run(tmp_path: Path) -> None:
    """The energy of the first chip's conversions in both; only energies of the run change, by what it counts."""
    settings = SMALL | {f"{ADC}.code_energy": "vcm", "machine.crossbar.pair.wires.model": "none"}
    config = load_config("pim-llm", settings)
    options = ArrayStudyOptions(rows=40, columns=9, vectors=3, chips=1, source_chips=0, adc_bits=())
    study = study_array(config, options=options)
    reading = study.reading
    assert sum(reading.codes) == reading.conversions == sum(study.activity.codes)
    assert reading.mean_conversion_energy_j == near(10.08e-12)
    write_activity(study.activity, tmp_path / "a.h5")
    with_codes = load_config("pim-llm", settings | {KEY: str(tmp_path / "a.h5")})
    run, stated = simulate(with_codes), simulate(config)
    energy_j = run.action_energies_j["tile.adc_conversion"]
    assert energy_j == near(reading.conversion_energy_j)
    assert energy_j > 1.05 * 10.08e-12  # sums lie in the middle of the range, where codes take more
    assert (run.counts, run.latency_ps) == (stated.counts, stated.latency_ps)
    changed = {name for name, each in run.action_energies_j.items() if each != stated.action_energies_j[name]}
    more_j = sum(
        run.counts[name] * (run.action_energies_j[name] - stated.action_energies_j[name])
        for name in changed & run.counts.keys()
    )
    assert run.energy_j - stated.energy_j == near(more_j)
    [note] = [each for each in run.notes if "are measured" in each]
    assert "an ADC conversion " in note
    assert f"{ADC}.code_energy=vcm" in note


def test_without_measured_codes_a_run_takes_the_mean_and_says_so() -> None:
    stated, plain = (simulate(load_config("pim-llm", SMALL | {f"{ADC}.code_energy": each})) for each in ("vcm", "none"))
    assert stated.energy_j == plain.energy_j
    assert sum(f"{ADC}.code_energy=vcm needs the codes" in note for note in stated.notes) == 1
    assert not any("code_energy" in note for note in plain.notes)
    assert list(ineffective_keys(load_config("pim-llm"), [f"{ADC}.code_energy_fraction"])) == [
        f"{ADC}.code_energy_fraction"
    ]


def test_files_without_codes_are_refused(tmp_path: Path) -> None:
    """As those of an earlier version, or of a config whose conversions take the same energy."""
    with pytest.raises(ConfigError, match=r"has no codes, on which .*code_energy=split depends; measure with this key"):
        simulate(load_config("pim-llm", SMALL | {KEY: activity_file(), f"{ADC}.code_energy": "split"}))
    settings = measured(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file["codes"]
    assert read_activity(tmp_path / "a.h5").codes == ()
    assert conversion_j(settings | {f"{ADC}.code_energy": "none"}) == near(10.08e-12)


@pytest.mark.parametrize("codes", [(1, 2, 3), (0,) * 64])
def test_codes_that_cannot_be_are_refused(tmp_path: Path, codes: tuple[int, ...]) -> None:
    settings = measured(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file["codes"]
        file.create_dataset("codes/conversions", data=codes, chunks=(len(codes),), compression="gzip")
    with pytest.raises(ConfigError, match="codes has "):
        simulate(load_config("pim-llm", settings))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("adc.bits", 7), ("adc.range", "full"), ("adc.noise_lsb", 0.5), ("array.rows_at_once", 64),
        ("wires.model", "none"), ("encoding.readout", "separate"), ("noise.read.lrs", 0.1), ("sensing.mode", "voltage"),
    ],
)  # fmt: skip
def test_arrays_with_other_codes_are_refused_only_if_codes_count(tmp_path: Path, key: str, value: Any) -> None:
    pair = "machine.crossbar.pair"
    settings = measured(tmp_path / "a.h5") | {f"{pair}.{key}": value}
    with pytest.raises(ConfigError, match=f"other arrays: {pair}.{key} is "):
        simulate(load_config("pim-llm", settings))
    plain = load_config("pim-llm", settings | {f"{ADC}.code_energy": "none"})
    assert build_machine(plain.machine)
    assert is_measured(load_config("pim-llm", settings), f"{pair}.{key}")
    assert not is_measured(plain, f"{pair}.{key}")


def test_what_changes_codes_changes_more_than_conductances() -> None:
    """Every key without influence on codes has none on conductances either."""
    assert not [
        key
        for key in WITHOUT_INFLUENCE_ON_CODES
        if not any(key.startswith(each) if each.endswith(".") else key == each for each in WITHOUT_INFLUENCE)
    ]


def test_an_adc_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"adc: code_energy=counter is of an ADC of kind ramp, not sar"):
        load_config("pim-llm", {f"{ADC}.code_energy": "counter"})
