"""Plots of the paper's tables show every value, with labels and units."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pimsim.present.plots import (
    paper_plots,
)
from pimsim.present.plots.style import model_label, three_digits
from pimsim.studies.paper.comparison_table import Row, Table
from tests.pimsim.present.plots.drawn import entries, heights, lengths, markers, panels, texts
from tests.support.closeness import near


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
    tpu = [row["tokens_per_j"] for row in rows if (row["model"], row["machine"]) == ("opt-6.7b", "tpu-llm")]
    assert markers(opt) == near([tpu[0] * 1.1249, tpu[4] * 1.2279, tpu[5] * 1.3370])


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
    "fig5": ["TPU-LLM", "PIM-LLM", "published", "the same, blind"],
    "fig6": [
        *("systolic", "communication", "tile buffer", "digital", "crossbar", "DAC", "ADC", "published (systolic)"),
    ],
    "fig7": ["TPU-LLM", "PIM-LLM", "published gain\nover our TPU-LLM", "the same, blind"],
    "fig8": ["TPU-LLM", "PIM-LLM", "published", "the same, blind"],
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
