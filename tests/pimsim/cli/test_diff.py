"""`pimsim diff`: stored results, old files, configs, text, JSON, CSV, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from pimsim import load_config, poisson_requests, serve, simulate, write_result, write_serving
from pimsim.results.store import read_config
from tests.support.command_line import assert_refused
from tests.support.command_line import pimsim as run_pimsim

OLD = Path(__file__).parents[2] / "data" / "version-1" / "tpu-llm-gpt2-small.h5"
SMALL = ("--set", "workload.model=gpt2-small", "--set", "workload.context_length=16")


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config of the old file, run by this version."""
    path = tmp_path_factory.mktemp("again") / "again.h5"
    write_result(simulate(read_config(OLD)), path)
    return path


def test_an_old_file_and_its_run_of_today_are_the_same(again: Path) -> None:
    """The figures of this config have not changed since revision 3e01c63, which wrote the file."""
    shown = run_pimsim("diff", OLD, again).ok.splitlines()
    assert shown[0].endswith("pimsim 0.1.0, git 3e01c63820ca")
    assert shown[2] == (
        "the results are the same: time, energy, area, ops and work are equal, and no key of the configs differs"
    )
    assert len(shown) == 3 + sum("in the second only" in line for line in shown)


def test_text_gives_keys_with_sources_shares_that_add_up_and_the_next_command(again: Path) -> None:
    outcome = run_pimsim("diff", again, "tpu-llm", *SMALL)
    shown = outcome.out.splitlines()
    assert (outcome.code, outcome.err) == (0, "")
    assert "  machine.memory.background_w: 0 W -> 172 mW" in shown
    assert any(
        line.startswith("    second: defaults.yaml:") and line.endswith("currents are public [S]") for line in shown
    )
    assert any(line.startswith("lm_head ") and line.endswith("second only") for line in shown)
    assert sum(line.startswith("all ") for line in shown) == 4
    assert "pimsim waterfall" not in outcome.out  # it would run the file again with these settings
    assert "the effect of each key: pimsim waterfall pim-llm tpu-llm" in run_pimsim("diff", "pim-llm", "tpu-llm").ok


def test_json_and_csv_have_every_share(again: Path, tmp_path: Path) -> None:
    shown = json.loads(run_pimsim("diff", again, "tpu-llm", *SMALL, "--json", "--csv", tmp_path / "d.csv").ok)
    assert shown["second"]["summary"]["latency_s"] > shown["first"]["summary"]["latency_s"]
    assert not shown["same_figures"]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "d.csv").read_text(encoding="utf-8"))))
    assert len(rows) == len(shown["rows"])
    times = [int(row["difference"]) for row in rows if (row["table"], row["quantity"]) == ("op", "latency")]
    total = next(int(row["difference"]) for row in rows if (row["table"], row["quantity"]) == ("total", "latency"))
    assert sum(times) == total > 0


def test_the_same_figures_of_other_keys_are_named(again: Path, tmp_path: Path) -> None:
    config = load_config(read_config(again).model_dump(mode="json"), ["serving.max_batch=2", "name=other"])
    write_result(simulate(config), tmp_path / "other.h5")
    shown = run_pimsim("diff", again, tmp_path / "other.h5").ok
    assert "ops and work are equal, and 1 key differs" in shown
    assert "without effect on these runs: serving.max_batch" in shown


def test_what_cannot_be_compared_is_refused(again: Path, tmp_path: Path) -> None:
    served = serve(
        load_config("pim-llm", {"workload.model": "gpt2-small"}), poisson_requests(9.0, 1, prompt=2, output=2)
    )
    write_serving(served, tmp_path / "s.h5")
    outcome = run_pimsim("diff", again, tmp_path / "s.h5")
    assert_refused(outcome, 8)
    assert "s.h5: holds a result of pimsim serve: use pimsim show" in outcome.err
    assert "s.h5; pimsim diff compares results of pimsim run" in outcome.err
    outcome = run_pimsim("diff", again, "pim-llm", "--set", "workload.phase=generate")
    assert_refused(outcome, 4)
    assert "set it to decode or prefill" in outcome.err
    outcome = run_pimsim("diff", again, again, *SMALL)
    assert_refused(outcome, 2)
    assert "--set has no effect on stored results" in outcome.err
    outcome = run_pimsim("diff", again, "pim-lm")
    assert_refused(outcome, 3)
    assert "pim-llm" in outcome.err
    assert_refused(run_pimsim("diff", again, OLD, "--csv", again), 7)
