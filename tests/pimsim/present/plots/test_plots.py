"""Plots show the values of the tables, are reproducible, and load no library if none is asked for."""

from __future__ import annotations

import itertools
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import matplotlib
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pimsim import generate, load_config, reproduce, simulate
from pimsim.base.errors import OutputError
from pimsim.base.units import ps_to_s
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
from pimsim.present.plots.plot_waterfall import steps
from pimsim.present.plots.style import (
    PARTS,
    axis_unit,
    context_label,
    model_label,
    paper_style,
    percent,
    quantity,
    three_digits,
)
from pimsim.results.explanation import explain
from pimsim.results.run_result import RunResult
from pimsim.steps.step_tree import PARTS as CONTENTS
from pimsim.studies.paper.comparison_table import Row, Table
from tests.support.closeness import near
from tests.support.command_line import assert_refused, pimsim, pimsim_process
from tests.support.counts import DEEP

SMALL = ["workload.model=gpt2-medium"]
GENERATION = [*SMALL, "workload.phase=generate", "workload.prompt_length=30", "workload.new_tokens=90"]
SOME = ("fig1b", "table3", "run-energy", "generation")
"""One plot of each kind; all of them would need half a minute more."""


@pytest.fixture(scope="module")
def tables() -> Mapping[str, Table]:
    return reproduce()


@pytest.fixture(scope="module")
def corrected() -> Mapping[str, Table]:
    """Return some cells of a waterfall, which is the slowest plot, and a table without a plot."""
    tables = reproduce(["tokens_per_j", "switches"], "corrected")
    rows = tables["tokens_per_j"].rows
    some = tuple(row for row in rows if row["model"] != "llama-7b" and row["context_length"] != 1024)
    return {**tables, "tokens_per_j": replace(tables["tokens_per_j"], rows=some)}


@pytest.fixture(scope="module")
def serial() -> RunResult:
    return simulate(load_config("pim-llm", SMALL))


@pytest.fixture(scope="module")
def dataflow() -> RunResult:
    return simulate(load_config("pim-llm", [*SMALL, "schedule=dataflow"]))


@pytest.fixture(scope="module")
def sampled() -> GenerationResult:
    return generate(load_config("pim-llm", [*GENERATION, "workload.samples=4"]))


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    with paper_style():
        yield


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.axison]


def boxes(axes: Axes) -> list[Rectangle]:
    return [patch for container in axes.containers for patch in container]


def heights(axes: Axes) -> list[float]:
    return [box.get_height() for box in boxes(axes)]


def lengths(axes: Axes) -> list[float]:
    return [box.get_width() for box in boxes(axes)]


def markers(axes: Axes, axis: int = 1) -> list[float]:
    return [float(value) for line in axes.lines if line.get_marker() == "D" for value in line.get_data()[axis]]


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


# --- files ----------------------------------------------------------------------------------------------------------


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
        assert {"png": png, "svg": svg} == rendered(draw), name


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
    assert_refused(pimsim("run", "pim-llm", "--plots", file), OutputError.exit_code)
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
    assert {path.name for path in tmp_path.glob("new/folder/*")} == {"generation.png", "generation.svg"}


@pytest.mark.parametrize(("options", "loads"), [([], False), (["--plots", "plots"], True)])
def test_only_plots_load_matplotlib_and_none_load_pyplot(options: list[str], loads: bool, tmp_path: Path) -> None:
    code = "import sys\nfrom pimsim.cli.app import main\ntry:\n    main()\nfinally:\n    print(*sys.modules)"
    command = [sys.executable, "-c", code, "run", "tpu-llm", *(f"--set={each}" for each in SMALL), *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=True)
    modules = done.stdout.splitlines()[-1].split()
    assert ("matplotlib" in modules) == loads
    assert "matplotlib.pyplot" not in modules


# --- the paper's tables ---------------------------------------------------------------------------------------------


