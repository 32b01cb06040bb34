"""`pimsim array`: printed output, files and refused arguments."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossbar.intervals import Interval
from pimsim import ArrayStudy, ArrayStudyOptions, load_config, study_array
from pimsim.base.units import dimension_of_key, format_quantity
from pimsim.cli.config_loading import load
from pimsim.present.formats import to_json
from pimsim.present.plots import array_plots, rendered
from pimsim.present.text.array_report import SHOWN_BINS, _bars, print_array
from pimsim.studies.array.array_result import ErrorHistogram
from tests.support.closeness import near
from tests.support.command_line import SECONDS, assert_refused, interruptible, pimsim
from tests.support.printed import rows_below
from tests.support.pseudo_terminal import needs_pseudo_terminal, run_in_terminal

PAIR = "machine.crossbar.pair"
SMALL = ["--rows=40", "--columns=30", "--vectors=8", "--chips=3", "--seed=5"]
OPTIONS = ArrayStudyOptions(rows=40, columns=30, vectors=8, chips=3, seed=5)
MINUTES = 120
"""Time limit in seconds of a command that compiles kernels first, on a busy machine."""


@pytest.fixture(scope="module")
def study() -> ArrayStudy:
    return study_array(load_config("pim-llm"), options=OPTIONS)


# --- what it prints and writes --------------------------------------------------------------------------------------


def test_it_prints_what_the_study_has(study: ArrayStudy) -> None:
    shown = pimsim("array", "pim-llm", *SMALL).ok
    assert "pim-llm: random ternary weights, 40 x 30, 8 vectors, 3 chips, seed 5" in shown
    assert f"{study.snr_db.mean:.2f} dB" in shown
    assert f"{study.rms.mean:.4g}" in shown
    assert "not in this config: drift, telegraph, temperature, DAC levels, ADC imperfections" in shown
    assert "powers do not add up exactly" in shown
    for part in ("if the sources were independent", "all together", "ADC bits", "worst columns", "reading, per vector"):
        assert part in shown
    worst = max(range(30), key=lambda column: study.column_rms[column])
    assert f"\n{worst} " in shown
    assert "MNSIM Device_Resistance, 130 nm 1T1R [A]" in shown
    assert max(map(len, shown.splitlines())) <= 160


def test_json_csv_and_plots(study: ArrayStudy, tmp_path: Path) -> None:
    chips, plots = tmp_path / "chips.csv", tmp_path / "new" / "plots"
    told = json.loads(pimsim("array", "pim-llm", *SMALL, "--json", "--csv", chips, "--plots", plots).ok)
    assert told == json.loads(to_json(study.to_dict()))
    rows = list(csv.DictReader(chips.read_text(encoding="utf-8").splitlines()))
    assert [float(row["rms"]) for row in rows] == [chip.rms for chip in study.chips]
    names = ("array-errors", "array-sources", "array-columns", "array-adc-bits")
    assert {path.name for path in plots.iterdir()} == {
        f"{name}.{end}" for name in names for end in ("png", "svg", "pdf")
    }
    for name, draw in array_plots(study).items():
        for suffix, data in rendered(draw).items():
            assert (plots / f"{name}.{suffix}").read_bytes() == data


def test_output_depends_on_the_seed_only() -> None:
    one, again, other = (pimsim("array", "pim-llm", *SMALL[:-1], f"--seed={seed}").ok for seed in (5, 5, 6))
    assert one == again
    assert one != other


def test_out_stores_the_activity_that_a_run_uses(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.ones((6, 4), np.int8))
    np.save(tmp_path / "x.npy", np.full((2, 6), 3, np.int32))  # 2 of 8 pulses of each row
    files = ["--weights", tmp_path / "w.npy", "--activations", tmp_path / "x.npy", "--out", tmp_path / "a.h5"]
    assert "a.h5 written: the measured activity" in pimsim("array", "pim-llm", "--chips=1", *files).ok
    refused = pimsim("array", "pim-llm", "--vectors=3", *files)
    assert_refused(refused, 2)
    assert "--activations has its own" in refused.err
    told = json.loads(pimsim("show", tmp_path / "a.h5", "--json").ok)
    assert (told["driven_share"], told["row_pulses"], told["matrix"]) == (0.25, 96, "w.npy, inputs of x.npy")
    shown = pimsim("show", tmp_path / "a.h5").ok
    assert "pimsim array of pim-llm, w.npy, inputs of x.npy, 6 x 4, 2 vectors, seed 0" in shown
    assert re.search(r"rows driven +25.00%", shown)
    refused = pimsim("show", tmp_path / "a.h5", "--explain")
    assert_refused(refused, 2)
    assert "--explain is not of an activity" in refused.err
    use = f"--set=machine.crossbar.activity={tmp_path / 'a.h5'}"
    small = ("--model=gpt2-small", "--context=12", use)
    notes = " ".join(pimsim("run", "pim-llm", *small).ok.split())
    assert "w.npy, inputs of x.npy" in notes
    assert re.search(r"this run takes [\d.]+ [un]J more than with the stated ones", notes)
    refused = pimsim("run", "pim-llm", *small, "--set=machine.crossbar.pair.cell.hrs_ohm=2 Mohm")
    assert_refused(refused, 3)
    assert "machine.crossbar.pair.cell.hrs_ohm is" in refused.err


def test_a_matrix_from_a_file(tmp_path: Path) -> None:
    weights = np.random.default_rng(1).integers(-1, 2, (20, 10), np.int8)
    np.save(tmp_path / "w.npy", weights)
    shown = pimsim("array", "pim-llm", "--weights", tmp_path / "w.npy", "--vectors=4", "--chips=1").ok
    assert "pim-llm: w.npy, 20 x 10, 4 vectors, 1 chip, seed 0" in shown
    assert "mean over chips; no interval" in shown
    given = study_array(load_config("pim-llm"), weights, options=ArrayStudyOptions(vectors=4, chips=1))
    assert f"{given.snr_db.mean:.2f} dB" in shown


def test_an_array_without_errors_is_exact() -> None:
    spread = ("variation.lrs.sigma", "variation.hrs.sigma", "read.lrs", "read.hrs")
    zero = [f"{PAIR}.noise.{key}=0" for key in (*spread, "faults.stuck_lrs", "faults.stuck_hrs")]
    settings = [*zero, f"{PAIR}.wires.model=none", f"{PAIR}.adc.bits=9"]
    shown = pimsim("array", "pim-llm", *SMALL, *(f"--set={each}" for each in settings)).ok
    assert "SNR        exact" in shown
    assert "100.00%" in shown


def test_a_matrix_of_zeros_has_no_signal(tmp_path: Path) -> None:
    """The error is a finite number beside a signal of 0, so that the SNR is minus infinity, not the one of no error."""
    np.save(tmp_path / "zeros.npy", np.zeros((40, 30), np.int8))
    plots = tmp_path / "plots"
    shown = pimsim(
        "array", "pim-llm", "--set", f"{PAIR}.wires.model=none", "--weights", tmp_path / "zeros.npy", "--vectors=4",
        "--chips=2", "--plots", plots,
    ).ok  # fmt: skip
    assert re.search(r"^SNR +no signal ", shown, re.MULTILINE)
    assert re.search(r"^results +rms 0 ", shown, re.MULTILINE)
    assert "there is no signal" in shown
    assert re.search(r"^faults .* no signal ", shown, re.MULTILINE)
    assert re.search(r"^ADC quantisation .* 0 +exact ", shown, re.MULTILINE)  # without error and without signal
    assert {path.stem for path in plots.iterdir()} == {"array-errors", "array-columns"}


def test_an_interval_that_its_domain_cuts_is_printed_by_its_ends(study: ArrayStudy) -> None:
    printed = io.StringIO()
    print_array(replace(study, rms=Interval(21.4, -43.6, 86.4).limited(0.0)), printed)
    assert re.search(r"^rms error +21.4 +mean over chips, 0 to 86 at 95% confidence", printed.getvalue(), re.MULTILINE)


def test_a_closed_pipe_ends_the_command_without_a_message() -> None:
    command = f"{sys.executable} -m pimsim array pim-llm {' '.join(SMALL)} | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=MINUTES, check=True)
    assert done.stdout.startswith("pim-llm: random")
    assert done.stderr == ""


# --- what it refuses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "arguments", "told"),
    [
        (3, ["tpu-llm"], "has no crossbars"),
        (3, ["no-such-config"], "no-such-config"),
        (3, ["pim-llm", "--set", f"{PAIR}.adc.bits=99"], "adc.bits"),
        (2, ["pim-llm", "--rows", "x"], "--rows"),
        (2, ["pim-llm", "--weights", "w.npy", "--rows", "3"], "--weights has its own"),
        (4, ["pim-llm", "--rows", "0"], "0 x 256 weights"),
        (4, ["pim-llm", "--chips", "0"], "chips is 0"),
        (4, ["pim-llm", "--vectors", "-1"], "-1 vectors"),
        (4, ["pim-llm", "--seed", "-1"], "seed is -1"),
        (4, ["pim-llm", "--seed", "9" * 30], "seed is"),
        (4, ["pim-llm", "--rows", "1000000", "--columns", "1000000"], "weights: their number must be from 1 to"),
        (4, ["pim-llm", "--chips", "10000", "--vectors", "100000"], "too much work"),
        (4, ["pim-llm", "--weights", "none.npy"], "none.npy: cannot be read"),
    ],
)
def test_invalid_arguments_are_refused_with_a_message(code: int, arguments: list[str], told: str) -> None:
    outcome = pimsim("array", *arguments)
    assert_refused(outcome, code)
    assert told in outcome.err


@pytest.mark.parametrize("command", [["array"], ["waterfall", "pim-llm"]])
def test_a_file_that_extends_only_presets_is_refused(command: list[str], tmp_path: Path) -> None:
    """Its crossbars would be those of the defaults, though it looks like a machine."""
    (tmp_path / "mine.yaml").write_text("extends: memory-hbm2\nmachine: {systolic: {rows: 8}}", encoding="utf-8")
    outcome = pimsim(*command, tmp_path / "mine.yaml")
    assert_refused(outcome, 3)
    assert "mine.yaml: extends only parts of a machine" in outcome.err


def test_a_preset_of_a_cell_is_studied_on_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "cell.yaml"
    path.write_text("preset: cell\nmachine: {crossbar: {pair: {cell: {lrs_ohm: 9 kOhm}}}}", encoding="utf-8")
    config = load(str(path), [], preset=True)  # as `array` and `waterfall` do
    assert config.machine.crossbar is not None
    assert config.machine.crossbar.pair.cell.lrs_ohm == near(9e3)


@pytest.mark.parametrize(
    ("matrix", "told"),
    [
        (np.full((3, 3), 5, np.int8), "weights[0, 0] is 5; ternary weights are integers from -1 to 1"),
        (np.ones((3, 3)), "contains float64; weights must be integers"),
        (np.ones(3, np.int8), "has the shape [3]"),
    ],
)
def test_an_invalid_matrix_is_refused_with_a_message(matrix: Any, told: str, tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", matrix)
    outcome = pimsim("array", "pim-llm", "--weights", tmp_path / "w.npy")
    assert_refused(outcome, 4)
    assert told in outcome.err


def test_a_plot_folder_that_cannot_be_made_is_refused_before_the_simulation(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("pimsim.studies.array.array_study.study_array", None)
    (tmp_path / "file").write_text("here")
    assert_refused(pimsim("array", "pim-llm", "--plots", tmp_path / "file" / "plots"), 7)


# --- progress and interrupts ----------------------------------------------------------------------------------------


@needs_pseudo_terminal
def test_progress_is_shown_on_a_terminal_only() -> None:
    command = [sys.executable, "-m", "pimsim", "array", "pim-llm", *SMALL]
    printed, shown = run_in_terminal(command, MINUTES)
    assert b"loading kernels" in shown
    assert b"chip simulations" in shown
    assert b"chip simulations" not in printed


@pytest.mark.timeout(300)
def test_an_interrupt_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    arguments = ["array", "pim-llm", *SMALL, "--csv", str(tmp_path / "chips.csv")]
    code = f"""
