"""Plots as files: sizes, reproducible bytes, errors, and no library loaded unless plots are asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import matplotlib
import pytest

from pimsim.base.errors import OutputError
from pimsim.generation import GenerationResult
from pimsim.present.plots import (
    FORMATS,
    PNG_DPI,
    generation_plots,
    paper_plots,
    rendered,
    run_plots,
    write_plots,
)
from pimsim.results.run_result import RunResult
from pimsim.studies.paper.comparison_table import Table
from tests.pimsim.present.plots.drawn import GENERATION, SMALL
from tests.support.command_line import assert_refused, pimsim, pimsim_process
from tests.support.counts import DEEP

SOME = ("fig1b", "table3", "run-energy", "generation")
"""One plot of each kind; all of them would need half a minute more."""


def test_every_plot_has_its_size_and_is_reproducible(
    tmp_path: Path,
    tables: Mapping[str, Table],
    corrected: Mapping[str, Table],
    serial: RunResult,
    sampled: GenerationResult,
) -> None:
    plots = {
        **paper_plots(tables),
        **paper_plots(corrected),
        **run_plots(serial),
        **generation_plots(sampled),
    }
    assert [*plots] == [
        *("fig1b", "fig4", "fig5", "fig6", "fig7", "fig8", "table3", "tokens_per_j"),
        *("run-latency", "run-energy", "run-area", "generation"),
    ]
    if not DEEP:
        plots = {name: plots[name] for name in SOME}
    write_plots(tmp_path, plots)
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.{suffix}" for name in plots for suffix in FORMATS}
    for name, draw in plots.items():
        png = (tmp_path / f"{name}.png").read_bytes()
        assert png.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = int.from_bytes(png[16:20]), int.from_bytes(png[20:24])
        assert width in (3.5 * PNG_DPI, 7 * PNG_DPI)
        assert 2 * PNG_DPI < height < 9 * PNG_DPI
        svg = (tmp_path / f"{name}.svg").read_bytes()
        assert b"<dc:date>" not in svg
        pdf = (tmp_path / f"{name}.pdf").read_bytes()
        assert pdf.startswith(b"%PDF-1.4")
        assert b"CreationDate" not in pdf
        assert {"png": png, "svg": svg, "pdf": pdf} == rendered(draw), name


def test_another_process_writes_the_same_bytes(tmp_path: Path, tables: Mapping[str, Table]) -> None:
    printed = pimsim_process("reproduce", "fig4", "--plots", tmp_path, PYTHONHASHSEED="1").ok
    assert "Fig. 4" in printed
    for suffix, data in rendered(paper_plots(tables)["fig4"]).items():
        assert (tmp_path / f"fig4.{suffix}").read_bytes() == data


def test_the_users_matplotlibrc_changes_nothing(tables: Mapping[str, Table]) -> None:
    draw = paper_plots(tables)["fig4"]
    before = rendered(draw)
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "svg.fonttype": "none"}):
        assert rendered(draw) == before
        assert matplotlib.rcParams["font.size"] == 30


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path, serial: RunResult) -> None:
    file = tmp_path / "file"
    file.write_text("here")
    with pytest.raises(OutputError, match="cannot be made"):
        write_plots(file, run_plots(serial))
    assert_refused(pimsim("run", "pim-llm", "--plots", file), 2)
    assert_refused(pimsim("reproduce", "fig4", "--plots", file / "deeper"), OutputError.exit_code)
    assert file.read_text() == "here"


def test_a_file_that_cannot_be_written_is_an_output_error(tmp_path: Path, serial: RunResult) -> None:
    (tmp_path / "run-area.svg").mkdir()
    area = {"run-area": run_plots(serial)["run-area"]}
    with pytest.raises(OutputError, match=r"run-area\.svg: cannot be written: is a directory"):
        write_plots(tmp_path, area)


def test_commands_draw_what_they_print(tmp_path: Path) -> None:
    assert "tokens/s" in pimsim("run", "pim-llm", "--model", "gpt2-medium", "--plots", tmp_path).ok
    pimsim("run", "pim-llm", *(f"--set={each}" for each in GENERATION), "--plots", tmp_path / "new" / "folder")
    assert {path.name for path in tmp_path.glob("*.png")} == {"run-latency.png", "run-energy.png", "run-area.png"}
    assert {path.name for path in tmp_path.glob("new/folder/*")} == {
        *("generation.png", "generation.svg", "generation.pdf")
    }


@pytest.mark.parametrize(("options", "loads"), [([], False), (["--plots", "plots"], True)])
def test_only_plots_load_matplotlib_and_none_load_pyplot(options: list[str], loads: bool, tmp_path: Path) -> None:
    code = "import sys\nfrom pimsim.cli.app import main\ntry:\n    main()\nfinally:\n    print(*sys.modules)"
    command = [sys.executable, "-c", code, "run", "tpu-llm", *(f"--set={each}" for each in SMALL), *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=True)
    modules = done.stdout.splitlines()[-1].split()
    assert ("matplotlib" in modules) == loads
    assert "matplotlib.pyplot" not in modules