def test_fig1b_has_every_share(tables: Mapping[str, Table]) -> None:
    rows = tables["fig1b"].rows
    axes, _ = paper_plots(tables)["fig1b"]().axes
    assert axes.images[0].get_array().ravel().tolist() == [row["low_precision_share"] for row in rows]
    printed = [row["published"] for row in rows]
    shown = [f"{row['low_precision_share']:.3f}" for row in rows]
    assert texts(axes) == [s if p is None else f"{s}\n({p:.3f})" for s, p in zip(shown, printed, strict=True)]


def test_fig4_has_every_ratio(tables: Mapping[str, Table]) -> None:
    rows = tables["fig4"].rows
    (axes,) = paper_plots(tables)["fig4"]().axes
    by_dataflow = [
        row["relative_to_os"] for dataflow in ("os", "ws", "is") for row in rows if row["dataflow"] == dataflow
    ]
    assert heights(axes) == by_dataflow


@pytest.mark.parametrize(
    ("item", "column", "scale", "first_text"),
    [
        ("fig5", "tokens_per_s", 1.0, "11.6"),
        ("fig7", "tokens_per_j", 1.0, "\N{MINUS SIGN}34"),
        ("fig8", "words_per_charge", 1e6, None),
    ],
)
def test_figures_of_both_machines_have_every_value(
    item: str, column: str, scale: float, first_text: str | None, tables: Mapping[str, Table]
) -> None:
    rows = tables[item].rows
    figure = paper_plots(tables)[item]()
    models = dict.fromkeys(row["model"] for row in rows)
    for axes, model in zip(panels(figure), models, strict=True):
        machines = [
            row[column] / scale
            for machine in ("tpu-llm", "pim-llm")
            for row in rows
            if (row["model"], row["machine"]) == (model, machine)
        ]
        assert heights(axes) == machines
        assert axes.get_title() == model_label(model)
        if item != "fig7":
            known = [row["published"] / scale for row in rows if row["model"] == model and row["published"] is not None]
            assert sorted(markers(axes)) == sorted(known)
    assert texts(figure.axes[0])[:1] == ([] if first_text is None else [first_text])


def test_fig7_marks_the_published_gain_on_the_simulated_baseline(tables: Mapping[str, Table]) -> None:
    rows = tables["fig7"].rows
    opt = panels(paper_plots(tables)["fig7"]())[-1]
    tpu = next(row["tokens_per_j"] for row in rows if (row["model"], row["machine"]) == ("opt-6.7b", "tpu-llm"))
    assert markers(opt) == near([tpu * 1.1249])


def test_fig6_stacks_every_share_to_a_hundred(tables: Mapping[str, Table]) -> None:
    rows = tables["fig6"].rows
    (axes,) = paper_plots(tables)["fig6"]().axes
    parts = dict.fromkeys(row["part"] for row in rows)
    shares = [100 * row["share"] for part in parts for row in rows if row["part"] == part]
    assert heights(axes) == near(shares)
    tops = [box.get_y() + box.get_height() for box in axes.containers[-1]]
    assert tops == near([100] * len(tops))
    assert markers(axes) == [100 * row["published"] for row in rows if row["published"] is not None]


def test_table3_has_every_design(tables: Mapping[str, Table]) -> None:
    rows = tables["table3"].rows
    simulated = {(row["design"], row["model"], row["context_length"]) for row in rows if row["origin"] == "simulated"}

    def theirs(row: Row) -> bool:
        return row["origin"] == "published" and (row["design"], row["model"], row["context_length"]) in simulated

    for axes, column in zip(paper_plots(tables)["table3"]().axes, ("gops", "gops_per_w"), strict=True):
        assert lengths(axes) == [row[column] for row in rows if not theirs(row) and row[column] is not None]
        assert markers(axes, 0) == [row[column] for row in rows if theirs(row)]
        assert texts(axes).count("not given") == 1
    assert "< 200" in texts(axes)


