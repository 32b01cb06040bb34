"""Measured cells become a preset: what was put into made-up measurements comes out of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pimsim.base.errors import ConfigError
from pimsim.config.loading import load_config, load_config_text
from pimsim.importers.measured_cell import import_cell
from tests.support.closeness import near
from tests.support.config_parts import pair_of

SUMMARY = "level,mean_uS,sigma_uS,n\n0,1,0.15,64\n1,20,2,64\n2,100,5,64\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cells.csv"
    path.write_text(text, encoding="utf-8")
    return path


def made_up(nu: float = 0.03, cells: int = 400, times: tuple[float, ...] = (1, 100, 1e4)) -> str:
    """LRS normal around 100 uS with 5 %, HRS lognormal around 2 uS with 0.5, both with the same drift."""
    z = np.random.default_rng(7).standard_normal((2, cells))
    lines = ["state,g_uS,time_s"]
    for name, values in (("lrs", 100 * (1 + 0.05 * z[0])), ("hrs", 2 * np.exp(0.5 * z[1]))):
        lines += [f"{name},{g * t**-nu:.9g},{t:g}" for g in values for t in times]
    return "\n".join(lines)


def test_made_up_cells_come_out(tmp_path: Path) -> None:
    imported = import_cell(written(tmp_path, made_up()))
    pair = pair_of(load_config_text(imported.text))
    z = np.random.default_rng(7).standard_normal((2, 400))
    assert 1e6 / pair.cell.hrs_ohm == near(2 * np.exp(0.5 * z[1].mean()), rel=1e-5)
    assert pair.noise.variation.hrs.distribution == "lognormal"
    assert pair.noise.variation.hrs.sigma == near(0.5 * z[1].std(ddof=1), rel=1e-5)
    assert 1e6 / pair.cell.lrs_ohm == near(100, rel=3 * 0.05 / 20)
    assert pair.noise.variation.lrs.sigma == near(0.05, rel=0.1)
    assert pair.noise.drift.exponent == near(0.03, rel=1e-5)
    assert (pair.noise.drift.start_s, pair.noise.drift.age_s) == (1, 0)


def test_the_fit_is_shown_in_the_table_and_beside_each_value(tmp_path: Path) -> None:
    imported = import_cell(written(tmp_path, made_up()))
    notes = {row.key.removeprefix("machine.crossbar.pair."): row.note for row in imported.table.rows}
    error = 5 * np.random.default_rng(7).standard_normal((2, 400))[0].std(ddof=1) / 20
    assert f"uS +- {error:.2g} uS, 400 samples" in notes["cell.lrs_ohm"]
    assert "log-likelihood larger by" in notes["noise.variation.hrs.distribution"]
    exponent = notes["noise.drift.exponent"]
    assert "least squares of ln g on ln t, 2,400 points: nu +- " in exponent
    assert "; residual of ln g " in exponent
    assert "alone: lrs 0.03 +- " in exponent or "alone: hrs 0.03 +- " in exponent
    for row in imported.table.rows:
        assert row.note in imported.text or row.fate == "ignored"
    assert any("noise.drift.age_s stays" in note for note in imported.table.notes)


def test_a_summary_keeps_its_numbers(tmp_path: Path) -> None:
    imported = import_cell(written(tmp_path, SUMMARY))
    pair = pair_of(load_config_text(imported.text))
    assert (pair.cell.hrs_ohm, pair.cell.lrs_ohm) == (1e6, 1e4)
    assert (pair.noise.variation.hrs.sigma, pair.noise.variation.lrs.sigma) == (0.15, 0.05)
    ignored = [row for row in imported.table.rows if row.fate == "ignored"]
    assert [(row.name, row.value) for row in ignored] == [("state 1", "20 uS")]
    assert "The file has no times: drift keeps the values of the config below." in imported.table.notes
    assert "mean of 100 uS +- 0.62 uS, 64 samples" in imported.text  # 5 / sqrt(64)


def test_the_mean_of_a_lognormal_summary_becomes_its_median(tmp_path: Path) -> None:
    """Median = mean e^(-sigma^2 / 2); a column of medians is taken as it is."""
    mean = import_cell(written(tmp_path, "level,mean_uS,sigma_ln\nlrs,100,0.1\nhrs,2,0.5\n"))
    median = import_cell(written(tmp_path, "level,median_uS,sigma_ln\nlrs,100,0.1\nhrs,2,0.5\n"))
    assert pair_of(load_config_text(mean.text)).cell.hrs_ohm == near(5e5 * np.exp(0.125), rel=1e-5)
    assert pair_of(load_config_text(median.text)).cell.hrs_ohm == near(5e5)
    assert pair_of(load_config_text(median.text)).noise.variation.hrs.distribution == "lognormal"


def test_a_summary_with_times(tmp_path: Path) -> None:
    rows = [f"{name},{g * t**-0.1},{g / 10},{t}" for name, g in (("on", 50), ("off", 5)) for t in (10, 100, 1000)]
    pair = pair_of(
        load_config_text(import_cell(written(tmp_path, "state,mean_uS,sd_uS,time_s\n" + "\n".join(rows))).text)
    )
    assert (pair.noise.drift.exponent, pair.noise.drift.start_s) == (near(0.1, rel=1e-5), 10)
    assert pair.cell.lrs_ohm == near(1e6 / (50 * 10**-0.1), rel=1e-5)
    assert pair.noise.variation.lrs.sigma == near(0.1 * 10**0.1, rel=1e-5)


def test_time_stamps_that_differ_a_little_are_one_time(tmp_path: Path) -> None:
    """Samples up to 1.5 times the first time count, with their drift undone: all are exactly 100 or 2 uS at 1 s."""
    rows = [f"{n},{g * t**-0.5},{t}" for n, g in (("lrs", 100), ("hrs", 2)) for t in (1, 1.1, 1.2, 1.4, 100, 110)]
    pair = pair_of(load_config_text(import_cell(written(tmp_path, "state,g_uS,time_s\n" + "\n".join(rows))).text))
    assert (pair.cell.lrs_ohm, pair.cell.hrs_ohm) == (near(1e4, rel=1e-5), near(5e5, rel=1e-5))
    assert pair.noise.variation.lrs.sigma == 0


def test_states_that_drift_differently_are_said(tmp_path: Path) -> None:
    rows = made_up(0.01).splitlines()[:1201] + made_up(0.2).splitlines()[1201:]
    imported = import_cell(written(tmp_path, "\n".join(rows)))
    assert any("drift differently" in note and "one exponent for both states" in note for note in imported.table.notes)


def test_time_0_is_left_out_with_its_count(tmp_path: Path) -> None:
    imported = import_cell(written(tmp_path, made_up() + "\nlrs,500,0\n"))
    row = next(row for row in imported.table.rows if row.name == "time 0")
    assert (row.value, row.fate) == ("1 row", "ignored")


def test_a_preset_or_a_chip(tmp_path: Path) -> None:
    """A preset layers over a config; with a base it is one."""
    source = written(tmp_path, SUMMARY)
    (tmp_path / "cell.yaml").write_text(import_cell(source).text, encoding="utf-8")
    (tmp_path / "chip.yaml").write_text("extends: [pim-llm, cell.yaml]\nname: cells\n", encoding="utf-8")
    layered, whole = load_config(tmp_path / "chip.yaml"), load_config_text(import_cell(source, "pim-llm").text)
    assert layered == whole
    assert pair_of(whole).adc == pair_of(load_config("pim-llm")).adc
    with pytest.raises(ConfigError, match="--base: 'pim-lm' is not a shipped config; did you mean pim-llm"):
        import_cell(source, "pim-lm")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("state,g_uS\nlrs,1\nlrs,2\nlrs,3\n", "has the state lrs alone; a cell needs two"),
        ("state,g_uS\nlrs,1\nlrs,2\nhrs,3\nhrs,4\n", "line 3: state lrs has 2 samples; a spread needs at least 3"),
        (
            "level,mean_uS,sd_uS\nlrs,1,1\nhrs,3,1\n",
            r"lrs conducts less \(1 uS\) than hrs \(3 uS\): the names or the unit",
        ),
        ("level,mean_uS,sd_uS\na,1,1\nb,1,1\n", "states a and b have the same conductance, 1 uS"),
        ("level,mean_uS,sd_uS\na,1,1\na,1,1\nb,2,1\n", "line 3: state a has a mean in line 2 already"),
        ("level,mean_uS,sd_uS\na,1,9\nb,2,1\n", r"noise.variation.hrs.sigma: 9.0 is out of range"),
    ],
)
def test_measurements_that_are_no_cell_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        import_cell(written(tmp_path, text))
