"""`python -m tools.bench` runs benchmarks one by one and keeps what they print on one page per machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.command_line import interruptible
from tools.bench.__main__ import ROOT, main
from tools.bench.growth import draw, growth_of
from tools.bench.page import ratios, tables
from tools.bench.scripts import QUICK, find_scripts

GOOD = "print('| what | time ratio |'); print('| --- | --- |'); print('| a | 2.50 |'); print('| b | 1,000.0 |')\n"
BAD = "import sys; print('half'); sys.exit('no badcrossbar here')\n"
COMPARES = (
    "import argparse, sys\np = argparse.ArgumentParser()\np.add_argument('--against')\nprint(p.parse_args().against)\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"bad": BAD, "compares": COMPARES, "good": GOOD}.items():
        (tmp_path / f"bench_{name}.py").write_text(text, encoding="utf-8")
    return tmp_path


def run(folder: Path, *arguments: str, machine: str = "here") -> int:
    given = ["--scripts", str(folder), "--results", str(folder / "results"), "--machine", machine]
    return main([*given, *arguments])


def row(folder: Path, name: str, machine: str = "here") -> list[str]:
    text = (folder / "results" / f"{machine}.md").read_text(encoding="utf-8")
    return next(each for each in next(tables(text)) if name in each[0])


def test_a_failing_benchmark_is_named_and_the_rest_goes_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder) == 1
    assert "error: failed: bench_bad" in capsys.readouterr().err
    assert row(folder, "bench_bad")[1] == "failed: exit code 1: no badcrossbar here"
    assert row(folder, "bench_good")[1] == "done"
    assert row(folder, "bench_good")[-2] == "time ratio 2.5 to 1000"
    assert row(folder, "bench_compares")[-1] == "not given"
    assert row(folder, "bench_good")[-1] == "", "it compares with no other revision"


def test_results_of_other_benchmarks_and_machines_stay(folder: Path) -> None:
    assert run(folder, "--only", "good") == 0
    assert row(folder, "bench_compares")[1] == "not run"
    assert run(folder, "--only", "compares", machine="there") == 0
    assert run(folder, "--only", "compares") == 0
    assert row(folder, "bench_good")[1] == row(folder, "bench_compares")[1] == "done"
    index = (folder / "results" / "README.md").read_text(encoding="utf-8")
    assert [(each[0], each[4]) for each in next(tables(index))[1:]] == [
        ("[here](here.md)", "2"),
        ("[there](there.md)", "1"),
    ]


def test_the_other_revision_reaches_the_scripts_that_compare(folder: Path) -> None:
    other = folder / "revision-1"
    (other / "pimsim").mkdir(parents=True)
    assert run(folder, "--only", "good", "compares", "--against", str(other)) == 0
    assert row(folder, "bench_compares")[-1] == "revision-1"
    page = (folder / "results" / "here.md").read_text(encoding="utf-8")
    assert "--against FOLDER" in page, "a page does not name paths of the machine in its commands"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "goood"), "no benchmark is named goood; there are: bad, compares, good"),
        (("--against", "nowhere"), "nowhere is not a checkout of pimsim"),
        (("--machine", "a/b"), "'a/b' becomes the name of a file"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_runs(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(folder, *arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert not (folder / "results").exists()


def test_a_file_that_is_not_of_results_is_not_overwritten(folder: Path) -> None:
    (folder / "results").mkdir()
    (folder / "results" / "here.json").write_text("[]", encoding="utf-8")
    with pytest.raises(SystemExit):
        run(folder)
    assert (folder / "results" / "here.json").read_text(encoding="utf-8") == "[]"


@pytest.mark.timeout(60)
def test_an_interruption_keeps_what_is_finished(folder: Path) -> None:
    (folder / "bench_later.py").write_text("import time; print('x', flush=True); time.sleep(60)", encoding="utf-8")
    command = [sys.executable, "-m", "tools.bench", "--scripts", str(folder), "--results", str(folder / "results")]
    command += ["--machine", "here", "--only", "good", "later"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, preexec_fn=interruptible, **pipes) as process:
        assert process.stdout is not None
        assert "bench_good" in process.stdout.readline()
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted: what was finished is written" in errors
    stored = json.loads((folder / "results" / "here.json").read_text(encoding="utf-8"))
    assert list(stored["outcomes"]) == ["bench_good"]
    assert row(folder, "bench_later")[1] == "not run"


def test_growth_is_read_and_drawn(tmp_path: Path) -> None:
    rows = "| points | 1,000 | 0.5 |\n| points | 10 | 0.1 |\n"
    output = f"| what grows | size | processor time, s |\n| --- | --- | --- |\n{rows}"
    growth = growth_of(f"before\n{output}\nafter")
    assert growth == {"points": [(1000.0, 0.5), (10.0, 0.1)]}
    draw(growth, tmp_path / "growth.svg")
    assert (tmp_path / "growth.svg").read_text(encoding="utf-8").lstrip().startswith("<?xml")


def test_ratios_are_those_of_columns_that_say_so() -> None:
    table = "| n | speedup over the loop |\n| --- | --- |\n| 7 | 1,508 |\n| 8 | 1 |\n"
    assert ratios(table) == "speedup over the loop 1 to 1508"
    assert ratios("no table") == ""


def test_short_forms_are_those_of_existing_benchmarks() -> None:
    assert set(QUICK) <= {each.name for each in find_scripts(ROOT / "benchmarks", [])}