def test_a_waterfall_goes_from_published_to_all_together(corrected: Mapping[str, Table]) -> None:
    rows = corrected["tokens_per_j"].rows
    figure = paper_plots(corrected)["tokens_per_j"]()
    cells = dict.fromkeys((row["model"], row["context_length"]) for row in rows)
    for axes, (model, context) in zip(figure.axes, cells, strict=True):
        assert axes.get_title() == f"{model_label(model)}, l = {context}"
        cell = [row for row in rows if (row["model"], row["context_length"]) == (model, context)]
        drawn = iter(boxes(axes))
        dots = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
        for column in ("tpu_so_far", "pim_so_far"):
            for step in steps(cell, column):
                if step.before not in (None, step.level):
                    box = next(drawn)
                    ends = sorted((step.before, step.level))
                    assert [box.get_x(), box.get_x() + box.get_width()] == near(ends)
            assert cell[0][column] in dots
            assert cell[-1][column] in dots
        assert next(drawn, None) is None
        assert texts(axes) == [three_digits(row["ratio_so_far"]) for row in cell]


def test_the_steps_of_a_waterfall_skip_alternative_values(corrected: Mapping[str, Table]) -> None:
    rows = [r for r in corrected["tokens_per_j"].rows if (r["model"], r["context_length"]) == ("opt-6.7b", 128)]
    by_label = {step.label: step for step in steps(rows, "tpu_so_far")}
    assert by_label["tpu_weight_storage=1"].before == by_label["tpu_weight_storage=8"].before
    assert by_label["digital_units"].before == by_label["tpu_weight_storage=8"].level
    assert not by_label["leakage=off"].goes_on
    assert by_label["all together"].level == by_label["leakage=idle"].level


def entries(figure: Figure) -> list[str]:
    """The texts of the only legend of a figure, or of its panels."""
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    (legend,) = legends
    return [text.get_text() for text in legend.get_texts()]


def test_axes_of_the_papers_figures_are_labelled_with_units(tables: Mapping[str, Table]) -> None:
    figures = {name: draw() for name, draw in paper_plots(tables).items()}
    single = {name: (figures[name].axes[0].get_xlabel(), figures[name].axes[0].get_ylabel()) for name in SINGLE}
    assert single == SINGLE
    for name, (label, scale) in PANELS.items():
        figure = figures[name]
        assert (figure.get_supxlabel(), figure.get_supylabel()) == ("context length (tokens)", label)
        for axes in panels(figure):
            assert axes.get_yscale() == scale
            assert [tick.get_text() for tick in axes.get_xticklabels()] == ["128", "256", "512", "1k", "2k", "4k"]
    assert [axes.get_xlabel() for axes in figures["table3"].axes] == [
        "GOPS (a MAC is one operation)",
        "GOPS/W (a MAC is one operation)",
    ]
    assert {name: entries(figures[name]) for name in LEGENDS} == LEGENDS


SINGLE = {
    "fig1b": ("context length (tokens)", "model width, d_model"),
    "fig4": ("model, its output-stationary latency at l = 128", "decode latency relative\nto output-stationary"),
    "fig6": ("context length (tokens), by model", "share of latency (%)"),
}
PANELS = {
    "fig5": ("tokens/s", "log"),
    "fig7": ("tokens/J", "linear"),
    "fig8": ("words per battery charge (millions)", "linear"),
}
LEGENDS = {
    "fig4": ["output-stationary", "weight-stationary", "input-stationary"],
    "fig5": ["TPU-LLM", "PIM-LLM", "published"],
    "fig6": [
        *("systolic", "communication", "tile buffer", "digital", "crossbar", "DAC", "ADC", "published (systolic)"),
    ],
    "fig7": ["TPU-LLM", "PIM-LLM", "published gain\nover our TPU-LLM"],
    "fig8": ["TPU-LLM", "PIM-LLM", "published"],
    "table3": ["PIM-LLM", "TPU-LLM", "others, as published", "published"],
}


