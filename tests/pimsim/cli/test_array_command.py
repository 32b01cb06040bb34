"""`pimsim array`: what it prints, writes and refuses; and its plots."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pimsim import ArrayStudy, ArrayStudyOptions, load_config, study_array
from pimsim.present.formats import to_json
from pimsim.present.plots import array_plots, rendered
from pimsim.present.plots.style import paper_style
from pimsim.present.text.array_report import SHOWN_BINS, _bars
from pimsim.studies.array.array_result import ErrorHistogram
from tests.end_to_end.command_line import SECONDS, assert_refused, interruptible, pimsim

PAIR = "machine.crossbar.pair"
SMALL = ["--rows=40", "--columns=30", "--vectors=8", "--chips=3", "--seed=5"]
OPTIONS = ArrayStudyOptions(rows=40, columns=30, vectors=8, chips=3, seed=5)
MINUTES = 120
"""For what compiles kernels first, on a busy machine."""


@pytest.fixture(scope="module")
def study() -> ArrayStudy:
    return study_array(load_config("pim-llm"), options=OPTIONS)


# --- what it prints and writes --------------------------------------------------------------------------------------


def test_it_prints_what_the_study_has(study: ArrayStudy) -> None:
    shown = pimsim("array", "pim-llm", *SMALL).ok
    assert "pim-llm: random ternary weights, 40 x 30, 8 vectors, 3 chips, seed 5" in shown
    assert f"{study.snr_db.mean:.2f} dB" in shown
    assert f"{study.rms.mean:.4g}" in shown
    assert "not in this config: drift, telegraph, DAC levels, ADC imperfections" in shown
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
    assert {path.name for path in plots.iterdir()} == {f"{name}.{end}" for name in names for end in ("png", "svg")}
    for name, draw in array_plots(study).items():
        for suffix, data in rendered(draw).items():
            assert (plots / f"{name}.{suffix}").read_bytes() == data


def test_the_same_seed_prints_the_same_and_another_another() -> None:
    one, again, other = (pimsim("array", "pim-llm", *SMALL[:-1], f"--seed={seed}").ok for seed in (5, 5, 6))
    assert one == again
    assert one != other


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


def test_a_part_that_is_too_much_of_the_output_closes_quietly() -> None:
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
def test_a_refusal_is_a_line(code: int, arguments: list[str], told: str) -> None:
    outcome = pimsim("array", *arguments)
    assert_refused(outcome, code)
    assert told in outcome.err


@pytest.mark.parametrize(
    ("matrix", "told"),
    [
        (np.full((3, 3), 5, np.int8), "weights[0, 0] is 5; ternary weights are integers from -1 to 1"),
        (np.ones((3, 3)), "contains float64; weights must be integers"),
        (np.ones(3, np.int8), "has the shape [3]"),
    ],
)
def test_a_matrix_that_cannot_be_used_is_told(matrix: Any, told: str, tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", matrix)
    outcome = pimsim("array", "pim-llm", "--weights", tmp_path / "w.npy")
    assert_refused(outcome, 4)
    assert told in outcome.err


def test_a_folder_that_cannot_be_made_is_told_before_anything_runs(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("pimsim.studies.array.array_study.study_array", None)
    (tmp_path / "file").write_text("here")
    assert_refused(pimsim("array", "pim-llm", "--plots", tmp_path / "file"), 7)


# --- progress and interrupts ----------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there is no pseudo-terminal")
def test_progress_is_shown_on_a_terminal_only() -> None:
    command = [sys.executable, "-m", "pimsim", "array", "pim-llm", *SMALL]
    master, terminal = os.openpty()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=terminal, timeout=MINUTES, check=True)
    os.close(terminal)
    told = b""
    with contextlib.suppress(OSError):  # EIO once all has been read
        while more := os.read(master, 1 << 16):
            told += more
    os.close(master)
    assert b"loading kernels (compiled on first use)" in told
    assert b"chip simulations" in told
    assert b"chip simulations" not in done.stdout


def test_an_interrupt_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    arguments = ["array", "pim-llm", *SMALL, "--csv", str(tmp_path / "chips.csv")]
    code = f"""
import sys, time
import crossbar.error_analysis
from pimsim.cli.app import main

def program_matrix(*arguments, **options):
    print("started", file=sys.stderr, flush=True)
    time.sleep(60)

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


# --- plots ----------------------------------------------------------------------------------------------------------


def test_plots_have_what_the_study_has(study: ArrayStudy) -> None:
    with paper_style():
        drawn = {name: draw() for name, draw in array_plots(study).items()}
    errors, bars, columns, bits = (figure.axes[0] for figure in drawn.values())
    total = sum(study.histogram.counts)
    assert [box.get_height() * total for box in errors.patches] == pytest.approx(study.histogram.counts[1:-1])
    there = sorted((each for each in study.sources if each.alone is not None), key=lambda each: -(each.alone or 0))
    lengths = [study.snr_of(power) if power else 0.0 for each in there for power in (each.alone, each.without)]
    assert [box.get_width() for box in bars.patches] == pytest.approx(lengths)
    assert bars.lines[0].get_xdata()[0] == study.snr_of(study.total)
    assert columns.lines[0].get_ydata().tolist() == list(study.column_rms)
    assert columns.lines[1].get_ydata().tolist() == list(study.column_bias)
    assert list(zip(*bits.lines[0].get_data(), strict=True)) == list(study.by_adc_bits)


def test_what_has_nothing_to_show_is_not_drawn(study: ArrayStudy) -> None:
    silent = replace(
        study,
        sources=tuple(replace(each, alone=None, without=None) for each in study.sources),
        by_adc_bits=((6, float("inf")),),
    )
    assert [*array_plots(silent)] == ["array-errors", "array-columns"]


def test_odd_figures_can_be_drawn(study: ArrayStudy) -> None:
    sources = (
        replace(study.sources[0], alone=0.0, without=None),
        replace(study.sources[1], alone=10 * study.errors.signal_rms**2, without=0.0),
    )
    odd = replace(
        study, sources=sources, config=study.config.model_copy(update={"name": "$x^2$ 这是 <&> " + "very " * 40})
    )
    for draw in array_plots(odd).values():
        rendered(draw)  # without a warning, which would be an error here
    exact = replace(study, sources=(replace(study.sources[0], alone=5.0, without=0.0),), total=0.0)
    rendered(array_plots(exact)["array-sources"])
