"""The options of style: every command that writes plots has them, and they reach the plots."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from matplotlib.image import imread

from tests.support.command_line import assert_refused, pimsim

WRITERS = ("run", "show", "compare", "reproduce", "serve", "accuracy", "array", "roofline", "kv", "waterfall")


@pytest.mark.parametrize("command", [*((each,) for each in WRITERS), ("results", "plot")])
def test_every_command_that_writes_plots_has_the_options(command: tuple[str, ...]) -> None:
    text = pimsim(*command, "--help").ok
    assert all(option in text for option in ("--style", "--plot-width", "--plot-font"))


def test_other_commands_do_not_have_them() -> None:
    for command in ("configs", "sweep", "models"):
        assert "--style" not in pimsim(command, "--help").ok


def test_style_width_and_font_reach_the_plot(tmp_path: Path) -> None:
    def drawn(*options: str) -> tuple[int, bytes]:
        path = tmp_path / f"kv{len([*tmp_path.iterdir()])}.png"
        _ = pimsim("kv", "gpt2-small", "--context", "512", "--plot", path, *options).ok
        data = path.read_bytes()
        return imread(io.BytesIO(data)).shape[1], data

    plain, paper = drawn(), drawn("--style", "paper")
    assert (plain[0], paper[0]) == (1050, 1050)  # 3.5 inches at 300 dpi
    assert plain[1] != paper[1]
    assert drawn()[1] == plain[1]  # a style of the command before does not stay
    assert drawn("--style", "talk")[0] == 3000
    assert drawn("--plot-width", "page")[0] == 2100
    assert drawn("--style", "paper", "--plot-font", "serif 8")[1] != drawn("--style", "paper", "--plot-font", "8")[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--style", "paper"], "--style describes plots: give --plot, too"),
        (["--style", "poster", "--plot", "kv.png"], "plot style 'poster' is not one of paper, talk"),
        (["--plot-width", "2 in", "--plot", "kv.png"], "width of plots must be column or page"),
        (["--plot-font", "Deja Vu Sans", "--plot", "kv.png"], "font 'Deja Vu Sans' is not installed"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_any_work(options: list[str], message: str) -> None:
    refused = pimsim("kv", "gpt2-small", *options)
    assert_refused(refused, 2)
    assert message in refused.err


def test_a_plot_that_is_higher_than_a_slide_causes_a_note(tmp_path: Path) -> None:
    models = ",".join(("gpt2-small", "gpt2-medium", "opt-1.3b", "opt-6.7b"))
    command = ("compare", "pim-llm", "tpu-llm", "--models", models, "--contexts", "64,128", "--plots", str(tmp_path))
    tall = pimsim(*command, "--style", "talk")
    [note] = [line for line in tall.err.splitlines() if line.startswith("note: comparison-contexts ")]
    assert "inches high, more than the 7.5 of its page or slide: plot fewer rows or models" in note
    assert "inches high" not in pimsim(*command).err