def test_every_bar_of_fig5_stands_over_its_context_and_machine(tables: Mapping[str, Table]) -> None:
    """TPU-LLM left, PIM-LLM right of the context's tick, each in the look of its legend; above them the speed-up."""
    figure = paper_plots(tables)["fig5"]()
    rows = {(row["model"], row["machine"], row["context_length"]): row["tokens_per_s"] for row in tables["fig5"].rows}
    models = list(dict.fromkeys(model for model, *_ in rows))
    contexts = sorted({context for *_, context in rows})
    for axes, model in zip(panels(figure), models, strict=True):
        for machine, container, offset in zip(("tpu-llm", "pim-llm"), axes.containers, (-0.2, 0.2), strict=True):
            at = {round(bar.get_x() + bar.get_width() / 2 - offset, 6): bar.get_height() for bar in container}
            assert at == {place: rows[model, machine, context] for place, context in enumerate(contexts)}
        above = [three_digits(rows[model, "pim-llm", each] / rows[model, "tpu-llm", each]) for each in contexts]
        assert texts(axes) == above


# --- runs and generations -------------------------------------------------------------------------------------------


def test_every_part_has_a_look_of_its_own() -> None:
    assert set(PARTS) == set(CONTENTS)
    assert len({(look.colour, look.hatch) for look in PARTS.values()}) == len(PARTS)


def test_latency_has_every_part(serial: RunResult) -> None:
    (axes,) = run_plots(serial)["run-latency"]().axes
    size, unit = axis_unit(ps_to_s(max(serial.parts_ps.values())), "s")
    assert lengths(axes) == near([ps_to_s(ps) / size for ps in sorted(serial.parts_ps.values(), reverse=True)])
    assert axes.get_xlabel() == f"time ({unit})" == "time (ms)"
    assert axes.get_xscale() == "linear"
    assert [container.get_label() for container in axes.containers if "hidden" in str(container.get_label())] == []
    assert {"systolic", "word-line DACs"} <= set(texts(axes))


def test_the_latency_plot_under_dataflow_shows_hidden_time(dataflow: RunResult) -> None:
    (axes,) = run_plots(dataflow)["run-latency"]().axes
    total_s = sum(ps_to_s(each.total_ps) for each in explain(dataflow).hidden)
    size = axis_unit(max(ps_to_s(each.total_ps) for each in explain(dataflow).hidden), "s")[0]
    assert sum(lengths(axes)) * size == near(total_s)
    assert axes.get_xlabel() == "time (ms); numbers: on the critical path"
    assert entries(axes.figure) == ["hidden: overlaps with the critical path"]  # type: ignore[arg-type]


def test_energy_has_every_component_and_its_larger_actions(serial: RunResult) -> None:
    (axes,) = run_plots(serial)["run-energy"]().axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    shown = dict(zip(labels, lengths(axes), strict=True))
    size = axis_unit(serial.component_energy_j("memory"), "J")[0]
    assert shown["tile"] * size == near(serial.component_energy_j("tile"))
    assert shown["adc conversion"] * size == near(serial.energies_j["tile.adc_conversion"])
    components = [name for name in labels if name.split(":")[0] in {c.name for c in serial.components}]
    assert sum(shown[name] for name in components) * size == near(serial.energy_j)
    assert axes.get_xlabel() == "energy (mJ)"


def test_area_has_every_component(serial: RunResult) -> None:
    (axes,) = run_plots(serial)["run-area"]().axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    shown = dict(zip(labels, lengths(axes), strict=True))
    components = [name for name in labels if name.split(":")[0] in {c.name for c in serial.components}]
    assert sum(shown[name] for name in components) == near(serial.area_m2 * 1e6)
    assert shown["ADCs"] == near(serial.component("tile").area_m2["ADCs"] * 1e6)
    assert axes.get_xlabel() == "area (mm\u00b2)"


def test_a_run_without_energy_or_area_has_no_plot_of_it(serial: RunResult) -> None:
    components = tuple(replace(each, leakage_j=0.0, area_m2={}) for each in serial.components)
    free = replace(serial, components=components, action_energies_j=dict.fromkeys(serial.action_energies_j, 0.0))
    assert [*run_plots(free)] == ["run-latency"]


