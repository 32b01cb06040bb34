"""Lines of what is counted and left out, at the head of every report."""

from __future__ import annotations

import io

import pytest

from pimsim import generate, load_config, load_requests, serve, simulate
from pimsim.present.text.accounting_lines import accounting_lines
from pimsim.present.text.generation_report import print_generation
from pimsim.present.text.run_report import print_run
from pimsim.present.text.serving_report import print_serving
from pimsim.results.accounting import Accounting, CostItem
from tests.support.command_line import pimsim as run_pimsim

SMALL = ["workload.model=gpt2-small", "workload.prompt_length=9", "workload.new_tokens=3"]


def test_items_have_a_time_or_an_energy_or_both() -> None:
    items = CostItem("LM head", 70_300_000_000, 38.1e-3), CostItem("leakage", 0, 10.9e-3), CostItem("wait", 2_000, 0.0)
    assert list(accounting_lines(Accounting((), items))) == [
        "left out: LM head 70.3 ms 38.1 mJ; leakage 10.9 mJ; wait 2 ns"
    ]
    assert list(accounting_lines(Accounting(items[1:2]), " in the first point")) == [
        "counted in the first point: leakage 10.9 mJ"
    ]
    assert list(accounting_lines(Accounting())) == []


@pytest.mark.parametrize("kind", ["run", "generation", "serving"])
def test_a_report_begins_with_its_title_and_the_two_lines(kind: str) -> None:
    out, config = io.StringIO(), load_config("pim-llm", SMALL)
    match kind:
        case "run":
            run = simulate(config)
            print_run(run, out)
            accounting = run.accounting
        case "generation":
            generation = generate(config)
            print_generation(generation, out)
            accounting = generation.accounting
        case _:
            served = serve(config, load_requests("requests-chat")[:3])
            print_serving(served, out)
            accounting = served.accounting
    assert out.getvalue().splitlines()[1:3] == list(accounting_lines(accounting))
    assert accounting.counted
    assert accounting.left_out


def test_a_shown_result_has_the_lines_of_its_run(tmp_path) -> None:
    path = str(tmp_path / "result.h5")
    ran = run_pimsim("run", "pim-llm", "--model", "gpt2-small", "--out", path).ok.splitlines()
    shown = run_pimsim("show", path).ok.splitlines()
    assert ran[1].startswith("counted: LM head ")
    assert ran[2].startswith("left out: charge of word and select lines ")
    assert "; leakage of idle components " in ran[2]
    assert shown[1:3] == ran[1:3]


def test_the_points_of_a_sweep_begin_with_the_lines_of_the_first(tmp_path) -> None:
    (tmp_path / "s.yaml").write_text(
        "name: s\nbase: pim-llm\nset: {workload.model: gpt2-small}\naxes:\n  workload.context_length: [64, 128]\n"
        "metrics: [latency_s]\n"
    )
    path = str(tmp_path / "s.h5")
    swept = run_pimsim("sweep", str(tmp_path / "s.yaml"), "--out", path, "--workers", "1").ok.splitlines()
    first = simulate(load_config("pim-llm", ["workload.model=gpt2-small", "workload.context_length=64"])).accounting
    lines = list(accounting_lines(first, " in the first point"))
    assert swept[1:3] == lines
    assert run_pimsim("results", "show", path).ok.splitlines()[:2] == lines
