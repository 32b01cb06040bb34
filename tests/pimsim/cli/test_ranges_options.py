"""`pimsim run --ranges` and `pimsim reproduce claims --ranges`: intervals as text, JSON and CSV."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from pimsim.base.errors import ConfigError, WorkloadInputError
from tests.support.command_line import assert_refused, pimsim
from tests.support.counts import DEEP
from tests.support.printed import rows_below

RUN = ("run", "tpu-llm", "--model", "gpt2-small", "--ranges", "--samples", "40")


def test_a_run_shows_intervals_beside_the_point_values_and_what_to_measure_next() -> None:
    text = pimsim(*RUN, "--explain").ok
    speed, latency, *_ = rows_below(text, "figure ")
    assert [speed[0], latency[0]] == ["speed", "latency"]
    assert len(speed) == 6
    assert speed[5].startswith(speed[1].partition(" ")[0][:3])  # the clocks are exact: the linearisation is close
    assert "95 % intervals from 40 samples of 1" in text
    assert "What to measure next: first-order Sobol' shares of the variance, by source" in text
    assert rows_below(text, "variance of energy efficiency")[0][0] == "energy of LPDDR"
    assert "exact, because" not in text


def test_json_and_csv_contain_the_intervals(tmp_path: Path) -> None:
    file = tmp_path / "intervals.csv"
    setting = ("--set", "machine.memory.background_w=0.1 W")
    tree: Any = json.loads(pimsim(*RUN, "--json", "--csv", file, *setting).ok)
    ranges = tree["ranges"]
    assert ranges["exact"] == ["machine.memory.background_w"]
    with file.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["low"]) for row in rows] == [each["low"] for each in ranges["intervals"]]
    assert tree["summary"]["energy_j"] == next(x["point"] for x in ranges["intervals"] if x["figure"] == "energy_j")
    assert {"key", "low", "likely", "high", "shape", "varies_with", "source"} == ranges["ranges"][0].keys()
    again: Any = json.loads(pimsim(*RUN, "--json", "--seed", "1", *setting).ok)
    assert again["ranges"]["intervals"] != ranges["intervals"]
    assert again["ranges"]["seed"] == 1


def test_what_is_exact_and_what_is_unknown_is_said() -> None:
    text = pimsim(*RUN, "--set", "machine.memory.background_w=0.1 W", "--unknown", "machine.sram.*_energy_j").ok
    assert "exact, because the config or --set gives a value without a range: machine.memory.background_w" in text
    assert "taken as unknown, so that points are those of the likely values: machine.sram.read_energy_j" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "pim-llm", "--samples", "50"), "--samples has an effect with --ranges only"),
        (("run", "pim-llm", "--seed", "5"), "--seed has an effect with --ranges only"),
        (("run", "pim-llm", "--unknown", "machine.sram.*"), "--unknown has an effect with --ranges only"),
        (("run", "pim-llm", "--ranges", "--by", "op"), "--by and --ranges each write the rows of --csv"),
        (("run", "pim-llm", "--ranges", "--phase", "generate"), "--ranges describes a single run"),
        (("reproduce", "claims", "--samples", "50"), "--samples has an effect with --ranges only"),
        (("reproduce", "fig5", "--ranges"), "--ranges is for the claims of the paper"),
        (("reproduce", "--ranges"), "--ranges is for the claims of the paper: pimsim reproduce claims --ranges"),
        (("reproduce", "claims", "--ranges", "--accounting", "published"), "--accounting has no effect with --ranges"),
        (("reproduce", "claims", "--ranges", "--plots", "p"), "--plots has no effect with --ranges"),
    ],
)
def test_options_without_effect_are_refused(arguments: tuple[str, ...], message: str) -> None:
    outcome = pimsim(*arguments)
    assert outcome.code == 2
    assert message in outcome.err


def test_wrong_values_have_their_exit_codes() -> None:
    assert_refused(pimsim("run", "pim-llm", "--ranges", "--samples", "3"), WorkloadInputError.exit_code)
    assert_refused(pimsim("run", "pim-llm", "--ranges", "--phase", "load"), WorkloadInputError.exit_code)
    assert_refused(pimsim("run", "pim-llm", "--ranges", "--unknown", "machine.x"), ConfigError.exit_code)


def test_claims_have_probabilities(tmp_path: Path) -> None:
    if not DEEP:
        return
    tree: Any = json.loads(pimsim("reproduce", "claims", "--ranges", "--samples", "40", "--json", "--csv", tmp_path).ok)
    rows = tree["claims"]["rows"]
    assert {row["accounting"] for row in rows} == {"published", "corrected"}
    # By the wide margin of the ranges, PIM-LLM is faster than its baseline, whatever the constants.
    assert {row["direction_with"] for row in rows if "as fast as" in row["claim"]} == {1.0}
    assert (tmp_path / "claims.csv").exists()