def test_unusual_names_fit(serial: RunResult) -> None:
    config = serial.config.model_copy(update={"name": "$x^2$ 这是 <&> " + "very " * 40})
    for draw in run_plots(replace(serial, config=config, model="x" * 500)).values():
        rendered(draw)  # without a warning, which would be an error here
        (title,) = draw().texts
        assert title.get_text().startswith("$x^2$ 这是 <&> very")
        with warnings.catch_warnings(action="ignore"):
            assert title.get_window_extent().x1 <= title.figure.bbox.x1


def test_a_sampled_generation_marks_its_samples(sampled: GenerationResult) -> None:
    upper, lower = generation_plots(sampled)["generation"]().axes
    for axes, values in (
        (upper, [ps_to_s(step.latency_ps) for step in sampled.steps]),
        (lower, [step.energy_j for step in sampled.steps]),
    ):
        (line,) = axes.lines
        size = axis_unit(max(values), "s")[0]
        assert line.get_marker() == "o"
        assert line.get_xdata().tolist() == [step.context_length for step in sampled.steps]
        assert (line.get_ydata() * size).tolist() == near(values)
        (bounds,) = axes.collections  # of the steps between: from the lower to the higher of the two beside them
        (path,) = bounds.get_paths()
        corners = {(float(x), round(float(y), 9)) for x, y in path.vertices}
        steps_between = zip(itertools.pairwise(sampled.steps), itertools.pairwise(values), strict=True)
        for (before, after), beside in steps_between:
            for bound in (min(beside), max(beside)):
                height = round(bound / size, 9)
                assert {(before.context_length, height), (after.context_length, height)} <= corners
    assert entries(upper.figure) == ["bounds of the other steps", "simulated steps"]  # type: ignore[arg-type]
    assert (upper.get_ylabel(), lower.get_ylabel()) == ("latency per step (ms)", "energy per step (mJ)")
    assert lower.get_xlabel() == "context length (tokens)"
    title = upper.figure.get_suptitle()  # type: ignore[union-attr]
    error = quantity(ps_to_s(sampled.latency_error_ps), "_s")
    assert title.endswith(f"90 tokens, decode {quantity(ps_to_s(sampled.decode_latency_ps), '_s')} \u00b1 {error}")


@pytest.mark.parametrize("tokens", [1, 70])
def test_an_exact_generation_has_no_bounds(tokens: int) -> None:
    result = generate(load_config("pim-llm", [*GENERATION, f"workload.new_tokens={tokens}"]))
    draw = generation_plots(result)["generation"]
    figure = draw()
    assert [len(axes.collections) for axes in figure.axes] == [0, 0]
    (line,) = figure.axes[0].lines
    assert line.get_marker() == ("o" if tokens == 1 else "")
    assert len(line.get_xdata()) == tokens
    assert entries(figure) == ["every step simulated"]
    rendered(draw)


# --- words ----------------------------------------------------------------------------------------------------------


def test_labels() -> None:
    assert [model_label(name) for name in ("gpt2-350m", "gpt2-small", "opt-6.7b", "llama-7b", "x", "my-llm-1b")] == [
        "GPT-2 350M",
        "GPT-2 Small",
        "OPT-6.7B",
        "LLaMA-7B",
        "x",
        "my-llm-1b",
    ]
    assert [context_label(context) for context in (1, 128, 1024, 1500, 4096)] == ["1", "128", "1k", "1500", "4k"]


def test_numbers() -> None:
    assert [three_digits(value) for value in (0.5124, 7.5, 99.94, 99.96, 1262.72)] == [
        "0.512",
        "7.50",
        "99.9",
        "100",
        "1,263",
    ]
    assert [percent(share) for share in (0.0, 0.0004, 0.0005, 0.527)] == ["0.0%", "<0.1%", "0.1%", "52.7%"]
    assert quantity(3.14e-6, "_s") == "3.14 µs"
    assert quantity(929e-6, "_m2") == "929 mm²"
    assert axis_unit(0.0155, "s") == (1e-3, "ms")
    assert axis_unit(3e-15, "J") == (1e-12, "pJ")
