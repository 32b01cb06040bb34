"""What reports and JSON say on ADCs whose figures follow from a design of another resolution."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pimsim import load_config, simulate
from pimsim.present.formats import to_json
from pimsim.present.text.adc_lines import adc_notes, adc_rows
from pimsim.present.text.run_report import print_run
from pimsim.present.text.sweep_report import print_rows, print_summary
from pimsim.results.run_result import RunResult
from pimsim.studies.sweep.running.sweep_run import run_sweep
from pimsim.studies.sweep.space.plan import load_sweep
from pimsim.studies.sweep.table.row_selection import rows_of
from tests.support.printed import printed

BITS = "machine.crossbar.pair.adc.bits"


def test_a_run_at_its_own_bits_says_nothing(pim: RunResult) -> None:
    assert not [line for line in printed(print_run, pim).splitlines() if line.startswith("ADCs ")]
    assert pim.to_dict()["adc_series"] is None
    assert adc_rows(pim.config) == []


@pytest.mark.parametrize(
    ("bits", "basis", "said"),
    [
        (8, "design", "a design of the series"),
        (7, "interpolated", "interpolated"),
        (12, "extrapolated", "extrapolated"),
    ],
)
def test_a_run_at_other_bits_says_where_its_energies_are_from(bits: int, basis: str, said: str) -> None:
    result = simulate(load_config("pim-llm", ["workload.model=gpt2-small", f"{BITS}={bits}"]))
    (line,) = (line for line in printed(print_run, result).splitlines() if line.startswith("ADCs "))
    for part in (f"{bits} bits", "from 6 bits", "series mnsim (4 to 10 bits)", said):
        assert part in line
    found = json.loads(to_json(result.to_dict()))["adc_series"]
    assert (found["bits"], found["design_bits"], found["basis"]) == (bits, 6, basis)
    assert (found["lowest_bits"], found["highest_bits"]) == (4, 10)


def test_a_machine_without_crossbars_says_nothing(tpu: RunResult) -> None:
    assert adc_rows(tpu.config) == []


def test_the_energies_of_mnsim_s_presets_are_those_of_the_case() -> None:
    """GPT-2 small: 0.0223, 0.1930 and 0.2939 mJ, where linear scaling gave 0.0357, 0.0713 and 0.0892."""
    for bits, millijoules in {4: 0.0223, 6: 0.0535, 8: 0.1930, 10: 0.2939}.items():
        result = simulate(load_config("defaults", ["workload.model=gpt2-small", f"{BITS}={bits}"]))
        assert 1e3 * result.energies_j["tile.adc_conversion"] == pytest.approx(millijoules, abs=6e-5)


def test_a_sweep_notes_each_resolution_that_is_not_of_a_design(tmp_path: Path) -> None:
    file = tmp_path / "bits.yaml"
    file.write_text(
        f"name: bits\nbase: pim-llm\nmodels: [gpt2-small]\naxes:\n  {BITS}: [6, 7, 8, 11]\nmetrics: [energy_j]\n",
        encoding="utf-8",
    )
    results = run_sweep(load_sweep(str(file)), tmp_path / "bits.h5", workers=1)
    summary = printed(lambda found, out: print_summary(found, "bits.h5", None, out), results)
    assert "ADCs of 7 bits: " in summary
    assert "ADCs of 11 bits: " in summary
    assert "ADCs of 6 bits" not in summary
    assert "ADCs of 8 bits" not in summary
    rows = rows_of(results.to_dataframe().iloc[:2])
    table = printed(lambda found, out: print_rows(found, rows, [BITS, "energy_j"], 4, out), results)
    assert "ADCs of 7 bits: " in table
    assert "ADCs of 11 bits" not in table, "which is not in the table"
    hidden = [{"energy_j": row["energy_j"]} for row in rows]
    table = printed(lambda found, out: print_rows(found, hidden, ["energy_j"], 4, out), results)
    assert "ADCs of" not in table


def test_equal_notes_are_given_once() -> None:
    scaling = load_config("pim-llm", [f"{BITS}=7"]).machine.adc_scaling
    assert scaling is not None
    assert adc_notes([scaling, None, scaling]) == [f"ADCs of 7 bits: {scaling.text}"]