import sys, time
import crossbar.error_analysis
from pimsim.cli.app import main

def program_matrix(*arguments, **options):
    print("started", file=sys.stderr, flush=True)
    time.sleep(600)

crossbar.error_analysis.program_matrix = program_matrix
sys.argv = ["pimsim", *{arguments!r}]
main()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible,
    )  # fmt: skip
    assert process.stderr
    assert process.stderr.readline() == "started\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


# --- the histogram in letters ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 7])
@pytest.mark.parametrize("reach", [0, 1, 5, 7, 8, 20, 21])
def test_bars_count_every_error_once(width: int, reach: int) -> None:
    counts = tuple(10 + place if abs(place) <= reach else 0 for place in range(-21, 22))
    bars = list(_bars(ErrorHistogram(width, counts)))
    assert sum(count for _, count in bars) == sum(counts)
    assert len(bars) <= SHOWN_BINS
    assert len({label for label, _ in bars}) == len(bars)
    (middle,) = [count for label, count in bars if label.startswith("+0")]
    assert middle == (10 if reach <= 7 else 30)


# --- printed lines ----------------------------------------------------------------------------------------------------


def test_each_printed_line_has_its_figure(study: ArrayStudy) -> None:
    text = io.StringIO()
    print_array(study, text)
    shown = text.getvalue()
    errors, reading, writing, total = study.errors, study.reading, study.writing, study.total
    lines = [re.split(r" {2,}", line.strip()) for line in shown.splitlines()]
    by_label = {line[0]: line[1:] for line in lines if len(line) > 1}

    def half(interval: Interval) -> str:
        assert interval.low is not None
        assert interval.high is not None
        return f"{(interval.high - interval.low) / 2:.2g}"

    said = "mean over chips, +- {} at 95% confidence (Student's t)"
    assert by_label["SNR"] == [f"{study.snr_db.mean:.2f} dB", said.format(f"{half(study.snr_db)} dB")]
    assert by_label["rms error"] == [f"{study.rms.mean:.4g}", said.format(half(study.rms))]
    assert by_label["results"][0] == f"rms {errors.signal_rms:.4g}"
    assert by_label["bias"] == [f"{errors.mean:+.3g}", f"mean error; the largest error is {errors.largest:.4g}"]
    assert by_label["gain"][0] == f"{errors.gain:.4g}"
    assert by_label["gain"][1].endswith(f"the SNR is {errors.rescaled_snr_db:.2f} dB")
    assert by_label["saturated"][0] == f"{errors.saturated:.3%}"
    there = sorted((each for each in study.sources if each.alone is not None), key=lambda each: -(each.alone or 0))
    rows = rows_below(shown, "source of error")

    def power(value: float) -> list[str]:
        return [f"{value**0.5:.4g}", f"{study.snr_of(value):.2f} dB" if value else "exact"]

    for row, each in zip(rows, there, strict=False):
        assert each.alone is not None
        without = [] if each.without is None else power(each.without)
        assert row[2:] == [*power(each.alone), f"{each.alone / total:.1%}", *without]
    assert rows[len(there)][2:] == [*power(study.sum_alone), f"{study.sum_alone / total:.1%}"]
    assert rows[len(there) + 1] == ["all together", *power(total), "100.0%"]
    assert rows_below(shown, "ADC bits") == [["SNR, dB", *(f"{snr:.1f}" for _, snr in study.by_adc_bits)]]
    worst = sorted(range(study.outputs), key=lambda column: -study.column_rms[column])
    *first, middle = rows_below(shown, "worst columns")
    assert first == [
        [str(each), f"{study.column_rms[each]:.4g}", f"{study.column_bias[each]:+.3g}"] for each in worst[: len(first)]
    ]
    half_way = worst[len(worst) // 2]
    assert middle == [
        str(half_way), f"{study.column_rms[half_way]:.4g}", f"{study.column_bias[half_way]:+.3g}",
        "the median column",
    ]  # fmt: skip
    joules, seconds = dimension_of_key("x_j"), dimension_of_key("x_s")
    assert joules
    assert seconds
    vectors = study.vectors
    assert rows_below(shown, "reading, per vector")[:5] == [
        ["rows driven", f"{reading.rows_active / vectors:,.4g}",
         f"of {reading.row_pulses / vectors:,.4g} rows times pulses"],
        ["conversions", f"{reading.conversions / vectors:,.4g}"],
        ["energy of cells", format_quantity(reading.cell_energy_j / vectors, joules),
         "V^2 G t of the cells in driven rows, ideal wires"],
        ["energy of DACs", format_quantity(reading.dac_energy_j / vectors, joules), "of the driven rows"],
        ["energy of ADCs", format_quantity(reading.adc_energy_j / vectors, joules)],
    ]  # fmt: skip
    assert [row[:2] for row in rows_below(shown, "programming ")] == [
        ["writes", f"{writing.writes:,}"],
        ["energy", format_quantity(writing.energy_j, joules)],
        ["time", format_quantity(writing.time_s, seconds)],
        ["endurance", f"{writing.endurance_used:.2e}"],
    ]
